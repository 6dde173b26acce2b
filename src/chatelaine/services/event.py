"""The driver of the event room: gives what a worker that died left open its one end."""

from chatelaine.model.event import ExchangeInterrupted
from chatelaine.model.journal import OpenExchange
from chatelaine.model.words import Instant


def interrupt(left: OpenExchange, now: Instant) -> ExchangeInterrupted:
    """Return the end of an exchange that nobody will end any more, charged with its worst case."""
    return ExchangeInterrupted(now, left.exchange, left.worker, left.caller, left.cost, left.slot)
