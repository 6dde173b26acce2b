"""From a thief's first request to its being shut out on every worker: many thieves, each on its own key."""

import asyncio
import ssl
import time
from collections.abc import Iterator

import pytest
from caller import Caller
from house import House, house
from theft import Owned, Settling, goal, impossible, listing, recognised, thief, wait_until_watched

from chatelaine.app.rehearsal.traffic import Visitor, request, tls_stack

pytestmark = [pytest.mark.wire, pytest.mark.slow]
THIEVES = 16
CONNECTIONS = 4
"""Of each thief: with two workers one in eight thieves meets but one of them, the others both."""
TAIL = 1.5
"""Seconds the slowest may take beside other programs; the bench holds the half second."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, model_port: int) -> Iterator[tuple[House, list[Owned]]]:
    folder = tmp_path_factory.mktemp("latency")
    settling = Settling(recognised(folder / "look", model_port), THIEVES + 1)
    (folder / "house").mkdir()
    with house(folder / "house", model=model_port, workers=2, before=settling) as gate:
        wait_until_watched(gate, settling.owned.pop())
        yield gate, settling.owned


async def contained(gate: House, who: Visitor, token: str) -> float:
    """Return seconds from sending a probe until every connection of the thief is refused."""
    there = goal(gate)
    assert there.ca is not None
    stack = tls_stack(who.stack, there.ca)
    callers = [await _dial(gate, who, stack) for _ in range(CONNECTIONS)]
    began = time.monotonic()
    probe = request(who.client, impossible(), there, token).replace(
        b"Connection: close", b"Connection: keep-alive"
    )
    asked = request(who.client, listing(), there, token).replace(
        b"Connection: close", b"Connection: keep-alive"
    )
    await callers[0].ask(probe)
    try:
        async with asyncio.timeout(20):
            return max(await asyncio.gather(*(_refused_at(one, asked) for one in callers))) - began
    finally:
        for one in callers:
            await one.close()


async def _dial(gate: House, who: Visitor, stack: ssl.SSLContext) -> Caller:
    return Caller(
        *await asyncio.open_connection("127.0.0.1", gate.port, ssl=stack, local_addr=(who.address, 0))
    )


async def _refused_at(caller: Caller, asked: bytes) -> float:
    while True:
        answer = await caller.ask(asked)
        if answer.status == 401:
            return time.monotonic()
        await asyncio.sleep(0.01)


def test_each_thief_is_shut_out_on_every_worker_soon_after_its_first_request(
    place: tuple[House, list[Owned]],
) -> None:
    gate, owned = place

    async def run() -> list[float]:
        return sorted([await contained(gate, thief(n), one.token) for n, one in enumerate(owned)])

    took = asyncio.run(run())
    assert len(took) == THIEVES
    assert took[-1] < TAIL, [round(one, 3) for one in took]
