"""Limits are hard: over several workers, whatever the concurrency, nothing goes beyond them."""

import asyncio
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

import pytest
from caller import Answer, Caller, chat, key_of, once, request
from house import House, house
from plain_upstream import Upstream

from chatelaine.adapters.meter import SharedMeter
from chatelaine.model.words import WorkerNumber

pytestmark = [pytest.mark.wire, pytest.mark.usefixtures("held")]
WORKERS = 2
AT_ONCE = 200


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with house(folder, model=upstream.port, tls=False, workers=WORKERS) as running:
        yield running


def ask_held(token: str, *, most: int = 1000) -> bytes:
    return request(token, chat(most=most), headers={"x-test-do": "hold"})


async def all_at_once(gate: House, upstream: Upstream, data: bytes, *, count: int) -> list[Answer]:
    """Send one request from each of many callers; the upstream answers once all are decided."""
    asking = [asyncio.create_task(once(gate.port, data)) for _ in range(count)]
    async with asyncio.timeout(30):
        while sum(1 for task in asking if task.done()) + len(upstream.visits) < count:
            await asyncio.sleep(0.02)
    upstream.go_on.set()
    return await asyncio.gather(*asking)


def counted(answers: Sequence[Answer]) -> Counter[int]:
    return Counter(answer.status for answer in answers)


def waits(answers: Sequence[Answer]) -> list[int]:
    """Return the seconds that those were told to wait who were refused."""
    found = [int(answer.headers["retry-after"]) for answer in answers if answer.status == 429]
    assert found
    assert min(found) > 0
    return found


