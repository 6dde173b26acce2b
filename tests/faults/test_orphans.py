"""The supervisor is killed with -9: its workers stop in order, and the next `up` starts at once."""

import asyncio
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from caller import Caller, chat, key_of, once, processes, request
from house import CHATELAINE, House, house
from plain_upstream import Upstream, plain_upstream

WORKERS = 2
START = 12.0
"""Seconds the next start may take on a busy machine; the drain would take the default of half a minute."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with plain_upstream() as running:
        yield running


@pytest.fixture
def gate(tmp_path: Path, upstream: Upstream) -> Iterator[House]:
    with house(tmp_path, model=upstream.port, tls=False, workers=WORKERS) as running:
        yield running
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGTERM)
            running.process.wait(20)


def until(true: Callable[[], object], what: str, *, within: float = START) -> float:
    started_at = time.monotonic()
    while not true():
        assert time.monotonic() - started_at < within, what
        time.sleep(0.02)
    return time.monotonic() - started_at


def kill_supervisor(gate: House) -> list[int]:
    """Kill it and return the children it leaves."""
    found: dict[int, int] = {}

    def complete() -> bool:
        found.update(processes(gate))
        return len(found) == WORKERS + 1

    until(complete, "all processes at work")
    gate.process.kill()
    gate.process.wait()
    return list(found.values())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


async def refused(port: int) -> None:
    """Wait until nobody takes connections any more."""
    async with asyncio.timeout(5):
        while True:
            try:
                caller = await Caller.dial(port)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                # It waited at one socket that was just closed; the next try tells whether others listen.
                continue
            await caller.close()
            await asyncio.sleep(0.02)


def ends(gate: House, token: str) -> list[dict[str, Any]]:
    """Return the ends of a key's exchanges, having checked that each opening has exactly one."""
    own = [event for event in gate.events() if event.get("caller", {}).get("key") == key_of(token)]
    opened = Counter(event["exchange"] for event in own if event["kind"] == "exchange.opened")
    ended = [e for e in own if e["kind"] in {"exchange.ended", "exchange.interrupted"}]
    assert opened == Counter(event["exchange"] for event in ended)
    return ended


def test_streams_of_orphans_go_on_to_their_end_and_nothing_new_is_taken(gate: House) -> None:
    token = gate.issue()
    headers = {"x-test-do": "stream", "x-test-events": "100", "x-test-gap": "0.02"}

    async def run() -> list[int]:
        callers = [await Caller.dial(gate.port) for _ in range(4)]
        for caller in callers:
            caller.writer.write(request(token, chat(stream=True, most=16_000), headers=headers))
            assert (await caller.head()).status == 200
            assert await caller.chunk()
        orphans = kill_supervisor(gate)
        await refused(gate.port)
        for caller in callers:
            assert b"[DONE]" in await caller.rest()
            await caller.close()
        return orphans

    orphans = asyncio.run(run())
    until(lambda: not any(map(alive, orphans)), "the end of all orphans", within=5)
    assert [event["reason"] for event in ends(gate, token)] == ["completed"] * 4


def test_the_next_start_does_not_wait_for_streams_of_orphans(gate: House) -> None:
    token = gate.issue()

    async def run() -> list[int]:
        callers = [await Caller.dial(gate.port) for _ in range(4)]
        data = request(token, chat(stream=True, most=16_000), headers={"x-test-do": "stream"})
        for caller in callers:
            caller.writer.write(data)
            assert (await caller.head()).status == 200
        orphans = kill_supervisor(gate)
        await refused(gate.port)
        assert any(map(alive, orphans)), "they drain"
        gate.process = start_again(gate)
        for caller in callers:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                async with asyncio.timeout(START):
                    await caller.rest()
            await caller.close()
        return orphans

    orphans = asyncio.run(run())
    until(lambda: status(gate, token) == 200, "the next gate answers")
    assert not any(map(alive, orphans))
    told = Counter(event["reason"] for event in ends(gate, token) if event["kind"] == "exchange.ended")
    assert told == {"drained": 4, "completed": 1}
    until(lambda: len(processes(gate)) == WORKERS + 1, "all processes of the next start")


def start_again(gate: House) -> "subprocess.Popen[bytes]":
    with (gate.folder / "house.log").open("ab") as log:
        return subprocess.Popen(
            [*CHATELAINE, "up", "--config", str(gate.folder / "chatelaine.yaml")],
            stdout=log, stderr=log, env=dict(os.environ) | gate.environment,
        )  # fmt: skip


def status(gate: House, token: str) -> int:
    """Return what the gate answers; 0 where nobody does."""
    try:
        return asyncio.run(once(gate.port, request(token, chat()))).status
    except OSError:
        return 0
