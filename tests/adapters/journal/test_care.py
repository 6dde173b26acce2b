"""Compression, mending and recovery: killed at any point they lose nothing and count nothing twice."""

import contextlib
import gzip
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chatelaine.adapters.journal import SegmentJournal, check, compress_closed, mend, read_segments, recover
from chatelaine.adapters.journal.care import compress
from chatelaine.adapters.journal.place import archive_path, newest_sequence, segments
from chatelaine.core.journal import HEADER_SIZE
from chatelaine.model.error import JournalError, SegmentCorrupt
from chatelaine.model.event import Event, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.words import Instant, WorkerNumber
from chatelaine.services.event import interrupt

Make = Callable[[object], Event]
ONE = WorkerNumber(1)
CLOSE = partial(interrupt, now=Instant(9))


class Killed(Exception):
    """Stands for the end of the process at this very point."""


def die(*_: object, **__: object) -> None:
    raise Killed


def fill(desk: Any, opened: Make, count: int) -> list[str]:
    """Write so many openings, two to a segment."""
    journal = desk.open(segment_bytes=3000)
    for number in range(count):
        assert desk.write(journal, opened(number))
    journal.close()
    return [f"o{number}" for number in range(count)]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("at", ["fsync", "rename", "sync_directory", "unlink"])
