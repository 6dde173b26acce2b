"""A hub's socket and workers' lines to it, for tests."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from chatelaine.adapters.hub_link import HubLink, Reception
from chatelaine.adapters.telemetry import Tally
from chatelaine.model.error import KeyNotFound
from chatelaine.model.key import Grant, KeyState, VirtualKey
from chatelaine.model.link import (
    LINK_VERSION,
    Command,
    KeysTold,
    Reply,
    ShowKey,
    WorkerHello,
)
from chatelaine.model.playbook import HabitTable, Restraint
from chatelaine.model.words import (
    ActionId,
    AppName,
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
    restraints: dict[ActionId, Restraint] = field(default_factory=dict)
    habits: dict[KeyId, HabitTable] = field(default_factory=dict)
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

    def on_restraints(self, restraints: Sequence[Restraint]) -> None:
        self.restraints = {one.id: one for one in restraints}
        self.note("restraints")

    def on_restraint_changes(self, restraints: Sequence[Restraint], lifted: Sequence[ActionId]) -> None:
        self.restraints.update((one.id, one) for one in restraints)
        for action in lifted:
            self.restraints.pop(action, None)
        self.note("restraint changes")

    def on_habits(self, habits: Sequence[HabitTable]) -> None:
        self.habits = {table.key: table for table in habits}
        self.note("habits")

    def on_habit_changes(self, habits: Sequence[HabitTable], forgotten: Sequence[KeyId]) -> None:
        self.habits.update((table.key, table) for table in habits)
        for kid in forgotten:
            self.habits.pop(kid, None)
        self.note("habit changes")

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
    reception = Reception(
        gate.on_keys, gate.on_changes, gate.on_secrets, lambda: gate.note("settings"),
        gate.on_restraints, gate.on_restraint_changes, gate.on_habits, gate.on_habit_changes,
    )  # fmt: skip
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
