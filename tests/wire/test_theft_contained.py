"""A stolen key from its first probe to the closed incident: the thief is shut out, the owner goes on."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from house import House, house
from theft import (
    HOME,
    OFFICE,
    Owned,
    Settling,
    eventually,
    impossible,
    incidents_of,
    listing,
    recognised,
    thief,
    usual,
    visit,
    wait_until_watched,
)

from chatelaine.app.rehearsal.traffic import Visitor

pytestmark = [pytest.mark.wire, pytest.mark.slow]
KEYS = 8


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, model_port: int) -> Iterator[tuple[House, list[Owned]]]:
    folder = tmp_path_factory.mktemp("theft")
    settling = Settling(recognised(folder / "look", model_port), KEYS)
    (folder / "house").mkdir()
    with house(folder / "house", model=model_port, workers=2, before=settling) as gate:
        wait_until_watched(gate, settling.owned.pop())
        yield gate, settling.owned


@pytest.fixture
def gate(place: tuple[House, list[Owned]]) -> House:
    return place[0]


@pytest.fixture
def owned(place: tuple[House, list[Owned]]) -> Owned:
    """Return a settled key that no other test uses."""
    return place[1].pop()


@dataclass
class OwnerAtWork:
    """An owner who asks all the while, from home and from the office."""

    gate: House
    token: str
    statuses: list[int] = field(default_factory=list)
    over: bool = False

    async def work(self) -> None:
        while not self.over:
            for who in (HOME, OFFICE):
                self.statuses.append(await visit(self.gate, who, self.token, usual()))
            await asyncio.sleep(0.05)


async def statuses(gate: House, who: Visitor, token: str, count: int = 8) -> list[int]:
    return [await visit(gate, who, token, usual()) for _ in range(count)]


async def shut_out(gate: House, who: Visitor, token: str, *, seconds: float = 20) -> float:
    """Wait until a client is refused again and again, and return when it first was."""
    until, first = time.monotonic() + seconds, 0.0
    while True:
        told = await asyncio.gather(*(visit(gate, who, token, listing()) for _ in range(4)))
        if set(told) == {401}:
            return first
        first = time.monotonic()
        assert first < until, told


def stolen(gate: House, owned: Owned, who: Visitor) -> dict[str, Any]:
    """Let a thief probe a key until it is shut out, and return the incident as it is shown."""

    async def run() -> None:
        await visit(gate, who, owned.token, impossible())
        await shut_out(gate, who, owned.token)

    asyncio.run(run())
    [listed] = incidents_of(gate, owned)
    shown = gate.told("incidents", "show", str(listed["id"]))
    assert isinstance(shown, dict)
    return shown


def running(shown: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for one in shown["actions"] if one["state"] == "running"]


def test_the_thief_is_shut_out_and_the_owner_does_not_notice(gate: House, owned: Owned) -> None:
    async def run() -> OwnerAtWork:
        owner = OwnerAtWork(gate, owned.token)
        working = asyncio.create_task(owner.work())
        await asyncio.sleep(0.5)
        await visit(gate, thief(1), owned.token, impossible())
        await shut_out(gate, thief(1), owned.token)
        await asyncio.sleep(1)
        owner.over = True
        await working
        return owner

    owner = asyncio.run(run())
    assert len(owner.statuses) >= 10
    assert set(owner.statuses) == {200}
    [listed] = incidents_of(gate, owned)
    shown = gate.told("incidents", "show", str(listed["id"]))
    assert (listed["state"], shown["state"]) == ("contained", "contained")
    assert shown["keys"] == [owned.key.id]
    assert shown["prefixes"] == ["127.66.2.0/24"]
    assert "key_impossible_cap" in shown["detections"]
    assert any(alert["actionable"] for alert in shown["alerts"])
    assert {held["playbook"] for held in running(shown)} == {"contain_client"}
    assert len({alert["at"] for alert in shown["alerts"]}) == len(shown["alerts"]), "one exchange, one alert"
    assert [entry["kind"] for entry in shown["timeline"]].count("action") >= 1


def test_what_is_undone_lets_the_client_in_again(gate: House, owned: Owned) -> None:
    shown = stolen(gate, owned, thief(2))
    for action in running(shown):
        gate.run("incidents", "undo", action["id"], "--reason", "a mistake")
    assert set(asyncio.run(statuses(gate, thief(2), owned.token))) == {200}


def test_a_false_positive_lifts_what_held_and_the_client_is_the_owners_from_then_on(
    gate: House, owned: Owned
) -> None:
    shown = stolen(gate, owned, thief(3))
    gate.run(
        "incidents", "close", shown["id"], "--verdict", "false_positive", "--reason", "our own new monitor"
    )
    assert set(asyncio.run(statuses(gate, thief(3), owned.token))) == {200}
    closed = gate.told("incidents", "show", shown["id"])
    assert closed["state"] == "closed"
    assert not running(closed)


def test_the_owners_other_clients_pass_while_the_thief_is_held(gate: House, owned: Owned) -> None:
    stolen(gate, owned, thief(4))
    for who in (HOME, OFFICE):
        assert set(asyncio.run(statuses(gate, who, owned.token))) == {200}
    assert set(asyncio.run(statuses(gate, thief(4), owned.token))) == {401}


def test_a_canary_answers_with_a_decoy_and_opens_a_critical_incident(gate: House) -> None:
    told = gate.told(
        "keys", "issue", "--owner", "castle", "--app", "bait", "--contact", "a@b.example", "--canary"
    )
    assert asyncio.run(visit(gate, thief(5), told["token"], usual())) == 200

    def critical() -> list[dict[str, Any]]:
        listed = gate.told("incidents", "list")["incidents"]
        return [one for one in listed if told["id"] in one["keys"] and one["severity"] == "critical"]

    assert eventually(critical)


def test_a_revoked_key_that_is_used_opens_an_incident(gate: House, owned: Owned) -> None:
    gate.run("keys", "revoke", owned.key.id, "--reason", "leaked")
    assert asyncio.run(visit(gate, thief(6), owned.token, usual())) == 401

    def told() -> list[dict[str, Any]]:
        found = incidents_of(gate, owned)
        return [gate.told("incidents", "show", str(one["id"])) for one in found]

    [shown] = eventually(told)  # type: ignore[misc]  # a list, as told returns
    assert "key_used_after_revocation" in shown["detections"]


def test_a_conversation_that_hops_between_owners_keys_opens_one_incident_of_both(
    place: tuple[House, list[Owned]],
) -> None:
    gate, rest = place
    one, other = rest.pop(), rest.pop()

    async def run() -> None:
        for turn in range(8):
            held = (one, other)[turn % 2]
            await visit(gate, thief(7), held.token, usual())

    asyncio.run(run())
    [shown] = eventually(lambda: incidents_of(gate, one))  # type: ignore[misc]  # a list, as told returns
    assert set(shown["keys"]) == {one.key.id, other.key.id}
