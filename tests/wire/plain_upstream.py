"""An upstream whose every misbehaviour a test chooses, in a thread of the test's own process.

A caller chooses with the header ``x-test-do``; what happened is told with the instants of
``time.monotonic``, which caller and upstream share here.
"""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

USAGE = {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
WHOLE = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-4o-mini",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "Yes."}, "finish_reason": "stop"}
        ],
        "usage": USAGE,
    }
).encode()
WORD = {"choices": [{"index": 0, "delta": {"content": "word and word and "}, "finish_reason": None}]}
EVENT = b"data: " + json.dumps({"id": "chatcmpl-1", "model": "gpt-4o-mini", **WORD}).encode() + b"\n\n"
BLOCK = b"x" * 65_536


@dataclass
class Visit:
    """One request, and what became of it."""

    target: str
    headers: Mapping[str, str]
    came_at: float
    body_bytes: int = 0
    left_at: float | None = None
    """When the gate closed the connection before the reply was whole."""
    sent: int = 0
    body: bytes = b""


@dataclass
class Upstream:
    """What the upstream has seen, and how it is told to go on."""

    port: int = 0
    visits: list[Visit] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    """Set by a test: held replies and stalled bodies go on."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                raw = await reader.readuntil(b"\r\n\r\n")
                first, *lines = raw.decode("latin-1").split("\r\n")
                headers = {name.lower(): value for name, value in (x.split(": ", 1) for x in lines if x)}
                visit = Visit(first.split()[1], headers, time.monotonic())
                self.visits.append(visit)
                await _DEEDS[headers.get("x-test-do", "whole")](self, visit, reader, writer)
        writer.close()


Deed = Callable[[Upstream, Visit, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _take_body(visit: Visit, reader: asyncio.StreamReader) -> None:
    length = int(visit.headers.get("content-length", "0"))
    while visit.body_bytes < length:
        part = await reader.read(min(65_536, length - visit.body_bytes))
        if not part:
            raise ConnectionResetError("the gate left")
        visit.body_bytes += len(part)
        if length < 1_000_000:
            visit.body += part


def _head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


async def _whole(
    upstream: Upstream, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    del upstream
    await _take_body(visit, reader)
    writer.write(_head("content-type: application/json", f"content-length: {len(WHOLE)}") + WHOLE)


async def _hold(
    upstream: Upstream, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await _take_body(visit, reader)
    while not upstream.go_on.is_set():
        await asyncio.sleep(0.01)
    writer.write(_head("content-type: application/json", f"content-length: {len(WHOLE)}") + WHOLE)


async def _stream(
    upstream: Upstream, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send events until the gate leaves, or as many as ``x-test-events`` says."""
    del upstream
    await _take_body(visit, reader)
    gone = asyncio.create_task(reader.read(1))
    gone.add_done_callback(lambda _: setattr(visit, "left_at", time.monotonic()))
    writer.write(_head("content-type: text/event-stream", "transfer-encoding: chunked"))
    try:
        while not gone.done() and visit.sent < int(visit.headers.get("x-test-events", "1000000")):
            writer.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
            await writer.drain()
            visit.sent += 1
            await asyncio.wait([gone], timeout=float(visit.headers.get("x-test-gap", "0.01")))
        if not gone.done():
            done = b"data: [DONE]\n\n"
            writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(done), done))
            await writer.drain()
            visit.left_at = None
    finally:
        gone.cancel()
    raise ConnectionResetError("one stream a connection")


async def _die(
    upstream: Upstream, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send a few events, or half of the length that was promised, and break off."""
    del upstream
    await _take_body(visit, reader)
    if visit.headers.get("x-test-framing") == "length":
        writer.write(_head("content-type: application/json", f"content-length: {len(WHOLE)}") + WHOLE[:40])
    else:
        writer.write(_head("content-type: text/event-stream", "transfer-encoding: chunked"))
        writer.write(b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
    await writer.drain()
    await asyncio.sleep(0.1)
    if visit.headers.get("x-test-reset"):
        writer.transport.abort()
    raise ConnectionResetError("broken off as asked")


async def _stall(
    upstream: Upstream, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Read nothing of the body until told."""
    while not upstream.go_on.is_set():
        await asyncio.sleep(0.01)
    await _whole(upstream, visit, reader, writer)


async def _large(
    upstream: Upstream, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send as many bytes as ``x-test-bytes`` says, as fast as they are taken."""
    del upstream
    await _take_body(visit, reader)
    size = int(visit.headers["x-test-bytes"])
    writer.write(_head("content-type: application/octet-stream", f"content-length: {size}"))
    for start in range(0, size, len(BLOCK)):
        writer.write(BLOCK[: size - start])
        await writer.drain()
        visit.sent = min(size, start + len(BLOCK))


async def _echo(
    upstream: Upstream, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Fail, and say back everything that was sent, as a careless server does."""
    del upstream
    await _take_body(visit, reader)
    said = json.dumps({"error": {"message": f"{visit.target} {dict(visit.headers)} {visit.body!r}"}}).encode()
    lines = ["content-type: application/json", f"content-length: {len(said)}", f"x-echo: {visit.target}"]
    writer.write(
        _head(*lines, f"x-request-id: {visit.headers.get('x-planted', '')}", status="400 Bad") + said
    )


_DEEDS: Mapping[str, Deed] = {
    "whole": _whole,
    "hold": _hold,
    "stream": _stream,
    "die": _die,
    "stall": _stall,
    "large": _large,
    "echo": _echo,
}


@contextlib.contextmanager
def plain_upstream() -> Iterator[Upstream]:
    """Run an upstream until the block ends."""
    upstream, ready = Upstream(), threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run() -> None:
        # A small receive buffer shows back-pressure early.
        server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, limit=65_536, backlog=1024)
        upstream.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield upstream
    finally:
        upstream.go_on.set()
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
