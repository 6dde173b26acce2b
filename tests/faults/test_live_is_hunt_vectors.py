"""The vectors of all detections, played into journals: watched as they grow, hunted once they are closed."""

import asyncio
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.faults.played_vectors import Played, events_of, played, recorder, shown
from watched import hunt

from chatelaine import catalog
from chatelaine.adapters.journal import SegmentJournal
from chatelaine.adapters.memory_watch import MemoryWatchStore
from chatelaine.app.watching import Watching
from chatelaine.app.wire import Places
from chatelaine.app.work.rules import Shelf
from chatelaine.core.detection.sighting import Joiner
from chatelaine.model.detection import Alert, Finding, Sighting
from chatelaine.model.event import Event
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import NEVER, SECOND, DetectionId, Instant, WorkerNumber
from chatelaine.services.detection import Turn, Watch

pytestmark = pytest.mark.slow
_SETTINGS = JournalSettings(durability=Durability.FLUSH, segment_bytes=8 << 20)
_HELD = SECOND // 20
"""What the watch holds back, so that an earlier event of another worker comes before it."""
_SLICES = (1, 7, 311, 1_009, 2_003, 4_999)
"""Events that are written at once: one, and more than the watch reads of a journal at once."""
_PATIENCE = 60.0

UNFOUND: dict[DetectionId, str] = {}
"""Detections that no event can lead to, and why: there is none, as habits are lived in the journal too."""
OTHERWISE = {
    "key_revalidation/quiet_known_monitor.txt": "the monitor's first days are watched too, and told as low",
    "prompt_block_rate/quiet_novelist.txt": "its life before is watched too, and in that nothing was blocked",
}
"""Vectors whose life alone changes what is found of them: the shelf's trial lets no detection look at it."""
NAMES = [
    f"{one.card.id}/{path.name}"
    for one in catalog.detections()
    for path in catalog.vectors(catalog.shelf("detections").joinpath(one.card.id))
]


class StageClock:
    """Tells the time of the stage, which its journals have come to."""

    def __init__(self) -> None:
        self.at = NEVER
        self.slices = 0

    def now(self) -> Instant:
        return self.at

    def elapsed(self) -> int:
        """Let a second pass with each slice, so that the watch keeps its state now and then."""
        return self.slices * SECOND


class Stage:
    """The journals of a hub and of two workers that grow, and the watch over them."""

    def __init__(self, directory: Path) -> None:
        self.found = Turn()
        self.clock = StageClock()
        self.seen_early = 0
        """Events that were judged while more was still to be written."""
        self._directory = directory
        self._watching = Watching(
            directory, Watch(catalog.detections()), MemoryWatchStore(), self.clock, self._answer
        )

    async def _answer(self, turn: Turn) -> None:
        self.found.findings += turn.findings
        self.found.alerts += turn.alerts
        self.found.joined += turn.joined
        self.found.sightings += turn.sightings

    async def live(self, events: Sequence[Event]) -> None:
        """Write events slice by slice, one ahead of the watch, until all are judged."""
        self._directory.mkdir(parents=True)
        workers = [WorkerNumber(number) for number in range(3)]
        journals = [SegmentJournal(self._directory, worker, _SETTINGS, self.clock) for worker in workers]
        instants = [event.at for event in events]
        life = asyncio.create_task(self._watching.run())
        for part in _slices(events):
            due = bisect_right(instants, self.clock.at - _HELD)
            for event in part:
                journals[recorder(event)].append(event)
            await asyncio.gather(*(_written(journal) for journal in journals))
            await self._until(life, due)
            self.clock.at = part[-1].at
            self.clock.slices += 1
        self.seen_early = self._watching.standing.seen
        self.clock.at = Instant(self.clock.at + SECOND)
        await self._until(life, len(events))
        life.cancel()
        [ended] = await asyncio.gather(life, return_exceptions=True)
        for journal in journals:
            journal.close()
        assert isinstance(ended, asyncio.CancelledError), ended
        assert self._watching.standing.faults == 0

    async def _until(self, life: "asyncio.Task[None]", seen: int) -> None:
        until = time.monotonic() + _PATIENCE
        while self._watching.standing.seen < seen:
            assert not life.done(), life
            assert time.monotonic() < until, (self._watching.standing, seen)
            await asyncio.sleep(0.001)


