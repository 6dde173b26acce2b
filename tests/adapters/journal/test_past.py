"""A journal written after the fact is read as any other, and is never mixed with one that is there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatelaine.adapters.journal import PastWriter, Tail, check, read_segments
from chatelaine.adapters.journal.place import segments
from chatelaine.model.error import JournalError, JournalUnavailable
from chatelaine.model.event import Event
from chatelaine.model.words import WorkerNumber

Make = Callable[[object], Event]
ONE = WorkerNumber(1)


def write(directory: Path, events: list[Event], *, segment_bytes: int = 1 << 20) -> None:
    writer = PastWriter(directory, ONE, segment_bytes=segment_bytes)
    writer.add(events)
    writer.close()


def read(directory: Path) -> list[Event]:
    return [event for _, event in read_segments(directory, ONE)]


def test_what_is_written_is_read_in_its_order(tmp_path: Path, opened: Make, ended: Make) -> None:
    events = [opened(1), opened(2), ended(2), ended(1)]
    write(tmp_path / "journal", events)
    assert read(tmp_path / "journal") == events


def test_many_events_fill_many_segments_that_carry_what_is_open(
    tmp_path: Path, opened: Make, ended: Make
) -> None:
    first = opened(0)
    events = [first, *(each for number in range(1, 6_001) for each in (opened(number), ended(number)))]
    events.append(ended(0))
    write(tmp_path, events, segment_bytes=200_000)
    assert len(segments(tmp_path)) > 5
    assert read(tmp_path) == events
    assert [event for _, event in Tail(tmp_path, {}, pytest.fail).poll(20_000)] == events
    assert list(check(tmp_path)) == []


def test_nothing_at_all_leaves_no_segment(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert segments(tmp_path) == []


def test_a_journal_that_is_there_is_not_added_to(tmp_path: Path, opened: Make) -> None:
    write(tmp_path, [opened(1)])
    with pytest.raises(JournalError, match="not mixed"):
        PastWriter(tmp_path, ONE)


def test_a_gate_goes_on_where_the_past_ends(
    tmp_path: Path, opened: Make, ended: Make, desk_in: Callable[[Path], Any]
) -> None:
    write(tmp_path, [opened(1), ended(1)])
    desk = desk_in(tmp_path)
    journal = desk.open()
    assert desk.write(journal, opened(2), ended(2))
    journal.close()
    assert desk.exchanges() == ["o1", "e1", "o2", "e2"]


def test_a_folder_that_is_a_file_is_told_with_what_mends_it(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("")
    with pytest.raises(JournalUnavailable, match="cannot be written"):
        PastWriter(tmp_path / "journal", ONE)
