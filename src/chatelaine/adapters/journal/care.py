"""Looking after journals: compressed when closed, closed when their writer died, mended when damaged."""

import gzip
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from chatelaine.adapters.journal.place import (
    JournalLock,
    SegmentFile,
    archive_path,
    name_segment,
    newest_sequence,
    segment_path,
    segments,
    sync_directory,
)
from chatelaine.adapters.journal.reader import Source, Walk
from chatelaine.adapters.journal.writer import SegmentWriter
from chatelaine.core.codec import encode
from chatelaine.core.journal import HEADER_SIZE, frame, header, mended, read_header
from chatelaine.model.error import JournalError
from chatelaine.model.event import ExchangeInterrupted
from chatelaine.model.journal import OpenExchange, Position, SegmentHeader
from chatelaine.model.words import NEVER, Instant, WorkerNumber

_LEVEL: Final = 6
_CHUNK: Final = 1 << 20
_PIECE: Final = 64
_GZIP: Final = 31
"""zlib's word for a gzip stream with the largest window."""


def recover(
    directory: Path,
    worker: WorkerNumber,
    now: Instant,
    close: Callable[[OpenExchange], ExchangeInterrupted],
    charge: Callable[[ExchangeInterrupted], None],
) -> tuple[ExchangeInterrupted, ...]:
    """Give each exchange that a worker which died left open its one end, and return these.

    They are written to the worker's own journal, in a new segment, and are on the disk when this
    returns. Killed at any point it may be repeated, by itself or by whoever takes the journal over
    next: what was written is read again, and is left open no more. Each is charged before it is
    written, so that a repetition may charge twice, and never not at all.

    Raises:
        JournalError: the worker lives.
        OSError: the journal cannot be written.
    """
    writer = SegmentWriter(directory, worker)
    try:
        ends = tuple(map(close, writer.left_open))
        for end in ends:
            charge(end)
        if ends:
            writer.begin(writer.left_open, now, repeats=False)
            writer.write(b"".join(frame(encode(end)) for end in ends))
            writer.sync()
    finally:
        writer.close()
    return ends


def compress_closed(directory: Path) -> list[Path]:
    """Compress every segment that no writer will touch again; return the archives."""
    found = segments(directory)
    newest = {segment.worker: segment.sequence for segment in found}
    return [
        compress(segment.path)
        for segment in found
        if not segment.compressed and segment.sequence < newest[segment.worker]
    ]


def compress(path: Path) -> Path:
    """Compress a segment. A crash at any point leaves the segment, or both, or the archive alone."""
    archive = archive_path(path)
    fresh = archive.with_name(f"{archive.name}.tmp")
    with path.open("rb") as source, fresh.open("wb") as sink:
        with gzip.GzipFile("", "wb", _LEVEL, sink, mtime=0) as packed:
            shutil.copyfileobj(source, packed, _CHUNK)
        sink.flush()
        os.fsync(sink.fileno())
    with path.open("rb") as source, gzip.open(fresh) as unpacked:
        same = _checksum(source) == _checksum(unpacked)
    if not same:
        raise JournalError(f"{fresh}: the archive does not hold what the segment does", hint="check the disk")
    fresh.rename(archive)
    sync_directory(path.parent)
    path.unlink()
    return archive


def _checksum(source: Source) -> tuple[int, int]:
    size = checksum = 0
    while chunk := source.read(_CHUNK):
        size, checksum = size + len(chunk), zlib.crc32(chunk, checksum)
    return size, checksum


def check(directory: Path) -> list[JournalError]:
    """Return everything that is wrong with any journal in a directory."""
    faults: list[JournalError] = []
    for worker in sorted({segment.worker for segment in segments(directory)}):
        for _ in Walk(directory, worker, faults.append, patient=True).events():
            pass
    return faults


def mend(path: Path) -> Path:
    """Put a mended segment in place of a damaged one; return where the damaged one lies now.

    Every good record stays where it was, so that positions stay good; in place of the damage
    stand blank records.

    Raises:
        JournalError: it is no segment, or its worker is writing it.
        OSError: it cannot be read or the mended one not be written.
    """
    segment = name_segment(path)
    if segment is None:
        raise JournalError(f"{path}: not the name of a segment", hint="001-000000000001.seg is one")
    with _undisturbed(path.parent, segment):
        data = _read_what_can_be(segment)
        start = data[:HEADER_SIZE]
        if read_header(start) is None:
            start = _guessed_header(segment)
        plain = segment_path(path.parent, segment.worker, segment.sequence)
        fresh = plain.with_name(f"{plain.name}.mended")
        with fresh.open("wb") as sink:
            sink.write(start + mended(data[HEADER_SIZE:]))
            sink.flush()
            os.fsync(sink.fileno())
        aside = _free_name(path)
        # The damaged file has both names until the mended one is in place: a crash loses neither.
        aside.hardlink_to(path)
        fresh.rename(plain)
        if path != plain:
            path.unlink()
        sync_directory(path.parent)
    return aside


@contextmanager
def _undisturbed(directory: Path, segment: SegmentFile) -> Iterator[None]:
    if newest_sequence(directory, segment.worker) > segment.sequence:
        yield
        return
    lock = JournalLock(directory, segment.worker)
    try:
        yield
    finally:
        lock.release()


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.damaged-{number}") for number in count(1))
    return next(name for name in names if not name.exists())


def _read_what_can_be(segment: SegmentFile) -> bytes:
    if not segment.compressed:
        return segment.path.read_bytes()
    unpacker = zlib.decompressobj(_GZIP)
    parts = []
    with segment.path.open("rb") as source, suppress(zlib.error):
        # In small pieces: what the last good one gave is kept.
        while piece := source.read(_PIECE):
            parts.append(unpacker.decompress(piece))
    return b"".join(parts)


def _guessed_header(segment: SegmentFile) -> bytes:
    return header(SegmentHeader(segment.worker, segment.sequence, NEVER, Position(0, 0), repeats=False))
