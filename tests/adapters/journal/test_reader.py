"""Reading on from a position: each record once, past compression, damage and failed writes."""

import os
import tempfile
from collections.abc import Callable
from errno import EIO, ENOSPC
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from chatelaine.adapters.journal import Tail, compress_closed, find_start, read_segments, recover
from chatelaine.adapters.journal.place import archive_path, segments
from chatelaine.core.journal import HEADER_SIZE, frame
from chatelaine.model.error import JournalError, RecordUnknown, SegmentCorrupt
from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.words import NEVER, Instant, WorkerNumber
from chatelaine.services.event import interrupt

Make = Callable[[object], Event]
ONE = WorkerNumber(1)


def fill(desk: Any, opened: Make, count: int) -> None:
    """Write so many openings, two to a segment."""
    journal = desk.open(segment_bytes=3000)
    for number in range(count):
        assert desk.write(journal, opened(number))
    journal.close()


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def test_reading_goes_on_behind_any_position_also_when_it_was_compressed_meanwhile(
    desk: Any, opened: Make
) -> None:
    fill(desk, opened, 9)
    whole = list(read_segments(desk.directory, ONE))
    assert len(compress_closed(desk.directory)) == len(segments(desk.directory)) - 1
    assert list(read_segments(desk.directory, ONE)) == whole
    for count, (position, _) in enumerate(whole):
        assert list(read_segments(desk.directory, ONE, position)) == whole[count + 1 :]


def test_a_tail_gives_each_event_once_and_at_most_as_many_as_asked_for(desk: Any, opened: Make) -> None:
    tail = Tail(desk.directory, {}, pytest.fail)
    assert tail.poll(10) == []
    fill(desk, opened, 7)
    found = []
    while batch := tail.poll(2):
        assert len(batch) <= 2
        found += [event.exchange for _, event in batch]
    assert found == [str(number) for number in range(7)]
    fill(desk, opened, 3)
    again = Tail(desk.directory, tail.positions, pytest.fail)
    assert [event.exchange for _, event in again.poll(10)] == ["0", "1", "2"]


def test_damage_costs_its_record_alone_and_is_told_with_the_way_to_mend_it(desk: Any, opened: Make) -> None:
    fill(desk, opened, 6)
    second = segments(desk.directory)[1].path
    flip(second, second.read_bytes().index(b'{"kind":"exchange.opened"') + 30)
    found = []
    with pytest.raises(SegmentCorrupt) as told:
        found += [event.exchange for _, event in read_segments(desk.directory, ONE)]
    faults: list[JournalError] = []
    found = [event.exchange for _, event in read_segments(desk.directory, ONE, on_fault=faults.append)]
    assert found == ["0", "1", "3", "4", "5"]
    assert [str(fault) for fault in faults] == [str(told.value)]
    assert str(second) in told.value.message
    assert told.value.hint.startswith(f"chatelaine doctor --mend-journal {second}")
    assert told.value.offset > HEADER_SIZE
    assert told.value.good == 2


def test_a_tail_tells_of_damage_once_and_goes_on(desk: Any, opened: Make) -> None:
    fill(desk, opened, 6)
    for segment in segments(desk.directory):
        flip(segment.path, segment.path.stat().st_size - 5)
    faults: list[JournalError] = []
    tail = Tail(desk.directory, {}, faults.append)
    assert [event.exchange for _, event in tail.poll(100)] == ["0", "2", "4"]
    # The last record of the newest segment may still be on its way: it is told of when one follows.
    assert len(faults) == 3
    assert tail.poll(100) == []
    assert len(faults) == 3


@pytest.mark.parametrize("what", ["header", "name", "empty", "zeros", "archive", "noise"])
def test_a_segment_that_is_none_does_not_hide_the_others(desk: Any, opened: Make, what: str) -> None:
    fill(desk, opened, 6)
    second = segments(desk.directory)[1].path
    if what == "header":
        flip(second, 5)
    elif what == "name":
        second.with_name("001-x.seg").write_bytes(b"")
    elif what == "empty":
        second.write_bytes(b"")
    elif what == "zeros":
        second.write_bytes(b"\0" * 9000)
    elif what == "archive":
        second.unlink()
        archive_path(second).write_bytes(b"\x1f\x8bnothing of the kind")
    else:
        second.write_bytes(os.urandom(9000))
    faults: list[JournalError] = []
    found = [event.exchange for _, event in read_segments(desk.directory, ONE, on_fault=faults.append)]
    kept = ["0", "1", "2", "3", "4", "5"] if what in {"header", "name"} else ["0", "1", "4", "5"]
    assert found == kept
    assert all(str(second) in fault.message for fault in faults)
    # What a crash leaves of a segment that was only just begun is no damage.
    assert bool(faults) == (what in {"header", "archive", "noise"})


def test_a_record_of_a_newer_release_is_told_of_and_passed_over(desk: Any, opened: Make) -> None:
    fill(desk, opened, 1)
    [segment] = segments(desk.directory)
    with segment.path.open("ab") as sink:
        sink.write(frame(b'{"kind":"exchange.dreamt","version":1,"event":{}}'))
    fill(desk, opened, 1)
    faults: list[JournalError] = []
    found = [event.exchange for _, event in read_segments(desk.directory, ONE, on_fault=faults.append)]
    assert found == ["0", "0"]
    [fault] = faults
    assert isinstance(fault, RecordUnknown)


