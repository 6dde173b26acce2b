"""A gate worker's line to the hub: tables come in, acknowledgements and counts go out.

The line comes back by itself. While the hub is away the worker goes on with its last tables.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from chatelaine.core.link import TABLES, Frames, frame
from chatelaine.model.error import WireError
from chatelaine.model.key import KeyState, VirtualKey
from chatelaine.model.link import (
    LINK_VERSION,
    Acknowledged,
    KeyUsed,
    Measured,
    Message,
    Snapshot,
    WorkerHello,
    WorkerMessage,
    WorkerStanding,
)
from chatelaine.model.playbook import HabitTable, Restraint
from chatelaine.model.push import (
    HabitsChanged,
    HabitsSent,
    KeysChanged,
    KeysSent,
    RestraintsChanged,
    RestraintsSent,
    SecretsSent,
    SettingsSent,
)
from chatelaine.model.words import ActionId, Epoch, KeyId, ProviderKeyName, WorkerNumber

_READ = 256 * 1024
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5
_BACKLOG = 4 * 1024 * 1024
"""Bytes waiting for a hub that does not read; above this the line is cut and made again."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What a worker does with what the hub sends; each is called on the loop and must not block."""

    on_keys: Callable[[Sequence[VirtualKey]], None]
    """The whole key table: what is not in it is gone."""
    on_changes: Callable[[Sequence[VirtualKey]], None]
    """Keys as they now stand; streams of a key that may no longer be used are cut in here."""
    on_secrets: Callable[[Mapping[ProviderKeyName, bytes]], None]
    """Every provider key of the vault, opened."""
    on_settings: Callable[[], None]
    """The settings have changed and were found to be valid: read them again."""
    on_restraints: Callable[[Sequence[Restraint]], None]
    """All restraints that stand; streams of clients that are now refused are cut in here and below."""
    on_restraint_changes: Callable[[Sequence[Restraint], Sequence[ActionId]], None]
    """Restraints as they now stand, and those that were lifted."""
    on_habits: Callable[[Sequence[HabitTable]], None]
    """The habits of all settled keys."""
    on_habit_changes: Callable[[Sequence[HabitTable], Sequence[KeyId]], None]
    """Habits as they now stand, and keys that have none any more."""


class HubLink:
    """Keeps one worker's line to the hub."""

    def __init__(
        self, socket: Path, worker: WorkerNumber, reception: Reception, *, snapshot: Callable[[], Snapshot]
    ) -> None:
        self.complete = asyncio.Event()
        """Set once every table has come; it stays set."""
        self.connected = False
        self._socket = socket
        self._worker = worker
        self._reception = reception
        self._snapshot = snapshot
        self._parts: list[VirtualKey] = []
        self._restraints: list[Restraint] = []
        self._habits: list[HabitTable] = []
        self._standing: WorkerStanding | None = None
        self._used: set[KeyId] = set()
        self._settings_digest = ""
        self._heard = False
        self._missing: set[type[Message]] = {
            *(KeysSent, SecretsSent, SettingsSent, RestraintsSent, HabitsSent)
        }
        self._writer: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Keep the line until cancelled."""
        pause = _FIRST_PAUSE
        while True:
            self._heard = False
            with suppress(OSError):
                reader, writer = await asyncio.open_unix_connection(str(self._socket))
                await self._hold(reader, writer)
            pause = _FIRST_PAUSE if self._heard else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause)

    def report_used(self, kid: KeyId) -> None:
        """Tell the hub that an issued key was used; told again after a lost line until it is active."""
        if kid not in self._used:
            self._used.add(kid)
            self._send(KeyUsed(kid))

    def report_standing(self, standing: WorkerStanding) -> None:
        """Tell the hub how this worker stands; ready means that it takes traffic."""
        if standing != self._standing:
            self._standing = standing
            self._send(standing)

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer, self.connected = writer, True
        self._greet()
        counting = asyncio.create_task(self._count_every_second())
        try:
            await self._read(reader)
        finally:
            counting.cancel()
            self._writer, self.connected = None, False
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _greet(self) -> None:
        serving = self.complete.is_set()
        self._send(WorkerHello(self._worker, os.getpid(), os.getppid(), LINK_VERSION, serving))
        if self._standing is not None:
            self._send(self._standing)
        for kid in self._used:
            self._send(KeyUsed(kid))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = Frames(TABLES)
        with suppress(OSError, WireError):
            while data := await reader.read(_READ):
                for message in frames.feed(data):
                    self._heard = True
                    self._take(message)

    def _take(self, message: Message) -> None:
        match message:
            case KeysSent():
                self._take_part(message)
            case KeysChanged():
                self._used.difference_update(key.id for key in message.keys)
                self._reception.on_changes(message.keys)
                self._acknowledge(message.epoch)
            case SecretsSent():
                self._reception.on_secrets(message.secrets)
                self._arrived(SecretsSent, message.epoch)
            case SettingsSent():
                self._take_settings(message)
            case RestraintsSent() | RestraintsChanged():
                self._take_restraints(message)
            case HabitsSent() | HabitsChanged():
                self._take_habits(message)
            case _:
                raise WireError(f"a {type(message).__name__} is not expected here")

    def _take_part(self, part: KeysSent) -> None:
        if part.first:
            self._parts = []
        self._parts.extend(part.keys)
        if part.last:
            self._used &= {key.id for key in self._parts if key.state is KeyState.ISSUED}
            self._reception.on_keys(self._parts)
            self._parts = []
            self._arrived(KeysSent, part.epoch)

    def _take_restraints(self, message: RestraintsSent | RestraintsChanged) -> None:
        if isinstance(message, RestraintsChanged):
            self._reception.on_restraint_changes(message.restraints, message.lifted)
            self._acknowledge(message.epoch)
            return
        self._restraints = [*([] if message.first else self._restraints), *message.restraints]
        if message.last:
            whole, self._restraints = self._restraints, []
            self._reception.on_restraints(whole)
            self._arrived(RestraintsSent, message.epoch)

    def _take_habits(self, message: HabitsSent | HabitsChanged) -> None:
        if isinstance(message, HabitsChanged):
            self._reception.on_habit_changes(message.habits, message.forgotten)
            self._acknowledge(message.epoch)
            return
        if message.first:
            self._habits = []
        self._habits.extend(message.habits)
        if message.last:
            whole, self._habits = self._habits, []
            self._reception.on_habits(whole)
            self._arrived(HabitsSent, message.epoch)

    def _take_settings(self, message: SettingsSent) -> None:
        if self._settings_digest not in {"", message.digest}:
            self._reception.on_settings()
        self._settings_digest = message.digest
        self._arrived(SettingsSent, message.epoch)

    def _arrived(self, kind: type[Message], epoch: Epoch) -> None:
        self._missing.discard(kind)
        if not self._missing:
            self.complete.set()
        self._acknowledge(epoch)

    def _acknowledge(self, epoch: Epoch) -> None:
        self._send(Acknowledged(epoch))

    async def _count_every_second(self) -> None:
        while True:
            self._send(Measured(self._snapshot()))
            await asyncio.sleep(1)

    def _send(self, message: WorkerMessage) -> None:
        writer = self._writer
        if writer is None or writer.is_closing():
            return
        if writer.transport.get_write_buffer_size() > _BACKLOG:
            writer.transport.abort()
            return
        writer.write(frame(message))
