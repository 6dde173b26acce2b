"""A caller's connection: httptools over asyncio, one exchange at a time, in the order they came."""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from ssl import SSLObject
from typing import Final, cast

import httptools

from chatelaine.core.exchange.head import Head, Pairs, read_head
from chatelaine.core.exchange.refusal import broken_clause
from chatelaine.model.error import WireError
from chatelaine.model.exchange import Greeting, RefusalReason
from chatelaine.model.words import SECOND
from chatelaine.surfaces.gate.hall import Gate, Served

_MOST_WAITING: Final = 16
"""Pipelined requests that wait while one is served; beyond it the connection is not read."""
_MOST_WAITING_BYTES: Final = 256 * 1024
_LINGER: Final = 2 * SECOND
"""How long a refused body is read and thrown away, so that the answer is not lost to a reset."""


@dataclass(slots=True)
class _Message:
    """A request as it is parsed: what stands before its body, and the body while it waits its turn."""

    method: bytes
    target: bytes
    version: str
    pairs: Pairs
    chunks: list[bytes] = field(default_factory=list)
    complete: bool = False


class CallerConnection(asyncio.Protocol):
    """One connection of a caller. It is the ``CallerLine`` of the exchange it serves."""

    __slots__ = (
        "_client",
        "_closing_at",
        "_exchange",
        "_full",
        "_gate",
        "_greeting",
        "_head_bytes",
        "_in_head",
        "_message",
        "_pairs",
        "_parser",
        "_peer",
        "_target",
        "_transport",
        "_tunnel",
        "_waiting",
        "_waiting_bytes",
        "_waiting_since",
    )

    def __init__(self, gate: Gate, peer: str, greeting: Greeting) -> None:
        self._gate = gate
        self._peer = peer
        self._greeting = greeting
        self._client = gate.introduce(peer, greeting)
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._exchange: Served | None = None
        self._message: _Message | None = None
        self._waiting: deque[_Message] = deque()
        self._waiting_bytes = 0
        self._pairs: Pairs = []
        self._target = b""
        self._in_head = False
        self._head_bytes = 0
        self._tunnel = False
        self._full = False
        self._closing_at = 0
        self._waiting_since = gate.clock.elapsed()

    # asyncio's side.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and be counted."""
        # uvloop's transports are asyncio's by behaviour, not by class.
        self._transport = cast("asyncio.Transport", transport)
        tls: SSLObject | None = transport.get_extra_info("ssl_object")
        if tls is not None:
            self._client = self._gate.introduce(self._peer, negotiated(self._greeting, tls))
        self._gate.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came; a second request waits until the first is over."""
        if self._tunnel:
            self._into_tunnel(data)
            return
        if self._closing_at:
            return
        if self._in_head or self._message is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._tunnel = True
            self._into_tunnel(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._break(str(error) or type(error).__name__)
        if self._in_head and self._head_bytes > self._gate.sizes.head:
            self._refuse_early(RefusalReason.HEAD_TOO_LARGE, f"over {self._gate.sizes.head} bytes")

    def _into_tunnel(self, data: bytes) -> None:
        if data and self._exchange is not None:
            self._exchange.from_tunnel(data)

    def eof_received(self) -> bool:
        """Take a half-closed connection for a caller that left: nobody waits for the reply."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange at once, so that nothing more is generated for nobody."""
        del exc
        self._gate.connections.discard(self)
        self._closing_at = 1
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.caller_left()
        self._waiting.clear()

    def pause_writing(self) -> None:
        """Hold the upstream back while the caller does not read."""
        self._full = True
        if self._exchange is not None:
            self._exchange.caller_full(full=True)

    def resume_writing(self) -> None:
        """Let the upstream go on."""
        self._full = False
        if self._exchange is not None:
            self._exchange.caller_full(full=False)

    # httptools' side.

    def on_message_begin(self) -> None:
        """Start gathering a head."""
        self._pairs = []
        self._target = b""
        self._in_head = True
        self._waiting_since = self._gate.clock.elapsed()

    def on_url(self, part: bytes) -> None:
        """Gather the target, which may come in parts."""
        self._target = self._target + part if self._target else part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Gather a header; what comes after the head are trailers, which are dropped."""
        if self._in_head:
            self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        """Begin an exchange, or let the request wait its turn."""
        self._in_head = False
        parser = self._parser
        message = _Message(parser.get_method(), self._target, parser.get_http_version(), self._pairs)
        self._message = message
        if self._exchange is None and not self._waiting:
            self._begin(message)
        else:
            self._waiting.append(message)
            self._hold(self._head_bytes)

    def on_body(self, chunk: bytes) -> None:
        """Pass a part of the body on."""
        message = self._message
        if message is None or self._closing_at:
            return
        if self._waiting and self._waiting[-1] is message:
            message.chunks.append(chunk)
            self._hold(len(chunk))
        elif self._exchange is not None:
            self._exchange.body(chunk)

    def on_message_complete(self) -> None:
        """Pass on that the request has come whole."""
        message, self._message = self._message, None
        self._head_bytes = 0
        if message is None or self._closing_at:
            return
        message.complete = True
        if not (self._waiting and self._waiting[-1] is message) and self._exchange is not None:
            self._exchange.body_ended()

    # Requests.

    def _begin(self, message: _Message) -> None:
        gate = self._gate
        client = self._client(message.pairs, message.version)
        try:
            head = read_head(message.method, message.target, message.version, message.pairs)
        except WireError as fault:
            exchange = gate.exchange(self, client, _bare(message))
            self._exchange = exchange
            exchange.refuse(broken_clause(fault.clause), f"{fault.clause}: {fault.message}")
            return
        exchange = gate.exchange(self, client, head)
        self._exchange = exchange
        if gate.draining:
            exchange.refuse(RefusalReason.DRAINING)
        elif self._head_bytes > gate.sizes.head and _size(message) > gate.sizes.head:
            exchange.refuse(RefusalReason.HEAD_TOO_LARGE, f"over {gate.sizes.head} bytes")
        else:
            exchange.begin()

    def _break(self, fault: str) -> None:
        """Answer bytes that are not HTTP: the exchange they belong to is refused and recorded."""
        if self._exchange is not None:
            self._exchange.malformed(fault)
        else:
            self._refuse_early(RefusalReason.MALFORMED_REQUEST, fault)
        self._close_soon()

    def _refuse_early(self, reason: RefusalReason, detail: str) -> None:
        """Refuse a request whose head never became whole."""
        if self._exchange is None and not self._closing_at:
            pairs, self._pairs = self._pairs, []
            message = _Message(b"", self._target[:2048], "1.1", pairs)
            exchange = self._gate.exchange(self, self._client(pairs, "1.1"), _bare(message))
            self._exchange = exchange
            exchange.refuse(reason, detail)
        self._close_soon()

    def _hold(self, size: int) -> None:
        self._waiting_bytes += size
        if len(self._waiting) > _MOST_WAITING or self._waiting_bytes > _MOST_WAITING_BYTES:
            self.pause_reading()

    def _next(self) -> None:
        """Serve the request that waited longest."""
        message = self._waiting.popleft()
        if not self._waiting:
            self._waiting_bytes = 0
            self.resume_reading()
        self._begin(message)
        for chunk in message.chunks:
            if self._exchange is not None:
                self._exchange.body(chunk)
        message.chunks = []
        if message.complete and self._exchange is not None:
            self._exchange.body_ended()

    # The exchange's side.

    def write(self, data: bytes) -> None:
        """Send bytes to the caller."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Take no more from the caller for now."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes from the caller again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._closing_at = 1
        if self._transport is not None:
            self._transport.abort()

    def exchange_over(self, *, keep: bool) -> None:
        """Serve the next request, wait for one, or close."""
        self._exchange = None
        self._waiting_since = self._gate.clock.elapsed()
        if self._closing_at:
            return
        if not keep or self._gate.draining:
            self._close_soon()
        elif self._waiting:
            self._next()

    def _close_soon(self) -> None:
        """Close; if the caller is still sending, read it out for a moment first."""
        if self._closing_at:
            return
        self._closing_at = self._gate.clock.elapsed() + _LINGER
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._message is None:
            transport.close()
        elif transport.can_write_eof():
            transport.write_eof()

    def tick(self, now: int) -> None:
        """Look at the clock: close what idles, refuse what dawdles. ``now`` as ``Clock.elapsed``."""
        transport, times = self._transport, self._gate.timeouts
        if transport is None:
            return
        if self._closing_at:
            if now > self._closing_at:
                transport.abort()
        elif self._exchange is not None:
            self._exchange.tick(now, caller_full=self._full)
        elif self._in_head and now - self._waiting_since > times.head.total_seconds() * SECOND:
            self._refuse_early(RefusalReason.HEAD_TIMEOUT, "")
        elif now - self._waiting_since > times.keep_alive.total_seconds() * SECOND:
            transport.close()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way here."""
        return self._exchange is None and self._message is None

    def close_idle(self) -> None:
        """Close the connection if nothing is under way: the gate is draining."""
        if self.idle:
            self._close_soon()


def _bare(message: _Message) -> Head:
    """Return a head that says no more than what can be recorded of a broken one."""
    return Head(
        method=message.method,
        target=message.target,
        version=message.version,
        pairs=message.pairs,
        credential=None,
        length=None,
        chunked=False,
        keep_alive=False,
        expects_continue=False,
        upgrade=b"",
        content_type=b"",
        passed=[],
    )


def _size(message: _Message) -> int:
    return len(message.target) + sum(len(name) + len(value) + 4 for name, value in message.pairs)


def negotiated(greeting: Greeting, tls: SSLObject | None) -> Greeting:
    """Return a greeting completed by what the handshake settled on."""
    if tls is None:
        return greeting
    return Greeting(
        greeting.ja4, tls.version() or "", tls.selected_alpn_protocol() or greeting.alpn, greeting.server_name
    )
