"""What happens to an action on its way: each returns the action after it."""

from collections.abc import Iterable

from msgspec.structs import replace

from chatelaine.core.playbook.lifecycle import apply
from chatelaine.model.playbook import Action, ActionInput, Outcome, Rehearsal
from chatelaine.model.words import NEVER, Instant


def rehearsed(action: Action, rehearsal: Rehearsal, *, at: Instant, by: str) -> Action:
    """Return an action with what its rehearsal told."""
    told = (
        f"of {rehearsal.own} of the owner's own exchanges it would have stopped {rehearsal.own_stopped}, "
        f"of {rehearsal.foreign} others {rehearsal.foreign_stopped}"
    )
    return replace(apply(action, ActionInput.REHEARSE, at=at, by=by, reason=told), rehearsal=rehearsal)


def approved(action: Action, *, at: Instant, by: str, reason: str) -> Action:
    """Return an action that a person lets run; its time limit begins anew."""
    span = action.until - action.planned_at if action.until != NEVER else 0
    moved = apply(action, ActionInput.APPROVE, at=at, by=by, reason=reason)
    return replace(moved, until=Instant(at + span) if span else NEVER, outcome=None)


def finished(action: Action, text: str, *, at: Instant, by: str) -> Action:
    """Return an action that did once and for all what it was to do."""
    moved = apply(action, ActionInput.FINISH, at=at, by=by, reason=text)
    return replace(moved, outcome=Outcome(at, well=True, text=text))


def in_force(action: Action, text: str, *, at: Instant) -> Action:
    """Return an action that is in force from now on, and stays so until it ends or is undone."""
    return replace(action, changed_at=at, outcome=Outcome(at, well=True, text=text))


def failed(action: Action, text: str, *, at: Instant, by: str) -> Action:
    """Return an action that could not be carried out."""
    moved = apply(action, ActionInput.FAIL, at=at, by=by, reason=text)
    return replace(moved, outcome=Outcome(at, well=False, text=text))


def due(actions: Iterable[Action], now: Instant) -> list[Action]:
    """Return the actions whose time limit is reached."""
    return [one for one in actions if one.until != NEVER and one.until <= now]
