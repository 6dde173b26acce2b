"""The life cycle of a virtual key as a table: every state × every input.

Three states work: issued, active and rotated (until its overlap is over). Revoked and expired are
final. A compromised key works no more but keeps its own name, since whoever still uses it holds
a leaked copy: it neither expires nor comes back, and can only be revoked.
"""

from dataclasses import replace
from enum import Enum
from itertools import product

from chatelaine.core.machine import Table, Transition, table
from chatelaine.model.error import TransitionRefused
from chatelaine.model.key import KeyInput, KeyState, VirtualKey
from chatelaine.model.words import Instant

_S, _I = KeyState, KeyInput

_ROWS: dict[KeyState, dict[KeyInput, KeyState]] = {
    _S.ISSUED: {
        _I.USED: _S.ACTIVE,
        _I.SUSPEND: _S.SUSPENDED,
        _I.EXPOSE: _S.COMPROMISED,
        _I.ROTATE: _S.ROTATED,
        _I.REVOKE: _S.REVOKED,
        _I.EXPIRE: _S.EXPIRED,
    },
    _S.ACTIVE: {
        _I.USED: _S.ACTIVE,
        _I.SUSPEND: _S.SUSPENDED,
        _I.EXPOSE: _S.COMPROMISED,
        _I.ROTATE: _S.ROTATED,
        _I.REVOKE: _S.REVOKED,
        _I.EXPIRE: _S.EXPIRED,
    },
    _S.SUSPENDED: {
        _I.RESUME: _S.ACTIVE,
        _I.EXPOSE: _S.COMPROMISED,
        # Not to ROTATED: an overlap would let a key work again that somebody had stopped.
        _I.ROTATE: _S.REVOKED,
        _I.REVOKE: _S.REVOKED,
        _I.EXPIRE: _S.EXPIRED,
    },
    _S.COMPROMISED: {
        _I.ROTATE: _S.COMPROMISED,
        _I.REVOKE: _S.REVOKED,
    },
    # No SUSPEND: RESUME would make it ACTIVE beside its successor. Its successor works; revoke it.
    _S.ROTATED: {
        _I.USED: _S.ROTATED,
        _I.EXPOSE: _S.COMPROMISED,
        _I.OVERLAP_OVER: _S.EXPIRED,
        _I.REVOKE: _S.REVOKED,
        _I.EXPIRE: _S.EXPIRED,
    },
    _S.REVOKED: {},
    _S.EXPIRED: {},
}

LIFECYCLE: Table[KeyState, KeyInput, Enum] = table(
    "key",
    start=KeyState.ISSUED,
    inputs=KeyInput,
    transitions={
        (state, given): Transition(after) for state, row in _ROWS.items() for given, after in row.items()
    },
    impossible={(state, given) for state, given in product(_S, _I) if given not in _ROWS[state]},
)

USABLE = frozenset({_S.ISSUED, _S.ACTIVE, _S.ROTATED})
"""The states in which a key works, as long as its instants allow."""


def usable(state: KeyState) -> bool:
    """Tell whether a key in this state works."""
    return state in USABLE


def possible(state: KeyState) -> tuple[KeyInput, ...]:
    """Return what can happen to a key in this state."""
    return tuple(_ROWS[state])


def apply(key: VirtualKey, given: KeyInput, *, at: Instant, reason: str) -> VirtualKey:
    """Return the key after an input, with when and why.

    Raises:
        TransitionRefused: the table lists the input as impossible where the key stands, or the key
            has its successor already.
    """
    step = LIFECYCLE.step(key.state, given)
    if step is None:
        can = ", ".join(possible(key.state))
        raise TransitionRefused(
            f"key {key.id} is {key.state}: {given} is not possible",
            hint=f"possible: {can}" if can else f"{key.state} is final: issue a new key",
        )
    if given is KeyInput.ROTATE and key.successor is not None:
        raise TransitionRefused(f"key {key.id} was rotated already", hint=f"its successor is {key.successor}")
    return replace(key, state=step.state, changed_at=at, reason=reason)
