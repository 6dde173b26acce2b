"""The hub's socket and a worker's line to it: tables, changes, acknowledgements."""

import asyncio
import socket
import stat
from contextlib import suppress
from pathlib import Path

import pytest
from hub_stage import a_hello, a_hub, a_key, a_worker, run, say, until

from chatelaine.adapters.telemetry import Tally
from chatelaine.core.link import REPLIES, Frames, frame
from chatelaine.core.metric import REQUESTS
from chatelaine.model.key import KeyState
from chatelaine.model.link import (
    KeysTold,
    ListKeys,
    Reach,
    Refused,
    ShowKey,
    WorkerStanding,
)
from chatelaine.model.words import (
    KeyId,
    ProviderKeyName,
)


def test_a_worker_is_sent_every_table_and_then_every_change(tmp_path: Path) -> None:
    async def test() -> None:
        async with a_hub(tmp_path, [a_key("a"), a_key("b")]).serving() as hub, a_worker(hub.path, 1) as one:
            link, gate = one
            hub.board.publish_secrets({ProviderKeyName("openai"): b"\x00sk\xff"})
            await asyncio.wait_for(link.complete.wait(), 10)
            assert set(gate.keys) == {"a", "b"}
            assert gate.secrets == {"openai": b"\x00sk\xff"}
            hub.board.publish([a_key("a", KeyState.SUSPENDED), a_key("c")])
            await gate.until(lambda: "c" in gate.keys)
            assert gate.keys[KeyId("a")].state is KeyState.SUSPENDED
            assert hub.recovered == [1]

    run(test())


def test_a_change_during_the_whole_table_comes_after_it(tmp_path: Path) -> None:
    keys = [a_key(f"{number:05}", contact="x" * 2000) for number in range(3000)]

    async def test() -> None:
        async with a_hub(tmp_path, keys).serving() as hub, a_worker(hub.path, 1) as (link, gate):
            await until(lambda: hub.board.lines)
            hub.board.publish([a_key("00000", KeyState.REVOKED)])
            await asyncio.wait_for(link.complete.wait(), 10)
            await gate.until(lambda: gate.keys[KeyId("00000")].state is KeyState.REVOKED)
            assert len(gate.keys) == 3000
            assert gate.order.index("keys") < gate.order.index("changes")

    run(test())


def test_a_reply_comes_when_every_worker_has_the_change(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            a_hub(tmp_path).serving() as hub,
            a_worker(hub.path, 1) as (one, first),
            a_worker(hub.path, 2) as (two, second),
        ):
            await asyncio.wait_for(asyncio.gather(one.complete.wait(), two.complete.wait()), 10)
            took = []
            for number in range(100):
                hub.board.publish([a_key(f"k{number}")])
                reach = await hub.board.reach()
                assert (reach.reached, reach.workers, reach.missing) == (2, 2, ())
                assert f"k{number}" in first.keys
                assert f"k{number}" in second.keys
                took.append(reach.took_ms)
            assert sorted(took)[98] < 200

    run(test())


def test_a_reply_names_the_workers_that_have_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatelaine.surfaces.switchboard.PATIENCE", 0.1)

    async def test() -> None:
        async with a_hub(tmp_path).serving() as hub, a_worker(hub.path, 2) as (link, _):
            await asyncio.wait_for(link.complete.wait(), 10)
            hub.board.publish([a_key("a")])
            reach = await hub.board.reach()
            assert (reach.reached, reach.workers, reach.missing) == (1, 2, (1,))
            assert reach.took_ms >= 100

    run(test())


def test_a_worker_goes_on_while_the_hub_is_away_and_is_not_recovered_when_it_is_back(tmp_path: Path) -> None:
    async def test() -> None:
        hub = a_hub(tmp_path, [a_key("a", KeyState.ISSUED)])
        async with a_worker(hub.path, 1) as (link, gate):
            async with hub.serving():
                await asyncio.wait_for(link.complete.wait(), 10)
                link.report_standing(WorkerStanding(ready=True))
                await until(lambda: hub.board.told()[0].ready)
            await until(lambda: not link.connected)
            assert set(gate.keys) == {"a"}
            link.report_used(KeyId("a"))
            later = a_hub(tmp_path, [a_key("a", KeyState.ISSUED), a_key("b")])
            async with later.serving():
                await gate.until(lambda: "b" in gate.keys)
                await until(lambda: later.used)
                assert later.used == ["a"], "what was used meanwhile is told"
                assert later.recovered == []
                assert later.board.told()[0].ready, "and how it stands"

    run(test())


