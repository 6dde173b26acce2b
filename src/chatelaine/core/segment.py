"""The journal's bytes: a header line, then frames that say their length and checksum."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from chatelaine.model.words import Instant, WorkerNumber

MAGIC = b"chatelaine journal 1 "
LIMIT = 16 * 1024 * 1024
"""Bytes of one record at most; a longer length is damage."""

_HEAD = struct.Struct("<II")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """The first line of a segment."""

    worker: WorkerNumber
    sequence: int
    created_at: Instant


def write_header(header: SegmentHeader) -> bytes:
    """Return a segment's first line."""
    return MAGIC + b"%d %d %d\n" % (header.worker, header.sequence, header.created_at)


def read_header(line: bytes) -> SegmentHeader | None:
    """Return what a segment's first line says; None where it is none."""
    if not line.startswith(MAGIC) or not line.endswith(b"\n"):
        return None
    words = line[len(MAGIC) :].split()
    if len(words) != len(SegmentHeader.__slots__) or not all(word.isdigit() for word in words):
        return None
    worker, sequence, created = (int(word) for word in words)
    return SegmentHeader(WorkerNumber(worker), sequence, Instant(created))


def frame(payload: bytes) -> bytes:
    """Return a record in its frame; the checksum covers length and record."""
    length = _LENGTH.pack(len(payload))
    return length + _LENGTH.pack(crc32(payload, crc32(length))) + payload


@dataclass(frozen=True, slots=True)
class Unframed:
    """What a run of bytes held: whole records, and where they end."""

    records: tuple[bytes, ...]
    end: int
    """Offset after the last whole record."""
    damaged: bool
    """True where what follows cannot be the beginning of a record; False where it only is cut off."""


def unframe(data: bytes, start: int = 0) -> Unframed:
    """Read every whole record from an offset on.

    A crash leaves a record cut off at the end, which is no damage; a wrong checksum or an
    impossible length is.
    """
    records: list[bytes] = []
    at = start
    for end, payload in _frames(data, start):
        if payload is None:
            return Unframed(tuple(records), at, damaged=True)
        records.append(payload)
        at = end
    return Unframed(tuple(records), at, damaged=False)


def _frames(data: bytes, at: int) -> Iterator[tuple[int, bytes | None]]:
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        if length > LIMIT:
            yield at, None
            return
        end = at + _HEAD.size + length
        if end > len(data):
            return
        payload = data[at + _HEAD.size : end]
        if crc32(payload, crc32(data[at : at + 4])) != checksum:
            yield at, None
            return
        yield end, payload
        at = end
