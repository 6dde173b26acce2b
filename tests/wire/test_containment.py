"""A thief is held back on every worker, by the way it shows itself; the key's owner goes on."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from caller import Caller, chat, key_of, once, processes, request, tell
from house import House, house
from plain_upstream import Upstream

from chatelaine.core.context import context_id, prefix_of
from chatelaine.model.link import Lift, Reach, Restrain, RestraintsTold
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.words import SECOND, ActionId, ContextId, Instant

pytestmark = pytest.mark.wire
WORKERS = 2
CHANGES = 100
BAR = 0.5
THIEF = {"x-thief": "1"}
"""A header of its own gives a client another context."""


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with house(folder, model=upstream.port, tls=False, workers=WORKERS) as running:
        yield running


def of_key(gate: House, token: str, kind: str) -> list[dict[str, Any]]:
    key = key_of(token)
    return [e for e in gate.events() if e["kind"] == kind and e["caller"]["key"] == key]


def thiefs_context(gate: House, token: str) -> ContextId:
    """Return the context of requests that carry the thief's header."""
    asyncio.run(once(gate.port, request(token, chat(), headers=THIEF)))
    return shown_context(of_key(gate, token, "exchange.opened")[-1]["client"])


def shown_context(client: dict[str, Any]) -> ContextId:
    """Return the context of a client as the journal shows it."""
    return context_id(prefix_of(client["network"]["ip"]), client["greeting"]["ja4"], client["header_hash"])


async def restrain(gate: House, token: str, lane: Lane, *, seconds: float = 600, **parts: Any) -> ActionId:
    until = Instant(time.time_ns() + int(seconds * SECOND))
    asked = Restraint(ActionId(""), key_of(token), lane, until, **parts)
    told = await tell(gate, Restrain(restraint=asked, by="test"))
    assert isinstance(told, RestraintsTold), told
    assert told.reach is not None
    assert told.reach.missing == ()
    return told.restraints[0].id


async def lift(gate: House, action: ActionId) -> Reach | None:
    told = await tell(gate, Lift(restraint=action, by="test"))
    assert isinstance(told, RestraintsTold), told
    return told.reach


async def statuses(gate: House, token: str, *, thief: bool, count: int = 8) -> set[int]:
    """Return what callers on connections of their own are told: enough to meet every worker."""
    data = request(token, chat(), headers=THIEF if thief else {"x-owner": "1"})
    return {(await once(gate.port, data)).status for _ in range(count)}


async def a_stream(gate: House, token: str, headers: dict[str, str]) -> Caller:
    caller = await Caller.dial(gate.port)
    doing = {"x-test-do": "stream", "x-test-gap": "0.05"}
    caller.writer.write(request(token, chat(stream=True, most=16_000), headers=headers | doing))
    assert (await caller.head()).status == 200
    assert await caller.chunk()
    return caller


async def broken_after(callers: list[Caller]) -> float:
    started_at = time.monotonic()

    async def read(caller: Caller) -> None:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await caller.rest()
        await caller.close()

    async with asyncio.timeout(10):
        await asyncio.gather(*map(read, callers))
    return time.monotonic() - started_at


def test_the_thiefs_streams_are_cut_everywhere_and_the_owners_go_on(gate: House) -> None:
    token = gate.issue()

    async def run() -> float:
        thieves = [await a_stream(gate, token, THIEF) for _ in range(8)]
        owners = [await a_stream(gate, token, {"x-owner": "1"}) for _ in range(4)]
        context = shown_context(of_key(gate, token, "exchange.opened")[0]["client"])
        await restrain(gate, token, Lane.REFUSE, contexts=(context,))
        took = await broken_after(thieves)
        for owner in owners:
            assert await owner.chunk(), "the owner's stream goes on"
            await owner.close()
        return took

    assert asyncio.run(run()) < BAR
    reasons = [event["reason"] for event in of_key(gate, token, "exchange.ended")]
    assert reasons.count("restrained") == 8


def test_the_thief_is_refused_everywhere_until_it_is_lifted_and_the_owner_never(gate: House) -> None:
    token = gate.issue()
    context = thiefs_context(gate, token)

    async def run() -> list[set[int]]:
        told = []
        action = await restrain(gate, token, Lane.REFUSE, contexts=(context,))
        told += [await statuses(gate, token, thief=True), await statuses(gate, token, thief=False)]
        await lift(gate, action)
        return [*told, await statuses(gate, token, thief=True)]

    assert asyncio.run(run()) == [{401}, {200}, {200}]
    refused = of_key(gate, token, "exchange.refused")
    assert {(event["reason"], event["lane"], event["disposition"]) for event in refused} == {
        ("restrained", "refuse", "blocked")
    }
    assert all(event["restraint"].startswith("act_") for event in refused)


