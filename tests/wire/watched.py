"""What a hub stored of its watch, against what a hunt over the same journals finds."""

import asyncio
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from caller import processes
from house import House
from theft import HOME, Owned, impossible, thief, usual, visit

from chatelaine import catalog
from chatelaine.adapters.journal import read_segments, workers
from chatelaine.services.detection import Turn, Watch

PATIENCE = 90.0


@dataclass(frozen=True)
class Findings:
    """Ids, as they are stored or as a hunt finds them."""

    findings: frozenset[str]
    alerts: frozenset[str]


def hunt(journal: Path) -> Turn:
    """Return what a reading of the journals finds, all detections at work."""
    found = [
        (event.at, worker, number, event)
        for worker in workers(journal)
        for number, (_, event) in enumerate(read_segments(journal, worker))
    ]
    watch, turn = Watch(catalog.detections()), Turn()
    for *_, event in sorted(found, key=lambda one: one[:3]):
        watch.take(event, turn)
    return turn


def hunted(journal: Path) -> Findings:
    """Return the ids of what a reading of the journals finds."""
    turn = hunt(journal)
    return Findings(frozenset(one.id for one in turn.findings), frozenset(one.id for one in turn.alerts))


def stored(folder: Path) -> Findings:
    """Return what the hub stored, read beside it."""
    path = folder / "data" / "incidents.db"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
        rows = [connection.execute(f"SELECT id FROM {name}").fetchall() for name in ("finding", "alert")]  # noqa: S608 - our own words
    found, alerts = (frozenset(row[0] for row in each) for each in rows)
    return Findings(found, alerts)


def settled(gate: House) -> tuple[Findings, Findings]:
    """Return what is stored once it is what a hunt finds, or both after a patient while."""
    until = time.monotonic() + PATIENCE
    while True:
        wanted, found = hunted(gate.folder / "data" / "journal"), stored(gate.folder)
        if found == wanted or time.monotonic() > until:
            return found, wanted
        time.sleep(1)


@dataclass
class Traffic:
    """Owners at work, and thieves that come one after the other."""

    gate: House
    owned: list[Owned]
    statuses: list[int] = field(default_factory=list)
    _over: bool = False
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self) -> None:
        """Set everybody to work."""
        self._tasks = [
            asyncio.create_task(work) for work in (*(self._own(one) for one in self.owned), self._steal())
        ]

    async def stop(self) -> None:
        """Let what is under way come to its end."""
        self._over = True
        await asyncio.gather(*self._tasks)

    async def _own(self, one: Owned) -> None:
        while not self._over:
            self.statuses.append(await visit(self.gate, HOME, one.token, usual()))
            await asyncio.sleep(0.2)

    async def _steal(self) -> None:
        number = 0
        while not self._over:
            one = self.owned[number % len(self.owned)]
            await visit(self.gate, thief(number), one.token, impossible())
            number += 1
            await asyncio.sleep(0.3)


async def kill_hub(gate: House, chance: random.Random, *, longest: float) -> None:
    """Wait a random while, kill the hub, and wait until another one is there."""
    await asyncio.sleep(chance.uniform(0, longest))
    before = await hub_of(gate, lambda pid: pid is not None)
    os.kill(before, signal.SIGKILL)
    await hub_of(gate, lambda pid: pid not in {None, before})


async def hub_of(gate: House, wanted: Callable[[int | None], bool]) -> int:
    """Return the hub's process id, once it is as wanted."""
    until = time.monotonic() + 60
    while True:
        pid = processes(gate).get(0)
        if wanted(pid):
            assert pid is not None
            return pid
        assert time.monotonic() < until, "the hub does not come back"
        await asyncio.sleep(0.02)
