"""The watch over live journals: nothing lost, nothing twice, wherever it was stopped."""

import asyncio
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import msgspec
import pytest

from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.journal import SegmentJournal, read_segments
from chatelaine.adapters.memory_watch import MemoryWatchStore
from chatelaine.app.watching import Watching
from chatelaine.catalog.detection import read_detection
from chatelaine.core.codec import decode
from chatelaine.core.detection.run import Detection
from chatelaine.model.detection import Finding
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened
from chatelaine.model.exchange import Operation
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import SECOND, ExchangeId, FindingId, Instant, WorkerNumber
from chatelaine.services.detection import Watch

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"
WORKERS = (WorkerNumber(1), WorkerNumber(2))
CLOCK = SystemClock()


class Killed(Exception):
    """Stands for the death of the hub in the middle of an answer."""


@pytest.fixture(scope="module")
def lister() -> list[Detection]:
    """The template detection: three different lists in ten minutes."""
    found = read_detection(files("chatelaine").joinpath("detections/_template"), [])
    assert found is not None
    return [found]


def golden(name: str) -> Event:
    [path] = GOLDEN.glob(f"{name}*.json")
    return decode(path.read_bytes().strip())


def exchange(number: int, at: int) -> list[Event]:
    """Return opening and end of an exchange that lists something, each by its number."""
    opened, ended = golden("exchange.opened"), golden("exchange.ended")
    assert isinstance(opened, ExchangeOpened)
    assert isinstance(ended, ExchangeEnded)
    asked = msgspec.structs.replace(opened.asked, operation=Operation.LIST, route=f"/v1/list/{number % 7}")
    name = ExchangeId(f"{number:024x}")
    return [
        msgspec.structs.replace(opened, at=Instant(at), exchange=name, asked=asked),
        msgspec.structs.replace(ended, at=Instant(at + 1000), exchange=name),
    ]


def written(directory: Path, count: int) -> None:
    """Write exchanges half an hour apart in twos and threes, in turn into the journals of two workers."""

    async def write() -> None:
        settings = JournalSettings(durability=Durability.FLUSH)
        journals = [SegmentJournal(directory, worker, settings, CLOCK) for worker in WORKERS]
        begun = CLOCK.now() - 30 * 86_400 * SECOND
        for number in range(count):
            at = begun + (number // 4) * 1800 * SECOND + number % 4 * SECOND
            for event in exchange(number, at):
                journals[number % 2].append(event)
        for journal in journals:
            journal.close()

    directory.mkdir()
    asyncio.run(write())


def hunted(directory: Path, detections: Sequence[Detection]) -> list[FindingId]:
    """Return what a reading of the finished journals finds."""
    watch = Watch(detections)
    events = [event for worker in WORKERS for _, event in read_segments(directory, worker)]
    return [one.id for event in sorted(events, key=lambda one: one.at) for one in watch.take(event)]


class Hub:
    """A hub as far as the watch goes: its store outlives it, and it can die in any answer."""

    def __init__(self, directory: Path, detections: Sequence[Detection]) -> None:
        self.directory = directory
        self.detections = detections
        self.store = MemoryWatchStore()
        self.answers: list[FindingId] = []
        self.patience = 1_000_000

    async def answer(self, findings: Sequence[Finding]) -> None:
        self.patience -= 1
        if self.patience < 0:
            raise Killed
        self.answers += [one.id for one in findings]

    async def live(self, until: int) -> None:
        """Watch until so many events were judged in this life, all are, or it is killed."""
        watching = Watching(self.directory, Watch(self.detections), self.store, CLOCK, self.answer)
        life = asyncio.create_task(watching.run())
        seen, still = 0, 0
        while seen < until and still < 100 and not life.done():
            await asyncio.sleep(0.001)
            still = still + 1 if seen == watching.standing.seen else 0
            seen = watching.standing.seen
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)


def test_what_is_found_live_is_what_a_hunt_finds(tmp_path: Path, lister: list[Detection]) -> None:
    written(tmp_path / "journal", 400)
    hub = Hub(tmp_path / "journal", lister)
    asyncio.run(hub.live(10_000))
    wanted = hunted(tmp_path / "journal", lister)
    assert len(wanted) > 50
    assert hub.answers == wanted


def test_a_hub_that_is_stopped_and_comes_back_finds_each_once(
    tmp_path: Path, lister: list[Detection]
) -> None:
    written(tmp_path / "journal", 400)
    hub = Hub(tmp_path / "journal", lister)
    for _ in range(9):
        asyncio.run(hub.live(97))
    asyncio.run(hub.live(10_000))
    assert hub.answers == hunted(tmp_path / "journal", lister)


@pytest.mark.parametrize("patience", [0, 1, 2, 3, 17, 40])
def test_a_hub_that_dies_in_an_answer_finds_the_same_again_and_loses_none(
    tmp_path: Path, lister: list[Detection], patience: int
) -> None:
    written(tmp_path / "journal", 400)
    hub = Hub(tmp_path / "journal", lister)
    asyncio.run(hub.live(97))
    hub.patience = patience
    asyncio.run(hub.live(10_000))
    hub.patience = 1_000_000
    asyncio.run(hub.live(10_000))
    wanted = hunted(tmp_path / "journal", lister)
    # Answers are by id, so what comes again changes nothing.
    assert list(dict.fromkeys(hub.answers)) == wanted
