"""What people and actions do to an incident: each returns the incident after it."""

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from chatelaine.core.incident.lifecycle import apply
from chatelaine.core.incident.money import foreign, money, reckon
from chatelaine.model.detection import Sighting
from chatelaine.model.error import UsageError
from chatelaine.model.incident import Incident, IncidentInput, IncidentState, Note
from chatelaine.model.playbook import Action, ActionKind, ActionState, Lane
from chatelaine.model.words import NOTHING, Instant, NanoUsd

_CONTAINING: Final = frozenset({Lane.REFUSE, Lane.QUARANTINE, Lane.DECOY})
_WAITING: Final = frozenset({IncidentState.OPEN, IncidentState.REOPENED, IncidentState.WORKING})
_LONGEST: Final = 2_000
_MOST_NOTES: Final = 200
"""An incident with all its notes fits one frame between our processes."""


def assign(incident: Incident, assignee: str, *, at: Instant, by: str) -> Incident:
    """Return an incident that somebody works on.

    Raises:
        TransitionRefused: it is over; so for all below.
        UsageError: nobody is named.
    """
    if not assignee.strip():
        raise UsageError("nobody is named", hint="--to NAME")
    moved = apply(incident, IncidentInput.ASSIGN, at=at, by=by, reason=f"assigned to {assignee}")
    return replace(moved, assignee=assignee)


def note(incident: Incident, text: str, *, at: Instant, by: str) -> Incident:
    """Return an incident with one more note.

    Raises:
        UsageError: the text is empty or too long, or there are too many notes.
    """
    if not text.strip() or len(text) > _LONGEST:
        raise UsageError(f"a note has 1 to {_LONGEST} characters; this one has {len(text)}")
    if len(incident.notes) >= _MOST_NOTES:
        raise UsageError(f"incident {incident.id} has {_MOST_NOTES} notes already")
    moved = apply(incident, IncidentInput.NOTE, at=at, by=by)
    return replace(moved, notes=(*moved.notes, Note(at, by, text)))


def close(incident: Incident, *, at: Instant, by: str, reason: str) -> Incident:
    """Return an incident closed.

    Raises:
        UsageError: nobody has said what it was.
    """
    if not incident.verdicts:
        raise UsageError(
            f"incident {incident.id} has no verdict yet",
            hint="chatelaine incidents close ID --verdict true_positive --reason 'what you saw'",
        )
    return apply(incident, IncidentInput.CLOSE, at=at, by=by, reason=reason)


def reopen(incident: Incident, *, at: Instant, by: str, reason: str) -> Incident:
    """Return a closed incident reopened."""
    return apply(incident, IncidentInput.REOPEN, at=at, by=by, reason=reason)


def with_action(incident: Incident, action: Action, *, by: str) -> Incident:
    """Return an incident after one of its actions moved: contained while any holds its client back."""
    known = incident.actions if action.id in incident.actions else (*incident.actions, action.id)
    others = tuple(one for one in incident.holding if one != action.id)
    holding = (*others, action.id) if _holds(action) else others
    told = replace(incident.money, at_risk=NOTHING) if holding else incident.money
    moved = replace(incident, actions=known, holding=holding, money=told)
    begins = action.id in holding and action.id not in incident.holding
    # One that spread waits again although something holds; what holds since then contains it anew.
    contains = begins and not (incident.holding and incident.state not in _WAITING)
    lifts = bool(incident.holding) and not holding
    if incident.state is IncidentState.MERGED or not (contains or lifts):
        return moved
    given = IncidentInput.CONTAIN if contains else IncidentInput.LIFT
    reason = f"{action.playbook}: {action.wanted.kind} is {action.state}"
    return apply(moved, given, at=action.changed_at, by=by, reason=reason)


def _holds(action: Action) -> bool:
    wanted = action.wanted
    if wanted.kind is ActionKind.REVOKE:
        return action.state is ActionState.DONE
    if action.state is not ActionState.RUNNING or action.outcome is None:
        return False
    if wanted.kind is ActionKind.RESTRAIN:
        return wanted.lane in _CONTAINING
    return wanted.kind in {ActionKind.STEP_UP, ActionKind.DECOY, ActionKind.SUSPEND}


def count(
    incident: Incident, turn: Sequence[Sighting], earlier: Iterable[Sighting], *, day_left: NanoUsd | None
) -> Incident:
    """Return an incident with the money of its foreign client counted in.

    Args:
        incident: as it is now.
        turn: what the engine looked at in this turn, in order of time.
        earlier: what it looked at before and what only now belongs to the incident.
        day_left: what is left of the day budgets of its keys; None where a key has none.
    """
    reckoning = incident.reckoning
    fresh = [seen for seen in turn if seen.at > reckoning.until]
    for seen in (*earlier, *fresh):
        if foreign(incident, seen):
            reckoning = reckon(reckoning, seen)
    until = max((reckoning.until, *(seen.at for seen in fresh)))
    told = money(reckoning, day_left=day_left, held=bool(incident.holding))
    return replace(incident, reckoning=replace(reckoning, until=until), money=told)
