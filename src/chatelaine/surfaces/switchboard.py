"""The hub's lines to its gate workers: whole tables to who is new, changes to all, and who has them.

The tables are held here in memory, so that what a new line is sent and what is published meanwhile
stand in one order.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from chatelaine.core.link import frame, split
from chatelaine.model.key import VirtualKey
from chatelaine.model.link import Reach, Snapshot, WorkerHello, WorkerStanding, WorkerTold
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
    TableMessage,
)
from chatelaine.model.words import ActionId, Epoch, KeyId, ProviderKeyName, WorkerNumber

PATIENCE = 1.0
"""Seconds a reply waits for workers to acknowledge before it says which have not."""

_BACKLOG = 64 * 1024 * 1024
"""Bytes waiting for a worker that does not read; above this its line is cut, and it comes back anew."""

_NO_EPOCH = Epoch(0)
_Row = TypeVar("_Row", VirtualKey, Restraint, HabitTable)
_Told_contra = TypeVar("_Told_contra", contravariant=True)


@dataclass(slots=True, eq=False)
class Line:
    """One worker's connection, and what the hub knows of the worker."""

    hello: WorkerHello
    writer: asyncio.StreamWriter
    standing: WorkerStanding = field(default_factory=lambda: WorkerStanding(ready=False))
    acknowledged: Epoch = _NO_EPOCH
    snapshot: Snapshot = field(default_factory=Snapshot)
    waiting: list[bytes] | None = field(default_factory=list)
    """Frames held back until the whole tables have been sent; None from then on."""

    def send(self, framed: bytes) -> None:
        """Write a frame, or cut a line whose other end does not read."""
        if self.writer.is_closing():
            return
        if self.writer.transport.get_write_buffer_size() > _BACKLOG:
            self.writer.transport.abort()
            return
        self.writer.write(framed)

    def tell(self, framed: bytes) -> None:
        """Send a change, after the whole tables where these are still under way."""
        if self.waiting is None:
            self.send(framed)
        else:
            self.waiting.append(framed)


