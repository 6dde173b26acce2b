"""The hub's socket: commands of the command line, and the lines of gate workers.

Whoever connects has this user's id or root's, sends frames of bounded size, and is cut off at the
first frame that is none.
"""

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chatelaine.core.link import FROM_CLIENTS, Frames, frame
from chatelaine.model.error import ChatelaineError, WireError
from chatelaine.model.link import (
    COMMAND_LIMIT,
    LINK_VERSION,
    Acknowledged,
    Command,
    KeyUsed,
    Measured,
    Message,
    Refused,
    Reply,
    WorkerHello,
    WorkerStanding,
)
from chatelaine.model.words import KeyId
from chatelaine.surfaces.switchboard import Line, Switchboard

_READ = 64 * 1024
_MOST_CONNECTIONS = 256
_CREDENTIALS = struct.Struct("3i")
_log = logging.getLogger("chatelaine.hub")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the socket's server asks of the hub."""

    answer: Callable[[Command], Awaitable[Reply]]
    recover: Callable[[WorkerHello], Awaitable[None]]
    """Closes what a dead worker of this number left behind, before a new one has its tables."""
    note_used: Callable[[KeyId], None]
    gone: Callable[[Line], None]
    """Told when a worker's line has ended."""


class ControlServer:
    """Serves the hub's socket until it is closed."""

    def __init__(self, path: Path, switchboard: Switchboard, desk: Desk) -> None:
        self._path = path
        self._switchboard = switchboard
        self._desk = desk
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Take the socket's place, that of a dead hub included; who has the hub's lock may."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path=str(self._path))
        finally:
            os.umask(before)

    async def close(self) -> None:
        """Stop taking connections and end those there are."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        with suppress(FileNotFoundError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._writers) >= _MOST_CONNECTIONS or not _ours(writer):
            _log.warning("a connection to %s was refused", self._path)
            writer.transport.abort()
            return
        self._writers.add(writer)
        connection = _Connection(self._switchboard, self._desk, writer)
        try:
            await connection.run(reader)
        except WireError as fault:
            _log.warning("a connection to %s was cut: %s", self._path, fault.message)
        except (OSError, asyncio.IncompleteReadError) as fault:
            _log.debug("a connection to %s ended: %s", self._path, fault)
        finally:
            connection.leave()
            self._writers.discard(writer)
            writer.transport.abort()


class _Connection:
    """One peer: a worker once it has said hello, the command line otherwise."""

    def __init__(self, switchboard: Switchboard, desk: Desk, writer: asyncio.StreamWriter) -> None:
        self._switchboard = switchboard
        self._desk = desk
        self._writer = writer
        self._line: Line | None = None

    async def run(self, reader: asyncio.StreamReader) -> None:
        frames = Frames(FROM_CLIENTS, limit=COMMAND_LIMIT)
        while data := await reader.read(_READ):
            for message in frames.feed(data):
                await self._take(message)
        if frames.partial:
            raise WireError("the peer left in the middle of a frame")

    def leave(self) -> None:
        if self._line is not None:
            self._switchboard.leave(self._line)
            self._desk.gone(self._line)

    async def _take(self, message: Message) -> None:
        if isinstance(message, Command):
            self._writer.write(frame(await self._answer(message)))
            await self._writer.drain()
        elif isinstance(message, WorkerHello):
            await self._greet(message)
        elif isinstance(message, WorkerStanding | Acknowledged | KeyUsed | Measured):
            self._hear(message)

    async def _greet(self, hello: WorkerHello) -> None:
        if hello.version != LINK_VERSION:
            raise WireError(f"worker {hello.worker} speaks version {hello.version}, not {LINK_VERSION}")
        if hello.supervisor != os.getppid():
            raise WireError(f"worker {hello.worker} belongs to another supervisor")
        if self._line is not None or not 1 <= hello.worker <= self._switchboard.workers:
            raise WireError(f"a hello of worker {hello.worker} is not expected here")
        if not hello.serving:
            await self._desk.recover(hello)
        self._line = Line(hello, self._writer)
        await self._switchboard.welcome(self._line)

    def _hear(self, message: WorkerStanding | Acknowledged | KeyUsed | Measured) -> None:
        line = self._line
        if line is None:
            raise WireError(f"a {type(message).__name__} came before a hello")
        match message:
            case WorkerStanding():
                line.standing = message
            case Acknowledged():
                self._switchboard.acknowledge(line, message.epoch)
            case KeyUsed():
                self._desk.note_used(message.key)
            case Measured():
                line.snapshot = message.snapshot

    async def _answer(self, command: Command) -> Reply:
        try:
            return await self._desk.answer(command)
        except ChatelaineError as fault:
            return Refused(fault.reason, fault.message, fault.hint)


def _ours(writer: asyncio.StreamWriter) -> bool:
    """Tell whether the peer has this process's user id or root's (``SO_PEERCRED``, unix(7))."""
    peer = writer.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    return user in {0, os.geteuid()}
