"""Restraints and habits on their way from the hub to its workers."""

import asyncio
from pathlib import Path

import pytest
from hub_stage import Hub, a_hub, a_worker, run, until

from chatelaine.model.playbook import HabitTable, Lane, Restraint
from chatelaine.model.words import ActionId, Instant, KeyId
from chatelaine.surfaces.switchboard import Switchboard


def a_restraint(number: int = 1, lane: Lane = Lane.REFUSE) -> Restraint:
    return Restraint(ActionId(f"act_{number:012}"), KeyId("AAAAAAAAA"), lane, Instant(2**62))


def a_habit(number: int = 1, *, marks: int = 3, alarmed: bool = False) -> HabitTable:
    return HabitTable(KeyId(f"K{number:08}"), tuple(range(marks)), alarmed=alarmed)


def a_full_hub(folder: Path, restraints: int, habits: int, marks: int = 3) -> Hub:
    board = Switchboard(
        (),
        settings_digest="one",
        workers=2,
        restraints=[a_restraint(number) for number in range(restraints)],
        habits=[a_habit(number, marks=marks) for number in range(habits)],
    )
    return Hub(folder / "hub.sock", board)


def test_a_worker_is_sent_all_restraints_and_habits_before_it_serves(tmp_path: Path) -> None:
    async def test() -> None:
        async with a_full_hub(tmp_path, 3, 2).serving() as hub, a_worker(hub.path, 1) as (link, gate):
            await asyncio.wait_for(link.complete.wait(), 10)
            assert len(gate.restraints) == 3
            assert len(gate.habits) == 2

    run(test())


def test_long_tables_come_in_parts_and_whole(tmp_path: Path) -> None:
    async def test() -> None:
        hub = a_full_hub(tmp_path, 9_000, 3_000, marks=200)
        async with hub.serving(), a_worker(hub.path, 1) as (link, gate):
            await asyncio.wait_for(link.complete.wait(), 30)
            assert len(gate.restraints) == 9_000
            assert len(gate.habits) == 3_000

    run(test())


def test_changes_come_to_all_workers_and_are_acknowledged(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            a_hub(tmp_path).serving() as hub,
            a_worker(hub.path, 1) as (one, first),
            a_worker(hub.path, 2) as (two, second),
        ):
            await asyncio.wait_for(asyncio.gather(one.complete.wait(), two.complete.wait()), 10)
            board = hub.board
            board.publish_restraints([a_restraint(1), a_restraint(2)])
            board.publish_restraints([a_restraint(2, Lane.DECOY)], [a_restraint(1).id])
            board.publish_habits([a_habit(1), a_habit(2)])
            board.publish_habits([a_habit(2, alarmed=True)], [a_habit(1).key])
            reach = await board.reach()
            assert (reach.reached, reach.missing) == (2, ())
            for gate in (first, second):
                assert gate.restraints == board.restraints == {a_restraint(2).id: a_restraint(2, Lane.DECOY)}
                assert gate.habits == board.habits == {a_habit(2).key: a_habit(2, alarmed=True)}

    run(test())


def test_a_worker_that_comes_back_has_what_changed_meanwhile(tmp_path: Path) -> None:
    async def test() -> None:
        hub = a_full_hub(tmp_path, 2, 1)
        async with a_worker(hub.path, 1) as (link, gate):
            async with hub.serving():
                await asyncio.wait_for(link.complete.wait(), 10)
            await until(lambda: not link.connected)
            assert len(gate.restraints) == 2, "it goes on with what it has"
            later = a_full_hub(tmp_path, 1, 0)
            async with later.serving():
                await gate.until(lambda: len(gate.restraints) == 1 and not gate.habits)

    run(test())


@pytest.mark.parametrize("changes", [100])
def test_a_restraint_is_in_force_everywhere_in_time(tmp_path: Path, changes: int) -> None:
    async def test() -> None:
        async with (
            a_hub(tmp_path).serving() as hub,
            a_worker(hub.path, 1) as (one, _),
            a_worker(hub.path, 2) as (two, _),
        ):
            await asyncio.wait_for(asyncio.gather(one.complete.wait(), two.complete.wait()), 10)
            took = []
            for number in range(changes):
                hub.board.publish_restraints([a_restraint(number)])
                took.append((await hub.board.reach()).took_ms)
            assert sorted(took)[98] < 500

    run(test())