def seconds_left(span: str) -> int:
    """Return how many seconds of this UTC day or month are left, a begun one as a whole one."""
    now = datetime.now(UTC)
    turn = datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(days=1)
    if span == "month":
        turn = datetime(now.year + now.month // 12, now.month % 12 + 1, 1, tzinfo=UTC)
    return ceil((turn - now).total_seconds())


def of_key(gate: House, token: str, kind: str) -> list[dict[str, Any]]:
    return [
        event for event in gate.events() if event["kind"] == kind and event["caller"]["key"] == key_of(token)
    ]


def reserved_for_one(gate: House) -> dict[str, int]:
    """Return what one held request reserves."""
    token = gate.issue()
    asyncio.run(once(gate.port, request(token, chat(most=1000), headers={"x-test-do": "whole"})))
    opened = of_key(gate, token, "exchange.opened")[0]
    return dict(opened["reserved"])


def dollars(nano: int) -> str:
    return f"{nano // 10**9}.{nano % 10**9:09d}"


@pytest.mark.parametrize("span", ["day", "month"])
def test_two_hundred_at_the_edge_of_a_cap_never_exceed_it_and_use_it_up(
    gate: House, upstream: Upstream, span: str
) -> None:
    one = reserved_for_one(gate)["cost"]
    cap = one * 37 + one // 2
    upstream.visits.clear()
    token = gate.issue(f"--spend-per-{span}", dollars(cap))
    before = seconds_left(span)
    answers = asyncio.run(all_at_once(gate, upstream, ask_held(token), count=AT_ONCE))
    assert counted(answers) == {200: 37, 429: AT_ONCE - 37}
    assert seconds_left(span) <= min(waits(answers)) <= max(waits(answers)) <= before
    opened, refusals, ended = (
        of_key(gate, token, f"exchange.{kind}") for kind in ("opened", "refused", "ended")
    )
    assert {event["worker"] for event in opened + refusals} == {1, 2}
    assert {event["reason"] for event in refusals} == {f"budget_{span}"}
    assert spent_and_held(gate, opened[0]["slot"]) == (sum(event["cost"] for event in ended), 0)


def spent_and_held(gate: House, slot: int) -> tuple[int, int]:
    meter = SharedMeter(gate.folder / "data" / "meter", WorkerNumber(0), WORKERS)
    try:
        row = meter.row(slot)
        return row.day_settled, row.held
    finally:
        meter.close()


def test_a_cap_is_used_until_no_reservation_fits(gate: House, upstream: Upstream) -> None:
    upstream.go_on.set()
    one = reserved_for_one(gate)["cost"]
    cap = one * 2
    token = gate.issue("--spend-per-day", dollars(cap))

    async def use_up() -> int:
        callers = [await Caller.dial(gate.port) for _ in range(8)]

        async def ask(caller: Caller) -> int:
            served = 0
            while (await caller.ask(ask_held(token))).status == 200:
                served += 1
            return served

        served = await asyncio.gather(*map(ask, callers))
        # While others hold reservations a caller may be refused early; alone it goes to the edge.
        served.append(await ask(callers[0]))
        for caller in callers:
            await caller.close()
        return sum(served)

    served = asyncio.run(use_up())
    ended = of_key(gate, token, "exchange.ended")
    assert served == len(ended)
    assert cap - one < sum(event["cost"] for event in ended) <= cap


def test_the_request_rate_holds_over_all_workers(gate: House, upstream: Upstream) -> None:
    token = gate.issue("--requests-per-minute", "10")
    answers = asyncio.run(all_at_once(gate, upstream, ask_held(token), count=60))
    assert counted(answers) == {200: 10, 429: 50}
    # Of the next minute 6 s have to pass until ten requests of this one weigh no more than nine.
    # That nobody is let in sooner is tested in tests/core/test_limit.py.
    assert max(waits(answers)) <= 66


def test_the_token_rate_holds_over_all_workers(gate: House, upstream: Upstream) -> None:
    one = reserved_for_one(gate)
    tokens = one["input_tokens"] + one["output_tokens"]
    upstream.visits.clear()
    token = gate.issue("--tokens-per-minute", str(tokens * 3 + tokens // 2))
    answers = asyncio.run(all_at_once(gate, upstream, ask_held(token), count=40))
    assert counted(answers) == {200: 3, 429: 37}
    # Of the next minute 10 s have to pass until three reservations weigh no more than two and a half.
    assert max(waits(answers)) <= 70


def test_the_parallel_limit_holds_over_all_workers_and_frees_again(gate: House, upstream: Upstream) -> None:
    token = gate.issue("--parallel", "4")
    answers = asyncio.run(all_at_once(gate, upstream, ask_held(token), count=40))
    assert counted(answers) == {200: 4, 429: 36}
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status == 429)
    assert asyncio.run(once(gate.port, ask_held(token))).status == 200


def test_a_stream_that_outruns_its_reservation_is_cut(gate: House, upstream: Upstream) -> None:
    token = gate.issue("--spend-per-day", "1")
    data = request(token, chat(stream=True, most=30), headers={"x-test-do": "stream", "x-test-gap": "0.001"})

    async def run() -> None:
        caller = await Caller.dial(gate.port)
        caller.writer.write(data)
        head = await caller.head()
        assert head.status == 200
        try:
            async with asyncio.timeout(20):
                await caller.body(head)
        finally:
            await caller.close()

    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        asyncio.run(run())
    ended = of_key(gate, token, "exchange.ended")
    assert [event["reason"] for event in ended] == ["budget_cut"]
    assert ended[0]["usage"]["output_tokens"] >= 30
    assert upstream.visits[-1].left_at is not None
    assert upstream.visits[-1].sent < 50


def test_what_the_journals_and_the_rota_count_is_shown_to_operators(gate: House, upstream: Upstream) -> None:
    upstream.go_on.set()
    assert asyncio.run(once(gate.port, ask_held(gate.issue()))).status == 200
    wanted = {
        'chatelaine_events_total{kind="opened"}',
        'chatelaine_events_total{kind="ended"}',
        'chatelaine_events_total{kind="key"}',
        "chatelaine_event_queue_depth",
        "chatelaine_journal_group_duration_seconds_count",
        'chatelaine_upstream_circuit_open{upstream="openai"}',
    }
    until = time.monotonic() + 10
    while missing := wanted - shown(gate):
        assert time.monotonic() < until, missing
        time.sleep(0.1)


def shown(gate: House) -> set[str]:
    """Return the series that /metrics shows."""
    with urllib.request.urlopen(f"http://127.0.0.1:{gate.admin}/metrics", timeout=10) as reply:
        return {line.rpartition(" ")[0] for line in reply.read().decode().splitlines()}
