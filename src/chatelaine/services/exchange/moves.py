"""The exchange's table made ready for its driver: what each input calls, and where it leads."""

from collections.abc import Callable
from typing import Final

from chatelaine.core.exchange.table import STEPS, Command, State
from chatelaine.services.exchange.course import Course

_FINAL: Final = frozenset({State.REFUSED, State.ENDED})

DO: Final[dict[Command, Callable[[Course], None]]] = {
    Command.OPEN: Course.open,
    Command.CONNECT: Course.connect,
    Command.SEND: Course.send,
    Command.START_REPLY: Course.start_reply,
    Command.SWITCH: Course.switch,
    Command.CANCEL: Course.cancel,
    Command.ANSWER: Course.answer,
    Command.ABORT: Course.abort,
    Command.SETTLE: Course.settle,
    Command.RELEASE: Course.release,
    Command.END: Course.record_end,
    Command.REFUSE: Course.record_refusal,
}
"""How each command of the table is carried out."""


class Move:
    """One entry of the table, made ready: the state it leads to, and what is then called."""

    __slots__ = ("calls", "final", "state")

    def __init__(self, state: State, commands: tuple[Command, ...]) -> None:
        self.state = state
        self.calls = tuple(DO[command] for command in commands)
        self.final = state in _FINAL


MOVES: Final = tuple(
    tuple(Move(step.state, step.commands) if step is not None else None for step in row) for row in STEPS
)
"""The exchange's table by state and input; None where it says that this cannot happen."""
