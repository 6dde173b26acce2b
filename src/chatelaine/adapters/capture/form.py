"""The bytes of a segment of captured content, and the walk over them.

A segment is one line of JSON with its data key, sealed under the key-encryption key; then frames::

    head length u32le · sealed length u32le · crc32 u32le over both lengths and the head
    head: a PieceHead as JSON, in clear
    sealed: AES-256-GCM under the data key, nonce = the record's number, AAD = the head's bytes

Heads can be walked without any key. A record that was changed, or moved under another head, does
not open: head and piece are authenticated together (NIST SP 800-38D). Numbers never repeat under a
data key, since each segment has its own and one writer, and is never appended to by another
(§8.2.1, deterministic construction).
"""

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple
from zlib import crc32

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chatelaine.model.capture import PieceHead
from chatelaine.model.journal import Ending
from chatelaine.model.words import Instant, WorkerNumber
from chatelaine.ports import Sealer

DATA_KEY_BYTES: Final = 32
_FORMAT: Final = "chatelaine-capture"
_VERSION: Final = 1
_PREFIX: Final = struct.Struct("<III")
_LENGTHS: Final = struct.Struct("<II")
_NONCE_BYTES: Final = 12
_LONGEST_LINE: Final = 4096
_LONGEST_HEAD: Final = 1 << 20
_LINE_START: Final = b'{"format":'
_HEAD_START: Final = b'{"number":'


class SegmentHead(msgspec.Struct, frozen=True):
    """The first line of a segment: whose it is, and the key its records are encrypted with, sealed."""

    format: str
    version: int
    worker: WorkerNumber
    sequence: int
    created_at: Instant
    kek: str
    """Names the key-encryption key."""
    nonce: bytes
    sealed: bytes


class Located(NamedTuple):
    """A record found in a segment."""

    head: PieceHead
    raw: bytes
    """The head as it was written: what the piece is bound to."""
    start: int
    body: int
    end: int


_write: Final = msgspec.json.Encoder().encode
_read_line: Final = msgspec.json.Decoder(SegmentHead).decode
_read_head: Final = msgspec.json.Decoder(PieceHead).decode


def first_line(
    sealer: Sealer, data_key: bytes, *, worker: WorkerNumber, sequence: int, created_at: Instant
) -> bytes:
    """Return a segment's first line, with its data key sealed."""
    nonce, sealed = sealer.seal(data_key, bound_to=_binding(worker, sequence, created_at))
    kek = sealer.kek
    return _write(SegmentHead(_FORMAT, _VERSION, worker, sequence, created_at, kek, nonce, sealed)) + b"\n"


def _binding(worker: int, sequence: int, created_at: int) -> bytes:
    return f"capture|{worker}|{sequence}|{created_at}".encode()


def read_first_line(file: BinaryIO) -> SegmentHead | None:
    """Return what the first line of a segment says, or None where it cannot be read."""
    file.seek(0)
    line = file.readline(_LONGEST_LINE)
    try:
        found = _read_line(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    known = line.endswith(b"\n") and (found.format, found.version) == (_FORMAT, _VERSION)
    return found if known else None


def open_data_key(head: SegmentHead, sealer: Sealer) -> AESGCM:
    """Return the cipher of a segment.

    Raises:
        SealError: its key-encryption key is not configured, or the line was changed.
    """
    bound_to = _binding(head.worker, head.sequence, head.created_at)
    return AESGCM(sealer.open(head.nonce, head.sealed, bound_to=bound_to, kek=head.kek))


def frame(cipher: AESGCM, head: PieceHead, content: bytes) -> bytes:
    """Return a record's bytes."""
    raw = _write(head)
    sealed = cipher.encrypt(head.number.to_bytes(_NONCE_BYTES, "big"), content, raw)
    lengths = _LENGTHS.pack(len(raw), len(sealed))
    return b"%b%b%b%b" % (lengths, crc32(raw, crc32(lengths)).to_bytes(4, "little"), raw, sealed)


def open_frame(cipher: AESGCM, file: BinaryIO, found: Located) -> bytes | None:
    """Return the content of a record, or None where any bit of it or of its head was changed."""
    file.seek(found.body)
    sealed = file.read(found.end - found.body)
    try:
        return cipher.decrypt(found.head.number.to_bytes(_NONCE_BYTES, "big"), sealed, found.raw)
    except (InvalidTag, ValueError):
        return None


def walk(file: BinaryIO, on_damage: Callable[[int], None]) -> Iterator[Located]:
    """Yield every record of a segment, passing over damage; ``on_damage`` is told the offset of each.

    A record that is cut short at the end is what a killed writer leaves, or what a living one is
    about to complete: it is left out, and is no damage.
    """
    size = file.seek(0, 2)
    at = _after_first_line(file, size)
    while at < size:
        found = _locate(file, at, size)
        if isinstance(found, Located):
            yield found
            at = found.end
            continue
        following = _next_record(file, at + 1, size)
        if following is None:
            if found is Ending.BROKEN and not _is_blank(file, at):
                on_damage(at)
            return
        on_damage(at)
        at = following


def _after_first_line(file: BinaryIO, size: int) -> int:
    if read_first_line(file) is not None:
        return file.tell()
    file.seek(0)
    line = file.read(_LONGEST_LINE)
    if line.startswith(_LINE_START) and b"\n" not in line:
        # Its writer was killed before the line was whole.
        return size
    # Where the line itself is damaged, the search for the next record finds the way.
    return 0


def _locate(file: BinaryIO, at: int, size: int) -> Located | Ending:
    file.seek(at)
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        return Ending.TORN
    head_size, sealed_size, checksum = _PREFIX.unpack(prefix)
    if not 0 < head_size <= _LONGEST_HEAD:
        return Ending.BROKEN
    raw = file.read(head_size)
    body = at + _PREFIX.size + head_size
    if body + sealed_size > size and (len(raw) < head_size or _is_good(prefix, raw, checksum)):
        return Ending.TORN
    try:
        head = _read_head(raw) if _is_good(prefix, raw, checksum) else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        head = None
    return Ending.BROKEN if head is None else Located(head, raw, at, body, body + sealed_size)


def _is_good(prefix: bytes, raw: bytes, checksum: int) -> bool:
    return crc32(raw, crc32(prefix[: _LENGTHS.size])) == checksum


def _next_record(file: BinaryIO, start: int, size: int) -> int | None:
    file.seek(start)
    rest = file.read()
    at = rest.find(_HEAD_START, _PREFIX.size)
    while at >= 0:
        offset = start + at - _PREFIX.size
        if isinstance(_locate(file, offset, size), Located):
            return offset
        at = rest.find(_HEAD_START, at + 1)
    return None


def _is_blank(file: BinaryIO, at: int) -> bool:
    """Tell whether nothing but zeros follows: what a loss of power leaves."""
    file.seek(at)
    return not file.read().strip(b"\0")
