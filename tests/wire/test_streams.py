"""Streams and large bodies: who leaves, dawdles or dies in the middle costs little and is seen."""

import asyncio
import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from caller import Answer, Caller, chat, key_of, once, processes, request, resident_kb
from house import House, house
from plain_upstream import Upstream

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("held")]
LARGE = 200_000_000
UPLOAD = 64_000_000


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("house"), model=upstream.port, tls=False) as running:
        yield running


def ask_stream(token: str, **told: str) -> bytes:
    headers = {f"x-test-{name}": value for name, value in ({"do": "stream"} | told).items()}
    return request(token, chat(stream=True, most=16_000), headers=headers)


def last_end(gate: House, token: str) -> dict[str, Any]:
    key = key_of(token)
    return [e for e in gate.events() if e["kind"] == "exchange.ended" and e["caller"]["key"] == key][-1]


async def until(true: Any, *, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.002)


def test_a_caller_that_hangs_up_stops_the_upstream_within_fifty_milliseconds(
    gate: House, upstream: Upstream, token: str
) -> None:
    async def leave(*, abruptly: bool) -> float:
        caller = await Caller.dial(gate.port)
        caller.writer.write(ask_stream(token))
        await caller.head()
        await caller.chunk()
        visit = upstream.visits[-1]
        left_at = time.monotonic()
        if abruptly:
            caller.writer.transport.abort()
        else:
            await caller.close()
        await until(lambda: visit.left_at is not None)
        assert visit.left_at is not None
        return visit.left_at - left_at

    async def run() -> list[float]:
        return sorted([await leave(abruptly=bool(turn % 2)) for turn in range(20)])

    took = asyncio.run(run())
    assert took[len(took) // 2] < 0.05, took
    assert last_end(gate, token)["reason"] == "client_left"


def test_a_caller_that_hangs_up_before_the_reply_stops_the_upstream_too(
    gate: House, upstream: Upstream, token: str
) -> None:
    async def run() -> None:
        caller = await Caller.dial(gate.port)
        caller.writer.write(request(token, chat(), headers={"x-test-do": "hold"}))
        await until(lambda: upstream.visits)
        await caller.close()

    asyncio.run(run())
    time.sleep(0.3)
    ended = last_end(gate, token)
    assert (ended["reason"], ended["status"]) == ("client_left", 0)
    assert ended["cost"] > 0, "what was sent upstream was begun, and is billed"


async def slow_read(gate: House, upstream: Upstream, token: str) -> tuple[int, int, int]:
    """Ask for much, read none of it for a while, then all; return KiB before, at most while, and bytes."""
    pid = processes(gate)[1]
    headers = {"x-test-do": "large", "x-test-bytes": str(LARGE)}
    caller = await Caller.dial(gate.port)
    before = resident_kb(pid)
    caller.writer.write(request(token, method="GET", path="/v1/files/large/content", headers=headers))
    peak, got = 0, 0
    await until(lambda: upstream.visits and upstream.visits[-1].sent)
    for _ in range(20):
        await asyncio.sleep(0.05)
        peak = max(peak, resident_kb(pid))
    held_at = upstream.visits[-1].sent
    assert held_at < LARGE // 4, "the upstream was not held back"
    head = await caller.head()
    assert head.status == 200
    while got < LARGE:
        got += len(await caller.reader.read(1_000_000))
        peak = max(peak, resident_kb(pid)) if got % 16 == 0 else peak
    await caller.close()
    return before, max(peak, resident_kb(pid)), got


def test_a_slow_reader_of_200_mb_costs_the_worker_less_than_a_megabyte(
    gate: House, upstream: Upstream, token: str
) -> None:
    asyncio.run(slow_read(gate, upstream, token))
    before, peak, got = asyncio.run(slow_read(gate, upstream, token))
    assert got == LARGE
    assert peak - before < 1000, f"{before} KiB before, {peak} KiB at most"


def upload(size: int) -> tuple[bytes, bytes, bytes]:
    """Return front, padding's end and content type of an upload of about this size."""
    front = (
        b'--edge\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--edge\r\ncontent-disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
    )
    return front, b"x" * size, b"\r\n--edge--\r\n"


def test_a_slow_upstream_pauses_the_upload(gate: House, upstream: Upstream, token: str) -> None:
    front, middle, end = upload(UPLOAD)
    length = len(front) + len(middle) + len(end)

    async def run() -> tuple[int, int, Answer]:
        pid = processes(gate)[1]
        before = resident_kb(pid)
        caller = await Caller.dial(gate.port)
        headers = {"x-test-do": "stall", "content-type": "multipart/form-data; boundary=edge"}
        headers |= {"content-length": str(length)}
        caller.writer.write(request(token, path="/v1/files", headers=headers) + front)
        caller.writer.write(middle + end)
        await asyncio.sleep(1)
        waiting = caller.writer.transport.get_write_buffer_size()
        assert waiting > UPLOAD // 2, "the caller was not held back"
        grown = resident_kb(pid) - before
        upstream.go_on.set()
        answer = Answer((head := await caller.head()).status, {}, b"", await caller.body(head))
        await caller.close()
        return grown, upstream.visits[-1].body_bytes, answer

    grown, came, answer = asyncio.run(run())
    assert (answer.status, came) == (200, length)
    assert grown < 2000, f"{grown} KiB more while the upstream stood still"


@pytest.mark.parametrize("told", [{}, {"reset": "1"}, {"framing": "length"}])
def test_an_upstream_that_dies_in_the_middle_breaks_the_reply_visibly(
    gate: House, token: str, told: dict[str, str]
) -> None:
    async def run() -> None:
        caller = await Caller.dial(gate.port)
        caller.writer.write(ask_stream(token, do="die", **told))
        head = await caller.head()
        assert head.status == 200
        try:
            async with asyncio.timeout(5):
                await caller.body(head)
        finally:
            await caller.close()

    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        asyncio.run(run())
    assert last_end(gate, token)["reason"] == "upstream_broken"


def test_sigterm_drains_a_stream_to_its_end(upstream: Upstream, tmp_path: Path) -> None:
    async def run(running: House, token: str) -> bytes:
        caller = await Caller.dial(running.port)
        idle = await Caller.dial(running.port)
        await idle.ask(request(token, chat()))
        caller.writer.write(ask_stream(token, events="40", gap="0.05"))
        head = await caller.head()
        await caller.chunk()
        running.process.send_signal(signal.SIGTERM)
        assert await idle.reader.read() == b"", "an idle connection is closed at once"
        await asyncio.sleep(0.3)
        with pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the kernel likes
            await once(running.port, request(token, chat()))
        body = await caller.body(head)
        await caller.close()
        await idle.close()
        return body

    with house(tmp_path, model=upstream.port, tls=False) as running:
        token = running.issue()
        assert asyncio.run(run(running, token)).endswith(b"data: [DONE]\n\n")
        assert running.process.wait(timeout=10) == 0
        assert last_end(running, token)["reason"] == "completed"


def reloads(gate: House) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{gate.admin}/metrics", timeout=10) as reply:
        lines: list[str] = reply.read().decode().splitlines()
    return "\n".join(line for line in lines if "reload" in line and not line.startswith("#"))


def test_sighup_with_a_broken_file_keeps_the_old_settings(
    gate: House, upstream: Upstream, token: str
) -> None:
    file = gate.folder / "chatelaine.yaml"
    good = file.read_text()

    async def stream_over(change: Any) -> bytes:
        caller = await Caller.dial(gate.port)
        caller.writer.write(ask_stream(token, events="60", gap="0.02"))
        head = await caller.head()
        await caller.chunk()
        change()
        body = await caller.body(head)
        await caller.close()
        return body

    def reload(text: str) -> None:
        file.write_text(text)
        os.kill(gate.process.pid, signal.SIGHUP)

    try:
        broken = good.replace("port:", "prot:", 1)
        assert asyncio.run(stream_over(lambda: reload(broken))).endswith(b"[DONE]\n\n")
        assert asyncio.run(once(gate.port, request(token, chat()))).status == 200
        assert "prot" in (gate.folder / "house.log").read_text()
        assert "failure" in reloads(gate)
    finally:
        reload(good)
    assert asyncio.run(once(gate.port, request(token, chat()))).status == 200
    limited = good.replace("gate:", "gate:\n  sizes: {json_body: 100}", 1)
    try:
        assert asyncio.run(stream_over(lambda: reload(limited))).endswith(b"[DONE]\n\n")
        assert asyncio.run(once(gate.port, request(token, chat() + b" " * 200))).status == 413
    finally:
        reload(good)
    time.sleep(1)
    assert asyncio.run(once(gate.port, request(token, chat() + b" " * 200))).status == 200
    assert upstream.visits
