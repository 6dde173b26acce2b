"""A hub killed, or kept down, while thieves are at work: all is found once, and the gate goes on."""

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from caller import processes
from house import House, house
from theft import Owned, Settling, impossible, recognised, thief, visit, wait_until_watched
from watched import Traffic, kill_hub, settled

pytestmark = pytest.mark.slow
KEYS = 6
KILLS = 20


@pytest.fixture
def place(tmp_path: Path, model_port: int) -> Iterator[tuple[House, list[Owned]]]:
    settling = Settling(recognised(tmp_path / "look", model_port), KEYS + 1)
    (tmp_path / "house").mkdir()
    with house(tmp_path / "house", model=model_port, workers=2, before=settling) as gate:
        wait_until_watched(gate, settling.owned.pop())
        yield gate, settling.owned


def check_once(gate: House) -> None:
    """Check that what was found and done is there, and once."""
    found, wanted = settled(gate)
    assert len(wanted.findings) > 20
    assert found == wanted
    listed = gate.told("incidents", "list", "--all", "--limit", "1000")["incidents"]
    shown = [gate.told("incidents", "show", one["id"]) for one in listed if one["state"] != "merged"]
    assert not [
        name for name, times in Counter(a["id"] for one in shown for a in one["alerts"]).items() if times > 1
    ]
    held = [a for one in shown for a in one["actions"] if a["state"] == "running"]
    wants = Counter((a["wanted"]["key"], tuple(a["wanted"]["contexts"])) for a in held)
    assert set(wants.values()) == {1}
    standing = {one["id"] for one in gate.told("keys", "restraints")["restraints"]}
    assert standing == {a["id"] for a in held}
    assert not [a for one in shown for a in one["actions"] if a["state"] in {"planned", "rehearsed"}]


def check_gate(gate: House, owned: list[Owned], traffic: Traffic) -> None:
    """Check that no owner noticed anything, and that a thief of before is still shut out."""
    assert len(traffic.statuses) > 50
    assert set(traffic.statuses) == {200}
    assert asyncio.run(visit(gate, thief(0), owned[0].token, impossible())) == 401


def kill_again_and_again(gate: House, owned: list[Owned], times: int) -> None:
    chance = random.Random(1347)

    async def run() -> Traffic:
        traffic = Traffic(gate, owned)
        traffic.start()
        for _ in range(times):
            await kill_hub(gate, chance, longest=1.5)
        await asyncio.sleep(2)
        await traffic.stop()
        return traffic

    began = time.monotonic()
    traffic = asyncio.run(run())
    sys.stderr.write(f"{times} kills, {len(traffic.statuses)} answers, {time.monotonic() - began:.0f} s\n")
    check_once(gate)
    check_gate(gate, owned, traffic)


def keep_down(gate: House, owned: list[Owned], seconds: float) -> None:
    async def run() -> Traffic:
        traffic = Traffic(gate, owned)
        traffic.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            # Whoever comes back dies before it has read anything.
            hub = processes(gate).get(0)
            if hub is not None:
                os.kill(hub, signal.SIGKILL)
            await asyncio.sleep(0.05)
        await traffic.stop()
        return traffic

    traffic = asyncio.run(run())
    check_once(gate)
    check_gate(gate, owned, traffic)


def test_a_hub_that_is_killed_at_any_moment_has_found_and_done_everything_once(
    place: tuple[House, list[Owned]],
) -> None:
    kill_again_and_again(*place, KILLS)


@pytest.mark.soak
def test_many_more_kills_lose_nothing(place: tuple[House, list[Owned]], minutes: float | None) -> None:
    kill_again_and_again(*place, 200 if minutes is None else int(minutes * 15))


def test_a_hub_that_was_down_finds_on_its_return_what_happened_meanwhile(
    place: tuple[House, list[Owned]],
) -> None:
    keep_down(*place, 10)


@pytest.mark.soak
def test_a_hub_may_be_down_for_minutes(place: tuple[House, list[Owned]], minutes: float | None) -> None:
    keep_down(*place, 600 if minutes is None else minutes * 60)
