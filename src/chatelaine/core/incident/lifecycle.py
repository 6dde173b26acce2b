"""The life cycle of an incident as a table: every state × every input.

Open and reopened incidents wait for somebody. One that spreads to another key or client waits again, even
where it was contained: what is held back is not all of it. A closed one takes notes and a better verdict,
and is reopened by a person alone; a merged one is final, since another goes on for it.
"""

from collections.abc import Iterable
from enum import Enum
from itertools import product
from typing import Final

from msgspec.structs import replace

from chatelaine.core.machine import Table, Transition, table
from chatelaine.model.error import TransitionRefused
from chatelaine.model.incident import Change, Incident, IncidentInput, IncidentState
from chatelaine.model.words import Instant, KeyId

_S, _I = IncidentState, IncidentInput

_LIVE: Final[dict[IncidentInput, IncidentState]] = {
    _I.ASSIGN: _S.WORKING,
    _I.CONTAIN: _S.CONTAINED,
    _I.CLOSE: _S.CLOSED,
    _I.MERGE: _S.MERGED,
}

_ROWS: Final[dict[IncidentState, dict[IncidentInput, IncidentState]]] = {
    _S.OPEN: {
        _I.ALERT: _S.OPEN,
        _I.SPREAD: _S.OPEN,
        _I.LIFT: _S.OPEN,
        _I.NOTE: _S.OPEN,
        _I.VERDICT: _S.WORKING,
        **_LIVE,
    },
    _S.WORKING: {
        _I.ALERT: _S.WORKING,
        _I.SPREAD: _S.WORKING,
        _I.LIFT: _S.WORKING,
        _I.NOTE: _S.WORKING,
        _I.VERDICT: _S.WORKING,
        **_LIVE,
    },
    _S.CONTAINED: {
        _I.ALERT: _S.CONTAINED,
        _I.SPREAD: _S.OPEN,
        _I.LIFT: _S.WORKING,
        _I.NOTE: _S.CONTAINED,
        _I.VERDICT: _S.CONTAINED,
        **_LIVE,
        # Whoever takes it over finds it contained.
        _I.ASSIGN: _S.CONTAINED,
    },
    _S.REOPENED: {
        _I.ALERT: _S.REOPENED,
        _I.SPREAD: _S.REOPENED,
        _I.LIFT: _S.REOPENED,
        _I.NOTE: _S.REOPENED,
        _I.VERDICT: _S.WORKING,
        **_LIVE,
    },
    _S.CLOSED: {
        # An action may outlive the incident that it was taken in, and be started by a tardy approval.
        _I.CONTAIN: _S.CLOSED,
        _I.LIFT: _S.CLOSED,
        _I.NOTE: _S.CLOSED,
        _I.VERDICT: _S.CLOSED,
        _I.REOPEN: _S.REOPENED,
    },
    _S.MERGED: {},
}

LIFECYCLE: Final[Table[IncidentState, IncidentInput, Enum]] = table(
    "incident",
    start=IncidentState.OPEN,
    inputs=IncidentInput,
    transitions={
        (state, given): Transition(after) for state, row in _ROWS.items() for given, after in row.items()
    },
    impossible={(state, given) for state, given in product(_S, _I) if given not in _ROWS[state]},
)

LIVE: Final = frozenset({_S.OPEN, _S.WORKING, _S.CONTAINED, _S.REOPENED})
"""The states in which alerts join an incident, and its keys' habits learn nothing (principle 5)."""


def live(incident: Incident) -> bool:
    """Tell whether an incident is not over."""
    return incident.state in LIVE


def alarmed(incidents: Iterable[Incident]) -> frozenset[KeyId]:
    """Return the keys on which a client is held back: others that are unknown may be the same thief.

    Where nothing is held, nothing that a rehearsal did not look at may reach the owner either.
    """
    return frozenset(key for one in incidents if live(one) and one.holding for key in one.keys)


def possible(state: IncidentState) -> tuple[IncidentInput, ...]:
    """Return what can happen to an incident in this state."""
    return tuple(_ROWS[state])


def apply(incident: Incident, given: IncidentInput, *, at: Instant, by: str, reason: str = "") -> Incident:
    """Return the incident after an input; a step that moves it, or is a person's, stands in its changes.

    Raises:
        TransitionRefused: the table lists the input as impossible where the incident stands.
    """
    step = LIFECYCLE.step(incident.state, given)
    if step is None:
        can = ", ".join(possible(incident.state))
        raise TransitionRefused(
            f"incident {incident.id} is {incident.state}: {given} is not possible",
            hint=f"possible: {can}" if can else f"it goes on in {incident.merged_into}",
        )
    changes = incident.changes
    if step.state is not incident.state or given is IncidentInput.ASSIGN:
        changes = (*changes, Change(at, given, incident.state, step.state, by, reason))
    return replace(incident, state=step.state, updated_at=max(at, incident.updated_at), changes=changes)
