"""Writing segments: begun with what is open, appended to, and never trusted again once they failed."""

import os
from collections.abc import Iterable
from contextlib import suppress
from errno import EIO, ENOSPC
from pathlib import Path

from chatelaine.adapters.journal.place import JournalLock, newest_sequence, segment_path, sync_directory
from chatelaine.adapters.journal.reader import read_left_open
from chatelaine.core.journal import first_frame, header
from chatelaine.model.error import JournalUnavailable
from chatelaine.model.journal import OpenExchange, Position, SegmentHeader
from chatelaine.model.words import Instant, WorkerNumber


class SegmentWriter:
    """The segments of one worker, written by one process at a time."""

    def __init__(self, directory: Path, worker: WorkerNumber) -> None:
        """Take the worker's journal over from whoever wrote it last.

        Raises:
            JournalError: another process writes it.
            OSError: the directory cannot be used.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._worker = worker
        self._lock = JournalLock(directory, worker)
        try:
            self.left_open, self.end = read_left_open(directory, worker)
        except OSError:
            self._lock.release()
            raise
        # ``end``: behind the last record that was told durable.
        self._sequence = newest_sequence(directory, worker)
        self.file = -1
        self.written = 0
        """Bytes of the present segment, told durable or not."""

    def begin(self, still_open: Iterable[OpenExchange], created_at: Instant, *, repeats: bool) -> None:
        """Begin the next segment; the present one ends where its last durable record does.

        ``repeats``: what stands behind that is written again, from this segment's start.

        Raises:
            OSError: nothing changed.
        """
        if not self._lock.in_place:
            fresh = JournalLock(self._directory, self._worker)
            self._lock.release()
            self._lock = fresh
        self._sequence += 1
        told = SegmentHeader(self._worker, self._sequence, created_at, self.end, repeats)
        start = header(told) + first_frame(still_open)
        path = segment_path(self._directory, self._worker, self._sequence)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write(file, start)
            os.fdatasync(file)
            sync_directory(self._directory)
        except OSError:
            os.close(file)
            with suppress(OSError):
                path.unlink()
            raise
        if self.written > self.end.offset and self.file >= 0:
            # It is void now, and need not take up room.
            self.cut_back()
        self._close_file()
        self.file, self.written = file, len(start)
        self.settle()

    def write(self, data: bytes) -> None:
        """Append bytes to the present segment, in one call to the kernel where it takes them at once.

        Raises:
            OSError: some of the bytes may stand there; cut back, or begin a new segment.
        """
        count = os.write(self.file, data)
        if count != len(data):
            _write(self.file, data[count:])
        self.written += len(data)

    def cut_back(self) -> bool:
        """Cut off what is not known to be durable; return whether the segment can be written on."""
        try:
            os.ftruncate(self.file, self.end.offset)
        except OSError:
            return False
        self.written = self.end.offset
        return True

    def settle(self) -> None:
        """Take note that everything written so far is durable."""
        self.end = Position(self._sequence, self.written)

    def sync(self) -> None:
        """Put everything written so far on the disk.

        Raises:
            OSError: it may or may not be there, and asking again would not tell.
        """
        os.fdatasync(self.file)

    @property
    def gone(self) -> bool:
        """Whether the present segment was deleted under the writer."""
        return os.fstat(self.file).st_nlink == 0

    def close(self) -> None:
        """Close the present segment and let the journal go."""
        self._close_file()
        self._lock.release()

    def _close_file(self) -> None:
        if self.file >= 0:
            with suppress(OSError):
                os.close(self.file)
            self.file = -1


def _write(file: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        count = os.write(file, rest)
        if count == 0:
            raise OSError(EIO, os.strerror(EIO))
        rest = rest[count:]


def unusable(directory: Path, error: OSError) -> JournalUnavailable:
    """Return the error that says why a directory takes no journal."""
    full = error.errno == ENOSPC
    return JournalUnavailable(
        f"the journal in {directory} cannot be written: {error.strerror or error}",
        hint="free space on its disk"
        if full
        else f"let user {os.getuid()} write there, or set storage.directory to another place",
    )
