"""Journals read as one: in order of time, also where one of them is read in parts."""

from chatelaine.core.detection.merge import Merger, Placed
from chatelaine.model.event import AdminActed, Event
from chatelaine.model.journal import Position
from chatelaine.model.words import Instant, WorkerNumber

ONE, TWO = WorkerNumber(1), WorkerNumber(2)


def placed(worker: WorkerNumber, at: int) -> Placed:
    event: Event = AdminActed(Instant(at), f"{worker}-{at}", "test", "done", "")
    return Placed(worker, Position(1, at), event)


def released(merger: Merger, until: int) -> list[int]:
    return [event.at for event in merger.release(Instant(until))]


def test_events_of_several_workers_come_in_order_of_time_up_to_an_instant() -> None:
    merger = Merger({})
    for one in (placed(ONE, 1), placed(ONE, 4), placed(TWO, 2), placed(TWO, 9)):
        merger.add(one)
    assert released(merger, 5) == [1, 2, 4]
    assert merger.positions == {ONE: Position(1, 4), TWO: Position(1, 2)}
    assert released(merger, 9) == [9]


def test_what_is_read_of_one_worker_overtakes_nothing_that_is_unread_of_another() -> None:
    merger = Merger({})
    for one in (placed(ONE, 1), placed(ONE, 2), placed(TWO, 8)):
        merger.add(one)
    merger.unread = frozenset({ONE})
    assert released(merger, 99) == [1, 2]
    assert merger.crowded(1) == {TWO}
    merger.add(placed(ONE, 7))
    merger.unread = frozenset()
    assert released(merger, 99) == [7, 8]


def test_what_comes_too_late_is_given_at_once() -> None:
    merger = Merger({})
    merger.add(placed(ONE, 5))
    assert released(merger, 9) == [5]
    merger.add(placed(TWO, 3))
    assert released(merger, 9) == [3]