class Switchboard:
    """Pushes tables over all lines."""

    def __init__(
        self,
        keys: Iterable[VirtualKey],
        *,
        settings_digest: str,
        workers: int,
        restraints: Iterable[Restraint] = (),
        habits: Iterable[HabitTable] = (),
    ) -> None:
        self.epoch = Epoch(1)
        self.keys: dict[KeyId, VirtualKey] = {key.id: key for key in keys}
        self.restraints: dict[ActionId, Restraint] = {one.id: one for one in restraints}
        self.habits: dict[KeyId, HabitTable] = {table.key: table for table in habits}
        self.workers = workers
        self._secrets: dict[ProviderKeyName, bytes] = {}
        self._settings_digest = settings_digest
        self._lines: dict[WorkerNumber, Line] = {}
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def lines(self) -> Sequence[Line]:
        """The workers that are connected, by number."""
        return [self._lines[number] for number in sorted(self._lines)]

    def publish(self, keys: Sequence[VirtualKey]) -> None:
        """Push changed keys to every worker."""
        self.keys.update((key.id, key) for key in keys)
        for part in split(keys):
            self._push(KeysChanged(self._advance(), part))

    def publish_restraints(self, restraints: Sequence[Restraint], lifted: Sequence[ActionId] = ()) -> None:
        """Push restraints that were put on or changed, and those that were lifted, to every worker."""
        for action in lifted:
            self.restraints.pop(action, None)
        self.restraints.update((one.id, one) for one in restraints)
        if lifted:
            self._push(RestraintsChanged(self._advance(), (), tuple(lifted)))
        for part in split(restraints):
            self._push(RestraintsChanged(self._advance(), part))

    def publish_habits(self, tables: Sequence[HabitTable], forgotten: Sequence[KeyId] = ()) -> None:
        """Push habits as they now stand, and name keys that have none any more, to every worker.

        What is not named stays as it was; a key's ``answer`` and ``alarmed`` stand in its table.
        """
        for kid in forgotten:
            self.habits.pop(kid, None)
        self.habits.update((table.key, table) for table in tables)
        if forgotten:
            self._push(HabitsChanged(self._advance(), (), tuple(forgotten)))
        for part in split(tables):
            self._push(HabitsChanged(self._advance(), part))

    def publish_secrets(self, secrets: Mapping[ProviderKeyName, bytes]) -> None:
        """Push every provider key, opened, to every worker."""
        self._secrets = dict(secrets)
        self._push(SecretsSent(self._advance(), self._secrets))

    def publish_settings(self, digest: str) -> None:
        """Tell every worker to read the settings again, where they differ from what it has."""
        self._settings_digest = digest
        self._push(SettingsSent(self._advance(), digest))

    async def welcome(self, line: Line) -> None:
        """Send every table to a worker; what is published meanwhile follows after."""
        before = self._lines.get(line.hello.worker)
        if before is not None:
            before.writer.transport.abort()
        self._lines[line.hello.worker] = line
        epoch, keys = self.epoch, list(self.keys.values())
        restraints, habits = list(self.restraints.values()), list(self.habits.values())
        line.send(frame(SettingsSent(epoch, self._settings_digest)))
        line.send(frame(SecretsSent(epoch, self._secrets)))
        await _send_whole(line, restraints, partial(RestraintsSent, epoch))
        await _send_whole(line, habits, partial(HabitsSent, epoch))
        await _send_whole(line, keys, partial(KeysSent, epoch))
        held, line.waiting = line.waiting or [], None
        for framed in held:
            line.send(framed)

    def leave(self, line: Line) -> None:
        """Forget a line that has ended."""
        if self._lines.get(line.hello.worker) is line:
            del self._lines[line.hello.worker]

    def acknowledge(self, line: Line, epoch: Epoch) -> None:
        """Note that a worker decides by an epoch's tables."""
        line.acknowledged = Epoch(max(line.acknowledged, epoch))
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def reach(self) -> Reach:
        """Wait until every worker has what has been published, for ``PATIENCE`` at most."""
        epoch, started = self.epoch, time.perf_counter()
        while missing := self._missing(epoch):
            left = PATIENCE - (time.perf_counter() - started)
            if left <= 0:
                break
            await self._progress(left)
        took = (time.perf_counter() - started) * 1000
        return Reach(self.workers - len(missing), self.workers, round(took, 3), missing)

    def told(self) -> tuple[WorkerTold, ...]:
        """Return how every worker stands, also those that are not connected."""
        return tuple(self._told(WorkerNumber(number)) for number in range(1, self.workers + 1))

    def _told(self, number: WorkerNumber) -> WorkerTold:
        line = self._lines.get(number)
        if line is None:
            return WorkerTold(
                number, 0, connected=False, ready=False, draining=False, journal=False, epoch=_NO_EPOCH
            )
        stands = line.standing
        return WorkerTold(
            worker=number,
            pid=line.hello.pid,
            connected=True,
            ready=stands.ready,
            draining=stands.draining,
            journal=stands.journal,
            epoch=line.acknowledged,
        )

    def _missing(self, epoch: Epoch) -> tuple[int, ...]:
        return tuple(told.worker for told in self.told() if told.epoch < epoch)

    async def _progress(self, seconds: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.add(waiting)
        try:
            await asyncio.wait([waiting], timeout=seconds)
        finally:
            self._waiting.discard(waiting)

    def _advance(self) -> Epoch:
        self.epoch = Epoch(self.epoch + 1)
        return self.epoch

    def _push(self, message: TableMessage) -> None:
        framed = frame(message)
        for line in self._lines.values():
            line.tell(framed)


class _Part(Protocol[_Told_contra]):
    """Makes the message that carries a part of a whole table."""

    def __call__(self, rows: tuple[_Told_contra, ...], /, *, first: bool, last: bool) -> TableMessage:
        """Return the message."""
        ...


async def _send_whole(line: Line, rows: list[_Row], message: _Part[_Row]) -> None:
    first = True
    for part, last in _with_last(split(rows)):
        line.send(frame(message(part, first=first, last=last)))
        first = False
        # Other lines and commands get their turn between the parts of a long table.
        await asyncio.sleep(0)


def _with_last(parts: Iterator[tuple[_Row, ...]]) -> Iterator[tuple[tuple[_Row, ...], bool]]:
    """Yield each part and whether it is the last; an empty table is one empty part."""
    before = next(parts, ())
    for part in parts:
        yield before, False
        before = part
    yield before, True
