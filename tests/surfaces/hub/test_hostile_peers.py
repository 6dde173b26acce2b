"""Peers that talk nonsense to the hub, and hubs that do to a worker: cut, noted, and no harm done."""

import asyncio
import logging
from pathlib import Path

import pytest
from hub_stage import a_hello, a_hub, a_key, a_worker, run, say, until

from chatelaine.core.link import frame
from chatelaine.model.link import (
    COMMAND_LIMIT,
    Acknowledged,
    KeysTold,
    ListKeys,
)
from chatelaine.model.words import (
    Epoch,
    WorkerNumber,
)

HOSTILE = {
    "huge": (2**31).to_bytes(4, "big"),
    "above the limit": (COMMAND_LIMIT + 1).to_bytes(4, "big"),
    "not JSON": b"\x00\x00\x00\x05hello",
    "of another side": frame(KeysTold(())),
    "before a hello": frame(Acknowledged(Epoch(1))),
    "of another version": frame(a_hello(version=99)),
    "of another supervisor": frame(a_hello(supervisor=1)),
    "of a worker there is not": frame(a_hello(worker=WorkerNumber(3))),
    "of worker nought": frame(a_hello(worker=WorkerNumber(0))),
    "twice hello": frame(a_hello()) * 2,
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_frame_cuts_its_connection_and_harms_no_other(
    data: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with a_hub(tmp_path).serving() as hub, a_worker(hub.path, 2) as (link, gate):
            await asyncio.wait_for(link.complete.wait(), 10)
            await say(hub.path, data)
            hub.board.publish([a_key("a")])
            await gate.until(lambda: "a" in gate.keys)
            assert [line.hello.worker for line in hub.board.lines] == [2]

    with caplog.at_level(logging.WARNING, logger="chatelaine.hub"):
        run(test())
    assert "was cut" in caplog.text


def test_a_frame_that_ends_in_the_middle_is_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with a_hub(tmp_path).serving() as hub:
            assert await say(hub.path, frame(ListKeys())[:-3], end=True) == b""

    with caplog.at_level(logging.WARNING, logger="chatelaine.hub"):
        run(test())
    assert "in the middle" in caplog.text


async def lie(path: Path, data: bytes) -> None:
    """Be a hub that says these bytes to whoever connects."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await reader.read(1)
        writer.close()

    server = await asyncio.start_unix_server(answer, path=str(path))
    async with server:
        await server.serve_forever()


@pytest.mark.parametrize("data", [b"\xff" * 100, frame(ListKeys()), b"\x00\x00\x00\x02{}"])
def test_a_worker_cuts_a_hub_that_talks_nonsense_and_tries_again(data: bytes, tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "hub.sock"
        lying = asyncio.create_task(lie(path, data))
        async with a_worker(path, 1) as (link, gate):
            await until(lambda: link.connected)
            await until(lambda: not link.connected)
            lying.cancel()
            await asyncio.gather(lying, return_exceptions=True)
            async with a_hub(tmp_path, [a_key("a")]).serving():
                await gate.until(lambda: "a" in gate.keys)

    run(test())
