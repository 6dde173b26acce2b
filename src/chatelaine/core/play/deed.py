"""Deeds: what somebody does once with a key, and the events a gate records of it."""

from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from chatelaine.core.play.chance import Chance
from chatelaine.core.play.wish import OPENAI, PRICES, Said
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened, ExchangeRefused
from chatelaine.model.exchange import (
    Asked,
    Caller,
    Client,
    EndReason,
    Operation,
    RefusalReason,
    Reservation,
    Served,
    Target,
    Usage,
)
from chatelaine.model.key import Grant
from chatelaine.model.words import (
    AppName,
    ExchangeId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
    UpstreamName,
    WorkerNumber,
)

WORKER: Final = WorkerNumber(1)
POLICY: Final = "keys-1"
GRANT: Final = Grant()
FILTERED: Final = "content_filter"
TOO_MANY: Final = "rate_limit_exceeded"
BAD_VALUE: Final = "invalid_value"
_TARGET: Final = Target(UpstreamName("main"), OPENAI)
_NOTHING: Final = Usage()
_UNREAD: Final = Served()
_MOST_OUTPUT: Final = 4096
"""Output tokens reserved where a request sets no cap."""
_OK: Final = 200
_FIRST_BYTE_US: Final = 180_000
_US_A_TOKEN: Final = 9_000
_REFUSED_US: Final = 40_000
_BYTES_A_TOKEN: Final = 5
_EMPTY_REPLY: Final = 240


class Holder(Struct, frozen=True):
    """A key and whose it is."""

    caller: Caller
    slot: int

    @property
    def key(self) -> KeyId:
        """The key's id."""
        return self.caller.key or KeyId("")

    @property
    def owner(self) -> OwnerId:
        """The key's owner."""
        return self.caller.owner or OwnerId("")

    @property
    def app(self) -> AppName:
        """The application it was issued for."""
        return AppName(self.caller.app)


class Deed(Struct, frozen=True, gc=False):
    """One exchange before it is recorded."""

    at: Instant
    holder: Holder
    client: Client
    said: Said
    story: str = ""
    """The scenario it belongs to; "": everyday life."""
    status: int = _OK
    error_code: str = ""
    refused: RefusalReason | None = None
    """Where the gate refuses it: nothing goes upstream."""


class Recorder:
    """Writes deeds down as a gate would."""

    __slots__ = ("_chance", "_count")

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._count = 0

    def record(self, deed: Deed) -> tuple[ExchangeId, Iterator[Event] | tuple[Event, ...]]:
        """Return a deed's exchange and its events, in order of time."""
        # The count makes it unique, the bits before it make it look like the gate's own.
        self._count += 1
        exchange = ExchangeId(f"{self._chance.bits():016x}{self._count:08x}")
        if deed.refused is not None:
            return exchange, (_refused(deed, exchange, deed.refused),)
        opened = _opened(deed, exchange)
        if deed.status == _OK:
            return exchange, (opened, _served(deed, exchange, self._chance.bits()))
        return exchange, (opened, _failed(deed, exchange))


def _opened(deed: Deed, exchange: ExchangeId) -> ExchangeOpened:
    asked, holder = deed.said.asked, deed.holder
    output = asked.output_cap if asked.output_cap is not None else _MOST_OUTPUT
    return ExchangeOpened(
        deed.at,
        exchange,
        WORKER,
        holder.caller,
        deed.client,
        asked,
        _TARGET,
        Reservation(asked.input_estimate, output, _cost(asked, asked.input_estimate, output)),
        holder.slot,
        POLICY,
    )


def _served(deed: Deed, exchange: ExchangeId, roll: int) -> ExchangeEnded:
    said, blocked = deed.said, deed.error_code == FILTERED
    asked, images = said.asked, int(said.asked.operation is Operation.IMAGE)
    usage = Usage(said.input_tokens, 0 if blocked else said.output_tokens, images=images)
    first = _FIRST_BYTE_US + roll % _FIRST_BYTE_US
    lasted = first + usage.output_tokens * (_US_A_TOKEN + (roll >> 20) % _US_A_TOKEN)
    return ExchangeEnded(
        Instant(deed.at + lasted * 1000),
        exchange,
        WORKER,
        deed.holder.caller,
        _TARGET,
        EndReason.COMPLETED,
        _OK,
        Served(
            usage=usage,
            model=asked.model,
            finish=FILTERED if blocked else "stop",
            output_bytes=usage.output_tokens * _BYTES_A_TOKEN,
        ),
        usage,
        _cost(asked, usage.input_tokens, usage.output_tokens),
        first,
        lasted,
        asked.body_bytes,
        usage.output_tokens * _BYTES_A_TOKEN + _EMPTY_REPLY,
        slot=deed.holder.slot,
    )


def _failed(deed: Deed, exchange: ExchangeId) -> ExchangeEnded:
    """Return the end of what the provider answered with an error: recorded as fully, charged with nothing."""
    return ExchangeEnded(
        Instant(deed.at + _REFUSED_US * 1000),
        exchange,
        WORKER,
        deed.holder.caller,
        _TARGET,
        EndReason.COMPLETED,
        deed.status,
        Served(error_code=deed.error_code) if deed.error_code else _UNREAD,
        _NOTHING,
        NanoUsd(0),
        _REFUSED_US,
        _REFUSED_US,
        deed.said.asked.body_bytes,
        _EMPTY_REPLY,
        slot=deed.holder.slot,
    )


def _refused(deed: Deed, exchange: ExchangeId, reason: RefusalReason) -> ExchangeRefused:
    asked = deed.said.asked
    # A key that does not hold is refused at the head: the body was not read.
    seen = Asked(asked.provider, asked.route, asked.operation, body_bytes=asked.body_bytes)
    return ExchangeRefused(
        deed.at, exchange, WORKER, deed.holder.caller, deed.client, seen, deed.status, reason
    )


def _cost(asked: Asked, into: int, out: int) -> NanoUsd:
    price_in, price_out = PRICES.get(asked.model, (0, 0))
    return NanoUsd(into * price_in + out * price_out)
