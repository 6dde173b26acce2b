"""The journal on a real file system that is full, and then read-only: nothing acknowledged is lost."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.journal import SegmentJournal, check, read_segments
from chatelaine.core.codec import decode
from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import ExchangeId, WorkerNumber

ONE = WorkerNumber(1)
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"


def event(kind: str, number: int) -> Event:
    one = decode((GOLDEN / f"exchange.{kind}.v1.json").read_bytes())
    assert isinstance(one, ExchangeOpened | ExchangeEnded)
    return msgspec.structs.replace(one, exchange=ExchangeId(str(number)))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "chatelaine-test", str(place)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("mounting a file system takes root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


async def durable(journal: SegmentJournal) -> bool:
    told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    journal.when_durable(told.set_result)
    async with asyncio.timeout(10):
        return await told


async def recovered(journal: SegmentJournal) -> None:
    async with asyncio.timeout(10):
        while not journal.available:
            await asyncio.sleep(0.02)


async def write_until_it_fails(journal: SegmentJournal, number: int, kept: list[int]) -> int:
    """Open exchanges one by one; return the number of the first that could not be made durable."""
    while True:
        journal.append(event("opened", number))
        if not await durable(journal):
            return number
        kept.append(number)
        number += 1


def remount(place: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)


@pytest.mark.parametrize("durability", list(Durability))
def test_a_disk_that_fills_up_and_is_freed_costs_nothing_that_was_acknowledged(
    small_disk: Path, durability: Durability
) -> None:
    place, ballast = small_disk / "journal", small_disk / "ballast"
    kept: list[int] = []

    async def talk() -> int:
        ballast.write_bytes(b"x" * 100_000)
        journal = SegmentJournal(place, ONE, JournalSettings(durability=durability), SystemClock())
        failed = await write_until_it_fails(journal, 0, kept)
        assert "No space left" in journal.failure
        with pytest.raises(JournalUnavailable):
            journal.append(event("opened", failed + 1))
        for number in kept:
            journal.append(event("ended", number))
        ballast.unlink()
        await recovered(journal)
        assert await durable(journal)
        journal.close()
        return failed

    failed = asyncio.run(talk())
    assert len(kept) > 20
    assert check(place) == []
    events = [one for _, one in read_segments(place, ONE)]
    assert [one.exchange for one in events if isinstance(one, ExchangeOpened)] == [
        str(number) for number in (*kept, failed)
    ]
    ended = [one.exchange for one in events if isinstance(one, ExchangeEnded)]
    assert ended == [str(number) for number in kept]


def test_a_disk_that_turns_read_only_refuses_and_comes_back(small_disk: Path) -> None:
    place = small_disk / "journal"

    async def talk() -> None:
        settings = JournalSettings(durability=Durability.FLUSH, segment_bytes=2000)
        SegmentJournal(place, ONE, settings, SystemClock()).close()
        remount(small_disk, "ro")
        with pytest.raises(JournalUnavailable, match="Read-only file system"):
            SegmentJournal(place, ONE, settings, SystemClock())
        remount(small_disk, "rw")
        journal = SegmentJournal(place, ONE, settings, SystemClock())
        journal.append(event("opened", 1))
        assert await durable(journal)
        journal.close()

    asyncio.run(talk())
    assert [one.exchange for _, one in read_segments(place, ONE) if isinstance(one, ExchangeOpened)] == ["1"]
