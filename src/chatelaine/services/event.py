"""The driver of the event room: gives what a worker that died left open its one end."""

from collections.abc import Iterable

from chatelaine.model.event import ExchangeInterrupted
from chatelaine.model.journal import OpenExchange
from chatelaine.model.words import Instant


def interrupt(left_open: Iterable[OpenExchange], now: Instant) -> tuple[ExchangeInterrupted, ...]:
    """Return the end of each exchange that nobody will end any more, charged with its worst case."""
    return tuple(
        ExchangeInterrupted(now, one.exchange, one.worker, one.caller, one.cost, one.slot)
        for one in left_open
    )
