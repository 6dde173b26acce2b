"""The hub's socket and a worker's line to it: tables, changes, acknowledgements, and hostile peers."""

import asyncio
import logging
import os
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from chatelaine.adapters.hub_link import HubLink, Reception
from chatelaine.adapters.telemetry import Tally
from chatelaine.core.link import REPLIES, Frames, frame
from chatelaine.core.metric import REQUESTS
from chatelaine.model.error import KeyNotFound
from chatelaine.model.key import Grant, KeyState, VirtualKey
from chatelaine.model.link import (
    COMMAND_LIMIT,
    LINK_VERSION,
    Acknowledged,
    Command,
    KeysTold,
    ListKeys,
    Reach,
    Refused,
    Reply,
    ShowKey,
    WorkerHello,
    WorkerStanding,
)
from chatelaine.model.words import (
    AppName,
    Epoch,
    Instant,
    KeyId,
    OwnerId,
    PepperId,
    ProviderKeyName,
    WorkerNumber,
)
from chatelaine.surfaces.control import ControlServer, Desk
from chatelaine.surfaces.switchboard import Line, Switchboard


def a_key(kid: str, state: KeyState = KeyState.ACTIVE, contact: str = "") -> VirtualKey:
    return VirtualKey(
        id=KeyId(kid),
        env="live",
        owner=OwnerId("acme"),
        app=AppName("bot"),
        contact=contact,
        grant=Grant(),
        state=state,
        digest=b"\x01" * 32,
        pepper=PepperId("first"),
        slot=1,
        issued_at=Instant(1),
        expires_at=None,
    )


@dataclass
class Hub:
    """The socket's side of a hub, with what a test wants to know of it."""

    path: Path
    board: Switchboard
    recovered: list[int] = field(default_factory=list)
    used: list[KeyId] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)

    async def answer(self, command: Command) -> Reply:
        if isinstance(command, ShowKey):
            raise KeyNotFound("no such key", hint="look again")
        return KeysTold(tuple(self.board.keys.values()), await self.board.reach())

    async def recover(self, hello: WorkerHello) -> None:
        self.recovered.append(hello.worker)

    def note_gone(self, line: Line) -> None:
        self.gone.append(line.hello.worker)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Hub"]:
        server = ControlServer(
            self.path,
            self.board,
            Desk(answer=self.answer, recover=self.recover, note_used=self.used.append, gone=self.note_gone),
        )
        await server.start()
        try:
            yield self
        finally:
            await server.close()


@dataclass
class Gate:
    """A worker's side: what it was handed."""

    keys: dict[KeyId, VirtualKey] = field(default_factory=dict)
    secrets: dict[ProviderKeyName, bytes] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_keys(self, keys: Sequence[VirtualKey]) -> None:
        self.keys = {key.id: key for key in keys}
        self.note("keys")

    def on_changes(self, keys: Sequence[VirtualKey]) -> None:
        self.keys.update((key.id, key) for key in keys)
        self.note("changes")

    def on_secrets(self, secrets: Mapping[ProviderKeyName, bytes]) -> None:
        self.secrets = dict(secrets)
        self.note("secrets")

    def note(self, what: str) -> None:
        self.order.append(what)
        self.changed.set()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not true():
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def a_worker(
    path: Path, number: int, tally: Tally | None = None
) -> AsyncIterator[tuple[HubLink, Gate]]:
    gate = Gate()
    reception = Reception(gate.on_keys, gate.on_changes, gate.on_secrets, lambda: gate.note("settings"))
    counted = tally if tally is not None else Tally({})
    link = HubLink(path, WorkerNumber(number), reception, snapshot=counted.snapshot)
    running = asyncio.create_task(link.run())
    try:
        yield link, gate
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def a_hub(folder: Path, keys: Sequence[VirtualKey] = (), workers: int = 2) -> Hub:
    return Hub(folder / "hub.sock", Switchboard(keys, settings_digest="one", workers=workers))


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0)


def run(test: Awaitable[None]) -> None:
    async def whole() -> None:
        await test

    asyncio.run(whole())


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


async def say(path: Path, data: bytes, *, end: bool = False) -> bytes:
    """Send bytes and return all that comes back until the hub closes the line."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(data)
    if end:
        writer.write_eof()
    async with asyncio.timeout(10):
        try:
            found = await reader.read()
        except ConnectionError:
            found = b""
    writer.close()
    return found


def a_hello(**changes: object) -> WorkerHello:
    hello = WorkerHello(WorkerNumber(1), os.getpid(), os.getppid(), LINK_VERSION, serving=False)
    return replace(hello, **changes)  # type: ignore[arg-type] - each test names fields of its own


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


async def lie(path: Path, data: bytes) -> None:
    """Be a hub that says these bytes to whoever connects."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        await reader.read(1)
        writer.close()

    server = await asyncio.start_unix_server(answer, path=str(path))
    async with server:
        await asyncio.sleep(3600)


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