def test_a_hundred_restraints_are_in_effect_on_every_worker_in_time(gate: House) -> None:
    token = gate.issue()
    context = thiefs_context(gate, token)
    data = request(token, chat(), headers=THIEF)

    async def run() -> list[float]:
        callers = [await Caller.dial(gate.port) for _ in range(8)]
        took, action = [], ActionId("")
        for turn in range(CHANGES):
            started_at = time.monotonic()
            if turn % 2:
                await lift(gate, action)
            else:
                action = await restrain(gate, token, Lane.REFUSE, contexts=(context,))
            told = {answer.status for answer in await asyncio.gather(*(one.ask(data) for one in callers))}
            took.append(time.monotonic() - started_at)
            assert told == {200 if turn % 2 else 401}
        for caller in callers:
            await caller.close()
        return sorted(took)

    took = asyncio.run(run())
    assert took[-2] < BAR, f"p50 {took[CHANGES // 2]:.3f} s, p99 {took[-2]:.3f} s"


def test_a_restraint_ends_by_itself(gate: House) -> None:
    token = gate.issue()
    context = thiefs_context(gate, token)

    async def run() -> list[set[int]]:
        await restrain(gate, token, Lane.REFUSE, seconds=1.5, contexts=(context,))
        told = [await statuses(gate, token, thief=True)]
        await asyncio.sleep(1.6)
        return [*told, await statuses(gate, token, thief=True)]

    assert asyncio.run(run()) == [{401}, {200}]
    until = time.monotonic() + 5
    while any(one["key"] == key_of(token) for one in gate.told("keys", "restraints")["restraints"]):
        assert time.monotonic() < until, "the hub ends it too"
        time.sleep(0.1)


def test_restraints_outlive_the_death_of_hub_and_workers(gate: House) -> None:
    token = gate.issue()
    context = thiefs_context(gate, token)
    action = asyncio.run(restrain(gate, token, Lane.REFUSE, contexts=(context,)))
    for number in (0, 1, 2):
        before = processes(gate)
        os.kill(before[number], signal.SIGKILL)
        until = time.monotonic() + 20
        while len(after := processes(gate)) < WORKERS + 1 or after[number] == before[number]:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert asyncio.run(statuses(gate, token, thief=True)) == {401}
        assert asyncio.run(statuses(gate, token, thief=False)) == {200}
    assert action in {one["id"] for one in gate.told("keys", "restraints")["restraints"]}


def test_a_throttled_thief_has_a_rate_over_all_workers_and_the_owner_has_the_rest(gate: House) -> None:
    token = gate.issue()
    context = thiefs_context(gate, token)

    async def run() -> tuple[list[int], set[int]]:
        await restrain(gate, token, Lane.THROTTLE, contexts=(context,), requests_per_minute=6)
        data = request(token, chat(), headers=THIEF)
        told = [(await once(gate.port, data)).status for _ in range(30)]
        return told, await statuses(gate, token, thief=False, count=20)

    told, owners = asyncio.run(run())
    assert 0 < told.count(200) <= 6
    assert set(told) == {200, 429}
    assert owners == {200}


def test_the_tarpit_answers_late_and_the_owner_at_once(gate: House) -> None:
    token = gate.issue()
    context = thiefs_context(gate, token)

    async def timed(*, thief: bool) -> float:
        started_at = time.monotonic()
        assert await statuses(gate, token, thief=thief, count=1) == {200}
        return time.monotonic() - started_at

    async def run() -> tuple[list[float], float]:
        await restrain(gate, token, Lane.TARPIT, contexts=(context,), delay_ms=1500)
        late = asyncio.gather(*(timed(thief=True) for _ in range(6)))
        prompt = await timed(thief=False)
        return await late, prompt

    late, prompt = asyncio.run(run())
    assert min(late) >= 1.5
    assert prompt < 1.0


def test_people_restrain_and_lift_on_the_command_line(gate: House) -> None:
    token = gate.issue()
    key = key_of(token)
    told = gate.told("keys", "restrain", key, "--lane", "refuse", "--for", "10m", "--prefix", "127.0.0.0/24")
    [put] = told["restraints"]
    assert (put["key"], put["lane"], put["prefixes"]) == (key, "refuse", ["127.0.0.0/24"])
    assert told["reach"]["missing"] == []
    assert asyncio.run(statuses(gate, token, thief=False)) == {401}
    assert put["id"] in gate.run("keys", "restraints").stdout
    assert gate.told("keys", "lift", put["id"], "--reason", "a mistake")["reach"]["reached"] == WORKERS
    assert asyncio.run(statuses(gate, token, thief=False)) == {200}
    acted = [
        event for event in gate.events() if event["kind"] == "admin.acted" and put["id"] in event["detail"]
    ]
    assert [event["action"] for event in acted] == ["restrain", "lift"]
