"""Processes killed with -9 under load: nothing that a caller saw is missing from the journal."""

import asyncio
import itertools
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from caller import Caller, change, chat, once, processes, request
from house import House, house

from chatelaine.adapters.meter import SharedMeter
from chatelaine.model.key import KeyInput
from chatelaine.model.words import WorkerNumber

pytestmark = pytest.mark.slow
WORKERS = 2
CALLERS = 14


BACK_WITHIN = 1.0
"""Seconds until the successor of a killed worker takes traffic, without those it waited for a core."""
STARTS = 2.5
"""On a slower machine: so many times as long as its program takes to be loaded."""
LONGEST_GAP = 0.5
"""Seconds without an answer to any caller while the hub is dead."""


@dataclass(frozen=True)
class Death:
    """A process that was killed, and what the machine kept its successor waiting."""

    victim: int
    at: float
    waited: float
    """Seconds that the successor was ready to run and another program had the core, by the kernel's count."""


def waited(pid: int) -> float:
    """Return the seconds a process has waited for a core (proc(5), schedstat: the second number)."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


@dataclass
class Load:
    """Callers that ask without pause, and what they were told."""

    port: int
    token: str
    ids: set[str] = field(default_factory=set)
    broken: int = 0
    answered_at: list[float] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Set the callers to work; a third of them reads streams."""
        self._tasks = [asyncio.create_task(self._call(stream=not number % 3)) for number in range(CALLERS)]

    async def stop(self) -> None:
        """Let the callers go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _call(self, *, stream: bool) -> None:
        data = request(self.token, chat(stream=stream))
        while True:
            try:
                await self._converse(data)
            except (OSError, asyncio.IncompleteReadError):
                self.broken += 1
                await asyncio.sleep(0.01)

    async def _converse(self, data: bytes) -> None:
        caller = await Caller.dial(self.port)
        try:
            while True:
                caller.writer.write(data)
                head = await caller.head()
                assert head.status == 200, head.raw_head
                self.ids.add(head.id)
                self.answered_at.append(time.time())
                await caller.body(head)
        finally:
            await caller.close()


def seconds(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["at"]).replace(tzinfo=UTC).timestamp()


@pytest.fixture
def running(tmp_path: Path, model_port: int, request: pytest.FixtureRequest) -> Iterator[House]:
    durability = getattr(request, "param", "flush")
    with house(tmp_path, model=model_port, tls=False, workers=WORKERS, durability=durability) as started:
        yield started


def _check_journal(events: list[dict[str, Any]], seen: set[str]) -> None:
    opened = Counter(event["exchange"] for event in events if event["kind"] == "exchange.opened")
    ends = Counter(
        event["exchange"] for event in events if event["kind"] in {"exchange.ended", "exchange.interrupted"}
    )
    assert not seen - opened.keys(), "a caller had a reply of which there is no opening"
    assert set(opened.values()) == {1}
    assert opened == ends


def _check_budget(started: House, events: list[dict[str, Any]]) -> None:
    opened = {event["exchange"]: event for event in events if event["kind"] == "exchange.opened"}
    slot = next(iter(opened.values()))["slot"]
    spent = sum(event["cost"] for event in events if event["kind"] == "exchange.ended")
    interrupted = [event for event in events if event["kind"] == "exchange.interrupted"]
    for event in interrupted:
        assert event["charged"] == opened[event["exchange"]]["reserved"]["cost"]
    charged = sum(event["charged"] for event in interrupted)
    meter = SharedMeter(started.folder / "data" / "meter", WorkerNumber(0), WORKERS)
    try:
        row = meter.row(slot)
    finally:
        meter.close()
    assert (row.held, row.parallel) == (0, 0), "what the dead held is held still"
    assert row.month_settled >= spent + charged, "money was spent that no budget counts"
    # At most what was open at a death may be counted twice: settled by the dead, and charged as its end.
    assert row.month_settled <= spent + 2 * charged


def _ways_back(events: list[dict[str, Any]], deaths: list[Death]) -> list[float]:
    """Return for each dead worker the seconds until its successor opened an exchange, waits left out."""
    times: dict[int, list[float]] = {number: [] for number in range(1, WORKERS + 1)}
    for event in events:
        if event["kind"] == "exchange.opened":
            times[event["worker"]].append(seconds(event))
    ways = []
    for death in deaths:
        # The journal tells the milliseconds, so an opening of just before may seem to follow.
        after = [at for at in times[death.victim] if at > death.at + 0.05]
        assert after, f"worker {death.victim} took no traffic after its death"
        ways.append(min(after) - death.at - death.waited)
    return ways


def _check_others_went_on(events: list[dict[str, Any]], deaths: list[Death]) -> None:
    opened = [(event["worker"], seconds(event)) for event in events if event["kind"] == "exchange.opened"]
    for death in deaths:
        others = [at for worker, at in opened if worker != death.victim and 0 < at - death.at < 1]
        assert others, f"nothing was served while worker {death.victim} was dead"


async def all_alive(started: House) -> dict[int, int]:
    """Return the workers' process ids by number (0 is the hub), once all are there and at work."""
    until = time.monotonic() + 20
    while True:
        found = processes(started)
        if len(found) == WORKERS + 1:
            return found
        assert time.monotonic() < until, f"not all are back: {found}"
        await asyncio.sleep(0.02)


