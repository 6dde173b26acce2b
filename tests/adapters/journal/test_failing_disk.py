"""The journal on a disk that fails: what is refused, what is kept, and how it comes back."""

import os
import shutil
from collections.abc import Callable
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Any

import pytest

from chatelaine.adapters.journal.place import segments
from chatelaine.model.error import JournalError, JournalUnavailable
from chatelaine.model.event import AdminActed, Event
from chatelaine.model.settings import Durability

Make = Callable[[object], Event]


def wait_for_sync(desk: Any, told: list[bool]) -> None:
    """Let the syncing thread come back to the loop."""
    while not told:
        desk.rounds.round()


def test_a_full_disk_refuses_openings_keeps_ends_and_writes_them_when_it_recovers(
    desk: Any, opened: Make, ended: Make
) -> None:
    journal = desk.open()
    assert desk.write(journal, opened(1), opened(2))
    desk.break_disk(journal)
    assert not desk.write(journal, opened(3), ended(1))
    assert not journal.available
    with pytest.raises(JournalUnavailable, match=r"No space left on device.*\n.*by itself"):
        journal.append(opened(4))
    journal.append(ended(3))
    journal.append(ended(2))
    desk.rounds.pass_time(0.5)
    assert not journal.available
    desk.rounds.pass_time(0.6)
    assert journal.available
    assert desk.write(journal, opened(5))
    assert desk.exchanges() == ["o1", "o2", "o3", "e1", "e3", "e2", "admin.acted", "o5"]
    told = desk.events()[-2]
    assert isinstance(told, AdminActed)
    assert (told.by, told.detail) == ("worker 1", "after 1.1 s; 1 records were refused meanwhile")
    journal.close()
    assert [one.exchange for one in desk.open().left_open] == ["5"]


@pytest.mark.parametrize("outcome", [(ENOSPC, ["o1"], 1), (EIO, ["o1", "o2"], 2)])
def test_a_group_torn_by_the_disk_leaves_the_records_before_and_after_readable(
    desk: Any,
    opened: Make,
    ended: Make,
    monkeypatch: pytest.MonkeyPatch,
    outcome: tuple[int, list[str], int],
) -> None:
    error, seen, files = outcome
    journal = desk.open()
    assert desk.write(journal, opened(1))
    real, room = os.write, [2000]

    def write(file: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(error, os.strerror(error))
        taken = min(room[0], len(data))
        room[0] -= taken
        return real(file, data[:taken])

    monkeypatch.setattr(os, "write", write)
    assert not desk.write(journal, opened(2), opened(3))
    # While the disk stays as it is, nothing piles up on it.
    for _ in range(3):
        desk.rounds.pass_time(1)
        assert not journal.available
    monkeypatch.setattr(os, "write", real)
    assert desk.exchanges() == seen
    desk.rounds.pass_time(1)
    assert desk.write(journal, ended(1))
    journal.close()
    assert desk.exchanges() == ["o1", "o2", "o3", "admin.acted", "e1"]
    assert len(segments(desk.directory)) == files


def test_after_a_failed_sync_the_segment_is_never_trusted_again(
    desk: Any, opened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = desk.open(Durability.FSYNC)
    first = journal._writer.file
    real, asked = os.fdatasync, []

    def fdatasync(file: int) -> None:
        asked.append(file)
        if asked.count(first) == 1 and file == first:
            raise OSError(5, "Input/output error")
        real(file)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    told: list[bool] = []
    journal.append(opened(1))
    journal.when_durable(told.append)
    wait_for_sync(desk, told)
    # The group was written anew to a second segment, and there it is safe.
    assert told == [True]
    assert len(segments(desk.directory)) == 2
    assert desk.exchanges() == ["o1"]
    journal.close()


def test_a_disk_that_fails_every_sync_takes_nothing_and_says_why(
    desk: Any, opened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = desk.open(Durability.FSYNC)

    def fdatasync(_: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fdatasync", fdatasync)
        told: list[bool] = []
        journal.append(opened(1))
        journal.when_durable(told.append)
        wait_for_sync(desk, told)
        assert told == [False]
        assert "Input/output error" in journal.failure
        for _ in range(3):
            desk.rounds.pass_time(1)
        assert not journal.available
    desk.rounds.pass_time(1)
    assert journal.available
    journal.close()
    assert desk.exchanges() == ["o1", "admin.acted"]


def test_a_directory_that_is_gone_is_noticed_and_its_return_too(desk: Any, opened: Make, ended: Make) -> None:
    journal = desk.open()
    assert desk.write(journal, opened(1))
    shutil.rmtree(desk.directory)
    desk.rounds.pass_time(0.3)
    assert not desk.write(journal, opened(2))
    desk.rounds.pass_time(1)
    assert not journal.available
    desk.directory.mkdir()
    desk.rounds.pass_time(1)
    assert journal.available
    assert desk.write(journal, ended(2))
    with pytest.raises(JournalError, match="another process"):
        desk.open()
    journal.close()
    assert desk.exchanges() == ["o2", "admin.acted", "e2"]
    assert [one.exchange for one in desk.open().left_open] == ["1"]


def test_a_journal_that_cannot_begin_tries_on_and_the_gate_answers_meanwhile(
    desk: Any, opened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.open().close()

    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fdatasync", fail)
        journal = desk.open()
        assert not journal.available
        with pytest.raises(JournalUnavailable):
            journal.append(opened(1))
        told: list[bool] = []
        journal.when_durable(told.append)
        desk.rounds.round()
        assert told == [False]
    desk.rounds.pass_time(1)
    assert desk.write(journal, opened(1))
    journal.close()


def test_a_place_that_can_be_no_directory_is_named_with_the_way_out(tmp_path: Path, desk: Any) -> None:
    desk.directory = tmp_path / "file" / "journal"
    desk.directory.parent.write_text("")
    with pytest.raises(JournalUnavailable, match=r"file/journal cannot be written.*\n.*storage\.directory"):
        desk.open()


def test_closing_on_a_broken_disk_says_so_to_who_waits(desk: Any, opened: Make) -> None:
    journal = desk.open()
    shutil.rmtree(desk.directory)
    desk.break_disk(journal)
    told: list[bool] = []
    journal.append(opened(1))
    journal.when_durable(told.append)
    journal.close()
    assert told == [False]
