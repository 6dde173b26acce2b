"""A bare proxy of the gate's parts: uvloop, httptools on both sides, pooled connections, and nothing done.

It decides nothing, records nothing, checks nothing; ``make bench NAME=gate`` runs it to tell how much of
a request's cost is the platform's. Run: ``python bench/bare.py PORT UPSTREAM_PORT``.
"""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

POOL: "list[Upstream]" = []


class Upstream(asyncio.Protocol):
    """A connection to the upstream: passes a reply's bytes on until its message ends."""

    def __init__(self) -> None:
        self.caller: Caller | None = None
        self.ended = False
        self.transport: asyncio.Transport | None = None
        self.parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse, for the end, and pass on."""
        self.parser.feed_data(data)
        caller = self.caller
        if caller is not None and caller.transport is not None:
            caller.transport.write(data)
        if self.ended:
            self.ended, self.caller = False, None
            POOL.append(self)

    def on_message_complete(self) -> None:
        """Note the end."""
        self.ended = True


class Caller(asyncio.Protocol):
    """A caller's connection: each request goes upstream as it came, once it is whole."""

    def __init__(self, upstream_port: int) -> None:
        self.upstream_port = upstream_port
        self.transport: asyncio.Transport | None = None
        self.held: list[bytes] = []
        self.whole = False
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport."""
        del exc
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """Parse, for the end, and send on."""
        self.parser.feed_data(data)
        self.held.append(data)
        if self.whole:
            self.whole = False
            request, self.held = b"".join(self.held), []
            if POOL:
                self.send(POOL.pop(), request)
            else:
                self.dialling = asyncio.get_running_loop().create_task(self.dial(request))

    def on_message_complete(self) -> None:
        """Note the end."""
        self.whole = True

    async def dial(self, request: bytes) -> None:
        """Connect, and send."""
        loop = asyncio.get_running_loop()
        _, upstream = await loop.create_connection(Upstream, "127.0.0.1", self.upstream_port)
        self.send(upstream, request)

    def send(self, upstream: Upstream, request: bytes) -> None:
        """Send a request upstream."""
        upstream.caller = self
        if upstream.transport is not None:
            upstream.transport.write(request)


async def serve(port: int, upstream_port: int) -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Caller(upstream_port), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
