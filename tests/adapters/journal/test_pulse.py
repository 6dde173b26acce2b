"""What a journal counts for operators."""

from collections.abc import Callable
from typing import Any

import pytest

from chatelaine.adapters.telemetry import Tally, exposition
from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import AdminActed, Event
from chatelaine.model.settings import Durability
from chatelaine.model.words import Instant

Make = Callable[[object], Event]


def shown(journal: Any, tally: Tally) -> dict[str, str]:
    """Return the lines of /metrics once the journal has told."""
    journal.tell(tally)
    lines = exposition(tally.snapshot()).splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_events_are_counted_once_by_kind(desk: Any, opened: Make, ended: Make) -> None:
    journal, tally = desk.open(), Tally()
    desk.write(journal, opened(1), opened(2), ended(1))
    desk.write(journal, AdminActed(Instant(1), "reload", "hub", "done", ""))
    for _ in range(2):
        found = shown(journal, tally)
        assert found['chatelaine_events_total{kind="opened"}'] == "2"
        assert found['chatelaine_events_total{kind="ended"}'] == "1"
        assert found['chatelaine_events_total{kind="admin"}'] == "1"
    assert found["chatelaine_journal_group_duration_seconds_count"] == "2"
    journal.close()


def test_what_waits_is_shown_until_it_is_durable(desk: Any, opened: Make) -> None:
    journal, tally = desk.open(), Tally()
    journal.append(opened(1))
    assert shown(journal, tally)["chatelaine_event_queue_depth"] == "1"
    assert desk.write(journal, opened(2))
    assert shown(journal, tally)["chatelaine_event_queue_depth"] == "0"
    journal.close()


def test_a_group_is_timed_from_its_write_until_it_is_durable(desk: Any, opened: Make) -> None:
    journal, tally = desk.open(Durability.FSYNC), Tally()
    journal.append(opened(1))
    journal._fall_due()
    assert shown(journal, tally)["chatelaine_event_queue_depth"] == "1"
    desk.rounds.time += 30_000_000
    journal.close()
    found = shown(journal, tally)
    assert found["chatelaine_event_queue_depth"] == "0"
    assert float(found["chatelaine_journal_group_duration_seconds_sum"]) == pytest.approx(0.03)


def test_a_group_that_the_disk_did_not_take_is_counted_and_what_was_refused_is_not(
    desk: Any, opened: Make
) -> None:
    journal, tally = desk.open(), Tally()
    assert desk.write(journal, opened(1))
    desk.break_disk(journal)
    assert not desk.write(journal, opened(2))
    with pytest.raises(JournalUnavailable):
        journal.append(opened(3))
    found = shown(journal, tally)
    assert found["chatelaine_journal_failures_total"] == "1"
    assert found['chatelaine_events_total{kind="opened"}'] == "2"
    journal.close()
