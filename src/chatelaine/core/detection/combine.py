"""Findings of a key become alerts: one that may act alone, or two families that agree on the same client.

Families on different client contexts do not add up: a new network here and a new model there are two
clients, not one. A finding without a context counts for the key, and so for each of its contexts.

A near-certain sign makes an alert by itself, and so does a score with a budget of false alarms behind it.

What runs by itself on agreement needs a family among them that speaks of what is done:
a network and a program that are both new are one fact, not two, where an owner has a new machine.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from msgspec import Struct

from chatelaine.model.detection import Alert, Family, Finding, Severity, Sighting
from chatelaine.model.incident import Found
from chatelaine.model.words import SECOND, AlertId, ContextId, DetectionId, FindingId, Instant

_AGREEING: Final = 2
_DOING: Final = frozenset({Family.BEHAVIOUR, Family.ECONOMICS, Family.CONTENT})
"""Families that speak of what a client does; the others, of who it is."""
_CONVINCING: Final = 3
"""Families that agree, so that the severity is raised by one."""
_MOST_NOTED: Final = 256
"""Findings that one window holds; beyond it the least severe gives way, the oldest of those first."""
_MOST_WINDOWS: Final = 100_000
_DIGITS: Final = 24
_WHOLE: Final = ContextId("")
"""Stands for the key as a whole."""

Subject = tuple[str, str]
"""What findings are about: a key; or, where no key is known, a client context."""


class Rules(Struct, frozen=True, kw_only=True):
    """How findings are combined."""

    window_seconds: int = 86_400
    """How far apart findings may be and still belong together."""
    repeat_seconds: int = 900
    """Within this span a detection's word on the same key, context and family is a repetition."""
    playbooks: Mapping[DetectionId, str] = {}
    """The playbook that each detection's card names."""
    weighty: Severity = Severity.INFO
    """What is less severe joins an alert and tells more of it, and makes none."""
    confirmed: float | None = None
    """The score that must confirm what families agree on, before anything runs by itself; None: none."""


class Noted(Struct, frozen=True, array_like=True, gc=False):
    """What a window keeps of a finding."""

    id: FindingId
    at: Instant
    detection: DetectionId
    context: ContextId
    family: Family
    severity: Severity
    certain: bool
    score: float | None = None
    """Where a budget of false alarms stands behind it."""


class Told(Struct, frozen=True, array_like=True, gc=False):
    """What the last alert said of one client context; "" for the key as a whole."""

    at: Instant
    context: ContextId
    families: tuple[Family, ...]
    severity: Severity
    certain: bool
    acting: bool = False
    """Whether there is enough to act without a person."""


class Window(Struct, frozen=True, array_like=True):
    """The findings of one subject that may still belong together, and what was made of them."""

    noted: tuple[Noted, ...] = ()
    """In the order in which they came."""
    told: tuple[Told, ...] = ()


class Combined(NamedTuple):
    """What a finding makes of its window."""

    window: Window
    alert: Alert | None
    """It names the clients of which it tells more than alerts before: new ones, or more of known ones."""
    repeated: bool
    """Whether the same was found a moment ago: then nothing changes."""
    alerted: bool
    """Whether an alert stands that the finding belongs to: this one, or an earlier one."""


def subject_of(finding: Finding) -> Subject:
    """Return what a finding is about."""
    return (finding.key, "") if finding.key else ("", finding.context)


def step(window: Window, finding: Finding, rules: Rules) -> Combined:
    """Return the window with one more finding of its subject, and the alert that this makes."""
    kept = _within(window, finding.at, rules)
    if any(_repeats(one, finding, rules) for one in kept.noted):
        return Combined(kept, None, repeated=True, alerted=_belongs(kept.told, finding))
    noted = _bounded((*kept.noted, _note(finding)))
    before = {one.context: one for one in kept.told}
    grown = [
        group for group in _agreements(noted, rules) if _adds(before.get(group.told.context), group.told)
    ]
    if not grown:
        return Combined(Window(noted, kept.told), None, repeated=False, alerted=_belongs(kept.told, finding))
    # What is not to be acted upon is left to be told with its next finding, so that nothing is done to it.
    chosen = [group for group in grown if group.told.acting] or grown
    told = tuple({**before, **{group.told.context: group.told for group in chosen}}.values())
    alert = _alert(chosen, finding, rules)
    return Combined(Window(noted, told), alert, repeated=False, alerted=_belongs(told, finding))


def _within(window: Window, at: Instant, rules: Rules) -> Window:
    newest = max((at, *(one.at for one in window.noted)))
    oldest = newest - rules.window_seconds * SECOND
    return Window(
        tuple(one for one in window.noted if one.at >= oldest),
        tuple(one for one in window.told if one.at >= oldest),
    )


def _repeats(one: Noted, finding: Finding, rules: Rules) -> bool:
    if one.id == finding.id:
        return True
    same = (one.detection, one.context, one.family)
    alike = same == (finding.detection, finding.context, finding.family)
    near = abs(finding.at - one.at) < rules.repeat_seconds * SECOND
    return alike and near and one.severity >= finding.severity and one.certain >= finding.certain


def _note(finding: Finding) -> Noted:
    return Noted(
        finding.id,
        finding.at,
        finding.detection,
        finding.context,
        finding.family,
        finding.severity,
        finding.certain,
        finding.said.score if finding.budgeted else None,
    )


