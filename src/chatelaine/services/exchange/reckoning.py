"""The reckoning at the end of an exchange: what it used, who counted it, and what it cost."""

from collections.abc import Callable
from typing import NamedTuple

from chatelaine.core.exchange.asking import clean_name
from chatelaine.core.exchange.reply import FIRST_ERROR
from chatelaine.core.metric import (
    COST,
    EVENTS_DROPPED,
    FIRST_CHUNK,
    REPLY_BYTES,
    REQUEST_BYTES,
    REQUEST_DURATION,
    REQUESTS,
    TOKENS,
)
from chatelaine.core.price import estimate_seconds
from chatelaine.core.redact import redact
from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import Event, ExchangeEnded
from chatelaine.model.exchange import Asked, Operation, RouteMatch, Served, Usage, UsageSource
from chatelaine.model.policy import Terms
from chatelaine.model.price import ModelPrice
from chatelaine.model.words import NOTHING, NanoUsd
from chatelaine.services.exchange.relay import Relay
from chatelaine.services.exchange.room import EndSeries, Room

_MICRO = 1e6
"""Microseconds in a second."""
_BYTES_A_TOKEN = 4
"""As English text has; the worst case reckons with fewer."""
_MOST_ENDS = 4096
_MOST_ID = 128
_MOST_NAME = 256
"""Characters of a name that a reply gives itself."""
_NOTHING_USED = Usage()
_NOTHING_SERVED = Served()
_FREE = frozenset({Operation.LIST, Operation.COUNT, Operation.MODERATION})
_LATER = frozenset({"queued", "in_progress"})
"""How a reply ends whose answer is generated in the background (OpenAI's Responses API)."""


class Reckoning(NamedTuple):
    """What an exchange said of itself, used and cost."""

    served: Served
    usage: Usage
    cost: NanoUsd
    upstream_id: str = ""
    """The upstream's own request id, at most 128 characters; "" where it gives none."""


UNUSED = Reckoning(_NOTHING_SERVED, _NOTHING_USED, NOTHING)
"""The reckoning of an exchange that never went upstream."""


class Spending(NamedTuple):
    """What an exchange that went upstream was allowed to use."""

    asked: Asked
    terms: Terms
    sent: int
    """Bytes of the request's body that came."""


def reckon(
    spending: Spending, relay: Relay | None, cost: Callable[[ModelPrice, Usage], NanoUsd]
) -> Reckoning:
    """Return what an exchange that went upstream used and cost."""
    terms = spending.terms
    if relay is None:
        usage = use(spending, _NOTHING_SERVED, status=0, output_seen=0)
        return Reckoning(_NOTHING_SERVED, usage, cost(terms.price, usage))
    served, upstream_id = clean(relay.tap.served(), relay.upstream_id)
    usage = use(spending, served, status=relay.status, output_seen=relay.tap.output_estimate())
    if usage.source is UsageSource.RESERVED:
        return Reckoning(served, usage, terms.reserved.cost, upstream_id)
    paid = NOTHING if usage is _NOTHING_USED else cost(terms.price, usage)
    return Reckoning(served, usage, paid, upstream_id)


def clean(served: Served, upstream_id: str) -> tuple[Served, str]:
    """Return what a reply said of itself, and its id, without the keys that a careless upstream echoes."""
    reply_id = served.reply_id
    ids = f"{reply_id}\n{upstream_id}"
    if redact(ids) != ids:
        # Some upstreams take these ids from the request, where a caller may have put anything.
        reply_id, upstream_id = redact(reply_id), redact(upstream_id)
    model, finish = clean_name(served.model, _MOST_NAME), clean_name(served.finish, _MOST_NAME)
    error_code = clean_name(served.error_code, _MOST_NAME) if served.error_code else ""
    filters = served.filters and tuple(
        (clean_name(category, _MOST_NAME), clean_name(verdict, _MOST_NAME))
        for category, verdict in served.filters
    )
    same = model == served.model and reply_id == served.reply_id and finish == served.finish
    if same and error_code == served.error_code and filters == served.filters:
        return served, upstream_id[:_MOST_ID]
    told = Served(
        served.usage,
        model,
        reply_id[:_MOST_NAME],
        finish,
        error_code,
        filters,
        output_bytes=served.output_bytes,
    )
    return told, upstream_id[:_MOST_ID]


def use(spending: Spending, served: Served, *, status: int, output_seen: int) -> Usage:
    """Return what an exchange that went upstream used.

    The upstream's own count is taken where there is one. Without it, an error costs nothing (no
    provider bills one), what is generated later costs what was reserved for it, and anything else is
    estimated from what passed: a reply that was cut or whose caller left still cost what had been
    generated.
    """
    asked, terms = spending.asked, spending.terms
    if served.usage is not None:
        return served.usage
    if status >= FIRST_ERROR or asked.operation in _FREE:
        return _NOTHING_USED
    if asked.operation is Operation.BATCH or served.finish in _LATER:
        # It runs on after this reply, and what it will have used is told on no exchange of its own.
        reserved = terms.reserved
        return Usage(reserved.input_tokens, reserved.output_tokens, source=UsageSource.RESERVED)
    sent = max(spending.sent, asked.body_bytes)
    return Usage(
        input_tokens=min(-(-sent // _BYTES_A_TOKEN), terms.reserved.input_tokens),
        output_tokens=output_seen,
        seconds=estimate_seconds(sent) if asked.operation is Operation.TRANSCRIPTION else 0,
        source=UsageSource.ESTIMATED,
    )


def count_end(room: Room, route: RouteMatch, ended: ExchangeEnded) -> None:
    """Count the end of an exchange for operators."""
    model = ended.served.model
    key = (route.provider, route.template, ended.reason, model)
    ends = room.ends.get(key)
    if ends is None:
        ends = _find_series(room, route, ended)
        if len(room.ends) >= _MOST_ENDS:
            room.ends.clear()
        room.ends[key] = ends
    ends.requests.add(1)
    ends.asked_bytes.add(ended.request_bytes)
    ends.reply_bytes.add(ended.reply_bytes)
    ends.duration.add(ended.duration_us / _MICRO)
    if ended.first_byte_us >= 0:
        ends.first_chunk.add(ended.first_byte_us / _MICRO)
    if ended.cost:
        ends.given.add(ended.usage.input_tokens)
        ends.made.add(ended.usage.output_tokens)
        ends.cost.add(ended.cost)


def _find_series(room: Room, route: RouteMatch, ended: ExchangeEnded) -> EndSeries:
    series, provider, model = room.telemetry.series, route.provider, ended.served.model
    return EndSeries(
        series(REQUESTS, provider, route.template, ended.reason),
        series(REQUEST_DURATION, provider, route.operation),
        series(FIRST_CHUNK, provider),
        series(TOKENS, provider, model, "input"),
        series(TOKENS, provider, model, "output"),
        series(COST, provider),
        series(REQUEST_BYTES, provider),
        series(REPLY_BYTES, provider),
    )


def append(room: Room, event: Event) -> None:
    """Append an event of an exchange that is over; that it cannot be written is counted."""
    # The exchange is over either way; the journal holds what it owes until the disk recovers.
    try:
        room.journal.append(event)
    except JournalUnavailable:
        room.telemetry.count(EVENTS_DROPPED)
