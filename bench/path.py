"""make bench NAME=path: CPU of a request's way through the gate, without sockets: where its time goes.

The gate's own parts, put together as a worker does, with transports that hold what is written: 1 KB in,
1 KB out, everything on. With ``--count N`` it only runs N requests, for a profiler to look at.
"""

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from chatelaine.adapters.journal import SegmentJournal
from chatelaine.adapters.meter import SharedMeter
from chatelaine.adapters.upstream import Home, UpstreamConnection
from chatelaine.app.gate import GateWorks
from chatelaine.app.wire import CLOCK, Places, peppers, read_settings
from chatelaine.catalog import providers
from chatelaine.core.key.roster import Roster
from chatelaine.core.key.token import Peppers, mint, new_kid
from chatelaine.model.exchange import Greeting
from chatelaine.model.key import Grant, KeyState, VirtualKey
from chatelaine.model.words import AppName, Instant, NanoUsd, OwnerId, UpstreamName, WorkerNumber
from chatelaine.surfaces.gate.connection import CallerConnection
from rig import TOOLS, Report

CONFIG = """
gate: {{workers: 1, tls: {{enabled: no}}}}
storage: {{directory: {folder}/data}}
upstreams:
  - {{name: fake, provider: openai, url: "http://127.0.0.1:9", allow_addresses: [127.0.0.0/8]}}
"""
BATCH = 64
ONE = WorkerNumber(1)


class Pipe:
    """A transport that holds what is written; an upstream's answers at once."""

    told = 0
    """Writes to callers: one a request."""

    def __init__(self) -> None:
        self.answer: UpstreamConnection | None = None
        self.reply = b""
        self.last = b""

    def write(self, data: bytes) -> None:
        """Take what is written."""
        self.last = data
        if self.answer is None:
            Pipe.told += 1
        else:
            asyncio.get_running_loop().call_soon(self.answer.data_received, self.reply)

    def is_closing(self) -> bool:
        """Return that it is not."""
        return False

    def get_extra_info(self, name: str) -> None:
        """Return that there is nothing to know."""

    def pause_reading(self) -> None:
        """Do nothing: nobody sends."""

    def resume_reading(self) -> None:
        """Do nothing: nobody sends."""


def bench_key(works: GateWorks, held: Peppers) -> str:
    """Give the gate a key with limits and a budget, and return its token."""
    kid = new_kid(b"\x07" * 16)
    token = mint("live", kid, b"\x11" * 32)
    grant = Grant(requests_per_minute=10**9, tokens_per_minute=10**12, spend_per_day=NanoUsd(10**15))
    works.roster.replace_all(
        [
            VirtualKey(
                id=kid,
                env="live",
                owner=OwnerId("bench"),
                app=AppName("bench"),
                contact="",
                grant=grant,
                state=KeyState.ACTIVE,
                digest=held.digest(token.encode()),
                pepper=held.active,
                slot=1,
                issued_at=Instant(1),
                expires_at=None,
            )
        ]
    )
    return token


def reply() -> bytes:
    """Return what the upstream answers: 1 KB, as a model server would."""
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o-mini-2024-07-18",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "x" * 700}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 200, "completion_tokens": 60, "total_tokens": 260},
        }
    ).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_fake\r\n"
    return head + b"content-length: %d\r\n\r\n" % len(body) + body


def request(token: str) -> bytes:
    """Return what a caller sends, as the load generator does."""
    body = (TOOLS / "body.json").read_bytes()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    return head.encode() + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body


async def answered(count: int) -> None:
    """Let the loop go round until so many requests were answered."""
    while Pipe.told < count:  # noqa: ASYNC110 - the loop's rounds are what is measured
        await asyncio.sleep(0)


async def measure(folder: Path, seconds: float, count: int) -> float:
    """Return CPU microseconds a request, the best of several batches' runs."""
    path = folder / "chatelaine.yaml"
    path.write_text(CONFIG.format(folder=folder))
    settings = read_settings(str(path))
    places = Places(settings.storage.directory)
    places.prepare()
    held = peppers(settings, places)
    works = GateWorks(ONE, 1, places, providers(), Roster(held))
    journal = SegmentJournal(places.journal, ONE, settings.journal, CLOCK)
    gate = works.open(settings, journal, SharedMeter(places.meter, ONE, 1), lambda _: None)
    token = bench_key(works, held)
    home = Home(settings.upstreams[0], None, works.pool.address(UpstreamName("fake")))
    works.pool.replace({UpstreamName("fake"): home})
    for _ in range(BATCH):
        upstream, wire = UpstreamConnection(home), Pipe()
        wire.answer, wire.reply = upstream, reply()
        upstream.connection_made(wire)
        home.take_back(upstream)
    callers = [CallerConnection(gate, "127.0.0.1", Greeting()) for _ in range(BATCH)]
    pipes = [Pipe() for _ in callers]
    for caller, pipe in zip(callers, pipes, strict=True):
        caller.connection_made(pipe)
    asked, done, best = request(token), 0, 1e9
    until = time.monotonic() + seconds
    while (done < count) if count else (time.monotonic() < until):
        begun = time.process_time()
        for _ in range(50):
            for caller in callers:
                caller.data_received(asked)
            done += BATCH
            await answered(done)
        best = min(best, (time.process_time() - begun) / (50 * BATCH) * 1e6)
    wrong = [pipe.last for pipe in pipes if not pipe.last.startswith(b"HTTP/1.1 200 ")]
    if wrong:
        raise SystemExit(f"bench: not answered with 200: {wrong[0][:300]!r}")
    journal.close()
    return best


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[2]) if sys.argv[1:2] == ["--count"] else 0
    with tempfile.TemporaryDirectory(prefix="chatelaine-bench-") as folder:
        best = uvloop.run(measure(Path(folder), 5.0, count))
    report = Report("path")
    report.orient("CPU of a request without its sockets (µs)", best)
    report.show()


if __name__ == "__main__":
    main()
