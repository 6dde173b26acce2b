"""A caller's connection: httptools over asyncio, one exchange at a time, in the order they came."""

import asyncio
from ssl import SSLObject
from typing import Final, cast

import httptools

from chatelaine.core.exchange.head import Head, HeadReader, Pairs
from chatelaine.core.exchange.refusal import broken_clause
from chatelaine.model.error import WireError
from chatelaine.model.exchange import Greeting, RefusalReason
from chatelaine.model.words import SECOND
from chatelaine.surfaces.gate.hall import Gate, Served
from chatelaine.surfaces.gate.pipeline import MOST_WAITING, Message, Pipeline

_LINGER: Final = 2 * SECOND
"""How long a refused body is read and thrown away, so that the answer is not lost to a reset."""


class CallerConnection(asyncio.Protocol):
    """One connection of a caller. It is the ``CallerLine`` of the exchange it serves."""

    __slots__ = (
        "_client",
        "_closing_at",
        "_deaf",
        "_dry",
        "_exchange",
        "_fed",
        "_full",
        "_gate",
        "_greeting",
        "_head_bytes",
        "_head_slack",
        "_heads",
        "_in_head",
        "_message",
        "_pairs",
        "_parser",
        "_paused",
        "_peer",
        "_pipeline",
        "_serving",
        "_target",
        "_transport",
        "_tunnel",
        "_waiting_since",
    )

    def __init__(self, gate: Gate, peer: str, greeting: Greeting) -> None:
        self._gate = gate
        self._peer = peer
        self._greeting = greeting
        self._client = gate.introduce(peer, greeting)
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)
        self._exchange: Served | None = None
        self._message: Message | None = None
        self._pipeline = Pipeline()
        self._heads = HeadReader()
        self._pairs: Pairs = []
        self._target = b""
        self._in_head = False
        self._fed = 0
        # What came since the last request's end, and how much of that may have been its body.
        self._head_bytes = self._head_slack = 0
        # What came since the last byte of a body: chunk extensions and trailers, which nobody bounds.
        self._dry = 0
        self._tunnel = self._full = self._paused = self._serving = False
        # Set once what follows cannot be told apart any more.
        self._deaf = False
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
        parser = self._parser
        if self._closing_at or self._deaf or parser is None:
            return
        self._fed = len(data)
        if self._in_head or self._message is None:
            self._head_bytes += self._fed
        else:
            self._dry += self._fed
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._tunnel = True
            self._into_tunnel(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._break(RefusalReason.MALFORMED_REQUEST, str(error) or type(error).__name__)
        self._check_sizes()

    def _check_sizes(self) -> None:
        limit = self._gate.sizes.head
        if self._in_head:
            if self._head_bytes - self._head_slack > limit:
                self._break(RefusalReason.HEAD_TOO_LARGE, f"over {limit} bytes")
        elif self._dry > limit:
            self._break(RefusalReason.MALFORMED_REQUEST, f"over {limit} bytes around a body")

    def _into_tunnel(self, data: bytes) -> None:
        if self._exchange is None and self._pipeline.empty:
            # The switch was refused: what follows is in no protocol of ours.
            self._close_soon()
        elif data and self._exchange is not None:
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
        self._pipeline.clear()
        # Both hold us as well: without this each connection would wait for the collector.
        self._parser = self._transport = None

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
        else:
            self._serve_waiting()

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
        parser, limit = self._parser, self._gate.sizes.head
        if self._closing_at or parser is None:
            return
        message = Message(parser.get_method(), self._target, parser.get_http_version(), self._pairs)
        self._message = message
        if self._head_bytes > limit and message.head_bytes > limit:
            message.refusal = RefusalReason.HEAD_TOO_LARGE, f"over {limit} bytes"
        self._take_turn(message)

    def on_body(self, chunk: bytes) -> None:
        """Pass a part of the body on."""
        message = self._message
        self._dry = 0
        if message is None or self._closing_at:
            return
        if message.waiting:
            self._pipeline.hold(message, chunk)
            if self._pipeline.crowded:
                self.pause_reading()
        elif self._exchange is not None:
            self._exchange.body(chunk)

    def on_message_complete(self) -> None:
        """Pass on that the request has come whole."""
        message, self._message = self._message, None
        self._head_bytes = self._head_slack = self._fed
        self._dry = 0
        if message is None or self._closing_at:
            return
        message.complete = True
        if not message.waiting and self._exchange is not None:
            self._exchange.body_ended()

    # Requests.

    def _take_turn(self, message: Message) -> None:
        """Begin a request, or let it wait: for the one before it, and until its reply has room."""
        pipeline = self._pipeline
        if self._exchange is None and pipeline.empty and not self._full:
            self._begin(message)
            return
        overflowing = pipeline.full
        pipeline.put(message, self._head_bytes)
        if pipeline.crowded:
            self.pause_reading()
        if overflowing and not self._deaf:
            self._deaf = True
            message.refusal = RefusalReason.OVERLOADED, f"over {MOST_WAITING} requests wait"
            # It leaves the parser, so that what follows is not even parsed.
            raise WireError("too many requests wait on one connection", clause="RFC 9112 §9.3.2")

    def _begin(self, message: Message) -> Served:
        gate, told = self._gate, message.refusal
        try:
            head = self._heads.read(message.method, message.target, message.version, message.pairs)
        except WireError as fault:
            head = Head(message.method, message.target, message.version, message.pairs)
            told = told or (broken_clause(fault.clause), f"{fault.clause}: {fault.message}")
        exchange = gate.exchange(self, self._client(message.pairs, message.version), head)
        self._exchange = exchange
        if told is not None:
            exchange.refuse(*told)
        elif gate.draining:
            exchange.refuse(RefusalReason.DRAINING)
        else:
            exchange.begin()
        return exchange

    def _break(self, reason: RefusalReason, detail: str) -> None:
        """Refuse, in its turn, a request that cannot be understood; what follows it is not heard."""
        if self._closing_at or self._deaf:
            return
        self._deaf = True
        message = self._message
        if message is None:
            self._in_head = False
            message = Message(b"", self._target[:2048], "1.1", self._pairs)
            message.refusal = reason, detail
            self._take_turn(message)
        elif message.waiting:
            message.fault = detail
        elif self._exchange is not None:
            self._exchange.malformed(detail)

    def _serve_waiting(self) -> None:
        # A loop, for thousands of refusals at a stroke would be as many calls within calls.
        if self._serving:
            return
        self._serving = True
        pipeline = self._pipeline
        while not pipeline.empty and self._exchange is None and not self._full and not self._closing_at:
            self._serve(pipeline.take())
        self._serving = False

    def _serve(self, message: Message) -> None:
        if self._pipeline.empty:
            self.resume_reading()
        exchange = self._begin(message)
        for chunk in message.chunks:
            exchange.body(chunk)
        message.chunks = []
        if message.fault:
            exchange.malformed(message.fault)
        elif message.complete:
            exchange.body_ended()

    # The exchange's side.

    def write(self, data: bytes) -> None:
        """Send bytes to the caller."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Take no more from the caller for now."""
        self._paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes from the caller again."""
        self._paused = False
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
        if not keep or self._gate.draining or ((self._tunnel or self._deaf) and self._pipeline.empty):
            self._close_soon()
        elif not self._pipeline.empty:
            self._serve_waiting()
        elif self._paused:
            # The upstream answered before it had taken all, and will not say any more that it has.
            self.resume_reading()

    def _close_soon(self) -> None:
        """Close; if the caller is still sending, read it out for a moment first."""
        if self._closing_at:
            return
        sending = self._message is not None or self._deaf
        # A caller that reads slowly gets all of its reply; one that does not read is dropped in the end.
        patience = _LINGER if sending else int(self._gate.timeouts.stream_idle.total_seconds() * SECOND)
        self._closing_at = self._gate.clock.elapsed() + patience
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not sending:
            transport.close()
            return
        if self._paused:
            self.resume_reading()
        if transport.can_write_eof():
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
            self._break(RefusalReason.HEAD_TIMEOUT, "")
        elif now - self._waiting_since > times.keep_alive.total_seconds() * SECOND:
            self._close_soon()

    @property
    def idle(self) -> bool:
        """Whether nothing is under way here."""
        return self._exchange is None and self._message is None

    def close_idle(self) -> None:
        """Close the connection if nothing is under way: the gate is draining."""
        if self.idle:
            self._close_soon()


def negotiated(greeting: Greeting, tls: SSLObject) -> Greeting:
    """Return a greeting completed by what the handshake settled on."""
    return Greeting(
        greeting.ja4, tls.version() or "", tls.selected_alpn_protocol() or greeting.alpn, greeting.server_name
    )
