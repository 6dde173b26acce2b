"""The journal of one process: records in segments of its own, made durable in groups.

What the order of writes promises. An opening is in the kernel's hands (``flush``) or on the disk
(``fsync``) before its callback says so, and only then does a byte go upstream. Ends and refusals
may wait a moment for company, since a crash before they are written leaves an opening without an
end, which recovery closes. A segment that failed once is never written again.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from errno import ENOSPC
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from chatelaine.adapters.segment import carried_record, newest_sequence, segment_path
from chatelaine.core.codec import encode
from chatelaine.core.segment import SegmentHeader, frame, write_header
from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import Event, ExchangeEnded, ExchangeOpened
from chatelaine.model.settings import Durability, JournalSettings
from chatelaine.model.words import SECOND, ExchangeId, WorkerNumber
from chatelaine.ports import Clock

_COMPANY: Final = 0.002
"""Seconds an end or a refusal waits for others to be written with."""
_RETRY: Final = 1.0
"""Seconds between attempts to begin a new segment after a failure."""
_MOST_OWED: Final = 200_000
"""Records held in memory while the disk fails; beyond it even ends are refused."""

Callback = Callable[[bool], None]


class SegmentJournal:
    """Appends events to segments; one instance a process, used on its loop."""

    def __init__(
        self, directory: Path, worker: WorkerNumber, settings: JournalSettings, clock: Clock
    ) -> None:
        self._directory = directory
        self._worker = worker
        self._fsync = settings.durability is Durability.FSYNC
        self._most_bytes = settings.segment_bytes
        self._most_age = int(settings.segment_age.total_seconds()) * SECOND
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._group: list[bytes] = []
        self._owed: list[bytes] = []
        """Frames of the group that must be written again if it fails: all but openings."""
        self._calls: list[Callback] = []
        self._syncing: tuple[list[Callback], list[bytes]] | None = None
        self._open: dict[ExchangeId, ExchangeOpened] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._soon = False
        self._file = -1
        self._size = 0
        self._born = 0
        self._sequence = newest_sequence(directory, worker)
        self._failed = ""
        self._orders: SimpleQueue[int | None] = SimpleQueue()
        self._thread = Thread(target=self._sync_forever, name="journal-sync", daemon=True)
        if self._fsync:
            self._thread.start()
        self._begin_segment()

    @property
    def available(self) -> bool:
        """Whether records can be made durable at present."""
        return not self._failed

    @property
    def failure(self) -> str:
        """Why records cannot be made durable; "" while they can."""
        return self._failed

    @property
    def waiting(self) -> int:
        """Records appended that are not yet written."""
        return len(self._group)

    def append(self, event: Event) -> None:
        """Add an event to the group that is written next.

        Raises:
            JournalUnavailable: while records cannot be made durable; ends are still taken, and
                written when the disk recovers.
        """
        opening = isinstance(event, ExchangeOpened)
        if self._failed and (opening or len(self._owed) >= _MOST_OWED):
            raise JournalUnavailable(
                f"the journal in {self._directory} cannot be written: {self._failed}",
                hint="free space or mend the disk; the gate takes requests again by itself",
            )
        framed = frame(encode(event))
        self._group.append(framed)
        if isinstance(event, ExchangeOpened):
            self._open[event.exchange] = event
            return
        self._owed.append(framed)
        if isinstance(event, ExchangeEnded):
            self._open.pop(event.exchange, None)
        if self._timer is None and not self._soon:
            self._timer = self._loop.call_later(_COMPANY, self._flush)

    def when_durable(self, call: Callback) -> None:
        """Call back once everything appended so far is durable (True) or is known not to be (False)."""
        self._calls.append(call)
        if not self._soon:
            self._soon = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._soon = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._failed or self._syncing is not None:
            # A failed journal is written by ``_recover``; a sync under way takes this group next.
            return
        if self._size > self._most_bytes or self._clock.elapsed() - self._born > self._most_age:
            self._rotate()
        if self._group and not self._write():
            return
        calls, self._calls = self._calls, []
        if self._fsync:
            if calls or self._owed:
                owed, self._owed = self._owed, []
                self._syncing = (calls, owed)
                self._orders.put(self._file)
        else:
            self._owed = []
            _tell(calls, durable=True)

    def _write(self) -> bool:
        group, self._group = self._group, []
        data = memoryview(b"".join(group))
        written = 0
        try:
            while written < len(data):
                written += os.write(self._file, data[written:])
        except OSError as error:
            # Cut the torn group off, so that what was written before stays readable to its end.
            with suppress(OSError):
                os.ftruncate(self._file, self._size)
            self._fail(error)
            return False
        self._size += written
        return True

    # Syncing, in a thread of its own: the loop goes on while the disk works.

    def _sync_forever(self) -> None:
        while (file := self._orders.get()) is not None:
            fault: OSError | None = None
            try:
                os.fdatasync(file)
            except OSError as error:
                fault = error
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._synced, fault)

    def _synced(self, fault: OSError | None) -> None:
        if self._syncing is None:
            return
        calls, owed = self._syncing
        self._syncing = None
        if fault is not None:
            # The kernel may have dropped the pages and report success next time: never ask again.
            self._owed = owed + self._owed
            self._calls = calls + self._calls
            self._fail(fault)
            return
        _tell(calls, durable=True)
        if self._calls or self._group:
            self._flush()

    # Segments.

    def _begin_segment(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        sequence = self._sequence + 1
        path = segment_path(self._directory, self._worker, sequence)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._sequence = sequence
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            start = write_header(SegmentHeader(self._worker, sequence, self._clock.now()))
            start += frame(carried_record(self._open.values()))
            _write_whole(file, start)
            _sync_directory(self._directory)
        except OSError:
            os.close(file)
            raise
        self._file, self._size, self._born = file, len(start), self._clock.elapsed()

    def _rotate(self) -> None:
        old = self._file
        try:
            self._begin_segment()
        except OSError:
            # The old segment still takes records; a new one is tried at the next flush.
            return
        if self._fsync:
            with suppress(OSError):
                os.fdatasync(old)
        os.close(old)

    def _fail(self, error: OSError) -> None:
        self._failed = error.strerror or type(error).__name__
        self._group = []
        calls, self._calls = self._calls, []
        _tell(calls, durable=False)
        self._loop.call_later(_RETRY, self._recover)

    def _recover(self) -> None:
        """Begin a new segment and write what is owed; until that works, try again every second."""
        with suppress(OSError):
            os.close(self._file)
        self._file = -1
        try:
            self._begin_segment()
        except OSError as error:
            self._failed = error.strerror or type(error).__name__
            self._loop.call_later(_RETRY, self._recover)
            return
        self._failed = ""
        self._group = list(self._owed)
        self._flush()

    def close(self) -> None:
        """Write and sync what is left, and stop."""
        if self._group and not self._failed:
            self._write()
        if self._file >= 0:
            if not self._failed:
                with suppress(OSError):
                    os.fdatasync(self._file)
            os.close(self._file)
            self._file = -1
        self._orders.put(None)
        calls, self._calls = self._calls, []
        _tell(calls, durable=not self._failed)


def _tell(calls: list[Callback], *, durable: bool) -> None:
    for call in calls:
        call(durable)


def _write_whole(file: int, data: bytes) -> None:
    if os.write(file, data) != len(data):
        raise OSError(ENOSPC, os.strerror(ENOSPC))


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
