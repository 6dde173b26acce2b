"""The listening loop: takes connections, looks at how each greets, and hands it to the gate."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ssl import SSLContext, SSLError
from typing import Final

from chatelaine.core.metric import CONNECTIONS_REFUSED
from chatelaine.model.error import WireError
from chatelaine.model.exchange import Greeting
from chatelaine.ports import Telemetry
from chatelaine.surfaces.gate.connection import CallerConnection
from chatelaine.surfaces.gate.hall import Gate

_MOST_GREETINGS: Final = 4096
"""Handshakes under way at a time; more wait in the kernel's queue."""


@dataclass(frozen=True, slots=True)
class Greeted:
    """A connection that has shown itself: where it comes from, and how it greeted."""

    peer: str
    """The address it comes from: the socket's, or the one a trusted hop's PROXY header tells."""
    greeting: Greeting


@dataclass(frozen=True, slots=True)
class Door:
    """How connections are let in."""

    greet: Callable[[socket.socket, str], Awaitable[Greeted]]
    """Reads a PROXY header and peeks at the ClientHello, as far as the settings say."""
    context: Callable[[], SSLContext | None]
    """The TLS context of new connections; None for plain HTTP."""
    connections: int
    handshake_seconds: float
    telemetry: Telemetry


class Listener:
    """Accepts connections on one listening socket."""

    def __init__(self, listening: socket.socket, gate: Gate, door: Door) -> None:
        self._listening = listening
        self._gate = gate
        self._door = door
        self._greetings: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Accept until cancelled."""
        loop = asyncio.get_running_loop()
        places = asyncio.Semaphore(_MOST_GREETINGS)
        while True:
            await places.acquire()
            try:
                accepted, address = await loop.sock_accept(self._listening)
            except OSError:
                # Out of file descriptors, or the caller left in the queue: the next one may do.
                places.release()
                self._door.telemetry.count(CONNECTIONS_REFUSED, "accept")
                await asyncio.sleep(0.05)
                continue
            task = loop.create_task(self._welcome(accepted, str(address[0])))
            self._greetings.add(task)
            task.add_done_callback(self._greetings.discard)
            task.add_done_callback(lambda _: places.release())

    async def _welcome(self, accepted: socket.socket, peer: str) -> None:
        accepted.setblocking(False)
        door, gate = self._door, self._gate
        if len(gate.connections) >= door.connections:
            door.telemetry.count(CONNECTIONS_REFUSED, "overload")
            accepted.close()
            return
        try:
            greeted = await door.greet(accepted, peer)
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._hand_over(accepted, greeted)
        except (OSError, SSLError, WireError, TimeoutError, asyncio.IncompleteReadError):
            # Not TLS, not PROXY, too slow, or gone: there is no exchange yet that could be refused.
            door.telemetry.count(CONNECTIONS_REFUSED, "handshake")
            accepted.close()

    async def _hand_over(self, accepted: socket.socket, greeted: Greeted) -> None:
        context = self._door.context()
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(
            lambda: CallerConnection(self._gate, greeted.peer, greeted.greeting),
            accepted,
            ssl=context,
            ssl_handshake_timeout=self._door.handshake_seconds if context is not None else None,
        )

    def close(self) -> None:
        """Stop accepting; handshakes under way are dropped."""
        for task in tuple(self._greetings):
            task.cancel()
        self._listening.close()
