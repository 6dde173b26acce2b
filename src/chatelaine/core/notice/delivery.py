"""The way of a notice to a receiver as a table, and when it is tried again."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from itertools import product

from chatelaine.core.machine import Table, Transition, table
from chatelaine.core.notice.text import clean
from chatelaine.model.error import TransitionRefused
from chatelaine.model.notice import (
    Delivery,
    DeliveryInput,
    DeliveryState,
    PutOff,
    Reception,
    Refused,
    Taken,
)
from chatelaine.model.words import Instant, NoticeId

ATTEMPTS_MAX = 12
"""A receiver that stays away is tried for about a day and a half: over a night and the morning after."""
FIRST_WAIT = timedelta(seconds=10)
FACTOR = 3
LONGEST_WAIT = timedelta(hours=6)
LONGEST_ASKED = timedelta(hours=24)
"""A receiver that asks to be left alone for longer is asked again after this."""
_JITTER = 0.2
"""Waits are longer by up to this share, so that notices that failed together do not come back together."""
_FAULT_MAX = 300

_S, _I = DeliveryState, DeliveryInput

_ROWS: dict[DeliveryState, dict[DeliveryInput, DeliveryState]] = {
    state: {
        _I.TAKEN: _S.SENT,
        _I.PUT_OFF: _S.RETRYING,
        _I.GIVEN_UP: _S.DEAD,
        _I.REQUEUED: _S.PENDING,
    }
    for state in (_S.PENDING, _S.RETRYING)
} | {_S.SENT: {}, _S.DEAD: {_I.REQUEUED: _S.PENDING}}

DELIVERY: Table[DeliveryState, DeliveryInput, Enum] = table(
    "delivery",
    start=DeliveryState.PENDING,
    inputs=DeliveryInput,
    transitions={
        (state, given): Transition(after) for state, row in _ROWS.items() for given, after in row.items()
    },
    impossible={(state, given) for state, given in product(_S, _I) if given not in _ROWS[state]},
)

WAITING = frozenset({_S.PENDING, _S.RETRYING})
"""The states in which a delivery is still to be made."""


def notice_id(*parts: str) -> NoticeId:
    """Return the id of a notice from what it tells of: the same parts give the same id, for ever."""
    told = b"".join(f"{len(part.encode(errors='replace'))}:{part}".encode(errors="replace") for part in parts)
    return NoticeId(f"msg_{hashlib.sha256(told).hexdigest()[:24]}")


def wait_after(attempts: int, notice: NoticeId, asked: timedelta | None = None) -> timedelta:
    """Return how long to wait after so many failed attempts, at least as long as the receiver asked for."""
    # Past the cap the power is not worked out: it would soon be longer than all time.
    steps = min(max(attempts, 1) - 1, ATTEMPTS_MAX)
    grown: timedelta = min(FIRST_WAIT * int(FACTOR**steps), LONGEST_WAIT)
    drawn = hashlib.sha256(f"{notice}:{attempts}".encode(errors="replace")).digest()
    jittered = grown * (1 + _JITTER * int.from_bytes(drawn[:4], "big") / 2**32)
    return max(jittered, min(asked, LONGEST_ASKED)) if asked is not None else jittered


def received(before: Delivery, how: Reception, *, at: Instant) -> Delivery:
    """Return the delivery after an attempt.

    Raises:
        TransitionRefused: it was settled before.
    """
    if isinstance(how, Taken):
        return _after(replace(before, attempts=before.attempts + 1, fault=""), _I.TAKEN, at)
    tried = replace(before, attempts=before.attempts + 1, fault=clean(how.fault, most=_FAULT_MAX))
    if isinstance(how, Refused) or tried.attempts >= ATTEMPTS_MAX:
        return _after(tried, _I.GIVEN_UP, at)
    return replace(_after(tried, _I.PUT_OFF, at), next_at=_next_at(tried, how, at))


def _next_at(tried: Delivery, how: PutOff, at: Instant) -> Instant:
    wait = wait_after(tried.attempts, tried.notice, how.after)
    return Instant(at + wait // timedelta(microseconds=1) * 1000)


def requeued(before: Delivery, *, at: Instant) -> Delivery:
    """Return the delivery as one that is to be tried now, and as often as the first time.

    Raises:
        TransitionRefused: the receiver has it already.
    """
    return replace(_after(before, _I.REQUEUED, at), attempts=0, next_at=at)


def _after(before: Delivery, given: DeliveryInput, at: Instant) -> Delivery:
    step = DELIVERY.step(before.state, given)
    if step is None:
        way = f"{before.notice} to {before.receiver}"
        raise TransitionRefused(
            f"the delivery of {way} is {before.state}: {given} is not possible",
            hint="what a receiver has taken is not sent again",
        )
    return replace(before, state=step.state, changed_at=at)