def test_a_first_use_is_told_once_until_the_key_is_active(tmp_path: Path) -> None:
    async def test() -> None:
        async with (
            a_hub(tmp_path, [a_key("a", KeyState.ISSUED)]).serving() as hub,
            a_worker(hub.path, 1) as one,
        ):
            link, gate = one
            await asyncio.wait_for(link.complete.wait(), 10)
            for _ in range(3):
                link.report_used(KeyId("a"))
            await until(lambda: hub.used)
            hub.board.publish([a_key("a", KeyState.ACTIVE)])
            await gate.until(lambda: gate.keys[KeyId("a")].state is KeyState.ACTIVE)
            assert hub.used == ["a"]

    run(test())


def test_settings_are_read_again_only_where_they_differ(tmp_path: Path) -> None:
    async def test() -> None:
        async with a_hub(tmp_path).serving() as hub, a_worker(hub.path, 1) as (link, gate):
            await asyncio.wait_for(link.complete.wait(), 10)
            assert "settings" not in gate.order
            hub.board.publish_settings("one")
            hub.board.publish_settings("two")
            await gate.until(lambda: "settings" in gate.order)
            assert gate.order.count("settings") == 1

    run(test())


def test_what_a_worker_counts_comes_to_the_hub(tmp_path: Path) -> None:
    async def test() -> None:
        tally = Tally({})
        tally.count(REQUESTS, "x", "y", "completed")
        async with a_hub(tmp_path).serving() as hub, a_worker(hub.path, 1, tally):
            await until(lambda: hub.board.lines and hub.board.lines[0].snapshot.counters)
            assert hub.board.lines[0].snapshot == tally.snapshot()

    run(test())


def test_commands_are_answered_one_after_another_and_faults_are_told(tmp_path: Path) -> None:
    async def test() -> None:
        async with a_hub(tmp_path, [a_key("a")], workers=0).serving() as hub:
            sent = frame(ListKeys()) + frame(ShowKey(KeyId("x"))) + frame(ListKeys())
            answered = await say(hub.path, sent, end=True)
            first, second, third = list(Frames(REPLIES).feed(answered))
            assert isinstance(first, KeysTold)
            assert isinstance(first.reach, Reach)
            assert second == Refused("key_not_found", "no such key", "look again")
            assert isinstance(third, KeysTold)

    run(test())


def test_more_connections_than_the_hub_takes_are_refused(tmp_path: Path) -> None:
    async def test() -> None:
        async with a_hub(tmp_path, workers=0).serving() as hub:
            held = [await asyncio.open_unix_connection(str(hub.path)) for _ in range(256)]
            assert await say(hub.path, frame(ListKeys())) == b""
            for _, writer in held:
                writer.close()
            for _, writer in held:
                await writer.wait_closed()
            answered = b""
            async with asyncio.timeout(10):
                while not answered:
                    answered = await say(hub.path, frame(ListKeys()), end=True)

    run(test())


def test_the_socket_is_for_its_owner_alone_and_takes_a_dead_ones_place(tmp_path: Path) -> None:
    async def test() -> None:
        path = tmp_path / "hub.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        async with a_hub(tmp_path).serving():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not path.exists()

    run(test())


def test_a_new_worker_of_a_number_takes_the_place_of_the_old_line(tmp_path: Path) -> None:
    async def test() -> None:
        async with a_hub(tmp_path).serving() as hub:
            old_reader, old_writer = await asyncio.open_unix_connection(str(hub.path))
            old_writer.write(frame(a_hello()))
            await until(lambda: hub.board.lines)
            _, new_writer = await asyncio.open_unix_connection(str(hub.path))
            new_writer.write(frame(a_hello(pid=1234)))
            await until(lambda: hub.board.told()[0].pid == 1234)
            await until(lambda: hub.gone)
            assert hub.board.told()[0].connected, "the old line's end does not take the new one away"
            with suppress(ConnectionError):
                await old_reader.read()
            for writer in (old_writer, new_writer):
                writer.close()

    run(test())
