"""A loop that moves when told, a clock that stands, and events to write."""

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from chatelaine.adapters.journal import SegmentJournal, read_segments
from chatelaine.core.codec import decode
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import SECOND, ExchangeId, Instant, WorkerNumber

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "events"
ONE = WorkerNumber(1)


class Rounds:
    """A scheduler and a clock in one: time passes only by ``pass_time``."""

    def __init__(self) -> None:
        self.time = 1_000 * SECOND
        self.soon: list[Callable[[], object]] = []
        self.later: list[tuple[int, Callable[[], object]]] = []
        self.wall = 1_700_000_000 * SECOND

    def call_soon(self, callback: Callable[[], object], /) -> None:
        self.soon.append(callback)

    call_soon_threadsafe = call_soon

    def call_later(self, delay: float, callback: Callable[[], object], /) -> None:
        self.later.append((self.time + int(delay * SECOND), callback))

    def now(self) -> Instant:
        return Instant(self.wall)

    def elapsed(self) -> int:
        return self.time

    def round(self) -> None:
        """Run what is due, and what that makes due."""
        while self.soon:
            due, self.soon = self.soon, []
            for call in due:
                call()

    def pass_time(self, seconds: float) -> None:
        self.time += int(seconds * SECOND)
        due = [call for at, call in self.later if at <= self.time]
        self.later = [(at, call) for at, call in self.later if at > self.time]
        self.soon += due
        self.round()


class Desk:
    """One worker's journal under test, on a loop that the test moves."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.rounds = Rounds()
        self.told: list[bool] = []

    def open(self, durability: Durability = Durability.FLUSH, **more: int) -> SegmentJournal:
        settings = JournalSettings(durability=durability, **more)
        return SegmentJournal(self.directory, ONE, settings, self.rounds, self.rounds)

    def write(self, journal: SegmentJournal, *events: Event) -> bool:
        """Append events, and return what was told once the loop went round."""
        for event in events:
            journal.append(event)
        told: list[bool] = []
        journal.when_durable(told.append)
        self.rounds.round()
        [durable] = told
        return durable

    def events(self) -> list[Event]:
        return [event for _, event in read_segments(self.directory, ONE)]

    def exchanges(self) -> list[str]:
        """Return what was read as o1 for an opening, e1 for its end."""
        return [name(event) for event in self.events()]

    @staticmethod
    def break_disk(journal: SegmentJournal) -> None:
        """Make the device full under the open segment."""
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._writer.file)
        os.close(full)


def name(event: Event) -> str:
    if isinstance(event, ExchangeOpened):
        return f"o{event.exchange}"
    return f"e{event.exchange}" if isinstance(event, ExchangeEnded) else event.kind


def _golden(kind: str, number: object) -> Event:
    event = decode((GOLDEN / f"{kind}.v1.json").read_bytes())
    assert isinstance(event, ExchangeOpened | ExchangeEnded)
    return msgspec.structs.replace(event, exchange=ExchangeId(str(number)))


@pytest.fixture(scope="session")
def opened() -> Callable[[object], Event]:
    return lambda number: _golden("exchange.opened", number)


@pytest.fixture(scope="session")
def ended() -> Callable[[object], Event]:
    return lambda number: _golden("exchange.ended", number)


@pytest.fixture(scope="session")
def desk_in() -> Callable[[Path], Desk]:
    return Desk


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "journal")