def _slices(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    begin = 0
    for size in cycle(_SLICES):
        if begin >= len(events):
            return
        yield events[begin : begin + size]
        begin += size


async def _written(journal: SegmentJournal) -> None:
    durable: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    journal.when_durable(durable.set_result)
    assert await durable


class Span(NamedTuple):
    """What was found within the time of one vector, in order."""

    findings: tuple[Finding, ...]
    alerts: tuple[Alert, ...]
    joined: tuple[Finding, ...]
    sightings: tuple[Sighting, ...]


class Told(NamedTuple):
    """All vectors, what the watch found in them, and what hunts did."""

    vectors: dict[str, Played]
    events: int
    seen_early: int
    live: Turn
    hunt: Turn
    places: Places


def span(turn: Turn, vector: Played) -> Span:
    begin, end = vector.begins_at, vector.ends_at
    return Span(
        tuple(one for one in turn.findings if begin <= one.at <= end),
        tuple(one for one in turn.alerts if begin <= one.at <= end),
        tuple(one for one in turn.joined if begin <= one.at <= end),
        tuple(one for one in turn.sightings if begin <= one.at <= end),
    )


@pytest.fixture(scope="module")
def vectors() -> dict[str, Played]:
    return {f"{one.detection}/{one.name}": one for one in played()}


@pytest.fixture(scope="module")
def told(vectors: dict[str, Played], tmp_path_factory: pytest.TempPathFactory) -> Told:
    places = Places(tmp_path_factory.mktemp("vectors"))
    issued = [event for vector in vectors.values() for event in vector.canaries]
    happened = [event for vector in vectors.values() for one in vector.sightings for event in events_of(one)]
    events = sorted([*issued, *happened], key=lambda event: event.at)
    stage = Stage(places.journal)
    asyncio.run(stage.live(events))
    return Told(vectors, len(events), stage.seen_early, stage.found, hunt(places.journal), places)


def test_events_joined_again_show_what_the_vectors_say(vectors: dict[str, Played]) -> None:
    for name, vector in vectors.items():
        joiner = Joiner()
        for one in vector.sightings:
            seen = tuple(joiner.take(event) for event in events_of(one))
            assert seen == shown(one), name
        assert not joiner.waiting(), name


def test_vectors_lie_apart_and_are_all_there(vectors: dict[str, Played]) -> None:
    assert list(vectors) == NAMES
    assert OTHERWISE.keys() <= vectors.keys()
    ends = [NEVER, *(one.ends_at for one in vectors.values())]
    assert all(end < one.begins_at for end, one in zip(ends, vectors.values(), strict=False))


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_watched_live_shows_what_a_hunt_finds(told: Told, name: str) -> None:
    vector = told.vectors[name]
    live = span(told.live, vector)
    assert live == span(told.hunt, vector)
    found = {one.detection for one in live.findings if one.at >= vector.acts_at}
    if name not in OTHERWISE and vector.detection not in UNFOUND:
        assert (vector.detection in found) is vector.fires


def test_nothing_is_found_in_another_order_or_outside_a_vector(told: Told) -> None:
    live, late = told.live, told.hunt
    assert live.findings == late.findings
    assert live.alerts == late.alerts
    assert live.joined == late.joined
    assert live.sightings == late.sightings
    spans = [span(live, vector) for vector in told.vectors.values()]
    assert sum(len(one.findings) for one in spans) == len(live.findings)
    assert sum(len(one.alerts) for one in spans) == len(live.alerts) > 30


def test_every_detection_of_the_shelf_finds_something(told: Told) -> None:
    found = {one.detection for one in told.live.findings}
    assert found == {one.card.id for one in catalog.detections() if one.card.enabled} - UNFOUND.keys()


def test_most_was_judged_before_the_last_was_written(told: Told) -> None:
    assert told.seen_early > told.events * 0.9


def test_a_backtest_counts_what_was_found_live(told: Told) -> None:
    name = DetectionId("use_new_network")
    shelf = Shelf(told.places, catalog.detections())
    tried = shelf.backtest(name, since=Instant(NEVER), thresholds={})
    found = [one for one in told.live.findings if one.detection == name]
    ids = {one.id for one in found}
    assert (tried.events, tried.faults) == (told.events, ())
    assert tried.found == len(found) > 0
    assert dict(tried.keys) == Counter(one.key for one in found)
    assert tried.alerts == sum(not ids.isdisjoint(alert.findings) for alert in told.live.alerts)
