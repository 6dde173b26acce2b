"""Where captured content lies, and how it is deleted: by age, by room, and by whose it is.

A segment's file is locked (``flock``) while a record is written to it and while it is deleted or
written anew without some of its records. A writer looks, under the lock, whether its file is still
in its place, and begins another segment where it is not. So content can be deleted at any time,
whoever is writing, and nobody needs to be asked.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from chatelaine.adapters.capture.form import Located, read_first_line, walk
from chatelaine.model.capture import PieceHead, Removed
from chatelaine.model.words import NEVER, Instant, WorkerNumber

_NAME: Final = re.compile(r"(\d{3,9})-(\d{12})\.capture")
_FRESH: Final = ".fresh"


class Segment(NamedTuple):
    """A segment by its name."""

    worker: WorkerNumber
    sequence: int
    path: Path


def segment_path(directory: Path, worker: WorkerNumber, sequence: int) -> Path:
    """Return where a segment lies."""
    return directory / f"{worker:03d}-{sequence:012d}.capture"


def segments(directory: Path) -> list[Segment]:
    """Return every segment, by worker and sequence."""
    named = ((path, _NAME.fullmatch(path.name)) for path in _files(directory))
    return sorted(
        Segment(WorkerNumber(int(name[1])), int(name[2]), path) for path, name in named if name is not None
    )


def _files(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []


def in_place(file: int, path: Path) -> bool:
    """Tell whether an open file still lies under its name."""
    try:
        return path.stat().st_ino == os.fstat(file).st_ino
    except FileNotFoundError:
        return False


@contextmanager
def hold(path: Path, *, wait: bool) -> Iterator[BinaryIO | None]:
    """Hold a segment's lock and give its file; None where it has gone, or is busy and not waited for."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield file if in_place(file.fileno(), path) else None


def sweep(directory: Path, before: Instant) -> Removed:
    """Delete every segment whose newest record is older than an instant, and what a killed purge left.

    Raises:
        OSError: a file cannot be read or deleted.
    """
    records = removed = 0
    for segment in segments(directory):
        with hold(segment.path, wait=False) as file:
            if file is None or _created_at(file) >= before:
                continue
            ages = [found.head.at for found in walk(file, _pass_over)]
            if max(ages, default=_written_at(file)) < before:
                segment.path.unlink()
                records, removed = records + len(ages), removed + 1
    _clear_leftovers(directory)
    return Removed(records, removed)


def _created_at(file: BinaryIO) -> Instant:
    head = read_first_line(file)
    return head.created_at if head is not None else NEVER


def _written_at(file: BinaryIO) -> Instant:
    return Instant(os.fstat(file.fileno()).st_mtime_ns)


def _pass_over(offset: int) -> None:
    """Damage is told of by who reads, not by who deletes."""
    del offset


def _clear_leftovers(directory: Path) -> None:
    for path in _files(directory):
        if path.suffix == _FRESH:
            with hold(path.with_suffix(""), wait=False) as file:
                if file is not None or not path.with_suffix("").exists():
                    path.unlink(missing_ok=True)


def make_room(directory: Path, wanted: int, most: int) -> bool:
    """Delete the oldest segments until ``wanted`` bytes more are ``most`` at the most; tell whether they are.

    The newest segment of every worker counts as full, since it is being written.

    Raises:
        OSError: a file cannot be read or deleted.
    """
    found = segments(directory)
    newest = {segment.worker: segment.sequence for segment in found}
    aged: list[tuple[int, int, Path]] = []
    for segment in found:
        with suppress(FileNotFoundError), segment.path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            live = segment.sequence == newest[segment.worker]
            aged.append((_created_at(file), max(size, wanted) if live else size, segment.path))
    total = wanted + sum(size for _, size, _ in aged)
    for _, size, path in sorted(aged):
        if total <= most:
            break
        with hold(path, wait=False) as held:
            if held is not None:
                path.unlink()
                total -= size
    return total <= most


def purge(directory: Path, unwanted: Callable[[PieceHead], bool]) -> Removed:
    """Delete every record that is not wanted any more; segments that keep others are written anew.

    Damaged stretches of a segment that is written anew go too: nobody can tell whose they are.

    Raises:
        OSError: a file cannot be read, written or deleted.
    """
    records = removed = 0
    for segment in segments(directory):
        with hold(segment.path, wait=True) as file:
            if file is None:
                continue
            found = list(walk(file, _pass_over))
            kept = [one for one in found if not unwanted(one.head)]
            if len(kept) == len(found):
                continue
            if kept:
                _write_anew(segment.path, file, kept)
            else:
                segment.path.unlink()
                removed += 1
            records += len(found) - len(kept)
    _sync(directory)
    return Removed(records, removed)


def _write_anew(path: Path, file: BinaryIO, kept: list[Located]) -> None:
    fresh = path.with_name(path.name + _FRESH)
    opened = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(opened, "wb") as sink:
        sink.write(_first_line_of(file))
        for found in kept:
            file.seek(found.start)
            sink.write(file.read(found.end - found.start))
        sink.flush()
        os.fsync(sink.fileno())
    shutil.copystat(path, fresh)
    fresh.rename(path)


def _first_line_of(file: BinaryIO) -> bytes:
    end = file.tell() if read_first_line(file) is not None else 0
    file.seek(0)
    return file.read(end)


def _sync(directory: Path) -> None:
    with suppress(FileNotFoundError):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
