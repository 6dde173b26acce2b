"""Keys change while requests and streams run: the change reaches every worker, and tells nobody why."""

import asyncio
import base64
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from caller import CHAT, Answer, Caller, change, chat, key_of, once, request, tell
from house import House, house
from plain_upstream import Upstream

from chatelaine.core.key.token import mint, new_kid
from chatelaine.model.key import KeyInput
from chatelaine.model.link import KeyIssuedTold, RotateKey

pytestmark = pytest.mark.wire
WORKERS = 2
CHANGES = 100
BAR = 0.2


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with house(folder, model=upstream.port, tls=False, workers=WORKERS) as running:
        yield running


def refusals(gate: House, token: str) -> list[dict[str, Any]]:
    key = key_of(token)
    return [e for e in gate.events() if e["kind"] == "exchange.refused" and e["caller"]["key"] == key]


async def statuses(gate: House, token: str, *, count: int = 8) -> set[int]:
    """Return what callers on connections of their own are told: enough to meet every worker."""
    return {(await once(gate.port, request(token, chat()))).status for _ in range(count)}


async def open_streams(gate: House, token: str, *, count: int = 8) -> list[Caller]:
    """Open streams that do not end, on enough connections to meet every worker."""
    data = request(token, chat(stream=True, most=16_000), headers={"x-test-do": "stream"})
    callers = [await Caller.dial(gate.port) for _ in range(count)]
    for caller in callers:
        caller.writer.write(data)
        assert (await caller.head()).status == 200
        assert await caller.chunk()
    return callers


async def broken_after(callers: list[Caller]) -> float:
    """Read streams to the point where each breaks off; return the seconds until all have."""
    started_at = time.monotonic()

    async def read(caller: Caller) -> None:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await caller.rest()
        await caller.close()

    async with asyncio.timeout(10):
        await asyncio.gather(*map(read, callers))
    return time.monotonic() - started_at


@pytest.mark.parametrize("given", [KeyInput.SUSPEND, KeyInput.REVOKE, KeyInput.EXPOSE])
def test_open_streams_are_cut_on_every_worker_and_upstream_is_told(
    gate: House, upstream: Upstream, given: KeyInput
) -> None:
    token = gate.issue()
    upstream.visits.clear()

    async def run() -> float:
        callers = await open_streams(gate, token)
        reach = await change(gate, token, given)
        assert (reach.reached, reach.workers) == (WORKERS, WORKERS)
        return await broken_after(callers)

    assert asyncio.run(run()) < BAR
    time.sleep(0.1)
    assert all(visit.left_at is not None for visit in upstream.visits)
    ended = [
        e["reason"]
        for e in gate.events()
        if e["kind"] == "exchange.ended" and e["caller"]["key"] == key_of(token)
    ]
    assert ended == ["key_cut"] * 8


def test_suspended_is_refused_everywhere_and_resumed_is_served_everywhere(gate: House) -> None:
    token = gate.issue()

    async def run() -> list[set[int]]:
        told = [await statuses(gate, token)]
        for given in (KeyInput.SUSPEND, KeyInput.RESUME, KeyInput.REVOKE):
            await change(gate, token, given)
            told.append(await statuses(gate, token))
        return told

    assert asyncio.run(run()) == [{200}, {401}, {200}, {401}]


def test_a_hundred_changes_reach_every_worker_in_time(gate: House) -> None:
    token = gate.issue()

    async def run() -> list[float]:
        callers = [await Caller.dial(gate.port) for _ in range(8)]
        took = []
        for turn in range(CHANGES):
            started_at = time.monotonic()
            await change(gate, token, KeyInput.RESUME if turn % 2 else KeyInput.SUSPEND)
            took.append(time.monotonic() - started_at)
            told = [(await caller.ask(request(token, chat()))).status for caller in callers]
            assert told == [200 if turn % 2 else 401] * len(callers)
        for caller in callers:
            await caller.close()
        return sorted(took)

    took = asyncio.run(run())
    assert took[-2] < BAR, f"p50 {took[CHANGES // 2]:.3f} s, p99 {took[-2]:.3f} s"


def test_after_a_rotation_both_tokens_work_until_the_overlap_is_over(gate: House) -> None:
    token = gate.issue()

    async def run() -> tuple[list[set[int]], str]:
        told = await tell(gate, RotateKey(key=key_of(token), by="test", overlap=timedelta(seconds=2)))
        assert isinstance(told, KeyIssuedTold)
        found = [await statuses(gate, token), await statuses(gate, told.token)]
        await asyncio.sleep(3.5)
        found += [await statuses(gate, token), await statuses(gate, told.token)]
        return found, told.token

    found, _ = asyncio.run(run())
    assert found == [{200}, {200}, {401}, {200}]


