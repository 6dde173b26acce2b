"""The reckoning at the end of an exchange: what it used, who counted it, and what it cost."""

from collections.abc import Callable
from typing import NamedTuple

from chatelaine.core.exchange.asking import clean_name
from chatelaine.core.exchange.reply import FIRST_ERROR
from chatelaine.core.metric import COST, EVENTS_DROPPED, FIRST_CHUNK, REQUEST_DURATION, REQUESTS, TOKENS
from chatelaine.core.redact import redact
from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import Event, ExchangeEnded
from chatelaine.model.exchange import Asked, Operation, RouteMatch, Served, Usage, UsageSource
from chatelaine.model.price import ModelPrice
from chatelaine.model.words import NOTHING, NanoUsd
from chatelaine.services.exchange.relay import Relay
from chatelaine.services.exchange.room import Room

_MICRO = 1e6
"""Microseconds in a second."""
_BYTES_A_TOKEN = 4
_MOST_NAME = 256
"""Characters of a name that a reply gives itself."""
_NOTHING_USED = Usage()
_NOTHING_SERVED = Served()
_FREE = frozenset({Operation.LIST, Operation.COUNT, Operation.MODERATION})


class Reckoning(NamedTuple):
    """What an exchange said of itself, used and cost."""

    served: Served
    usage: Usage
    cost: NanoUsd


UNUSED = Reckoning(_NOTHING_SERVED, _NOTHING_USED, NOTHING)
"""The reckoning of an exchange that never went upstream."""


def reckon(
    asked: Asked, relay: Relay | None, price: ModelPrice, cost: Callable[[ModelPrice, Usage], NanoUsd]
) -> Reckoning:
    """Return what an exchange that went upstream used and cost."""
    if relay is None:
        usage = use(asked, _NOTHING_SERVED, status=0, output_seen=0)
        return Reckoning(_NOTHING_SERVED, usage, cost(price, usage))
    served = clean(relay.tap.served())
    usage = use(asked, served, status=relay.status, output_seen=relay.tap.output_estimate())
    return Reckoning(served, usage, NOTHING if usage is _NOTHING_USED else cost(price, usage))


def clean(served: Served) -> Served:
    """Return what a reply said of itself without the keys that a careless upstream echoes."""
    model, finish = clean_name(served.model, _MOST_NAME), clean_name(served.finish, _MOST_NAME)
    error_code = clean_name(served.error_code, _MOST_NAME) if served.error_code else ""
    reply_id = redact(served.reply_id[:_MOST_NAME]) if served.reply_id else ""
    if (
        model == served.model
        and reply_id == served.reply_id
        and finish == served.finish
        and error_code == served.error_code
    ):
        return served
    return Served(
        served.usage, model, reply_id, finish, error_code, served.filters, output_bytes=served.output_bytes
    )


def use(asked: Asked, served: Served, *, status: int, output_seen: int) -> Usage:
    """Return what an exchange that went upstream used.

    The upstream's own count is taken where there is one. Without it, an error costs nothing (no
    provider bills one), and anything else is estimated from what passed: a reply that was cut or
    whose caller left still cost what had been generated.
    """
    if served.usage is not None:
        return served.usage
    if status >= FIRST_ERROR or asked.operation in _FREE:
        return _NOTHING_USED
    return Usage(
        input_tokens=-(-asked.body_bytes // _BYTES_A_TOKEN),
        output_tokens=output_seen,
        source=UsageSource.ESTIMATED,
    )


def count_end(room: Room, route: RouteMatch, ended: ExchangeEnded) -> None:
    """Count the end of an exchange for operators."""
    telemetry, provider, usage = room.telemetry, route.provider, ended.usage
    telemetry.count(REQUESTS, provider, route.template, ended.reason)
    telemetry.observe(REQUEST_DURATION, provider, route.operation, value=ended.duration_us / _MICRO)
    if ended.first_byte_us >= 0:
        telemetry.observe(FIRST_CHUNK, provider, value=ended.first_byte_us / _MICRO)
    if ended.cost:
        telemetry.count(TOKENS, provider, ended.served.model, "input", by=usage.input_tokens)
        telemetry.count(TOKENS, provider, ended.served.model, "output", by=usage.output_tokens)
        telemetry.count(COST, provider, by=ended.cost)


def append(room: Room, event: Event) -> None:
    """Append an event of an exchange that is over; that it cannot be written is counted."""
    # The exchange is over either way; the journal holds what it owes until the disk recovers.
    try:
        room.journal.append(event)
    except JournalUnavailable:
        room.telemetry.count(EVENTS_DROPPED)
