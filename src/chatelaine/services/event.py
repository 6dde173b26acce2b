"""The driver of the event room: closes what a worker that died left open."""

from collections.abc import Iterable
from typing import Protocol

from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.exchange import Caller
from chatelaine.model.words import ExchangeId, Instant, NanoUsd, WorkerNumber


class UnderWay(Protocol):
    """An exchange that was opened, as far as closing it asks."""

    @property
    def exchange(self) -> ExchangeId:
        """Its id."""
        ...

    @property
    def caller(self) -> Caller:
        """Whom to charge."""
        ...

    @property
    def slot(self) -> int:
        """The meter's row."""
        ...

    @property
    def cost(self) -> NanoUsd:
        """Its worst case."""
        ...


def left_open(carried: Iterable[UnderWay], events: Iterable[Event], opened: "Carrier") -> list[UnderWay]:
    """Return the exchanges that a worker's newest segment opens, or carries, and does not end."""
    under_way = {one.exchange: one for one in carried}
    for event in events:
        if isinstance(event, ExchangeOpened):
            under_way[event.exchange] = opened(event)
        elif isinstance(event, ExchangeEnded):
            under_way.pop(event.exchange, None)
    return list(under_way.values())


class Carrier(Protocol):
    """Makes of an opening what recovery must know of it."""

    def __call__(self, opened: ExchangeOpened, /) -> UnderWay:
        """Return it."""
        ...


def interrupt(
    left: Iterable[UnderWay], closed: frozenset[ExchangeId], *, worker: WorkerNumber, now: Instant
) -> list[tuple[UnderWay, ExchangeInterrupted]]:
    """Return the end of each exchange that nobody ended, but for those already closed.

    Recovery may itself be killed and begun again, so what the hub's own journal has closed before
    is not closed twice.
    """
    return [
        (one, ExchangeInterrupted(now, one.exchange, worker, one.caller, one.cost))
        for one in left
        if one.exchange not in closed
    ]
