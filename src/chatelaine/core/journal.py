"""The journal's bytes: a header line, then frames; found whole, torn or broken; and mended.

A frame is ``length u32le, crc32 u32le over length and payload, payload``. The length is under
the checksum, so that a damaged one is not believed.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple
from zlib import crc32

from chatelaine.core.codec import encode_carried
from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.exchange import Caller
from chatelaine.model.journal import Carried, Ending, OpenExchange, Position, SegmentHeader
from chatelaine.model.words import ExchangeId, Instant, WorkerNumber

HEADER_SIZE: Final = 160
"""Bytes of the header line, padded with spaces, so that the first frame's place is known."""

FRAME_SIZE: Final = 8
"""Bytes of a frame beside its payload."""

LARGEST_PAYLOAD: Final = 1 << 26
"""Bytes; a longer frame is damage. The longest are what is carried over: 20,000 open exchanges are 6 MB."""

_RECORD_START: Final = b'{"kind":'
_LINE: Final = re.compile(
    rb"chatelaine-journal 1 worker=(\d{1,9}) sequence=(\d{1,12}) created_at=(-?\d{1,20})"
    rb" previous=(\d{1,12}):(\d{1,15}) repeats=(yes|no) crc32=[0-9a-f]{8} *\n"
)


class Unframed(NamedTuple):
    """What a run of bytes holds: payloads with the offset behind each, and how the run ends."""

    records: list[tuple[int, bytes]]
    end: int
    """The offset behind the last whole frame."""
    ending: Ending


def header(told: SegmentHeader) -> bytes:
    """Return a segment's header line."""
    line = (
        f"chatelaine-journal 1 worker={told.worker} sequence={told.sequence} created_at={told.created_at}"
        f" previous={told.previous.sequence}:{told.previous.offset}"
        f" repeats={'yes' if told.repeats else 'no'}"
    ).encode()
    return (line + b" crc32=%08x" % crc32(line)).ljust(HEADER_SIZE - 1) + b"\n"


def read_header(line: bytes) -> SegmentHeader | None:
    """Return what a segment's first ``HEADER_SIZE`` bytes say, or None where any bit is not as written."""
    found = _LINE.fullmatch(line)
    if found is None:
        return None
    worker, sequence, created_at, before, end = map(int, found.group(1, 2, 3, 4, 5))
    told = SegmentHeader(
        WorkerNumber(worker), sequence, Instant(created_at), Position(before, end), found[6] == b"yes"
    )
    return told if header(told) == line else None


def frame(payload: bytes) -> bytes:
    """Return a payload in its frame."""
    size = len(payload).to_bytes(4, "little")
    return b"".join((size, crc32(payload, crc32(size)).to_bytes(4, "little"), payload))


def first_frame(carried: Iterable[OpenExchange]) -> bytes:
    """Return the frame every segment begins with: what is open."""
    return frame(encode_carried(Carried(tuple(carried))))


def unframe(buffer: bytes, start: int = 0) -> Unframed:
    """Return every record from ``start`` on, up to the first bytes that are no whole frame."""
    records: list[tuple[int, bytes]] = []
    at, size = start, len(buffer)
    while at < size:
        payload = _payload_at(buffer, at)
        if isinstance(payload, Ending):
            return Unframed(records, at, payload)
        at += FRAME_SIZE + len(payload)
        records.append((at, payload))
    return Unframed(records, at, Ending.WHOLE)


def _payload_at(buffer: bytes, at: int) -> bytes | Ending:
    begin = at + FRAME_SIZE
    if begin > len(buffer):
        return Ending.TORN
    length = buffer[at : at + 4]
    end = begin + int.from_bytes(length, "little")
    if end - begin > LARGEST_PAYLOAD:
        return Ending.BROKEN
    if end > len(buffer):
        return Ending.TORN
    payload = buffer[begin:end]
    good = crc32(payload, crc32(length)) == int.from_bytes(buffer[at + 4 : begin], "little")
    return payload if good else Ending.BROKEN


def tell_ending(rest: bytes) -> Ending:
    """Return how a closed run of frames ends, given all bytes from its first that are no whole frame.

    A record that is cut short, or followed by zeros to the end, is what a crash or a power loss
    leaves (TORN). Anything else, and any whole record further on, is damage (BROKEN).
    """
    if next_frame(rest, FRAME_SIZE) is not None:
        return Ending.BROKEN
    # No payload ends in a zero byte, so zeros at the end were never written.
    return unframe(rest.rstrip(b"\0")).ending


def next_frame(buffer: bytes, start: int) -> int | None:
    """Return the offset of the first whole frame at ``start`` or later, or None."""
    at = buffer.find(_RECORD_START, start + FRAME_SIZE)
    while at >= 0:
        if isinstance(_payload_at(buffer, at - FRAME_SIZE), bytes):
            return at - FRAME_SIZE
        at = buffer.find(_RECORD_START, at + 1)
    return None


def salvage(body: bytes) -> list[Unframed]:
    """Return every run of whole frames in damaged bytes, offsets counted from the start of ``body``."""
    runs = [unframe(body)]
    while runs[-1].end < len(body):
        start = next_frame(body, runs[-1].end + FRAME_SIZE)
        if start is None:
            break
        runs.append(unframe(body, start))
    return runs


def mended(body: bytes) -> bytes:
    """Return the bytes with every whole record at its old offset, and frames of spaces for what is lost."""
    runs = salvage(body)
    parts = [body[: runs[0].end]]
    for before, run in pairwise(runs):
        start = run.end if not run.records else run.records[0][0] - FRAME_SIZE - len(run.records[0][1])
        parts.append(frame(b" " * (start - before.end - FRAME_SIZE)))
        parts.append(body[start : run.end])
    return b"".join(parts)


def blank(payload: bytes) -> bool:
    """Return whether a payload stands for a record that was lost."""
    return not payload.strip(b" ")


def carry(opened: ExchangeOpened) -> OpenExchange:
    """Return what must be known of an opened exchange to interrupt it."""
    caller = opened.caller
    return OpenExchange(
        opened.exchange,
        opened.worker,
        opened.at,
        Caller(caller.key, caller.owner, caller.app),
        opened.slot,
        opened.reserved.cost,
    )


def left_open(carried: Iterable[OpenExchange], events: Iterable[Event]) -> tuple[OpenExchange, ...]:
    """Return what was open at first or opened since, and did not end."""
    still: dict[ExchangeId, OpenExchange] = {one.exchange: one for one in carried}
    for event in events:
        if isinstance(event, ExchangeOpened):
            still[event.exchange] = carry(event)
        elif isinstance(event, ExchangeEnded | ExchangeInterrupted):
            still.pop(event.exchange, None)
    return tuple(still.values())
