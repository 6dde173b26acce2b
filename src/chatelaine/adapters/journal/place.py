"""Where segments lie: their names, their order, and the lock of the process that writes them."""

import fcntl
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from chatelaine.model.error import JournalError
from chatelaine.model.words import WorkerNumber

_NAME: Final = re.compile(r"(\d{3,9})-(\d{12})\.seg(\.gz)?")
_NUMBERED: Final = re.compile(r"(\d{3,9})-(\d{12})\.seg.*")


class SegmentFile(NamedTuple):
    """A segment by its name; names order by worker and sequence, never by clock."""

    worker: WorkerNumber
    sequence: int
    path: Path
    compressed: bool


def segment_path(directory: Path, worker: WorkerNumber, sequence: int) -> Path:
    """Return where a segment lies while it is not compressed."""
    return directory / f"{worker:03d}-{sequence:012d}.seg"


def archive_path(path: Path) -> Path:
    """Return where a segment lies once it is compressed."""
    return path.with_name(f"{path.name}.gz")


def name_segment(path: Path) -> SegmentFile | None:
    """Return the segment that a file is by its name, or None."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    return SegmentFile(WorkerNumber(int(found[1])), int(found[2]), path, found[3] is not None)


def segments(directory: Path, worker: WorkerNumber | None = None) -> list[SegmentFile]:
    """Return every segment in order, each once: beside its archive the plain file is what a crash left."""
    found: dict[tuple[int, int], SegmentFile] = {}
    for name in _names(directory):
        segment = name_segment(directory / name)
        if segment is None or worker not in {None, segment.worker}:
            continue
        if not segment.compressed or segment[:2] not in found:
            found[segment[:2]] = segment
    return [found[key] for key in sorted(found)]


def workers(directory: Path) -> list[WorkerNumber]:
    """Return the workers that have segments."""
    return sorted({segment.worker for segment in segments(directory)})


def newest_sequence(directory: Path, worker: WorkerNumber) -> int:
    """Return the highest sequence a worker ever used, damaged files moved aside included; 0: none."""
    found = (_NUMBERED.fullmatch(name) for name in _names(directory))
    return max((int(one[2]) for one in found if one is not None and int(one[1]) == worker), default=0)


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 - names alone, a thousand of them, on every poll
    except FileNotFoundError:
        return []


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class JournalLock:
    """The lock that marks a worker's journal as being written; the kernel drops it with its holder."""

    def __init__(self, directory: Path, worker: WorkerNumber) -> None:
        """Take the lock.

        Raises:
            JournalError: another process holds it.
        """
        self._path = directory / f"{worker:03d}.lock"
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            os.close(self._file)
            raise JournalError(
                f"{self._path}: another process writes the journal of worker {worker}",
                hint="stop the other process, or let it write",
            ) from held

    @property
    def in_place(self) -> bool:
        """Whether the lock still lies where others look for it: its directory may have been replaced."""
        try:
            return self._path.stat().st_ino == os.fstat(self._file).st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let the lock go."""
        os.close(self._file)