async def _kill_one(started: House, victim: int) -> Death:
    """Kill a process, and wait until its successor has its journal open."""
    alive = await all_alive(started)
    os.kill(alive[victim], signal.SIGKILL)
    died_at = time.time()
    async with asyncio.timeout(20):
        # For a moment the hub holds the journal of the dead, to close it.
        while (successor := processes(started).get(victim, alive[victim])) in alive.values():
            await asyncio.sleep(0.005)
    return Death(victim, died_at, waited(successor))


async def _kill(started: House, token: str, victims: list[int]) -> tuple[Load, list[Death]]:
    """Kill one process after the other under load; return what callers saw, and the deaths."""
    load = Load(started.port, token)
    load.start()
    deaths = []
    for victim in victims:
        await asyncio.sleep(0.5)
        deaths.append(await _kill_one(started, victim))
        await asyncio.sleep(0.5)
    await asyncio.sleep(1.5)
    await load.stop()
    return load, deaths


def _settled(started: House) -> list[dict[str, Any]]:
    """Return all events once every opening has an end, or after a patient while."""
    until = time.monotonic() + 10
    while True:
        events = started.events()
        kinds = Counter(event["kind"] for event in events)
        ends = kinds["exchange.ended"] + kinds["exchange.interrupted"]
        if ends >= kinds["exchange.opened"] or time.monotonic() > until:
            return events
        time.sleep(0.3)


def _loading() -> float:
    """Return the seconds of CPU that a worker's program takes to be loaded here."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import chatelaine.app.worker"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _kill_workers(started: House, times: int) -> None:
    token = started.issue()
    load, deaths = asyncio.run(_kill(started, token, [1 + turn % WORKERS for turn in range(times)]))
    events = _settled(started)
    _check_journal(events, load.ids)
    _check_budget(started, events)
    assert load.broken > 0, "no caller noticed a kill: there was no load"
    ways = sorted(_ways_back(events, deaths))
    told = f"back after {ways[len(ways) // 2]:.2f} s, at most {ways[-1]:.2f} s, waits left out"
    sys.stderr.write(f"{times} kills, {len(load.ids)} replies, {told}\n")
    assert ways[len(ways) // 2] < max(BACK_WITHIN, STARTS * _loading())
    _check_others_went_on(events, deaths)


@pytest.mark.parametrize("running", ["flush", "fsync"], indirect=True)
def test_a_killed_worker_loses_no_opening_and_every_opening_has_one_end(running: House) -> None:
    _kill_workers(running, 10)


@pytest.mark.soak
def test_two_hundred_kills_lose_nothing(running: House, minutes: float | None) -> None:
    _kill_workers(running, 200 if minutes is None else int(minutes * 30))


def test_a_killed_hub_comes_back_and_traffic_never_stops(running: House) -> None:
    token = running.issue()

    async def run() -> Load:
        load, deaths = await _kill(running, token, [0] * 5)
        answered = load.answered_at
        gaps = [after - before for before, after in itertools.pairwise(answered)]
        assert max(gaps) < LONGEST_GAP
        assert load.broken == 0, "a caller noticed the hub's death"
        assert deaths[-1].at < answered[-1]
        return load

    load = asyncio.run(run())
    assert running.issue()
    _check_journal(_settled(running), load.ids)


def test_a_key_suspended_while_a_worker_is_dead_is_refused_by_its_successor(running: House) -> None:
    token = running.issue()

    async def run() -> list[int]:
        alive = await all_alive(running)
        for number in range(1, WORKERS + 1):
            os.kill(alive[number], signal.SIGKILL)
        await change(running, token, KeyInput.SUSPEND)
        return [(await once(running.port, request(token, chat()))).status for _ in range(8)]

    assert asyncio.run(run()) == [401] * 8
