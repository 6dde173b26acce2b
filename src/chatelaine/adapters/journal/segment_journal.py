"""The journal of one process: records gathered in groups, written at once, made durable together.

What the order of writes promises. An opening is in the kernel's hands (``flush``) or on the disk
(``fsync``) before its callback says so, and only then does a byte go upstream. Ends and refusals
may wait a moment for company: a crash before they are written leaves an opening without an end,
which recovery closes. A group that found no room is cut off again and comes anew in its place. A
segment that failed in any other way is never written again: what it was not known to hold stands
at the start of the next one, and a reader takes it from there.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from errno import EDQUOT, EFBIG, ENOENT, ENOSPC
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final, Protocol

from chatelaine.adapters.journal.pulse import Pulse
from chatelaine.adapters.journal.writer import SegmentWriter, unusable
from chatelaine.core.codec import encode
from chatelaine.core.journal import carry, frame
from chatelaine.model.error import JournalError, JournalUnavailable
from chatelaine.model.event import AdminActed, Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.journal import OpenExchange
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import SECOND, ExchangeId, WorkerNumber
from chatelaine.ports import Clock, Telemetry

_COMPANY: Final = 0.002
"""Seconds an end or a refusal waits for others to be written with."""

_GATHERING: Final = 0.001
"""Seconds a group gathers under load: a sync costs 60 µs of a core, whatever it holds."""

_LOAD: Final = 8
"""Callbacks in one group from which on the service counts as under load."""

_RETRY: Final = 1.0
"""Seconds between attempts to begin a new segment after a failure."""

_ALONE: Final = SECOND // 5000
"""Nanoseconds after the last write from which on nobody else is expected in the same round of the loop."""

_LOOK: Final = SECOND // 4
"""Nanoseconds between looks at the age and the whereabouts of the present segment."""

_FULL: Final = frozenset({ENOSPC, EDQUOT, EFBIG})

_ENDS: Final = (ExchangeEnded, ExchangeInterrupted)

Callback = Callable[[bool], None]


class Scheduler(Protocol):
    """The part of an event loop that the journal needs; every asyncio loop is one."""

    def call_soon(self, callback: Callable[[], object], /) -> object:
        """Call once this round of the loop is over."""
        ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> object:
        """Call after so many seconds."""
        ...

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object:
        """Call on the loop, from another thread."""
        ...


@dataclass(slots=True)
class Group:
    """Records that become durable together, and whom to tell."""

    frames: list[bytes] = field(default_factory=list)
    calls: list[Callback] = field(default_factory=list)
    opened: list[ExchangeId] = field(default_factory=list)
    closed: list[ExchangeOpened | OpenExchange] = field(default_factory=list)
    """What its records end."""
    fault: OSError | None = None


class SegmentJournal:
    """Appends events to a worker's own segments; one a process, used on its loop."""

    def __init__(
        self,
        directory: Path,
        worker: WorkerNumber,
        settings: JournalSettings,
        clock: Clock,
        loop: Scheduler | None = None,
    ) -> None:
        """Take a worker's journal over and begin a segment; ``loop``: the running one, unless given.

        Where the disk takes no segment, the journal begins as not available, and tries on.

        Raises:
            JournalUnavailable: the directory cannot be used at all.
            JournalError: another process writes this worker's journal.
        """
        self._directory = directory
        self._worker = worker
        self._settings = settings
        self._clock = clock
        self._loop: Scheduler = asyncio.get_running_loop() if loop is None else loop
        self._fsync = settings.durability is Durability.FSYNC
        self._oldest = int(settings.segment_age.total_seconds() * SECOND)
        self._group = Group()
        self._syncing: Group | None = None
        self._due = self._timed = self._closed = self._usable = False
        self._failure = ""
        self._failed_at = self._unwritten = 0
        self._pulse = Pulse()
        self._begun = self._looked = self._written_at = clock.elapsed()
        try:
            self._writer = SegmentWriter(directory, worker)
        except OSError as error:
            raise unusable(directory, error) from error
        self._open: dict[ExchangeId, ExchangeOpened | OpenExchange] = {
            one.exchange: one for one in self._writer.left_open
        }
        self._orders: SimpleQueue[Group | None] = SimpleQueue()
        self._syncer = Thread(target=self._sync_forever, name="journal-sync", daemon=True)
        if self._fsync:
            self._syncer.start()
        why = self._begin(repeats=False)
        if why:
            self._give_up(why)

    @property
    def available(self) -> bool:
        """Whether records can be made durable at present."""
        return not self._failure

    @property
    def failure(self) -> str:
        """Why records cannot be made durable; "" while they can."""
        return self._failure

    @property
    def waiting(self) -> int:
        """Records appended that are not written yet."""
        return len(self._group.frames)

    def tell(self, telemetry: Telemetry) -> None:
        """Count for operators what happened since this was last called."""
        unsynced = self._syncing.frames if self._syncing is not None else []
        self._pulse.tell(telemetry, waiting=self.waiting + len(unsynced))

    @property
    def left_open(self) -> tuple[OpenExchange, ...]:
        """What an earlier writer of this journal opened and did not end, when this one took it over."""
        return self._writer.left_open

    def append(self, event: Event) -> None:
        """Add an event to the group that is written next.

        Raises:
            JournalUnavailable: while records cannot be made durable; the end of an exchange whose
                opening was taken is always taken, and written when the disk recovers.
        """
        group = self._group
        if isinstance(event, ExchangeOpened):
            if self._failure:
                self._refuse()
            self._open[event.exchange] = event
            group.opened.append(event.exchange)
        elif isinstance(event, _ENDS):
            opened = self._open.pop(event.exchange, None)
            if opened is not None:
                group.closed.append(opened)
            elif self._failure:
                self._refuse()
        elif self._failure:
            self._refuse()
        group.frames.append(frame(encode(event)))
        self._pulse.appended[type(event)] += 1
        if not self._timed:
            self._timed = True
            self._loop.call_later(_COMPANY, self._time_out)

    def when_durable(self, call: Callback) -> None:
        """Call back once everything appended so far is durable (True) or is known not to be (False)."""
        if self._failure:
            self._loop.call_soon(partial(call, False))
            return
        self._group.calls.append(call)
        alone = not self._fsync and self._clock.elapsed() - self._written_at > _ALONE
        if alone and not self._due:
            self._write()
        elif not self._due:
            self._due = True
            self._loop.call_soon(self._fall_due)

    def close(self) -> None:
        """Write and sync what is left, tell everybody, and let the journal go."""
        if self._closed:
            return
        self._closed = True
        self._stop_syncing()
        if self._failure:
            self._failure = "" if self._usable else self._begin(repeats=True)
        self._fsync = True
        while not self._failure and (self._group.frames or self._group.calls):
            self._write()
        calls, self._group.calls = self._group.calls, []
        self._tell(iter(calls), durable=False)
        self._failure = self._failure or "it is closed"
        self._writer.close()

    def _refuse(self) -> None:
        self._unwritten += 1
        raise JournalUnavailable(
            f"the journal in {self._directory} cannot be written: {self._failure}",
            hint="free space or mend the disk; the journal tries again every second by itself",
        )

    # When a group is written: soon if somebody waits for it, else after a moment.

    def _fall_due(self) -> None:
        self._due = False
        self._write()

    def _time_out(self) -> None:
        self._timed = False
        self._write()

    def _write(self) -> None:
        group = self._group
        if self._failure or self._syncing is not None or not (group.frames or group.calls):
            return
        if group.frames:
            try:
                self._look()
                self._writer.write(b"".join(group.frames))
            except OSError as error:
                self._pulse.failures += 1
                self._fail(error)
                return
        self._group = Group()
        if not self._fsync or not group.frames:
            self._settle(group)
            self._tell(iter(group.calls), durable=True)
            return
        self._syncing = group
        if self._closed:
            self._sync(group)
            self._synced(group)
        else:
            self._orders.put(group)

    def _settle(self, group: Group) -> None:
        if group.frames:
            self._pulse.groups.append(self._clock.elapsed() - self._written_at)
        self._writer.settle()
        if self._writer.written >= self._settings.segment_bytes:
            self._rotate()

    def _tell(self, calls: Iterator[Callback], *, durable: bool) -> None:
        try:
            for call in calls:
                call(durable)
        finally:
            # Whoever raises is not to keep the others waiting for ever.
            rest = list(calls)
            if rest:
                self._loop.call_soon(partial(self._tell, iter(rest), durable=durable))

    def _look(self) -> None:
        self._written_at = now = self._clock.elapsed()
        if now - self._looked < _LOOK:
            return
        self._looked = now
        if self._writer.gone:
            raise FileNotFoundError(ENOENT, "its segment was deleted")
        if now - self._begun >= self._oldest:
            self._rotate()

    # Syncing, in a thread of its own: the loop goes on, and the next group gathers, while the disk works.

    def _sync_forever(self) -> None:
        while (group := self._orders.get()) is not None:
            self._sync(group)
            with suppress(RuntimeError):  # the loop was closed before the journal
                self._loop.call_soon_threadsafe(partial(self._synced, group))

    def _sync(self, group: Group) -> None:
        try:
            self._writer.sync()
        except OSError as error:
            group.fault = error

    def _synced(self, group: Group) -> None:
        if self._syncing is not group:
            return
        self._syncing = None
        if group.fault is not None:
            self._pulse.failures += 1
            self._renew(group, group.fault)
            return
        self._settle(group)
        # Ends that nobody waits for, and whose moment came during the sync, have no other call left.
        late = bool(self._group.frames) and not self._timed
        if (self._group.calls or late) and not self._due:
            self._write_on(group)
        self._tell(iter(group.calls), durable=True)

    def _write_on(self, group: Group) -> None:
        if len(group.calls) >= _LOAD:
            self._due = True
            self._loop.call_later(_GATHERING, self._fall_due)
        else:
            self._write()

    def _stop_syncing(self) -> None:
        if self._syncer.is_alive():
            self._orders.put(None)
            self._syncer.join()
        if self._syncing is not None:
            self._synced(self._syncing)

    # Segments that follow: in their time, after a failed sync, and after a failure that lasted.

    def _still_open(self) -> list[OpenExchange]:
        """Return what is open where the present segment ends: without what waits to be written."""
        waiting = frozenset(self._group.opened)
        still = (*self._open.values(), *self._group.closed)
        return [
            carry(one) if isinstance(one, ExchangeOpened) else one
            for one in still
            if one.exchange not in waiting
        ]

    def _begin(self, *, repeats: bool) -> str:
        """Begin the next segment; return why it could not be, or ""."""
        try:
            self._writer.begin(self._still_open(), self._clock.now(), repeats=repeats)
        except (OSError, JournalError) as error:
            return str(error)
        self._begun = self._looked = self._clock.elapsed()
        self._failure = ""
        return ""

    def _rotate(self) -> None:
        # Where the next segment cannot be begun, the present one still takes records.
        self._begin(repeats=False)

    def _take_back(self, group: Group) -> None:
        """Put a group that is not durable before what has gathered since."""
        group.frames += self._group.frames
        group.calls += self._group.calls
        group.opened += self._group.opened
        group.closed += self._group.closed
        group.fault = None
        self._group = group

    def _renew(self, group: Group, fault: OSError) -> None:
        # The kernel may have dropped the pages and report success next time: never ask again.
        self._take_back(group)
        if self._begin(repeats=True):
            self._fail(fault)
        else:
            self._write()

    def _fail(self, error: OSError) -> None:
        calls, self._group.calls = self._group.calls, []
        # A full disk spoils nothing. What a reader already saw of the group comes again where it stood.
        self._usable = error.errno in _FULL and self._writer.cut_back()
        self._give_up(error.strerror or type(error).__name__)
        self._tell(iter(calls), durable=False)

    def _give_up(self, why: str) -> None:
        self._failure = why
        self._failed_at = self._clock.elapsed()
        if not self._closed:
            self._loop.call_later(_RETRY, self._recover)

    def _recover(self) -> None:
        """Write what is owed, in a new segment if need be; until that works, try again every second."""
        if self._closed:
            return
        failed_at, refused = self._failed_at, self._unwritten
        why = "" if self._usable else self._begin(repeats=True)
        self._failure = why
        if why:
            self._loop.call_later(_RETRY, self._recover)
            return
        self._write()
        if self._failure:
            self._failed_at = failed_at
            return
        self._unwritten = 0
        lasted = (self._clock.elapsed() - failed_at) / SECOND
        detail = f"after {lasted:.1f} s; {refused} records were refused meanwhile"
        by = f"worker {self._worker}"
        self.append(AdminActed(self._clock.now(), "journal.recover", by, "recovered", detail))
