"""What every journal promises to the gate, whichever adapter keeps it."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import msgspec
import pytest

from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.journal import SegmentJournal, read_segments
from chatelaine.adapters.memory_journal import MemoryJournal
from chatelaine.core.codec import decode
from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened, ExchangeRefused
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import ExchangeId, WorkerNumber
from chatelaine.ports import Journal

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"
ONE = WorkerNumber(1)


def golden(kind: str, exchange: str) -> Event:
    event = decode((GOLDEN / f"{kind}.v1.json").read_bytes())
    assert isinstance(event, ExchangeOpened | ExchangeEnded | ExchangeRefused)
    return msgspec.structs.replace(event, exchange=ExchangeId(exchange))


def opened(exchange: str) -> Event:
    return golden("exchange.opened", exchange)


def ended(exchange: str) -> Event:
    return golden("exchange.ended", exchange)


class Kept:
    """One journal under test, what it holds, and how its disk is made to fail."""

    def __init__(self, journal: Journal, events: Callable[[], list[Event]], fail: Callable[[], None]) -> None:
        self.journal = journal
        self.events = events
        self.fail = fail

    async def durable(self) -> bool:
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.journal.when_durable(told.set_result)
        async with asyncio.timeout(5):
            return await told


@contextmanager
def in_memory(_: Path) -> Iterator[Kept]:
    journal = MemoryJournal()

    def fail() -> None:
        journal.available = False

    yield Kept(journal, lambda: list(journal.events), fail)


@contextmanager
def on_disk(directory: Path, durability: Durability) -> Iterator[Kept]:
    journal = SegmentJournal(directory, ONE, JournalSettings(durability=durability), SystemClock())

    def fail() -> None:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._writer.file)
        os.close(full)

    yield Kept(journal, lambda: [event for _, event in read_segments(directory, ONE)], fail)
    journal.close()


Keeper = Callable[[Path], AbstractContextManager[Kept]]
KEEPERS: dict[str, Keeper] = {
    "memory": in_memory,
    "flush": partial(on_disk, durability=Durability.FLUSH),
    "fsync": partial(on_disk, durability=Durability.FSYNC),
}
every_journal = pytest.mark.parametrize("keep", KEEPERS.values(), ids=KEEPERS)


def run(keep: Keeper, directory: Path, talk: Callable[[Kept], Awaitable[None]]) -> None:
    async def whole() -> None:
        with keep(directory) as kept:
            await talk(kept)

    asyncio.run(whole())


@every_journal
def test_what_was_told_durable_is_read_back_in_order(keep: Keeper, tmp_path: Path) -> None:
    async def talk(kept: Kept) -> None:
        events = [opened("a"), opened("b"), ended("a"), golden("exchange.refused", "c"), ended("b")]
        for event in events:
            kept.journal.append(event)
        assert await kept.durable()
        assert kept.events() == events

    run(keep, tmp_path, talk)


@every_journal
def test_an_end_is_written_soon_without_being_asked_for(keep: Keeper, tmp_path: Path) -> None:
    async def talk(kept: Kept) -> None:
        kept.journal.append(ended("a"))
        async with asyncio.timeout(5):
            while not kept.events():
                await asyncio.sleep(0)

    run(keep, tmp_path, talk)


@every_journal
def test_everybody_who_asks_is_told_even_where_nothing_was_appended(keep: Keeper, tmp_path: Path) -> None:
    async def talk(kept: Kept) -> None:
        assert await kept.durable()
        kept.journal.append(opened("a"))
        assert await asyncio.gather(kept.durable(), kept.durable(), kept.durable()) == [True] * 3
        assert kept.journal.available

    run(keep, tmp_path, talk)


@every_journal
def test_a_group_that_fails_is_told_so_and_nothing_new_is_taken_but_ends(
    keep: Keeper, tmp_path: Path
) -> None:
    async def talk(kept: Kept) -> None:
        kept.journal.append(opened("a"))
        assert await kept.durable()
        kept.journal.append(opened("b"))
        kept.fail()
        assert not await kept.durable()
        assert not kept.journal.available
        for refused in (opened("c"), ended("c"), golden("exchange.refused", "d")):
            with pytest.raises(JournalUnavailable):
                kept.journal.append(refused)
        kept.journal.append(ended("a"))
        kept.journal.append(ended("b"))
        assert not await kept.durable()

    run(keep, tmp_path, talk)
