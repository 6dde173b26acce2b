"""The journal on disk: when it writes, what it promises when the disk fails, and what it carries on."""

import os
import shutil
from collections.abc import Callable
from datetime import timedelta
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


def count_writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    real = os.write

    def write(file: int, data: bytes) -> int:
        sizes.append(len(data))
        return real(file, data)

    monkeypatch.setattr(os, "write", write)
    return sizes


def test_what_gathers_in_one_round_is_one_write(
    desk: Any, opened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = desk.open()
    told: list[bool] = []
    writes = count_writes(monkeypatch)
    for number in range(16):
        journal.append(opened(number))
        journal.when_durable(told.append)
    assert (told, writes) == ([], [])
    desk.rounds.round()
    assert (len(told), len(writes)) == (16, 1)
    journal.close()
    assert len(desk.events()) == 16


def test_an_end_waits_for_company_and_never_longer_than_a_moment(
    desk: Any, opened: Make, ended: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = desk.open()
    assert desk.write(journal, opened(1))
    writes = count_writes(monkeypatch)
    journal.append(ended(1))
    desk.rounds.round()
    assert writes == []
    assert desk.write(journal, opened(2))
    assert len(writes) == 1
    journal.append(ended(2))
    desk.rounds.pass_time(0.0021)
    assert (len(writes), journal.waiting) == (2, 0)
    assert desk.exchanges() == ["o1", "e1", "o2", "e2"]
    journal.close()


def test_a_callback_that_raises_does_not_keep_the_others_waiting(desk: Any, opened: Make) -> None:
    journal = desk.open()
    told: list[bool] = []

    def fall_over(_: bool) -> None:
        raise ZeroDivisionError

    journal.append(opened(1))
    for call in (told.append, fall_over, told.append):
        journal.when_durable(call)
    with pytest.raises(ZeroDivisionError):
        desk.rounds.round()
    desk.rounds.round()
    assert told == [True, True]
    journal.close()


def test_with_fsync_nobody_is_told_before_the_sync_and_the_next_group_gathers_meanwhile(
    desk: Any, opened: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = desk.open(Durability.FSYNC)
    syncs: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (syncs.append(file), real(file))[1])
    first: list[bool] = []
    second: list[bool] = []
    journal.append(opened(1))
    journal.when_durable(first.append)
    journal._fall_due()
    assert journal._syncing is not None
    for number in range(2, 12):
        journal.append(opened(number))
        journal.when_durable(second.append)
        journal._fall_due()
    assert journal.waiting == 10
    wait_for_sync(desk, first)
    wait_for_sync(desk, second)
    assert (len(first), len(second), len(syncs)) == (1, 10, 2)
    journal.close()
    assert len(desk.events()) == 11


def test_an_end_whose_moment_comes_during_a_sync_is_written_after_it(
    desk: Any, opened: Make, ended: Make
) -> None:
    journal = desk.open(Durability.FSYNC)
    told: list[bool] = []
    journal.append(opened(1))
    journal.when_durable(told.append)
    journal._fall_due()
    journal.append(ended(1))
    desk.rounds.later, due = [], desk.rounds.later
    for _, call in due:
        call()
    assert (told, journal.waiting) == ([], 1)
    wait_for_sync(desk, told)
    assert journal.waiting == 0
    journal.close()
    assert desk.exchanges() == ["o1", "e1"]


@pytest.mark.parametrize("durability", Durability)
def test_closing_writes_and_tells_everything(
    desk: Any, opened: Make, ended: Make, durability: Durability
) -> None:
    journal = desk.open(durability)
    told: list[bool] = []
    journal.append(opened(1))
    journal.when_durable(told.append)
    journal.append(ended(1))
    journal.close()
    journal.close()
    assert told == [True]
    assert desk.exchanges() == ["o1", "e1"]
    with pytest.raises(JournalUnavailable):
        journal.append(opened(2))


def test_closing_while_a_sync_is_under_way_loses_nothing(desk: Any, opened: Make) -> None:
    journal = desk.open(Durability.FSYNC)
    told: list[bool] = []
    for number in (1, 2):
        journal.append(opened(number))
        journal.when_durable(told.append)
        journal._fall_due()
    journal.close()
    desk.rounds.round()
    assert told == [True, True]
    assert desk.exchanges() == ["o1", "o2"]


# Segments follow each other.


@pytest.mark.parametrize("durability", Durability)
def test_a_full_segment_is_followed_by_the_next_which_carries_what_is_open(
    desk: Any, opened: Make, ended: Make, durability: Durability
) -> None:
    journal = desk.open(durability, segment_bytes=8000)
    expected = []
    for number in range(30):
        told: list[bool] = []
        journal.append(opened(number))
        if number:
            journal.append(ended(number))
        journal.when_durable(told.append)
        wait_for_sync(desk, told)
        expected += [f"o{number}", f"e{number}"] if number else ["o0"]
    journal.close()
    assert len(segments(desk.directory)) > 5
    assert desk.exchanges() == expected
    assert [one.exchange for one in desk.open().left_open] == ["0"]


def test_an_old_segment_is_followed_by_the_next(desk: Any, opened: Make) -> None:
    journal = desk.open(segment_age=timedelta(minutes=5))
    assert desk.write(journal, opened(1))
    desk.rounds.pass_time(299)
    assert desk.write(journal, opened(2))
    assert len(segments(desk.directory)) == 1
    desk.rounds.pass_time(2)
    assert desk.write(journal, opened(3))
    assert len(segments(desk.directory)) == 2
    journal.close()
    assert desk.exchanges() == ["o1", "o2", "o3"]


def test_a_clock_that_jumps_back_changes_no_order(desk: Any, opened: Make) -> None:
    for number in range(5):
        journal = desk.open()
        assert desk.write(journal, opened(number))
        journal.close()
        desk.rounds.wall -= 3600 * 10**9
    assert desk.exchanges() == [f"o{number}" for number in range(5)]
    assert [one.sequence for one in segments(desk.directory)] == [1, 2, 3, 4, 5]


def test_what_is_open_when_a_segment_ends_is_carried_even_if_its_end_waits_to_be_written(
    desk: Any, opened: Make, ended: Make
) -> None:
    journal = desk.open(segment_age=timedelta(minutes=1))
    assert desk.write(journal, opened(1))
    desk.rounds.pass_time(61)
    journal.append(ended(1))
    journal.append(opened(2))
    assert desk.write(journal)
    # A crash tears off the group behind what the new segment carries.
    newest = segments(desk.directory)[-1].path
    data = newest.read_bytes()
    journal.close()
    newest.write_bytes(data[: data.index(b'{"kind":"exchange.ended"') + 20])
    assert [one.exchange for one in desk.open().left_open] == ["1"]


def test_two_processes_never_write_one_journal(desk: Any) -> None:
    journal = desk.open()
    with pytest.raises(JournalError, match="another process writes the journal of worker 1"):
        desk.open()
    journal.close()
    desk.open().close()


# The disk fails.


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
