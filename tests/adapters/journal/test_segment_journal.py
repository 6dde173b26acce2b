"""The journal on disk: when it writes, what it promises, and what it carries on."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from chatelaine.adapters.journal.place import segments
from chatelaine.model.error import JournalError, JournalUnavailable
from chatelaine.model.event import Event
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
