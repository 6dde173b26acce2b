"""Callers that tests steer by hand: one connection, plain HTTP, nothing hidden."""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from house import House

from chatelaine.app.errand import ask
from chatelaine.model.key import KeyInput
from chatelaine.model.link import ChangeKey, Command, KeysTold, Reach
from chatelaine.model.words import KeyId

REQUEST_ID = "x-chatelaine-request-id"
CHAT = "/v1/chat/completions"


def chat(*, stream: bool = False, most: int = 20, model: str = "gpt-4o-mini") -> bytes:
    """Return the body of a chat request."""
    said = [{"role": "user", "content": "Hello"}]
    return json.dumps({"model": model, "messages": said, "max_tokens": most, "stream": stream}).encode()


def request(
    token: str,
    body: bytes = b"",
    *,
    path: str = CHAT,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Return a request as bytes."""
    lines = {"host": "gate", "authorization": f"Bearer {token}", "content-type": "application/json"}
    lines |= {"content-length": str(len(body))} if body or method == "POST" else {}
    lines |= dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass(frozen=True)
class Answer:
    """A reply as it came."""

    status: int
    headers: Mapping[str, str]
    raw_head: bytes
    body: bytes

    @property
    def id(self) -> str:
        """The request id the gate gave."""
        return self.headers.get(REQUEST_ID, "")


@dataclass
class Caller:
    """One connection to a gate."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def dial(cls, port: int) -> "Caller":
        """Connect in plain."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def ask(self, data: bytes) -> Answer:
        """Send a request and return its whole reply.

        Raises:
            OSError, asyncio.IncompleteReadError: the reply broke off.
        """
        self.writer.write(data)
        head = await self.head()
        return Answer(head.status, head.headers, head.raw_head, await self.body(head))

    async def head(self) -> Answer:
        """Read a reply's head."""
        raw = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")
        pairs = [line.split(": ", 1) for line in lines if line]
        return Answer(int(first.split()[1]), {name.lower(): value for name, value in pairs}, raw, b"")

    async def body(self, head: Answer) -> bytes:
        """Read the body that belongs to a head."""
        if "chunked" not in head.headers.get("transfer-encoding", ""):
            return await self.reader.readexactly(int(head.headers.get("content-length", "0")))
        return await self.rest()

    async def rest(self) -> bytes:
        """Read chunks to the end."""
        parts = []
        while part := await self.chunk():
            parts.append(part)
        return b"".join(parts)

    async def chunk(self) -> bytes:
        """Read one chunk; empty at the end."""
        size = int(await self.reader.readuntil(b"\r\n"), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def close(self) -> None:
        """Close the connection."""
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def once(port: int, data: bytes) -> Answer:
    """Send one request on a connection of its own."""
    caller = await Caller.dial(port)
    try:
        return await caller.ask(data)
    finally:
        await caller.close()


def key_of(token: str) -> KeyId:
    """Return the key id that stands in a token."""
    return KeyId(token.split("_")[2])


def hub_socket(house: House) -> Path:
    """Return where the hub listens."""
    return house.folder / "data" / "hub.sock"


async def change(house: House, token: str, given: KeyInput) -> Reach:
    """Change a key and return how far the change came before the hub answered."""
    told = await tell(house, ChangeKey(key=key_of(token), change=given, by="test"))
    assert isinstance(told, KeysTold), told
    assert told.reach is not None
    return told.reach


async def tell(house: House, command: Command) -> object:
    """Have the hub carry out a command, without a command line's start in between."""
    return await ask(hub_socket(house), command)


def processes(house: House) -> dict[int, int]:
    """Return the process ids of a house by number: 0 is the hub, workers count from 1.

    A process is there once it has its journal open.
    """
    found: dict[int, int] = {}
    children = Path(f"/proc/{house.process.pid}/task/{house.process.pid}/children").read_text().split()
    for pid in map(int, children):
        with contextlib.suppress(OSError):
            for held in Path(f"/proc/{pid}/fd").iterdir():
                place = held.readlink()
                if place.suffix == ".lock" and place.stem.isdigit():
                    found.setdefault(int(place.stem), pid)
    return found


def resident_kb(pid: int) -> int:
    """Return the resident memory of a process in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} is gone")
