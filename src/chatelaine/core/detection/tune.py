"""Thresholds by verdicts: the strictest that would have kept every true positive.

A detection's findings state the values that they were judged by as facts; a fact that has a threshold's
name is the value that met it. Nothing is proposed from one kind of verdict alone.
"""

from collections.abc import Iterable, Sequence

from chatelaine.model.detection import Card, Finding
from chatelaine.model.rule import Suggestion

Judged = Sequence[tuple[Finding, bool]]
"""Findings, and whether people said that they were right."""


def suggest(card: Card, judged: Judged) -> tuple[Suggestion, ...]:
    """Return a suggestion for each threshold of a detection."""
    return tuple(_suggest(name, now, judged) for name, now in card.thresholds.items())


def _suggest(name: str, now: float, judged: Judged) -> Suggestion:
    true = sorted(_values(name, (finding for finding, right in judged if right)))
    false = sorted(_values(name, (finding for finding, right in judged if not right)))

    def told(proposed: float | None, why: str, dropped: int = 0) -> Suggestion:
        return Suggestion(name, now, proposed, len(true), len(true), dropped, len(false), why)

    if not true and not false:
        return told(None, "no judged finding states this value")
    if not false:
        return told(None, "no false positive was judged: nothing speaks for another value")
    if not true:
        return told(None, "no true positive was judged: nothing says what must be kept")
    everything = (*true, *false)
    if min(everything) >= now:
        dropped = sum(value < true[0] for value in false)
        best = true[0]
    elif max(everything) <= now:
        dropped = sum(value > true[-1] for value in false)
        best = true[-1]
    else:
        return told(None, "findings lie on both sides of it: it is no simple bound")
    if not dropped:
        return told(None, "true and false positives lie in the same range")
    return told(best, f"keeps all {len(true)} true positives, drops {dropped} of {len(false)} false", dropped)


def _values(name: str, findings: Iterable[Finding]) -> Iterable[float]:
    for finding in findings:
        told = dict(finding.said.facts).get(name)
        if told is None:
            continue
        try:
            yield float(told)
        except ValueError:
            # A fact in words has this threshold's name: no value to compare.
            continue