def test_a_key_expires_by_itself_and_cuts_its_streams(gate: House) -> None:
    token = gate.issue("--lifetime", "3s")

    async def run() -> float:
        callers = await open_streams(gate, token)
        return await broken_after(callers)

    assert asyncio.run(run()) < 4.5
    assert asyncio.run(statuses(gate, token)) == {401}
    assert refusals(gate, token)[-1]["reason"] == "key_expired"


def without_id(answer: Answer) -> bytes:
    assert len(answer.id) == 24
    return answer.raw_head.replace(answer.id.encode(), b"") + answer.body.replace(answer.id.encode(), b"")


@pytest.mark.parametrize(
    ("path", "placed"),
    [
        (CHAT, "authorization: Bearer {}"),
        ("/v1/messages", "x-api-key: {}"),
        ("/openai/deployments/d/chat/completions?api-version=2024-10-21", "api-key: {}"),
        ("/v1beta/models/gemini-2.5-flash:generateContent", "x-goog-api-key: {}"),
        ("/model/amazon.nova-lite-v1:0/converse", "authorization: Bearer {}"),
    ],
)
def test_every_bad_key_is_told_the_same_bytes(gate: House, path: str, placed: str) -> None:
    good = gate.issue()
    revoked, suspended, exposed = gate.issue(), gate.issue(), gate.issue()
    expired = gate.issue("--lifetime", "1s")
    tokens = {
        "unknown kid": mint("live", new_kid(b"\x07" * 16), b"\x11" * 32),
        "key_unproven": mint("live", key_of(good), b"\x11" * 32),
        "key_revoked": revoked,
        "key_suspended": suspended,
        "key_expired": expired,
        "not ours": "sk-proj-" + base64.b32encode(b"some other key of somebody").decode(),
        "exposed": exposed,
    }

    async def run() -> dict[str, bytes]:
        await change(gate, revoked, KeyInput.REVOKE)
        await change(gate, suspended, KeyInput.SUSPEND)
        await change(gate, exposed, KeyInput.EXPOSE)
        await asyncio.sleep(2)
        told = {}
        for name, token in tokens.items():
            plain = request("", chat(), path=path).replace(b"authorization: Bearer \r\n", b"")
            data = plain.replace(b"\r\n\r\n", f"\r\n{placed.format(token)}\r\n\r\n".encode(), 1)
            answer = await once(gate.port, data)
            assert answer.status in {401, 403}, answer
            told[name] = without_id(answer)
        return told

    told = asyncio.run(run())
    assert len(set(told.values())) == 1, told
    recorded = {event["reason"] for event in gate.events() if event["kind"] == "exchange.refused"}
    assert {name for name in tokens if name.startswith("key_")} <= recorded


def hours_not_now() -> str:
    now = datetime.now(UTC)
    other = (now + timedelta(days=2)).strftime("%a").lower()
    return f"{other} 00:00-24:00"


@pytest.mark.parametrize(
    ("grant", "reason"),
    [
        (("--model", "gpt-5*"), "model_not_granted"),
        (("--operation", "embedding"), "operation_not_granted"),
        (("--modality", "image"), "modality_not_granted"),
        (("--network", "10.0.0.0/8"), "address_not_granted"),
        (("--hours", hours_not_now()), "hour_not_granted"),
        (("--upstream", "anthropic"), "upstream_not_granted"),
    ],
)
def test_what_is_not_granted_is_refused_and_recorded_in_full(
    gate: House, upstream: Upstream, grant: tuple[str, ...], reason: str
) -> None:
    token = gate.issue(*grant)
    upstream.visits.clear()
    answer = asyncio.run(once(gate.port, request(token, chat())))
    assert answer.status == 403
    assert upstream.visits == []
    [refused] = refusals(gate, token)
    assert (refused["reason"], refused["status"]) == (reason, 403)
    assert refused["asked"]["model"] == "gpt-4o-mini"
    assert refused["client"]["network"]["ip"] == "127.0.0.1"
    assert refused["asked"]["body_hash"]
    assert refused["exchange"] == answer.id


@pytest.mark.parametrize(
    "grant",
    [("--model", "gpt-4o*"), ("--operation", "chat"), ("--network", "127.0.0.0/8"), ("--upstream", "openai")],
)
def test_what_is_granted_is_served(gate: House, grant: tuple[str, ...]) -> None:
    assert asyncio.run(once(gate.port, request(gate.issue(*grant), chat()))).status == 200