def test_compression_killed_at_any_point_loses_nothing_and_is_taken_up_again(
    desk: Any, opened: Make, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    written = fill(desk, opened, 5)
    with monkeypatch.context() as killed:
        where = {
            "fsync": "os.fsync",
            "rename": "pathlib.Path.rename",
            "sync_directory": "chatelaine.adapters.journal.care.sync_directory",
            "unlink": "pathlib.Path.unlink",
        }[at]
        killed.setattr(where, die)
        with pytest.raises(Killed):
            compress_closed(desk.directory)
    assert desk.exchanges() == written
    assert compress_closed(desk.directory)
    assert desk.exchanges() == written
    assert compress_closed(desk.directory) == []
    assert [one.compressed for one in segments(desk.directory)] == [True, True, False]
    assert not [path for path in desk.directory.iterdir() if path.suffix == ".tmp"]


def test_an_archive_is_much_smaller_and_opens_with_any_gzip(desk: Any, opened: Make) -> None:
    journal = desk.open()
    assert desk.write(journal, *map(opened, range(100)))
    journal.close()
    [segment] = segments(desk.directory)
    data = segment.path.read_bytes()
    archive = compress(segment.path)
    assert gzip.decompress(archive.read_bytes()) == data
    assert archive.stat().st_size < len(data) / 10


def test_an_archive_that_does_not_read_back_costs_no_segment(
    desk: Any, opened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = fill(desk, opened, 3)
    sums = iter([(1, 1), (2, 2)])
    monkeypatch.setattr("chatelaine.adapters.journal.care._checksum", lambda _: next(sums))
    with pytest.raises(JournalError, match="does not hold"):
        compress_closed(desk.directory)
    assert desk.exchanges() == written


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("place", ["header", "carried", "record", "last"])
def test_mending_keeps_what_is_good_where_it_was_and_the_damaged_file(
    desk: Any, opened: Make, place: str, *, compressed: bool
) -> None:
    written = fill(desk, opened, 6)
    before = dict(_positions(desk))
    second = segments(desk.directory)[1].path
    at = {"header": 30, "carried": HEADER_SIZE + 20, "record": 0, "last": second.stat().st_size - 4}[place]
    flip(second, at or second.read_bytes().index(b'{"kind":"exchange.opened"') + 30)
    damaged = compress(second) if compressed else second
    data = damaged.read_bytes()
    [fault, *_] = check(desk.directory)
    assert isinstance(fault, SegmentCorrupt)
    aside = mend(damaged)
    assert aside.read_bytes() == data
    assert aside.name == f"{damaged.name}.damaged-1"
    assert check(desk.directory) == []
    lost = {"record": ["o2"], "last": ["o3"]}.get(place, [])
    assert desk.exchanges() == [one for one in written if one not in lost]
    assert all(before[position] == name for position, name in _positions(desk))
    assert mend(second).name == f"{second.name}.damaged-{1 if compressed else 2}"


def _positions(desk: Any) -> list[tuple[object, str]]:
    return [(position, name(event)) for position, event in read_segments(desk.directory, ONE)]


def name(event: Event) -> str:
    assert isinstance(event, ExchangeOpened)
    return f"o{event.exchange}"


@pytest.mark.parametrize("cut", [40, 400])
def test_what_a_damaged_archive_still_gives_is_kept(desk: Any, opened: Make, cut: int) -> None:
    journal = desk.open()
    assert desk.write(journal, *map(opened, range(200)))
    journal.close()
    fill(desk, opened, 1)
    archive = compress(segments(desk.directory)[0].path)
    archive.write_bytes(archive.read_bytes()[:-cut])
    [fault] = check(desk.directory)
    assert str(archive) in fault.message
    mend(archive)
    assert not archive.exists()
    kept = desk.exchanges()
    assert kept[:-1] == [f"o{number}" for number in range(len(kept) - 1)]
    assert len(kept) > 20


def test_a_segment_that_is_being_written_is_not_mended(desk: Any, opened: Make) -> None:
    journal = desk.open()
    assert desk.write(journal, opened(1))
    [segment] = segments(desk.directory)
    with pytest.raises(JournalError, match="another process writes"):
        mend(segment.path)
    journal.close()
    with pytest.raises(JournalError, match="not the name of a segment"):
        mend(desk.directory / "001.lock")


def test_recovery_gives_each_open_exchange_its_one_end_and_charges_its_worst_case(
    desk: Any, opened: Make, ended: Make
) -> None:
    journal = desk.open()
    assert desk.write(journal, opened(1), opened(2), ended(1), opened(3))
    journal.close()
    charged: list[ExchangeInterrupted] = []
    ends = recover(desk.directory, ONE, Instant(9), CLOSE, charged.append)
    assert [end.exchange for end in ends] == ["2", "3"]
    assert charged == list(ends)
    assert {(end.charged, end.slot, end.worker, end.at) for end in ends} == {(1234567, 7, 1, 9)}
    assert [event for event in desk.events() if isinstance(event, ExchangeInterrupted)] == list(ends)
    assert recover(desk.directory, ONE, Instant(10), CLOSE, charged.append) == ()
    assert len(charged) == 2


@pytest.mark.parametrize("at", ["os.open", "os.write", "os.fdatasync", "os.fsync"])
@pytest.mark.parametrize("call", range(3))
def test_recovery_killed_at_any_point_is_taken_up_again_and_ends_nothing_twice(
    desk: Any, opened: Make, monkeypatch: pytest.MonkeyPatch, at: str, *, call: int
) -> None:
    journal = desk.open()
    assert desk.write(journal, opened(1), opened(2))
    journal.close()
    real, left = _named(at), [call]

    def sometimes(*given: Any) -> Any:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return real(*given)

    with monkeypatch.context() as killed:
        killed.setattr(at, sometimes)
        # A process that is killed cannot tidy up either.
        killed.setattr("pathlib.Path.unlink", die)
        with contextlib.suppress(Killed):
            recover(desk.directory, ONE, Instant(9), CLOSE, lambda _: None)
    recover(desk.directory, ONE, Instant(9), CLOSE, lambda _: None)
    ends = [event.exchange for event in desk.events() if isinstance(event, ExchangeInterrupted)]
    assert ends == ["1", "2"]


def _named(path: str) -> Any:
    module, name = path.split(".")
    return getattr(__import__(module), name)


def test_recovery_reads_the_newest_segments_only(desk: Any, opened: Make, ended: Make) -> None:
    journal = desk.open(segment_bytes=3000)
    for number in range(40):
        assert desk.write(journal, opened(number), *([ended(number)] if number else []))
    journal.close()
    for segment in segments(desk.directory)[:-1]:
        segment.path.write_bytes(b"this is never opened")
    assert [end.exchange for end in recover(desk.directory, ONE, Instant(9), CLOSE, lambda _: None)] == ["0"]


def test_a_living_worker_is_not_recovered(desk: Any, opened: Make) -> None:
    journal: SegmentJournal = desk.open()
    assert desk.write(journal, opened(1))
    with pytest.raises(JournalError, match="another process writes"):
        recover(desk.directory, ONE, Instant(9), CLOSE, lambda _: None)
    journal.close()


def test_a_sequence_is_never_used_again(desk: Any, opened: Make) -> None:
    fill(desk, opened, 2)
    [segment, *_] = segments(desk.directory)
    highest = newest_sequence(desk.directory, ONE)
    for one in segments(desk.directory):
        one.path.rename(one.path.with_name(f"{one.path.name}.damaged-1"))
    assert segments(desk.directory) == []
    fill(desk, opened, 1)
    assert segments(desk.directory)[0].sequence == highest + 1
    assert archive_path(segment.path).name == "001-000000000001.seg.gz"
