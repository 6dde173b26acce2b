"""The exchange as a table: every state × every input, and what is then done, in order.

Nothing goes upstream undecided: ``SEND`` follows ``CONNECT``, which only ``DURABLE`` gives.
Every exchange is recorded exactly once, and last: ``END`` or ``REFUSE`` closes every path.
"""

from enum import IntEnum
from itertools import product

from chatelaine.core.machine import Transition, table


class State(IntEnum):
    """Where an exchange stands."""

    RECEIVING = 0
    """The head is read; nothing is decided yet."""
    RECORDING = 1
    """Decided and reserved; the opening is on its way to the disk."""
    CONNECTING = 2
    """The opening is durable; a connection to an upstream is being found."""
    SENDING = 3
    """The request goes upstream; no reply has begun."""
    RELAYING = 4
    """The reply goes to the caller."""
    TUNNELLING = 5
    """Both sides have switched protocols; bytes pass both ways."""
    REFUSED = 6
    ENDED = 7


class Input(IntEnum):
    """What can happen to an exchange."""

    ACCEPT = 0
    REFUSE = 1
    DURABLE = 2
    UNDURABLE = 3
    CONNECTED = 4
    UNREACHABLE = 5
    REPLY_STARTED = 6
    SWITCHED = 7
    REPLY_ENDED = 8
    UPSTREAM_LOST = 9
    UPSTREAM_SLOW = 10
    CALLER_LEFT = 11
    CALLER_SLOW = 12
    CUT = 13
    """Its key was suspended, its budget is used up, or the gate is closing."""


class Command(IntEnum):
    """What the driver does."""

    OPEN = 0
    """Append the opening to the journal and wait until it is durable."""
    CONNECT = 1
    SEND = 2
    START_REPLY = 3
    SWITCH = 4
    CANCEL = 5
    """Drop the upstream connection at once, so that nothing more is generated or billed."""
    ANSWER = 6
    """Tell the caller, in its dialect, that the exchange goes no further."""
    ABORT = 7
    """Drop the caller's connection: its reply is broken off and must not look whole."""
    SETTLE = 8
    """Count what was used and give back the rest of the reservation."""
    RELEASE = 9
    """Give the whole reservation back: nothing went upstream."""
    END = 10
    """Append the end to the journal."""
    REFUSE = 11
    """Append the refusal to the journal."""


_S, _I, _C = State, Input, Command

_REFUSED = Transition(_S.REFUSED, (_C.ANSWER, _C.REFUSE))
_UNSENT = (_C.RELEASE, _C.END)
_SPENT = (_C.SETTLE, _C.END)
_BROKEN = Transition(_S.ENDED, (_C.CANCEL, _C.ABORT, *_SPENT))
_LEFT = Transition(_S.ENDED, (_C.CANCEL, *_SPENT))
_FAILED = Transition(_S.ENDED, (_C.CANCEL, _C.ANSWER, *_SPENT))
_UNSENT_FAILED = Transition(_S.ENDED, (_C.CANCEL, _C.ANSWER, *_UNSENT))

