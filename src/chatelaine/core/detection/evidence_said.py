"""What is told of an episode: what was seen, what is usual, and the strongest reason that it is harmless."""

from typing import Final

from msgspec import Struct

from chatelaine.core.detection.evidence_habit import COUNT, Value
from chatelaine.core.detection.evidence_key import Episode, KeyState
from chatelaine.core.detection.evidence_terms import FAMILIES, name_of
from chatelaine.core.detection.evidence_view import ALL, told
from chatelaine.model.detection import Family

MOST: Final = 6
"""So many reasons are told."""
OFTEN: Final = 3
"""So many usual values are told."""
LEAST: Final = 0.1
"""Nats; what weighs less is no reason."""

Reason = tuple[str, float, str, str]
"""The term's name, its weight in nats, what was seen, and what is usual."""


class Weight(Struct, frozen=True):
    """The evidence on an episode, after so many of its requests."""

    score: float
    """Minus the decimal logarithm of the false alarms per 1,000 key-days that this much evidence would mean:
    0 is one in a thousand key-days, 1.3 one in twenty thousand."""
    raw: float
    """The evidence in nats."""
    requests: int
    """How many requests of the episode were weighed."""
    families: dict[Family, float]
    """What each family of evidence adds, in nats."""
    reasons: tuple[Reason, ...]
    """The strongest reasons, first the strongest."""
    against: tuple[Reason, ...]
    """The strongest reasons that it is the owner."""


def by_family(weighed: list[float]) -> dict[Family, float]:
    """Return the sums of weighed terms by family."""
    sums = dict.fromkeys(Family, 0.0)
    for family, nats in zip(FAMILIES, weighed, strict=True):
        sums[family] += nats
    return sums


def reasons(
    key: KeyState, episode: Episode, weighed: list[float], shown: tuple[Value, ...]
) -> tuple[Reason, ...]:
    """Return the terms that weigh anything, the heaviest first, with what was seen and what is usual."""
    order = sorted(range(len(weighed)), key=lambda at: -weighed[at])
    return tuple(
        (name_of(at), round(weighed[at], 2), seen(episode, at, shown), usual(key, at))
        for at in order
        if abs(weighed[at]) >= LEAST
    )


def seen(episode: Episode, at: int, shown: tuple[Value, ...]) -> str:
    """Return what the last request showed in a term."""
    if at < len(shown):
        return told(at, shown[at])
    return f"{episode.count} requests, {len(episode.prefixes)} prefixes, {len(episode.agents)} agents"


def usual(key: KeyState, at: int) -> str:
    """Return what the key usually shows in a term."""
    if at >= ALL:
        return f"{key.busiest:.0f} requests in its busiest hour"
    counts = key.habits[at].counts
    often = sorted(counts, key=lambda value: -counts[value][COUNT])[:OFTEN]
    return ", ".join(told(at, value) for value in often)