steps = st.lists(
    st.sampled_from(
        ["open", "end", "round", "tick", "fill_up", "tear", "spoil", "poll", "restart", "compress"]
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=60)
@example(steps=["open", "round", "tear", "open", "open", "round", "poll", "tick", "poll"])
@example(steps=["open", "round", "spoil", "open", "open", "round", "poll", "tick", "poll"])
@example(steps=["open", "round", "fill_up", "end", "round", "restart", "tick", "poll"])
@given(steps=steps)
def test_whatever_happens_a_tail_sees_what_a_reader_sees_and_nothing_twice(
    steps: list[str], opened: Make, ended: Make, desk_in: Any
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        desk = desk_in(Path(directory) / "journal")
        course = Course(desk, opened, ended)
        for step in steps:
            getattr(course, step)()
        course.finish()
        assert course.seen == [name for name in desk.exchanges() if name[0] in "oe" and "." not in name]
        assert len(set(course.seen)) == len(course.seen)
        assert course.acknowledged <= set(course.seen)
        assert_every_opening_has_one_end(desk)


def close_what_is_open(desk: Any) -> None:
    recover(desk.directory, ONE, NEVER, partial(interrupt, now=NEVER), lambda _: None)


def assert_every_opening_has_one_end(desk: Any) -> None:
    close_what_is_open(desk)
    close_what_is_open(desk)
    events = desk.events()
    openings = [event.exchange for event in events if isinstance(event, ExchangeOpened)]
    ends = [event.exchange for event in events if isinstance(event, ExchangeEnded | ExchangeInterrupted)]
    assert len(set(ends)) == len(ends)
    assert set(ends) == set(openings)


class Course:
    """What a hypothesis run does to one journal."""

    def __init__(self, desk: Any, opened: Make, ended: Make) -> None:
        self.desk, self.opened, self.ended = desk, opened, ended
        self.journal = desk.open(segment_bytes=9000)
        self.tail = Tail(desk.directory, {}, pytest.fail)
        self.number = 0
        self.live: list[int] = []
        self.seen: list[str] = []
        self.acknowledged: set[str] = set()

    def _append(self, event: Event, name: str) -> bool:
        try:
            self.journal.append(event)
        except JournalError:
            return False

        def told(durable: bool) -> None:
            if durable:
                self.acknowledged.add(name)

        self.journal.when_durable(told)
        return True

    def open(self) -> None:
        self.number += 1
        if self._append(self.opened(self.number), f"o{self.number}"):
            self.live.append(self.number)

    def end(self) -> None:
        if self.live:
            number = self.live.pop(0)
            self._append(self.ended(number), f"e{number}")

    def round(self) -> None:
        self.desk.rounds.round()

    def tick(self) -> None:
        self.desk.rounds.pass_time(1.1)

    def fill_up(self) -> None:
        if self.journal.available:
            self.desk.break_disk(self.journal)

    def tear(self) -> None:
        """Let the next write end half way, as on a disk that fills up."""
        self._tear(ENOSPC)

    def spoil(self) -> None:
        """Let the next write end half way, as on a disk that breaks."""
        self._tear(EIO)

    def _tear(self, error: int) -> None:
        real, writer = os.write, self.journal._writer

        def write(file: int, data: bytes) -> int:
            if file != writer.file:
                return real(file, data)
            if len(data) < 2000:
                os.write = real
                raise OSError(error, os.strerror(error))
            return real(file, data[: len(data) - 1000])

        os.write = write
        try:
            self.desk.rounds.round()
        finally:
            os.write = real

    def poll(self) -> None:
        for _, event in self.tail.poll(3):
            if isinstance(event, ExchangeOpened | ExchangeEnded):
                self.seen.append(("o" if isinstance(event, ExchangeOpened) else "e") + event.exchange)

    def restart(self) -> None:
        self.journal.close()
        self.live.clear()
        close_what_is_open(self.desk)
        self.desk.rounds.soon.clear()
        self.desk.rounds.later.clear()
        self.journal = self.desk.open(segment_bytes=9000)

    def compress(self) -> None:
        compress_closed(self.desk.directory)

    def finish(self) -> None:
        self.journal.close()
        for _ in range(100):
            self.poll()


def test_where_reading_starts_for_an_instant_is_told_by_headers_alone(desk: Any, opened: Make) -> None:
    began = []
    for number in range(4):
        journal = desk.open()
        began.append(desk.rounds.now())
        assert desk.write(journal, opened(number))
        journal.close()
        desk.rounds.wall += 3600 * 10**9
    assert find_start(desk.directory, ONE, Instant(began[0] - 1)) == (0, 0)
    assert find_start(desk.directory, ONE, began[2]) == (3, 0)
    since = read_segments(desk.directory, ONE, find_start(desk.directory, ONE, Instant(began[3] - 1)))
    assert [event.exchange for _, event in since] == ["2", "3"]
