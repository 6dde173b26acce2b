"""Looking at how a connection begins: a PROXY header is taken off it, a ClientHello only peeked at."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

from chatelaine.core.exchange import hello, proxy_protocol
from chatelaine.core.exchange.ja4 import greet
from chatelaine.model.exchange import Greeting

_MOST: Final = 64 * 1024


async def peek(connection: socket.socket, lacking: Callable[[bytes], int]) -> bytes:
    """Return the first bytes of a connection, as soon as ``lacking`` says they are enough.

    The bytes stay to be read. ``SO_RCVLOWAT`` keeps the kernel from waking us before more have
    come, so a caller that sends a byte at a time costs no CPU.

    Raises:
        WireError: as ``lacking``.
        ConnectionError: the caller left.
    """
    wanted = 1
    while True:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, wanted)
        await _readable(connection)
        data = connection.recv(_MOST, socket.MSG_PEEK)
        missing = lacking(data)
        if not missing:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            return data
        if not data or len(data) < wanted:
            # Readable with less than was asked for: the other side has closed.
            raise ConnectionError("the caller left before it had greeted")
        wanted = min(len(data) + missing, _MOST)


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
    """Take a PROXY v2 header off a connection and return the address it tells.

    Raises:
        WireError: there is none, or it is malformed.
        ConnectionError: the caller left.
    """
    data = await peek(connection, proxy_protocol.lacking)
    header = proxy_protocol.parse(data)
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