def _bounded(noted: tuple[Noted, ...]) -> tuple[Noted, ...]:
    if len(noted) <= _MOST_NOTED:
        return noted
    least = min(noted, key=lambda one: (one.certain, one.severity, one.at))
    return tuple(one for one in noted if one is not least)


class _Agreement(NamedTuple):
    told: Told
    own: Sequence[Noted]
    """Findings of the context itself."""
    shared: Sequence[Noted]
    """Findings about the key, which count for each of its contexts."""


def _agreements(noted: tuple[Noted, ...], rules: Rules) -> Iterator[_Agreement]:
    """Yield each context on which there is enough, in the order of their first findings, and the key last."""
    by_context: dict[ContextId, list[Noted]] = {}
    for one in noted:
        by_context.setdefault(one.context, []).append(one)
    shared = by_context.pop(_WHOLE, [])
    for context, own in by_context.items():
        yield from _agreement(context, own, shared, rules)
    yield from _agreement(_WHOLE, shared, [], rules)


def _agreement(
    context: ContextId, own: Sequence[Noted], shared: Sequence[Noted], rules: Rules
) -> Iterator[_Agreement]:
    about = (*own, *shared)
    agreeing = {one.family for one in about if one.severity >= rules.weighty}
    certain = any(one.certain for one in own)
    score = max((one.score for one in about if one.score is not None), default=None)
    if not certain and score is None and len(agreeing) < _AGREEING:
        return
    families = {one.family for one in about}
    most = max(one.severity for one in about) + (len(agreeing) >= _CONVINCING)
    told = Told(
        at=max(one.at for one in own),
        context=context,
        families=tuple(family for family in Family if family in families),
        severity=Severity(min(most, Severity.CRITICAL)),
        certain=certain,
        acting=certain or (_agree(agreeing) and _confirms(score, rules)),
    )
    yield _Agreement(told, own, shared)


def _agree(families: Collection[Family]) -> bool:
    return len(families) >= _AGREEING and not _DOING.isdisjoint(families)


def _confirms(score: float | None, rules: Rules) -> bool:
    return rules.confirmed is None or (score is not None and score >= rules.confirmed)


def _adds(before: Told | None, after: Told) -> bool:
    return before is None or not (
        set(after.families) <= set(before.families)
        and after.severity <= before.severity
        and after.certain <= before.certain
        and after.acting <= before.acting
    )


def _belongs(told: tuple[Told, ...], finding: Finding) -> bool:
    if not finding.context:
        return bool(told)
    return any(one.context in {finding.context, _WHOLE} for one in told)


def _alert(groups: Sequence[_Agreement], finding: Finding, rules: Rules) -> Alert:
    noted = {one.id: one for group in groups for one in (*group.own, *group.shared)}
    worst_first = sorted(noted.values(), key=lambda one: (-one.severity, one.at, one.id))
    named = (rules.playbooks.get(one.detection, "") for one in worst_first)
    families = {family for group in groups for family in group.told.families}
    certain = any(group.told.certain for group in groups)
    return Alert(
        id=AlertId(sha256(f"alert|{finding.key}|{finding.id}".encode()).hexdigest()[:_DIGITS]),
        at=finding.at,
        key=finding.key,
        owner=finding.owner,
        contexts=tuple(group.told.context for group in groups if group.told.context),
        severity=max(group.told.severity for group in groups),
        families=tuple(family for family in Family if family in families),
        certain=certain,
        # What is enough for one client, not for all of them together.
        actionable=all(group.told.acting for group in groups),
        findings=tuple(one.id for one in sorted(noted.values(), key=lambda one: (one.at, one.id))),
        playbooks=tuple(dict.fromkeys(name for name in named if name)),
    )


class Combiner:
    """Holds the windows of all subjects."""

    __slots__ = ("_rules", "_windows")

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._windows: dict[Subject, Window] = {}

    def take(self, finding: Finding) -> Combined:
        """Return what a finding makes of its subject's window, which is held."""
        subject = subject_of(finding)
        combined = step(self._windows.pop(subject, Window()), finding, self._rules)
        # Put last, so that the first one is that which was silent longest.
        self._windows[subject] = combined.window
        if len(self._windows) > _MOST_WINDOWS:
            del self._windows[next(iter(self._windows))]
        return combined

    def gather(self, findings: Sequence[Finding], sightings: Sequence[Sighting] = ()) -> Found:
        """Return what a turn of the engine found, with the alerts that its findings make."""
        combined = [(finding, self.take(finding)) for finding in findings]
        return Found(
            findings=tuple(findings),
            alerts=tuple(one.alert for _, one in combined if one.alert is not None),
            joined=tuple(
                finding for finding, one in combined if one.alerted and one.alert is None and not one.repeated
            ),
            sightings=tuple(sightings),
        )

    def dump(self) -> list[tuple[str, str, Window]]:
        """Return every window with its subject, the one that was silent longest first."""
        return [(key, context, window) for (key, context), window in self._windows.items()]

    def load(self, kept: Iterable[tuple[str, str, Window]]) -> None:
        """Take over what was dumped."""
        self._windows = {(key, context): window for key, context, window in kept}
