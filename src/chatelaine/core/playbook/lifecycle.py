"""The life cycle of an action as a table: every state × every input.

Every action is rehearsed before anything else happens to it. One that is in force stays in RUNNING, and
leaves it by itself (EXPIRE) or because somebody undid it. A person may let a vetoed or failed action run
after all, with the rehearsal before them; nothing else may.
"""

from enum import Enum
from itertools import product
from typing import Final

from msgspec.structs import replace

from chatelaine.core.machine import Table, Transition, table
from chatelaine.model.error import TransitionRefused
from chatelaine.model.playbook import Action, ActionChange, ActionInput, ActionState
from chatelaine.model.words import Instant

_S, _I = ActionState, ActionInput

_ROWS: Final[dict[ActionState, dict[ActionInput, ActionState]]] = {
    _S.PLANNED: {
        _I.REHEARSE: _S.REHEARSED,
        _I.EXPIRE: _S.EXPIRED,
    },
    _S.REHEARSED: {
        _I.VETO: _S.VETOED,
        _I.ASK: _S.AWAITING_APPROVAL,
        _I.START: _S.RUNNING,
        _I.EXPIRE: _S.EXPIRED,
    },
    _S.AWAITING_APPROVAL: {
        _I.VETO: _S.VETOED,
        _I.APPROVE: _S.RUNNING,
        _I.EXPIRE: _S.EXPIRED,
    },
    _S.RUNNING: {
        _I.FINISH: _S.DONE,
        _I.FAIL: _S.FAILED,
        _I.UNDO: _S.UNDONE,
        _I.EXPIRE: _S.EXPIRED,
    },
    # What is done once and for all is over; what can be taken back is in force, and RUNNING.
    _S.DONE: {},
    _S.FAILED: {
        _I.APPROVE: _S.RUNNING,
        _I.UNDO: _S.UNDONE,
    },
    _S.VETOED: {
        _I.APPROVE: _S.RUNNING,
    },
    _S.UNDONE: {},
    _S.EXPIRED: {},
}

LIFECYCLE: Final[Table[ActionState, ActionInput, Enum]] = table(
    "action",
    start=ActionState.PLANNED,
    inputs=ActionInput,
    transitions={
        (state, given): Transition(after) for state, row in _ROWS.items() for given, after in row.items()
    },
    impossible={(state, given) for state, given in product(_S, _I) if given not in _ROWS[state]},
)

WAITING: Final = frozenset({_S.PLANNED, _S.REHEARSED, _S.AWAITING_APPROVAL})
"""States that an action leaves by its time limit though it never ran."""

_FINAL: Final = {
    _S.DONE: "what was done cannot be taken back; look at its playbook's page",
    _S.UNDONE: "it was undone already",
    _S.EXPIRED: "its time is over; a new alert plans it anew",
}


def possible(state: ActionState) -> tuple[ActionInput, ...]:
    """Return what can happen to an action in this state."""
    return tuple(_ROWS[state])


def apply(action: Action, given: ActionInput, *, at: Instant, by: str, reason: str = "") -> Action:
    """Return the action after an input, with who and why.

    Raises:
        TransitionRefused: the table lists the input as impossible where the action stands.
    """
    step = LIFECYCLE.step(action.state, given)
    if step is None:
        can = ", ".join(possible(action.state))
        raise TransitionRefused(
            f"action {action.id} is {action.state}: {given} is not possible",
            hint=_FINAL.get(action.state, f"possible: {can}"),
        )
    change = ActionChange(at, given, action.state, step.state, by, reason)
    return replace(action, state=step.state, changed_at=at, changes=(*action.changes, change))
