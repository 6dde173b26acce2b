"""Looking at how a connection begins: a PROXY header is taken off it, a ClientHello only peeked at.

Whoever calls sets the deadline (``asyncio.timeout``); until then a silent caller costs nothing.
"""

import asyncio
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from chatelaine.core.exchange import hello, proxy_protocol
from chatelaine.core.exchange.ja4 import greet
from chatelaine.model.exchange import Greeting

_MOST: Final = max(hello.PEEK_MAX, proxy_protocol.HEADER_MAX)
_FIRST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.25
"""Seconds between looks where the kernel wakes us for less than was asked for."""

# Linux says so when the other side has closed; elsewhere the deadline does.
_HUNG_UP: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR


async def peek(connection: socket.socket, lacking: Callable[[bytes], int]) -> bytes:
    """Return the first bytes of a connection, as soon as ``lacking`` says they are enough.

    The bytes stay to be read, which leaves the socket readable all the while: so ``SO_RCVLOWAT``
    tells the kernel not to wake us before as many have come as are surely needed. A caller that
    sends a byte at a time then costs a few wake-ups; where the kernel does not heed it, we look
    again after ever longer pauses.

    Raises:
        WireError: as ``lacking``.
        ConnectionError: the caller left.
    """
    wanted = 1
    pause = _FIRST_PAUSE
    try:
        while True:
            data = _look(connection)
            missing = lacking(data)
            if not missing:
                return data
            if len(data) < wanted and _has_left(connection):
                raise ConnectionError("the caller left before it had greeted")
            if 0 < len(data) < wanted:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            wanted = len(data) + missing
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
            await _readable(connection)
    finally:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def _look(connection: socket.socket) -> bytes:
    try:
        data = connection.recv(_MOST, socket.MSG_PEEK)
    except BlockingIOError:
        return b""
    if not data:
        raise ConnectionError("the caller left before it had said anything")
    return data


def _has_left(connection: socket.socket) -> bool:
    poll = select.poll()
    poll.register(connection, _HUNG_UP)
    return bool(poll.poll(0))


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_reader(connection, _set, ready)
    try:
        await ready
    finally:
        loop.remove_reader(connection)


def _set(ready: "asyncio.Future[None]") -> None:
    if not ready.done():
        ready.set_result(None)


async def read_proxy_header(connection: socket.socket, peer: str) -> str:
    """Take a PROXY v2 header off a connection and return the address it tells, else ``peer``.

    To be asked of connections from trusted hops only.

    Raises:
        WireError: there is none, or it is malformed.
        ConnectionError: the caller left.
    """
    header = proxy_protocol.parse(await peek(connection, proxy_protocol.lacking))
    if header is None:
        raise ConnectionError("the header is not whole")
    connection.recv(header.consumed)
    return header.ip or peer


async def read_greeting(connection: socket.socket) -> Greeting:
    """Return how a TLS client greets, its ClientHello left where it is.

    Raises:
        WireError: it is no ClientHello.
        ConnectionError: the caller left.
    """
    held = hello.parse(await peek(connection, hello.lacking))
    if held is None:
        raise ConnectionError("the ClientHello is not whole")
    return greet(held)
