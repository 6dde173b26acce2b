"""What every store of restraints must do."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from chatelaine.adapters.memory import MemoryRestraintStore
from chatelaine.adapters.restraint_file import open_restraint_file
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.words import ActionId, ContextId, IncidentId, Instant, KeyId
from chatelaine.ports import RestraintStore


def a_restraint(number: int, **fields: object) -> Restraint:
    made = {
        "id": ActionId(f"act_{number:012}"), "key": KeyId("AAAAAAAAA"), "lane": Lane.TARPIT,
        "until": Instant(2**62), "contexts": (ContextId("0123456789abcdef"),),
        "prefixes": ("203.0.113.0/24",),
        "ja4s": ("t13d",), "foreign": True, "incident": IncidentId("inc_1"), "requests_per_minute": 3,
        "delay_ms": 250, **fields,
    }  # fmt: skip
    return Restraint(**made)  # type: ignore[arg-type] - each test names fields of its own


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RestraintStore:
    return (
        MemoryRestraintStore() if request.param == "memory" else open_restraint_file(tmp_path / "held.json")
    )


def held(store: RestraintStore, *changes: tuple[Sequence[Restraint], Sequence[int]]) -> list[Restraint]:
    async def run() -> list[Restraint]:
        for added, lifted in changes:
            await store.change(added, [ActionId(f"act_{number:012}") for number in lifted])
        return list(await store.restraints())

    return asyncio.run(run())


def test_a_new_store_holds_nothing(store: RestraintStore) -> None:
    assert held(store) == []


def test_restraints_are_held_with_all_their_parts_in_the_order_they_came(store: RestraintStore) -> None:
    one, two = a_restraint(1), a_restraint(2, contexts=(), foreign=False)
    assert held(store, ([one], ()), ([two], ())) == [one, two]


def test_one_of_the_same_id_takes_the_place_of_the_other(store: RestraintStore) -> None:
    assert held(store, ([a_restraint(1)], ()), ([a_restraint(1, lane=Lane.DECOY)], ())) == [
        a_restraint(1, lane=Lane.DECOY)
    ]


def test_lifted_ones_go_and_unknown_ids_are_passed_over(store: RestraintStore) -> None:
    assert held(store, ([a_restraint(1), a_restraint(2)], ()), ((), [1, 7])) == [a_restraint(2)]


def test_changes_at_one_time_all_count(store: RestraintStore) -> None:
    async def run() -> set[str]:
        await asyncio.gather(*(store.change([a_restraint(number)], ()) for number in range(20)))
        return {one.id for one in await store.restraints()}

    assert len(asyncio.run(run())) == 20