_TRANSITIONS = {
    (_S.RECEIVING, _I.ACCEPT): Transition(_S.RECORDING, (_C.OPEN,)),
    (_S.RECEIVING, _I.REFUSE): _REFUSED,
    (_S.RECEIVING, _I.CALLER_SLOW): _REFUSED,
    (_S.RECEIVING, _I.CUT): _REFUSED,
    (_S.RECEIVING, _I.CALLER_LEFT): Transition(_S.REFUSED, (_C.REFUSE,)),
    (_S.RECORDING, _I.DURABLE): Transition(_S.CONNECTING, (_C.CONNECT,)),
    (_S.RECORDING, _I.UNDURABLE): Transition(_S.ENDED, (_C.ANSWER, *_UNSENT)),
    (_S.RECORDING, _I.CUT): Transition(_S.ENDED, (_C.ANSWER, *_UNSENT)),
    (_S.RECORDING, _I.CALLER_SLOW): Transition(_S.ENDED, (_C.ANSWER, *_UNSENT)),
    (_S.RECORDING, _I.CALLER_LEFT): Transition(_S.ENDED, _UNSENT),
    (_S.CONNECTING, _I.CONNECTED): Transition(_S.SENDING, (_C.SEND,)),
    (_S.CONNECTING, _I.UNREACHABLE): _UNSENT_FAILED,
    (_S.CONNECTING, _I.UPSTREAM_SLOW): _UNSENT_FAILED,
    (_S.CONNECTING, _I.CUT): _UNSENT_FAILED,
    (_S.CONNECTING, _I.CALLER_SLOW): _UNSENT_FAILED,
    (_S.CONNECTING, _I.CALLER_LEFT): Transition(_S.ENDED, (_C.CANCEL, *_UNSENT)),
    (_S.SENDING, _I.REPLY_STARTED): Transition(_S.RELAYING, (_C.START_REPLY,)),
    (_S.SENDING, _I.SWITCHED): Transition(_S.TUNNELLING, (_C.SWITCH,)),
    (_S.SENDING, _I.UPSTREAM_LOST): _FAILED,
    (_S.SENDING, _I.UPSTREAM_SLOW): _FAILED,
    (_S.SENDING, _I.CALLER_SLOW): _FAILED,
    (_S.SENDING, _I.CUT): _FAILED,
    (_S.SENDING, _I.CALLER_LEFT): _LEFT,
    (_S.RELAYING, _I.REPLY_ENDED): Transition(_S.ENDED, _SPENT),
    (_S.RELAYING, _I.UPSTREAM_LOST): _BROKEN,
    (_S.RELAYING, _I.UPSTREAM_SLOW): _BROKEN,
    (_S.RELAYING, _I.CALLER_SLOW): _BROKEN,
    (_S.RELAYING, _I.CUT): _BROKEN,
    (_S.RELAYING, _I.CALLER_LEFT): _LEFT,
    (_S.TUNNELLING, _I.REPLY_ENDED): _BROKEN,
    (_S.TUNNELLING, _I.UPSTREAM_LOST): _BROKEN,
    (_S.TUNNELLING, _I.UPSTREAM_SLOW): _BROKEN,
    (_S.TUNNELLING, _I.CALLER_SLOW): _BROKEN,
    (_S.TUNNELLING, _I.CUT): _BROKEN,
    (_S.TUNNELLING, _I.CALLER_LEFT): _LEFT,
}

_POSSIBLE = {
    _S.RECEIVING: {_I.ACCEPT, _I.REFUSE, _I.CALLER_LEFT, _I.CALLER_SLOW, _I.CUT},
    _S.RECORDING: {_I.DURABLE, _I.UNDURABLE, _I.CALLER_LEFT, _I.CALLER_SLOW, _I.CUT},
    _S.CONNECTING: {
        _I.CONNECTED,
        _I.UNREACHABLE,
        _I.UPSTREAM_SLOW,
        _I.CALLER_LEFT,
        _I.CALLER_SLOW,
        _I.CUT,
    },
    _S.SENDING: {
        _I.REPLY_STARTED,
        _I.SWITCHED,
        _I.UPSTREAM_LOST,
        _I.UPSTREAM_SLOW,
        _I.CALLER_LEFT,
        _I.CALLER_SLOW,
        _I.CUT,
    },
    _S.RELAYING: {
        _I.REPLY_ENDED,
        _I.UPSTREAM_LOST,
        _I.UPSTREAM_SLOW,
        _I.CALLER_LEFT,
        _I.CALLER_SLOW,
        _I.CUT,
    },
    _S.TUNNELLING: {
        _I.REPLY_ENDED,
        _I.UPSTREAM_LOST,
        _I.UPSTREAM_SLOW,
        _I.CALLER_LEFT,
        _I.CALLER_SLOW,
        _I.CUT,
    },
    _S.REFUSED: set[Input](),
    _S.ENDED: set[Input](),
}

EXCHANGE = table(
    "exchange",
    start=State.RECEIVING,
    inputs=Input,
    transitions=_TRANSITIONS,
    impossible={(state, given) for state, given in product(State, Input) if given not in _POSSIBLE[state]},
)
"""The exchange table. The two final states take no input: a driver hears nothing after the end."""

STEPS: tuple[tuple[Transition[State, Command] | None, ...], ...] = tuple(
    tuple(EXCHANGE.step(state, given) for given in Input) for state in State
)
"""``EXCHANGE`` as rows by state and columns by input: the same table, for the gate's loop."""
