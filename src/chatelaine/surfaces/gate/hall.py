"""The gate's hall: what all connections of a worker share, and what each asks of its exchange."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from chatelaine.core.exchange.head import Head, Pairs
from chatelaine.model.exchange import Client, EndReason, Greeting, RefusalReason
from chatelaine.model.settings import SizeLimits, Timeouts
from chatelaine.ports import CallerLine, Clock

_SHARES: Final = 4
"""Ticks in which every connection has looked at the clock; ten thousand at once take 5 ms."""
_LEAST_SHARE: Final = 64


class Connected(Protocol):
    """A connection, as the gate looks after it."""

    def tick(self, now: int) -> None:
        """Look at the clock; ``now`` as ``Clock.elapsed``."""
        ...

    def close_idle(self) -> None:
        """Close if nothing is under way."""
        ...


class Served(Protocol):
    """An exchange, as its connection sees it."""

    def begin(self) -> None:
        """Judge the head."""
        ...

    def body(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        ...

    def body_ended(self) -> None:
        """Take the news that the request has come whole."""
        ...

    def refuse(self, reason: RefusalReason, detail: str = "") -> None:
        """Refuse it before it is decided."""
        ...

    def malformed(self, detail: str) -> None:
        """Take the news that the rest cannot be understood."""
        ...

    def caller_left(self) -> None:
        """Take the news that the caller is gone."""
        ...

    def caller_full(self, *, full: bool) -> None:
        """Take the news that the caller takes no more, or takes it again."""
        ...

    def from_tunnel(self, data: bytes) -> None:
        """Pass bytes of a tunnel on."""
        ...

    def cut_off(self, why: EndReason = EndReason.KEY_CUT) -> None:
        """Break it off."""
        ...

    def tick(self, now: int, *, caller_full: bool) -> None:
        """Look at the clock."""
        ...

    @property
    def over(self) -> bool:
        """Whether it is recorded and done."""
        ...


@dataclass(slots=True)
class Gate:
    """What all connections of a worker share."""

    clock: Clock
    sizes: SizeLimits
    timeouts: Timeouts
    exchange: Callable[[CallerLine, Client, Head], Served]
    """Makes an exchange."""
    introduce: Callable[[str, Greeting], Callable[[Pairs, str], Client]]
    """Gives, for an address and a greeting, what makes client contexts of heads and HTTP versions."""
    connections: set[Connected] = field(default_factory=set)
    draining: bool = False
    _round: list[Connected] = field(default_factory=list, init=False)
    """Those whose turn to look at the clock is still to come."""
    _share: int = field(default=0, init=False)

    def tick(self) -> None:
        """Let a share of the connections look at the clock, so that many do not hold up one request."""
        now = self.clock.elapsed()
        due = self._round
        if not due:
            due = list(self.connections)
            self._share = len(due) // _SHARES + _LEAST_SHARE
        self._round = due[self._share :]
        for connection in due[: self._share]:
            connection.tick(now)

    def drain(self) -> None:
        """Take no more requests; connections close as they fall idle."""
        self.draining = True
        for connection in tuple(self.connections):
            connection.close_idle()
