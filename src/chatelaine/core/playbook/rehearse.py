"""The rehearsal: what an action would have done to an owner's past traffic, before it does anything.

It counts exchanges, the owner's own apart from all others: own is what comes from a client context that the
key's habit knows. An exchange is stopped where the action would have refused it, and slowed where it would
only have come later or in smaller numbers.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final

from chatelaine.model.detection import Phase, Sighting
from chatelaine.model.exchange import Modality
from chatelaine.model.playbook import Action, ActionKind, Lane, PlaybookCard, Rehearsal, Wanted
from chatelaine.model.words import SECOND, ContextId, ExchangeId, KeyId

Known = Callable[[KeyId, ContextId], bool]
"""Tells whether a client context is of a key's habit."""

_MOST_EXAMPLES: Final = 5
_MINUTE: Final = 60 * SECOND
_WHOLE_KEY: Final = frozenset({ActionKind.SUSPEND, ActionKind.REVOKE})
_PATTERNED: Final = frozenset({ActionKind.RESTRAIN, ActionKind.STEP_UP, ActionKind.DECOY})
_STOPPING: Final = frozenset({Lane.REFUSE, Lane.DECOY})


class _Effect(Enum):
    """What an action does to an exchange."""

    NONE = "none"
    SLOWED = "slowed"
    STOPPED = "stopped"


class _Score:
    """Counts one party's exchanges."""

    __slots__ = ("all", "examples", "slowed", "stopped")

    def __init__(self) -> None:
        self.all = self.stopped = self.slowed = 0
        self.examples: list[ExchangeId] = []

    def add(self, effect: _Effect, exchange: ExchangeId) -> None:
        """Count an exchange."""
        self.all += 1
        self.slowed += effect is _Effect.SLOWED
        if effect is _Effect.STOPPED:
            self.stopped += 1
            if len(self.examples) < _MOST_EXAMPLES:
                self.examples.append(exchange)


class _Rate:
    """Counts what a throttled pattern asked for in a minute."""

    __slots__ = ("_asked", "_minute", "_most")

    def __init__(self, wanted: Wanted) -> None:
        self._most = wanted.requests_per_minute
        self._minute = -1
        self._asked = 0

    def exceeded(self, at: int) -> bool:
        """Count one more request and tell whether its minute has too many."""
        minute = at // _MINUTE
        if minute != self._minute:
            self._minute, self._asked = minute, 0
        self._asked += 1
        return 0 < self._most < self._asked


class Rehearsing:
    """A rehearsal under way, so that a long past can be taken in parts."""

    __slots__ = ("_foreign", "_known", "_own", "_rate", "_wanted")

    def __init__(self, wanted: Wanted, known: Known) -> None:
        self._wanted, self._known = wanted, known
        self._own, self._foreign, self._rate = _Score(), _Score(), _Rate(wanted)

    def see(self, seen: Sighting) -> None:
        """Take one more sighting of the owner's past, in order of time.

        Ends of exchanges are passed over, and so is what was refused, since nothing was left to stop.
        """
        if seen.phase not in {Phase.OPENED, Phase.WHOLE} or (seen.phase is Phase.WHOLE and seen.reason):
            return
        own = self._known(seen.key, seen.context)
        score = self._own if own else self._foreign
        score.add(_effect(self._wanted, seen, self._rate, own=own), seen.exchange)

    def told(self, *, days: int) -> Rehearsal:
        """Return what came of it; ``days`` says how far back the past goes."""
        own, foreign = self._own, self._foreign
        return Rehearsal(
            days=days,
            own=own.all,
            own_stopped=own.stopped,
            own_slowed=own.slowed,
            foreign=foreign.all,
            foreign_stopped=foreign.stopped,
            foreign_slowed=foreign.slowed,
            examples=tuple(own.examples),
        )


def rehearse(wanted: Wanted, past: Iterable[Sighting], known: Known, *, days: int) -> Rehearsal:
    """Return what would have come of a thing wanted, had it been done before all this traffic.

    Args:
        wanted: what a playbook wants done.
        past: the owner's sightings, in order of time.
        known: tells the owner's own client contexts.
        days: how far back the past goes, to be told.
    """
    rehearsing = Rehearsing(wanted, known)
    for seen in past:
        rehearsing.see(seen)
    return rehearsing.told(days=days)


def _effect(wanted: Wanted, seen: Sighting, rate: _Rate, *, own: bool) -> _Effect:
    if wanted.kind in _WHOLE_KEY:
        return _Effect.STOPPED if seen.key == wanted.key else _Effect.NONE
    if wanted.kind not in _PATTERNED or not _matches(wanted, seen, own=own):
        return _Effect.NONE
    if wanted.kind is not ActionKind.RESTRAIN or wanted.lane in _STOPPING:
        return _Effect.STOPPED
    if wanted.lane is Lane.QUARANTINE and _not_in_quarantine(seen):
        return _Effect.STOPPED
    if wanted.lane is not Lane.TARPIT and rate.exceeded(seen.at):
        return _Effect.STOPPED
    return _Effect.SLOWED


def _matches(wanted: Wanted, seen: Sighting, *, own: bool) -> bool:
    return (
        seen.key == wanted.key
        and (not wanted.contexts or seen.context in wanted.contexts)
        and (not wanted.prefixes or seen.prefix in wanted.prefixes)
        and not (wanted.foreign and own)
    )


def _not_in_quarantine(seen: Sighting) -> bool:
    return seen.tools > 0 or any(modality is not Modality.TEXT for modality in seen.modalities)


def objection(action: Action, card: PlaybookCard) -> str:
    """Return why an action's rehearsal speaks against it; "" where nothing does."""
    told = action.rehearsal
    if told is None or told.own_share <= card.max_own_share:
        return ""
    return (
        f"it would have stopped {told.own_stopped} and slowed {told.own_slowed} of {told.own} "
        f"of the owner's own exchanges in {told.days} days ({told.own_share:.2%}); "
        f"{card.id} may reach {card.max_own_share:.2%}"
    )
