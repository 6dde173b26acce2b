"""What every journal promises, and what the one on disk survives."""

import asyncio
import gzip
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.journal import SegmentJournal
from chatelaine.adapters.segment import (
    carry,
    compress,
    mend,
    newest_sequence,
    read_events,
    read_segment,
    segment_files,
)
from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened
from chatelaine.model.exchange import (
    Asked,
    Caller,
    Client,
    EndReason,
    Greeting,
    Network,
    Reservation,
    Served,
    Target,
    Usage,
)
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import ExchangeId, Instant, KeyId, NanoUsd, ProviderId, UpstreamName, WorkerNumber
from chatelaine.services.event import interrupt, left_open

ONE = WorkerNumber(1)
CALLER = Caller(KeyId("abcdefghi"), None, "app")
TARGET = Target(UpstreamName("up"), ProviderId("openai"))
CLIENT = Client(Network("127.0.0.1"), Greeting(), "1.1", "host", "000000000000")


def opened(number: int) -> ExchangeOpened:
    return ExchangeOpened(
        Instant(number), ExchangeId(f"x{number}"), ONE, CALLER, CLIENT, Asked(), TARGET,
        Reservation(1, 2, NanoUsd(3)), 7, "p",
    )  # fmt: skip


def ended(number: int) -> ExchangeEnded:
    return ExchangeEnded(
        Instant(number), ExchangeId(f"x{number}"), ONE, CALLER, TARGET, EndReason.COMPLETED, 200,
        Served(), Usage(), NanoUsd(1), 1, 2, 3, 4,
    )  # fmt: skip


def settings(durability: Durability, **more: int) -> JournalSettings:
    return JournalSettings(durability=durability, segment_bytes=more.get("segment_bytes", 64 * 1024 * 1024))


async def durable(journal: SegmentJournal) -> bool:
    told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    journal.when_durable(told.set_result)
    async with asyncio.timeout(5):
        return await told


