"""Connections to upstreams: httptools over asyncio, pooled, one exchange at a time on each."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ssl import SSLContext, SSLError
from typing import cast
from urllib.parse import urlsplit

import httptools

from chatelaine.core.exchange.reach import allowed, networks
from chatelaine.core.exchange.reply import read_framing
from chatelaine.model.error import AddressRefused, UpstreamUnreachable
from chatelaine.model.exchange import ReplyHead, UpstreamAddress
from chatelaine.model.settings import UpstreamSettings
from chatelaine.model.words import UpstreamName
from chatelaine.ports import ReplyListener

_HEAD_LIMIT = 64 * 1024
_BODILESS = frozenset({204, 304})
_FIRST_FINAL = 200
_SWITCHING = 101


class UpstreamConnection(asyncio.Protocol):
    """One connection to an upstream; ``listener`` is the exchange that has it on lease."""

    __slots__ = (
        "_bodies",
        "_bodiless",
        "_ended",
        "_head",
        "_head_bytes",
        "_home",
        "_keep",
        "_pairs",
        "_parser",
        "_paused",
        "_status",
        "_switched",
        "_transport",
        "_until_close",
        "listener",
    )

    def __init__(self, home: "Home") -> None:
        self._home = home
        self._transport: asyncio.Transport | None = None
        self.listener: ReplyListener | None = None
        self._fresh()

    def _fresh(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._bodiless = False
        self._pairs: list[tuple[bytes, bytes]] = []
        self._head: ReplyHead | None = None
        self._head_bytes = 0
        self._bodies: list[bytes] = []
        self._ended = False
        self._keep = False
        self._status = 0
        self._switched = False
        self._paused = False
        self._until_close = False

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        # uvloop's transports are asyncio's by behaviour, not by class.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feed the reply on to the exchange, in one call for all that came."""
        listener = self.listener
        if listener is None:
            # Bytes nobody asked for would be taken for the next exchange's reply.
            self.cancel()
            return
        if self._switched:
            listener.reply(None, data, ended=False)
            return
        had_head = self._head is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._switch(listener, data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            self._lose(f"the upstream's reply is not HTTP: {type(error).__name__}")
            return
        if self._head is None:
            self._head_bytes += len(data)
            if self._head_bytes > _HEAD_LIMIT:
                self._lose("the upstream's reply head is too large")
            return
        self._deliver(listener, had_head=had_head)

    def _deliver(self, listener: ReplyListener, *, had_head: bool) -> None:
        bodies = self._bodies
        data = bodies[0] if len(bodies) == 1 else b"".join(bodies)
        if bodies:
            self._bodies = []
        head = None if had_head else self._head
        ended = self._ended
        if head is not None and head.status == _SWITCHING:
            self._lose("the upstream switched protocols without saying to which")
            return
        if ended:
            if self._bodiless and not self._expect_none(data):
                return
            self._give_back()
        listener.reply(head, data, ended=ended)

    def _expect_none(self, data: bytes) -> bool:
        """Refuse a body where there can be none: it would be taken for the next exchange's reply."""
        if data:
            self._lose("the upstream's reply to HEAD has a body")
            return False
        # This parser waits for the body that the head declares.
        self._parser = httptools.HttpResponseParser(self)
        self._bodiless = False
        return True

    def _switch(self, listener: ReplyListener, rest: bytes) -> None:
        if self._head is None or self._head.status != _SWITCHING:
            self._lose("the upstream switched protocols without saying so")
            return
        self._switched = True
        listener.switched(self._head, rest)

    def _give_back(self) -> None:
        self.listener = None
        self._head = None
        self._pairs = []
        self._ended = False
        self._head_bytes = 0
        if self._paused:
            self.resume_reading()
        if self._keep and self._transport is not None and not self._transport.is_closing():
            self._home.take_back(self)
        elif self._transport is not None:
            self._transport.close()

    def eof_received(self) -> None:
        """Let the transport close; ``connection_lost`` says the rest."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the exchange, or leave the pool."""
        self._home.lost(self)
        listener, self.listener = self.listener, None
        if listener is None:
            return
        if self._until_close and self._head is not None and exc is None:
            listener.reply(None, b"", ended=True)
        else:
            listener.upstream_lost("the upstream closed the connection")

    def pause_writing(self) -> None:
        """Pass on that the upstream takes no more for now."""
        if self.listener is not None:
            self.listener.upstream_full(full=True)

    def resume_writing(self) -> None:
        """Pass on that the upstream takes bytes again."""
        if self.listener is not None:
            self.listener.upstream_full(full=False)

    def _lose(self, detail: str) -> None:
        listener, self.listener = self.listener, None
        self.cancel()
        if listener is not None:
            listener.upstream_lost(detail)

    # httptools' side

    def on_message_begin(self) -> None:
        """Refuse a second reply to one request: it is somebody's attempt at response splitting."""
        if self._ended:
            raise ValueError("a reply beyond the one that was asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Gather a header; what comes after the head are trailers, which are dropped."""
        if self._head is None:
            self._pairs.append((name, value))

    def on_headers_complete(self) -> None:
        """Make the reply head; interim replies (1xx but 101) are skipped."""
        status = self._parser.get_status_code()
        if status < _FIRST_FINAL and status != _SWITCHING:
            self._pairs = []
            self._status = status
            return
        self._status = 0
        length, chunked = read_framing(self._pairs)
        self._until_close = (
            length is None and not chunked and status not in _BODILESS and status != _SWITCHING
        )
        self._head = ReplyHead(status, tuple(self._pairs), length)
        if self.listener is not None and self.listener.bodiless and status != _SWITCHING:
            self._end_at_head()

    def _end_at_head(self) -> None:
        # RFC 9112 §6.3: the head of a reply to HEAD is all of it, whatever length it declares.
        self._bodiless = self._ended = True
        self._keep = self._parser.should_keep_alive() and not self._until_close

    def on_body(self, body: bytes) -> None:
        """Gather a part of the body."""
        self._bodies.append(body)

    def on_message_complete(self) -> None:
        """Note the end, unless it is that of an interim reply."""
        if self._head is not None:
            self._ended = True
            self._keep = self._parser.should_keep_alive() and not self._until_close

    # the exchange's side

    def send(self, data: bytes) -> None:
        """Send bytes upstream."""
        if self._transport is not None:
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Stop taking the reply."""
        self._paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take the reply again."""
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def cancel(self) -> None:
        """Drop the connection; the listener hears nothing more."""
        self.listener = None
        if self._transport is not None:
            self._transport.abort()

    @property
    def closing(self) -> bool:
        """Whether the connection is unfit for a lease."""
        return self._transport is None or self._transport.is_closing()


@dataclass(slots=True)
class Home:
    """Where the connections of one upstream live."""

    settings: UpstreamSettings
    context: SSLContext | None
    address: UpstreamAddress
    idle: list[UpstreamConnection] = field(default_factory=list)
    alive: set[UpstreamConnection] = field(default_factory=set)

    def take_back(self, connection: UpstreamConnection) -> None:
        """Hold a connection whose exchange is over."""
        self.idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """Forget a connection that is gone."""
        self.alive.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)


class UpstreamPool:
    """The port ``Upstreams`` over real sockets."""

    def __init__(self, homes: Mapping[UpstreamName, Home]) -> None:
        self._homes = dict(homes)

    def lease(self, name: UpstreamName, listener: ReplyListener) -> UpstreamConnection | None:
        """Return the connection used last, which is the warmest, or None."""
        idle = self._homes[name].idle
        while idle:
            connection = idle.pop()
            if not connection.closing:
                connection.listener = listener
                return connection
        return None

    async def connect(self, name: UpstreamName, listener: ReplyListener) -> UpstreamConnection:
        """Return a new connection to an address that is allowed.

        Raises:
            AddressRefused: the name resolves only to addresses that are not allowed.
            UpstreamUnreachable: no connection, no valid certificate, or too many connections.
        """
        home = self._homes[name]
        if len(home.alive) >= home.settings.connections:
            raise UpstreamUnreachable(
                f"upstream {name}: all {home.settings.connections} connections are in use",
                hint=f"raise upstreams.{name}.connections or add an upstream",
            )
        connection = await _dial(home)
        home.alive.add(connection)
        connection.listener = listener
        return connection

    def address(self, name: UpstreamName) -> UpstreamAddress:
        """Return what a request head to this upstream needs."""
        return self._homes[name].address

    def replace(self, homes: Mapping[UpstreamName, Home]) -> None:
        """Take over new settings or provider keys; leased connections run on to their end."""
        old, self._homes = self._homes, dict(homes)
        for home in old.values():
            for connection in list(home.idle):
                connection.cancel()

    def close(self) -> None:
        """Drop every connection."""
        for home in self._homes.values():
            for connection in list(home.alive):
                connection.cancel()


async def _dial(home: Home) -> UpstreamConnection:
    settings = home.settings
    parts = urlsplit(settings.url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=1)
    except OSError as error:
        raise UpstreamUnreachable(
            f"upstream {settings.name}: the name {host} does not resolve ({error})",
            hint=f"check upstreams.{settings.name}.url",
        ) from error
    permitted = networks(settings.allow_addresses)
    # Checked here, on the very addresses that are dialled: a name may point elsewhere by now.
    addresses = [str(entry[4][0]) for entry in found if allowed(str(entry[4][0]), permitted)]
    if not addresses:
        raise AddressRefused(
            f"upstream {settings.name}: {host} resolves to an address it may not be reached at",
            hint=f"name the network in upstreams.{settings.name}.allow_addresses if that is intended",
        )
    return await _reach(home, addresses, port=port, host=host if secure else None)


async def _reach(home: Home, addresses: list[str], *, port: int, host: str | None) -> UpstreamConnection:
    loop = asyncio.get_running_loop()
    fault: Exception | None = None
    for address in dict.fromkeys(addresses):
        try:
            _, connection = await loop.create_connection(
                lambda: UpstreamConnection(home),
                address,
                port,
                ssl=home.context if host else None,
                server_hostname=host,
            )
        except (OSError, SSLError) as error:
            fault = error
        else:
            return connection
    raise UpstreamUnreachable(
        f"upstream {home.settings.name}: no connection ({fault})",
        hint=f"check upstreams.{home.settings.name}.url and that the server answers",
    ) from fault


def build_homes(
    settings: tuple[UpstreamSettings, ...],
    *,
    secret: Callable[[UpstreamSettings], bytes],
    credential: Callable[[UpstreamSettings, bytes], bytes],
    context: Callable[[UpstreamSettings], SSLContext],
) -> dict[UpstreamName, Home]:
    """Return a home for every upstream.

    Args:
        settings: the upstreams.
        secret: gives the provider key of an upstream, empty where it needs none.
        credential: writes a provider key as the header line its provider wants, with CRLF.
        context: gives the TLS context that verifies an upstream.
    """
    homes = {}
    for upstream in settings:
        parts = urlsplit(upstream.url)
        plain = secret(upstream)
        homes[upstream.name] = Home(
            settings=upstream,
            context=context(upstream) if parts.scheme == "https" else None,
            address=UpstreamAddress(
                path=parts.path.rstrip("/").encode(),
                host=parts.netloc.encode(),
                credential=credential(upstream, plain) if plain else b"",
                secret=plain,
            ),
        )
    return homes
