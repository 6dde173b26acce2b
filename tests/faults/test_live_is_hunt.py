"""Days of owners and thieves in two workers' journals: watched live, hunted, and with restarts between."""

import asyncio
from pathlib import Path
from zlib import crc32

import pytest
from watched import hunted

from chatelaine import catalog
from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.journal import PastWriter
from chatelaine.adapters.memory_watch import MemoryWatchStore
from chatelaine.app.watching import Watching
from chatelaine.core.play.stage import SCENARIOS, play
from chatelaine.model.event import Event
from chatelaine.model.play import Call
from chatelaine.model.watch import PieceKind
from chatelaine.model.words import SECOND, Instant, WorkerNumber
from chatelaine.services.detection import Turn, Watch

pytestmark = pytest.mark.slow
CLOCK = SystemClock()
DAYS = 4
"""Three for habits to settle, and one on which everything happens."""
_LOUD = {"burst", "role_play", "proxy_resale"}
"""Tens of thousands of requests each, that show nothing which the others do not."""
_HOUR = 3_600 * SECOND


def _worker(event: Event) -> WorkerNumber:
    """Return whose journal an event is in: the hub's, or that of one of two workers, by its exchange."""
    exchange = getattr(event, "exchange", "")
    return WorkerNumber(1 + crc32(exchange.encode()) % 2 if exchange else 0)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return journals of some days in which every scenario but the loud happens."""
    directory = tmp_path_factory.mktemp("lived") / "journal"
    begins_at = Instant(CLOCK.now() // _HOUR * _HOUR - (DAYS + 1) * 24 * _HOUR)
    staged = play(Call(7, begins_at, DAYS, 3, tuple(one for one in SCENARIOS if one not in _LOUD)))
    writers = {number: PastWriter(directory, WorkerNumber(number)) for number in range(3)}
    for hour in staged.hours():
        for event in hour.events:
            writers[_worker(event)].add([event])
    for writer in writers.values():
        writer.close()
    return directory


class Lives:
    """The lives of a hub, one after the other, as far as the watch goes."""

    def __init__(self, journal: Path, awake: int = 1_000) -> None:
        self.journal = journal
        self.awake = awake
        self.store = MemoryWatchStore()
        self.findings: list[str] = []
        self.alerts: list[str] = []

    async def answer(self, turn: Turn) -> None:
        self.findings += [one.id for one in turn.findings]
        self.alerts += [one.id for one in turn.alerts]

    async def live(self, events: int | None) -> None:
        """Watch until so many events were judged, or nothing more comes."""
        watching = Watching(
            self.journal, Watch(catalog.detections(), self.awake), self.store, CLOCK, self.answer
        )
        life = asyncio.create_task(watching.run())
        seen, still = 0, 0
        while still < 150 and not life.done() and (events is None or watching.standing.seen < events):
            await asyncio.sleep(0.01)
            still = still + 1 if seen == watching.standing.seen and seen else 0
            seen = watching.standing.seen
        life.cancel()
        [ended] = await asyncio.gather(life, return_exceptions=True)
        assert isinstance(ended, asyncio.CancelledError), ended


def test_what_is_found_live_over_all_scenarios_is_what_a_hunt_finds(journal: Path) -> None:
    lives = Lives(journal)
    asyncio.run(lives.live(None))
    wanted = hunted(journal)
    assert len(wanted.findings) > 100
    assert len(lives.findings) == len(set(lives.findings))
    assert (frozenset(lives.findings), frozenset(lives.alerts)) == (wanted.findings, wanted.alerts)


@pytest.mark.parametrize("awake", [1_000, 3])
def test_restarts_and_sleeping_keys_change_nothing_of_what_is_found(journal: Path, awake: int) -> None:
    lives = Lives(journal, awake)
    for events in (9_000, 1, 13_337, 4_000):
        asyncio.run(lives.live(events))
    asyncio.run(lives.live(None))
    pieces, _ = asyncio.run(lives.store.kept())
    assert (PieceKind.ASLEEP in {piece.kind for piece in pieces}) is (awake == 3)
    wanted = hunted(journal)
    assert len(lives.findings) == len(set(lives.findings))
    assert (frozenset(lives.findings), frozenset(lives.alerts)) == (wanted.findings, wanted.alerts)
