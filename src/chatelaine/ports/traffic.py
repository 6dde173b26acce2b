"""What traffic takes: ports that the gate calls for each request, synchronous, which never block."""

from collections.abc import Callable
from typing import Protocol

from chatelaine.model.capture import Part
from chatelaine.model.event import Event
from chatelaine.model.exchange import Caller, Network, ReplyHead, Reservation, UpstreamAddress
from chatelaine.model.limit import Allowance, Charge, Shortfall
from chatelaine.model.words import (
    NEVER,
    ExchangeId,
    Instant,
    UpstreamName,
)


class Clock(Protocol):
    """Tells the time; the only source of it."""

    def now(self) -> Instant:
        """Return the wall-clock time; it may jump."""
        ...

    def elapsed(self) -> int:
        """Return nanoseconds on a clock that never jumps, for durations."""
        ...


class Entropy(Protocol):
    """Draws random bytes fit for secrets."""

    def draw(self, size: int) -> bytes:
        """Return ``size`` random bytes."""
        ...


class AddressBook(Protocol):
    """Knows networks by address."""

    def find(self, ip: str) -> Network:
        """Return what is known of an address; an unknown one comes back bare."""
        ...


class Meter(Protocol):
    """Counts what keys use over all workers, and holds budgets exactly."""

    def reserve(self, slot: int, allowance: Allowance, asked: Reservation, now: Instant) -> Shortfall | None:
        """Take a reservation if every limit has room for it, atomically; else say which has not."""
        ...

    def settle(self, slot: int, charge: Charge, now: Instant) -> None:
        """Give a reservation back and count what was really used."""
        ...

    def release(self, slot: int, asked: Reservation, now: Instant, reserved_at: Instant = NEVER) -> None:
        """Give back the reservation of an exchange that never went upstream.

        Its tokens go back to the minute of ``reserved_at``; NEVER: to none.
        """
        ...


class Journal(Protocol):
    """Appends events to a worker's own segment and makes them durable in groups."""

    def append(self, event: Event) -> None:
        """Add an event to the group that is written next.

        Raises:
            JournalUnavailable: while records cannot be made durable.
        """
        ...

    def when_durable(self, call: Callable[[bool], None]) -> None:
        """Call back once everything appended so far is durable (True) or is known not to be (False).

        What was told not to be durable is still written when the disk recovers, so an opening
        that was refused for it needs its end like any other.
        """
        ...

    @property
    def available(self) -> bool:
        """Whether records can be made durable at present."""
        ...


class Recording(Protocol):
    """The content of one exchange being kept; it never blocks or raises, and loses what does not fit."""

    def add(self, part: Part, data: bytes) -> None:
        """Take the next bytes of a part, in pieces of any size."""
        ...

    def end(self) -> None:
        """Keep what was taken; to be called once, however the exchange ended."""
        ...


class Capture(Protocol):
    """Keeps the content of exchanges where the settings ask for it, apart from the journal and encrypted."""

    def begin(self, exchange: ExchangeId, caller: Caller) -> Recording | None:
        """Return what takes an exchange's content, or None where none of it is to be kept."""
        ...


class Series(Protocol):
    """One series of a metric, held by who adds to it often."""

    def add(self, value: float) -> None:
        """Add to a counter, or a value to a histogram; seconds for durations."""
        ...


class Telemetry(Protocol):
    """Counts for operators; names and labels are bounded, and never a key, an address or a user."""

    def count(self, metric: str, *labels: str, by: int = 1) -> None:
        """Add to a counter."""
        ...

    def observe(self, metric: str, *labels: str, value: float) -> None:
        """Add a value to a histogram; seconds for durations."""
        ...

    def series(self, metric: str, *labels: str) -> Series:
        """Return a series of a counter or a histogram."""
        ...

    def show(self, metric: str, *labels: str, value: float) -> None:
        """Set a gauge."""
        ...


class CallerLine(Protocol):
    """The caller's end of an exchange: a connection of the gate."""

    def write(self, data: bytes) -> None:
        """Send bytes to the caller; what it does not take yet is held."""
        ...

    def pause_reading(self) -> None:
        """Take no more of the request until told: the upstream is slower than the caller."""
        ...

    def resume_reading(self) -> None:
        """Take the request again."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, so that what was sent does not look whole."""
        ...

    def exchange_over(self, *, keep: bool) -> None:
        """The exchange is over: the connection may serve the next, or must close."""
        ...


class UpstreamLine(Protocol):
    """The upstream's end of an exchange: a connection leased from the pool."""

    def send(self, data: bytes) -> None:
        """Send bytes upstream; what it does not take yet is held."""
        ...

    def pause_reading(self) -> None:
        """Take no more of the reply until told: the caller is slower than the upstream."""
        ...

    def resume_reading(self) -> None:
        """Take the reply again."""
        ...

    def cancel(self) -> None:
        """Drop the connection at once; its exchange hears nothing more of it."""
        ...


class ReplyListener(Protocol):
    """What an upstream's connection tells the exchange that leased it."""

    @property
    def bodiless(self) -> bool:
        """Whether the reply ends with its head, whatever that declares: it was asked for by HEAD."""
        ...

    def reply(self, head: ReplyHead | None, data: bytes, *, ended: bool) -> None:
        """Take the next part of the reply: its head when it has come, body bytes, and the end."""
        ...

    def switched(self, head: ReplyHead, data: bytes) -> None:
        """Take the news that the upstream has switched protocols, with what it sent since."""
        ...

    def upstream_lost(self, detail: str) -> None:
        """Take the news that the connection broke, or spoke no HTTP."""
        ...

    def upstream_full(self, *, full: bool) -> None:
        """Take the news that the upstream takes no more of the request for now, or takes it again."""
        ...


class Upstreams(Protocol):
    """Connections to the upstreams: pooled, verified, and never to an address not allowed."""

    def lease(self, name: UpstreamName, listener: ReplyListener) -> UpstreamLine | None:
        """Return a pooled connection, or None where a new one must be made."""
        ...

    async def connect(self, name: UpstreamName, listener: ReplyListener) -> UpstreamLine:
        """Return a new connection.

        Raises:
            AddressRefused: the name resolves only to addresses that are not allowed.
            UpstreamUnreachable: no connection, no valid certificate, or too many connections.
        """
        ...

    def address(self, name: UpstreamName) -> UpstreamAddress:
        """Return what a request head to this upstream needs."""
        ...
