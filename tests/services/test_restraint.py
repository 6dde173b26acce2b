"""The keeper of restraints: stored, then recorded, then told to the gates."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from chatelaine.adapters.clock import ManualClock
from chatelaine.adapters.entropy import SeededEntropy
from chatelaine.adapters.memory import MemoryRestraintStore
from chatelaine.core.policy import check
from chatelaine.model.error import JournalUnavailable, RestraintNotFound, UsageError
from chatelaine.model.event import AdminActed, Event
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.words import SECOND, ActionId, Instant, KeyId
from chatelaine.services.restraint import RestraintKeeper


class House:
    """A keeper with all it needs, and what it told whom, in order."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.told: list[object] = []
        self.journal_works = True
        self.store = MemoryRestraintStore()
        self.keeper = RestraintKeeper(
            store=self.store,
            clock=self.clock,
            entropy=SeededEntropy(),
            record=self.record,
            publish=self.publish,
        )

    def record(self, event: Event) -> None:
        if not self.journal_works:
            raise JournalUnavailable("the disk is full")
        assert isinstance(event, AdminActed)
        self.told.append((event.action, event.by, event.detail))

    def publish(self, added: Sequence[Restraint], lifted: Sequence[ActionId]) -> None:
        self.told.append(([one.id for one in added], list(lifted)))

    def a_restraint(self, *, number: int = 1, seconds: int = 60) -> Restraint:
        until = Instant(self.clock.now() + seconds * SECOND)
        return Restraint(ActionId(f"act_{number:012}"), KeyId("AAAAAAAAA"), Lane.REFUSE, until, foreign=True)

    @property
    def held(self) -> list[ActionId]:
        return [one.id for one in asyncio.run(self.keep(self.keeper.list))]

    @staticmethod
    async def keep(work: Callable[..., Coroutine[Any, Any, Any]], *given: object, **named: object) -> Any:
        return await work(*given, **named)

    def do(self, work: Callable[..., Coroutine[Any, Any, Any]], *given: object, **named: object) -> Any:
        return asyncio.run(self.keep(work, *given, **named))


ONE, TWO = ActionId("act_000000000001"), ActionId("act_000000000002")


def test_a_restraint_is_stored_recorded_and_told_to_the_gates() -> None:
    house = House()
    put = house.do(house.keeper.restrain, house.a_restraint(), by="ann", reason="seen elsewhere")
    assert put == house.a_restraint()
    assert house.held == [ONE]
    assert house.told == [
        ("restrain", "ann", f"{ONE}: refuse AAAAAAAAA, every unknown client: seen elsewhere"),
        ([ONE], []),
    ]


def test_one_without_an_id_is_given_one() -> None:
    house = House()
    nameless = replace(house.a_restraint(), id=ActionId(""))
    first, second = (house.do(house.keeper.restrain, nameless, by="ann") for _ in range(2))
    assert house.held == [first.id, second.id]
    assert first.id != second.id
    assert first.id.startswith("act_")


def test_the_same_restraint_again_changes_the_one_that_stands() -> None:
    house = House()
    house.do(house.keeper.restrain, house.a_restraint(), by="ann")
    house.do(house.keeper.restrain, house.a_restraint(seconds=600), by="ann")
    assert house.held == [ONE]


def test_one_that_makes_no_sense_is_neither_stored_nor_told() -> None:
    house = House()
    with pytest.raises(UsageError):
        house.do(house.keeper.restrain, house.a_restraint(seconds=0), by="ann")
    assert house.held == []
    assert house.told == []


def test_too_many_are_refused_and_those_that_stand_can_still_be_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("chatelaine.services.restraint.MOST_RESTRAINTS", 1)
    house = House()
    house.do(house.keeper.restrain, house.a_restraint(), by="ann")
    with pytest.raises(UsageError, match="stand already"):
        house.do(house.keeper.restrain, house.a_restraint(number=2), by="ann")
    house.do(house.keeper.restrain, house.a_restraint(seconds=9), by="ann")
    assert check.MOST_RESTRAINTS > 1


def test_a_restraint_is_lifted_once() -> None:
    house = House()
    house.do(house.keeper.restrain, house.a_restraint(), by="ann")
    assert house.do(house.keeper.lift, ONE, by="bob", reason="a mistake").id == ONE
    assert house.held == []
    assert house.told[2:] == [
        ("lift", "bob", f"{ONE}: refuse AAAAAAAAA, every unknown client: a mistake"),
        ([], [ONE]),
    ]
    with pytest.raises(RestraintNotFound, match="keys restraints"):
        house.do(house.keeper.lift, ONE, by="bob")


def test_those_whose_time_is_over_end_by_themselves() -> None:
    house = House()
    house.do(house.keeper.restrain, house.a_restraint(number=1, seconds=10), by="ann")
    house.do(house.keeper.restrain, house.a_restraint(number=2, seconds=20), by="ann")
    assert house.do(house.keeper.expire_due, house.clock.now()) == []
    house.clock.advance(timedelta(seconds=10))
    assert [one.id for one in house.do(house.keeper.expire_due, house.clock.now())] == [ONE]
    assert house.held == [TWO]
    assert house.told[-2:] == [
        ("lift", "clock", f"{ONE}: refuse AAAAAAAAA, every unknown client: its time is over"),
        ([], [ONE]),
    ]


def test_a_thief_is_held_back_also_where_that_cannot_be_recorded() -> None:
    house = House()
    house.journal_works = False
    with pytest.raises(JournalUnavailable):
        house.do(house.keeper.restrain, house.a_restraint(), by="ann")
    assert house.told == [([ONE], [])]
