"""Segments on disk: their names, how they are read, compressed and mended."""

import gzip
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from chatelaine.core.codec import decode
from chatelaine.core.segment import frame as framed
from chatelaine.core.segment import read_header, unframe
from chatelaine.model.error import RecordUnknown, SegmentCorrupt
from chatelaine.model.event import Event, ExchangeOpened
from chatelaine.model.exchange import Caller
from chatelaine.model.words import ExchangeId, NanoUsd, WorkerNumber

_CARRIED: Final = b'{"carried":'


class Carried(msgspec.Struct, frozen=True):
    """An exchange that is under way: what recovery must know of it."""

    exchange: ExchangeId
    caller: Caller
    slot: int
    cost: NanoUsd


class _CarriedRecord(msgspec.Struct):
    carried: tuple[Carried, ...]


_CARRIED_DECODER = msgspec.json.Decoder(_CarriedRecord)


def carried_record(opened: Iterable[ExchangeOpened]) -> bytes:
    """Return the first record of a segment: the exchanges opened before it and not ended.

    So recovery reads a worker's newest segment only.
    """
    return msgspec.json.encode(_CarriedRecord(tuple(carry(one) for one in opened)))


def carry(opened: ExchangeOpened) -> Carried:
    """Return what recovery must know of an opened exchange."""
    return Carried(opened.exchange, opened.caller, opened.slot, opened.reserved.cost)


def segment_path(directory: Path, worker: WorkerNumber, sequence: int) -> Path:
    """Return where a segment lies; names order by worker, then by sequence, never by clock."""
    return directory / f"{worker:03d}-{sequence:010d}.log"


def segment_files(directory: Path) -> list[Path]:
    """Return every segment, oldest first within each worker; a half-made archive is passed over."""
    found: dict[str, Path] = {}
    for path in sorted(directory.glob("[0-9][0-9][0-9]-*.log*")):
        name = path.name.partition(".")[0]
        if path.suffix == ".gz":
            found.setdefault(name, path)
        elif path.suffix == ".log":
            # Beside an archive of the same name it is the original, which a crash left behind.
            found[name] = path
    return [found[name] for name in sorted(found)]


def worker_of(path: Path) -> WorkerNumber:
    """Return which worker wrote a segment."""
    return WorkerNumber(int(path.name[:3]))


def newest_sequence(directory: Path, worker: WorkerNumber) -> int:
    """Return the sequence of a worker's newest segment; 0 where it has none."""
    own = [path for path in segment_files(directory) if worker_of(path) == worker]
    return int(own[-1].name[4:14]) if own else 0


@dataclass(frozen=True, slots=True)
class Segment:
    """What a segment holds."""

    path: Path
    carried: tuple[Carried, ...]
    events: tuple[Event, ...]
    fault: SegmentCorrupt | None
    """What is wrong with it; the events before the damage are all there."""


def read_segment(path: Path) -> Segment:
    """Read a segment, plain or compressed; a record cut off at the end is what a crash leaves."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, gzip.BadGzipFile) as error:
        return Segment(path, (), (), _fault(path, 0, 0, str(error)))
    line_end = data.find(b"\n") + 1
    if not data:
        return Segment(path, (), (), None)
    if read_header(data[:line_end]) is None:
        return Segment(path, (), (), _fault(path, 0, 0, "it does not begin like a segment"))
    held = unframe(data, line_end)
    carried: tuple[Carried, ...] = ()
    events: list[Event] = []
    for record in held.records:
        try:
            if record.startswith(_CARRIED):
                carried = _CARRIED_DECODER.decode(record).carried
            else:
                events.append(decode(record))
        except (RecordUnknown, msgspec.MsgspecError) as error:
            return Segment(path, carried, tuple(events), _fault(path, held.end, len(events), str(error)))
    fault = _fault(path, held.end, len(events), "a record's checksum is wrong") if held.damaged else None
    return Segment(path, carried, tuple(events), fault)


def _fault(path: Path, offset: int, good: int, why: str) -> SegmentCorrupt:
    return SegmentCorrupt(
        f"{path}: damaged at byte {offset}, after {good} good records: {why}",
        hint="chatelaine doctor --mend-journal keeps the good records and moves the damaged file aside",
    )


def read_events(directory: Path) -> Iterator[Event]:
    """Yield every event of every segment, worker by worker, passing over what is damaged."""
    for path in segment_files(directory):
        yield from read_segment(path).events


def compress(path: Path) -> Path:
    """Compress a closed segment; the original goes only when the archive is safe on the disk."""
    archive = path.with_name(path.name + ".gz")
    fresh = path.with_name(path.name + ".gz.tmp")
    with fresh.open("wb") as sink:
        sink.write(gzip.compress(path.read_bytes(), 6))
        sink.flush()
        os.fsync(sink.fileno())
    fresh.rename(archive)
    path.unlink()
    return archive


def mend(path: Path) -> Path:
    """Keep the good records of a damaged segment and move the damaged file aside; return where to."""
    segment = read_segment(path)
    aside = path.with_name(path.name + ".damaged")
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    line_end = data.find(b"\n") + 1
    good = unframe(data, line_end)
    kept = data[:line_end] + b"".join(framed(record) for record in good.records[: len(segment.events) + 1])
    fresh = path.with_name(path.name + ".mended")
    fresh.write_bytes(gzip.compress(kept, 6) if path.suffix == ".gz" else kept)
    path.rename(aside)
    fresh.rename(path)
    return aside