def run(talk: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await talk()

    asyncio.run(whole())


@pytest.mark.parametrize("durability", list(Durability))
def test_what_was_told_durable_is_read_back_in_order(tmp_path: Path, durability: Durability) -> None:
    events: list[Event] = [opened(1), opened(2), ended(1), ended(2)]

    async def talk() -> None:
        journal = SegmentJournal(tmp_path, ONE, settings(durability), SystemClock())
        for event in events:
            journal.append(event)
        assert await durable(journal)
        assert list(read_events(tmp_path)) == events
        journal.close()

    run(talk)


@pytest.mark.parametrize("durability", list(Durability))
def test_an_end_is_written_without_being_asked_for(tmp_path: Path, durability: Durability) -> None:
    async def talk() -> None:
        journal = SegmentJournal(tmp_path, ONE, settings(durability), SystemClock())
        journal.append(ended(1))
        async with asyncio.timeout(5):
            while not list(read_events(tmp_path)):
                await asyncio.sleep(0.001)
        journal.close()

    run(talk)


def test_segments_rotate_and_carry_what_is_under_way(tmp_path: Path) -> None:
    async def talk() -> None:
        journal = SegmentJournal(tmp_path, ONE, settings(Durability.FLUSH, segment_bytes=2000), SystemClock())
        for number in range(20):
            journal.append(opened(number))
            if number:
                journal.append(ended(number))
            assert await durable(journal)
        journal.close()

    run(talk)
    files = segment_files(tmp_path)
    assert len(files) > 3
    newest = read_segment(files[-1])
    left = left_open(newest.carried, newest.events, carry)
    assert [one.exchange for one in left] == ["x0"]
    assert len(list(read_events(tmp_path))) == 39


def test_recovery_closes_what_was_left_open_exactly_once(tmp_path: Path) -> None:
    async def talk() -> None:
        journal = SegmentJournal(tmp_path, ONE, settings(Durability.FLUSH), SystemClock())
        for event in (opened(1), opened(2), ended(1)):
            journal.append(event)
        assert await durable(journal)
        journal.close()

    run(talk)
    segment = read_segment(segment_files(tmp_path)[-1])
    left = left_open(segment.carried, segment.events, carry)
    first = interrupt(left, frozenset(), worker=ONE, now=Instant(9))
    assert [event.exchange for _, event in first] == ["x2"]
    assert first[0][1].charged == NanoUsd(3)
    assert interrupt(left, frozenset({ExchangeId("x2")}), worker=ONE, now=Instant(9)) == []


def test_an_archive_holds_what_the_segment_held_and_a_crash_between_counts_nothing_twice(
    tmp_path: Path,
) -> None:
    async def talk() -> None:
        journal = SegmentJournal(tmp_path, ONE, settings(Durability.FLUSH), SystemClock())
        for number in range(50):
            journal.append(ended(number))
        assert await durable(journal)
        journal.close()

    run(talk)
    [path] = segment_files(tmp_path)
    before, original = list(read_events(tmp_path)), path.read_bytes()
    archive = compress(path)
    assert archive.stat().st_size < len(original) / 3
    assert list(read_events(tmp_path)) == before
    path.write_bytes(original)
    assert list(read_events(tmp_path)) == before
    assert newest_sequence(tmp_path, ONE) == 1


@pytest.mark.parametrize("cut", [1, 5, 9, 40, 300])
def test_a_record_cut_off_by_a_crash_is_no_damage(tmp_path: Path, cut: int) -> None:
    test_what_was_told_durable_is_read_back_in_order(tmp_path, Durability.FLUSH)
    [path] = segment_files(tmp_path)
    path.write_bytes(path.read_bytes()[:-cut])
    segment = read_segment(path)
    assert segment.fault is None
    assert len(segment.events) == 3


def test_a_flipped_bit_is_named_with_its_place_and_mended(tmp_path: Path) -> None:
    test_what_was_told_durable_is_read_back_in_order(tmp_path, Durability.FLUSH)
    [path] = segment_files(tmp_path)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(bytes(data))
    segment = read_segment(path)
    assert segment.fault is not None
    assert str(path) in str(segment.fault)
    assert "--mend-journal" in str(segment.fault)
    assert len(segment.events) == 3
    aside = mend(path)
    assert aside.read_bytes() == bytes(data)
    assert read_segment(path).fault is None
    assert len(read_segment(path).events) == 3


@pytest.mark.parametrize("junk", [b"", b"\n", b"not a segment\n", gzip.compress(b"x")[:-3], os.urandom(500)])
def test_a_file_that_is_no_segment_is_named(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / ("001-0000000001.log.gz" if junk[:2] == b"\x1f\x8b" else "001-0000000001.log")
    path.write_bytes(junk)
    segment = read_segment(path)
    assert segment.events == ()
    assert segment.fault is None or str(path) in str(segment.fault)


@pytest.mark.parametrize("durability", list(Durability))
def test_a_full_disk_refuses_openings_keeps_ends_and_recovers(tmp_path: Path, durability: Durability) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    async def talk() -> None:
        journal = SegmentJournal(tmp_path, ONE, settings(durability), SystemClock())
        journal.append(opened(1))
        assert await durable(journal)
        # A file-size limit fails writes as a full disk does, half way through a group.
        resource.setrlimit(resource.RLIMIT_FSIZE, (journal._size + 100, limits[1]))
        journal.append(opened(2))
        assert not await durable(journal)
        assert not journal.available
        assert journal.failure
        with pytest.raises(JournalUnavailable, match="free space"):
            journal.append(opened(3))
        journal.append(ended(1))
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        async with asyncio.timeout(5):
            while not journal.available:
                await asyncio.sleep(0.01)
        journal.append(opened(4))
        assert await durable(journal)
        journal.close()

    try:
        run(talk)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(read_events(tmp_path)) == [opened(1), ended(1), opened(4)]
    assert all(read_segment(path).fault is None for path in segment_files(tmp_path))


def test_a_failed_sync_is_never_trusted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failing = os.fdatasync, [True]

    def fdatasync(file: int) -> None:
        if failing and failing.pop():
            raise OSError(5, "Input/output error")
        real(file)

    monkeypatch.setattr(os, "fdatasync", fdatasync)

    async def talk() -> None:
        journal = SegmentJournal(tmp_path, ONE, settings(Durability.FSYNC), SystemClock())
        journal.append(ended(1))
        journal.append(opened(2))
        assert not await durable(journal)
        async with asyncio.timeout(5):
            while not journal.available or journal.waiting:
                await asyncio.sleep(0.01)
        assert await durable(journal)
        journal.close()

    run(talk)
    files = segment_files(tmp_path)
    assert len(files) == 2
    assert read_segment(files[-1]).events == (ended(1),)


WRITER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_journal import ONE, SegmentJournal, SystemClock, opened, settings, Durability
async def main():
    kept = settings(Durability.FLUSH, segment_bytes=20_000)
    journal = SegmentJournal(Path(sys.argv[1]), ONE, kept, SystemClock())
    number = 0
    def told(number, durable):
        sys.stdout.write(f"{number}\\n"); sys.stdout.flush()
    while True:
        number += 1
        journal.append(opened(number))
        journal.when_durable(lambda durable, number=number: told(number, durable))
        await asyncio.sleep(0)
asyncio.run(main())
"""


@pytest.mark.slow
def test_a_writer_killed_many_times_loses_nothing_it_told_durable(tmp_path: Path) -> None:
    for attempt in range(20):
        directory = tmp_path / str(attempt)
        command = [sys.executable, "-c", WRITER, str(directory), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            told = [int(writer.stdout.readline()) for _ in range(30 + attempt * 7)]
            writer.kill()
            told += [int(line) for line in writer.stdout.read().split(b"\n")[:-1]]
        kept = {event.exchange for event in read_events(directory) if isinstance(event, ExchangeOpened)}
        assert {f"x{number}" for number in told} <= kept
        assert all(read_segment(path).fault is None for path in segment_files(directory))
