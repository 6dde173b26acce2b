"""Reading journals: over plain and compressed segments in order, from a position on, past damage."""

import gzip
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Final, TypeAlias

from chatelaine.adapters.journal.place import SegmentFile, archive_path, segments, workers
from chatelaine.core.codec import decode, decode_carried
from chatelaine.core.journal import (
    FRAME_SIZE,
    HEADER_SIZE,
    blank,
    left_open,
    read_header,
    salvage,
    tell_ending,
    unframe,
)
from chatelaine.model.error import JournalError, RecordUnknown, SegmentCorrupt
from chatelaine.model.event import Event
from chatelaine.model.journal import Carried, Ending, OpenExchange, Position, SegmentHeader
from chatelaine.model.words import Instant, WorkerNumber

START: Final = Position(0, 0)
_CHUNK: Final = 1 << 20
_UNREADABLE: Final = (EOFError, gzip.BadGzipFile, zlib.error)

Source: TypeAlias = BufferedReader | gzip.GzipFile
OnFault: TypeAlias = Callable[[JournalError], None]


def raise_fault(fault: JournalError) -> None:
    """Stop reading at the first fault."""
    raise fault


def open_segment(segment: SegmentFile) -> Source:
    """Open a segment as it was written, also if it is being compressed at this moment.

    Raises:
        OSError: neither it nor its archive is there.
    """
    if not segment.compressed:
        try:
            return segment.path.open("rb")
        except FileNotFoundError:
            return gzip.open(archive_path(segment.path))
    return gzip.open(segment.path)


@dataclass(slots=True)
class Scan:
    """One segment, read from an offset on; what it turned out to be stands here when it is read."""

    source: Source
    end: int
    """The offset behind the last whole record so far."""
    stop: int | None = None
    """The offset at which the segment ends by what its successor says."""
    good: int = 0
    damaged_at: int | None = None
    resumed: bool = False
    """Whether whole records stand behind the damage."""
    size: int = 0
    """The offset up to which bytes were read."""

    def records(self) -> Iterator[tuple[int, bytes]]:
        """Yield each payload with the offset behind it, damage passed over."""
        rest = b""
        try:
            self.source.seek(self.end)
            self.size = self.end
            while chunk := self._read(_CHUNK):
                rest += chunk
                run = unframe(rest)
                yield from self._count(run.records, self.end)
                rest = rest[run.end :]
                if run.ending is Ending.BROKEN:
                    rest += b"".join(iter(lambda: self._read(_CHUNK), b""))
                    break
        except _UNREADABLE:
            self.damaged_at = self.end
            return
        if rest and tell_ending(rest) is Ending.BROKEN:
            yield from self._salvage(rest)

    def _read(self, most: int) -> bytes:
        if self.stop is not None:
            most = max(min(most, self.stop - self.size), 0)
        # What one call gives: an archive that breaks off gives what comes before, and then its error.
        data = self.source.read1(most)
        self.size += len(data)
        return data

    def _salvage(self, rest: bytes) -> Iterator[tuple[int, bytes]]:
        start = self.damaged_at = self.end
        for run in salvage(rest):
            self.resumed = self.resumed or bool(run.records)
            yield from self._count(run.records, start)

    def _count(self, records: list[tuple[int, bytes]], start: int) -> Iterator[tuple[int, bytes]]:
        for behind, payload in records:
            self.end = start + behind
            self.good += 1
            yield self.end, payload


@dataclass(slots=True)
class Walk:
    """A worker's journal, read from a position on; faults are told, and reading goes on behind them."""

    directory: Path
    worker: WorkerNumber
    on_fault: OnFault
    patient: bool = False
    """True where the journal is being written: bytes at its very end may yet become a record."""
    end: Position = START
    """Where the newest segment that was read ends."""
    _headers: dict[int, SegmentHeader | None] = field(default_factory=dict)

    def payloads(self, after: Position = START) -> Iterator[tuple[Position, bytes]]:
        """Yield every payload behind a position, with the position behind each."""
        files = segments(self.directory, self.worker)
        by_sequence = {one.sequence: one for one in files}
        after = self._follow(by_sequence, after)
        for segment in files:
            if segment.sequence >= after.sequence:
                start = after.offset if segment.sequence == after.sequence else 0
                yield from self._read(segment, start, newest=segment is files[-1], known=by_sequence)

    def _read(
        self, segment: SegmentFile, start: int, *, newest: bool, known: Mapping[int, SegmentFile]
    ) -> Iterator[tuple[Position, bytes]]:
        sequence = segment.sequence
        successor = self._successor(known, sequence)
        stop = successor.previous.offset if successor is not None else None
        with open_segment(segment) as source:
            scan = Scan(source, max(start, HEADER_SIZE), stop)
            if not self._begins(segment, source):
                return
            for behind, payload in scan.records():
                yield Position(sequence, behind), payload
        damaged = scan.damaged_at is not None
        waits = self.patient and newest and not scan.resumed
        lost = damaged and not scan.resumed and not waits
        self.end = Position(sequence, scan.size if lost else scan.end)
        if damaged and not waits:
            self.on_fault(_fault(segment.path, scan))

    def _begins(self, segment: SegmentFile, source: Source) -> bool:
        """Return whether there is anything to read: a crash may leave a segment without its header."""
        if self.header(segment) is not None:
            return True
        try:
            whole = source.read()
        except _UNREADABLE:
            whole = b""
        else:
            if len(whole.rstrip(b"\0")) < HEADER_SIZE:
                return False
        self.on_fault(_fault(segment.path, Scan(source, 0, damaged_at=0)))
        return bool(whole)

    def header(self, segment: SegmentFile) -> SegmentHeader | None:
        """Return a segment's header, or None where it cannot be read."""
        if self._headers.get(segment.sequence) is None:
            try:
                with open_segment(segment) as source:
                    self._headers[segment.sequence] = read_header(source.read(HEADER_SIZE))
            except _UNREADABLE:
                return None
        return self._headers[segment.sequence]

    def _successor(self, known: Mapping[int, SegmentFile], sequence: int) -> SegmentHeader | None:
        """Return the header of the first later segment that begins as it should."""
        for later in sorted(one for one in known if one > sequence):
            told = self.header(known[later])
            if told is not None:
                return told if told.previous.sequence == sequence else None
        return None

    def _follow(self, known: Mapping[int, SegmentFile], after: Position) -> Position:
        """Return where reading goes on, where what was read up to ``after`` has become void since."""
        successor = self._successor(known, after.sequence)
        while successor is not None and after.offset > successor.previous.offset:
            ahead = after.offset - successor.previous.offset
            start = self._behind_carried(known[successor.sequence])
            after = Position(successor.sequence, start + ahead if successor.repeats else start)
            successor = self._successor(known, after.sequence)
        return after

    @staticmethod
    def _behind_carried(segment: SegmentFile) -> int:
        with open_segment(segment) as source:
            source.seek(HEADER_SIZE)
            return HEADER_SIZE + FRAME_SIZE + int.from_bytes(source.read(4), "little")

    def events(self, after: Position = START) -> Iterator[tuple[Position, Event]]:
        """Yield every event behind a position, with the position behind each."""
        for position, payload in self.payloads(after):
            try:
                if not blank(payload) and decode_carried(payload) is None:
                    yield position, decode(payload)
            except RecordUnknown as fault:
                self.on_fault(fault)


def _fault(path: Path, scan: Scan) -> SegmentCorrupt:
    return SegmentCorrupt(
        f"{path}: damaged at byte {scan.damaged_at}; {scan.good} records beside the damage are good",
        hint=f"chatelaine doctor --mend-journal {path} keeps the good records and the damaged file",
        offset=scan.damaged_at or 0,
        good=scan.good,
    )


def read_segments(
    directory: Path, worker: WorkerNumber, after: Position = START, on_fault: OnFault = raise_fault
) -> Iterator[tuple[Position, Event]]:
    """Yield a worker's events behind a position, in order, with the position behind each.

    ``on_fault`` is told of damage when every good record of its segment was yielded; as it stands
    it raises, and reading may go on behind the damage by giving one that does not.

    Raises:
        SegmentCorrupt: a segment is damaged.
        RecordUnknown: a newer release wrote a record.
    """
    return Walk(directory, worker, on_fault).events(after)


def find_start(directory: Path, worker: WorkerNumber, at: Instant) -> Position:
    """Return a position before which nothing is of an instant or later, from the headers alone."""
    headers = Walk(directory, worker, raise_fault)
    for segment in reversed(segments(directory, worker)):
        told = headers.header(segment)
        if told is not None and told.created_at <= at:
            return Position(segment.sequence, 0)
    return START


class Tail:
    """Follows the journals of all workers; whoever drives it polls, and keeps its positions."""

    def __init__(
        self, directory: Path, positions: Mapping[WorkerNumber, Position], on_fault: OnFault
    ) -> None:
        self._directory = directory
        self._on_fault = on_fault
        self.positions = dict(positions)
        """Where reading goes on, for each worker; to be stored with what was made of the events."""

    def poll(self, most: int) -> list[tuple[WorkerNumber, Event]]:
        """Return what was written since the last poll, each event once, at most so many a worker."""
        return [(worker, event) for worker, _, event in self.poll_placed(most)]

    def poll_placed(
        self, most: int, *, leaving: Collection[WorkerNumber] = ()
    ) -> list[tuple[WorkerNumber, Position, Event]]:
        """Return the same with the position behind each event; some workers may be left for later."""
        found: list[tuple[WorkerNumber, Position, Event]] = []
        for worker in workers(self._directory):
            if worker in leaving:
                continue
            found.extend((worker, position, event) for position, event in self._read(worker, most))
        return found

    def _read(self, worker: WorkerNumber, most: int) -> list[tuple[Position, Event]]:
        walk = Walk(self._directory, worker, self._on_fault, patient=True)
        found: list[tuple[Position, Event]] = []
        for position, event in walk.events(self.positions.get(worker, START)):
            self.positions[worker] = position
            found.append((position, event))
            if len(found) >= most:
                return found
        # Behind damage that was told of, so that it is told once.
        self.positions[worker] = max(self.positions.get(worker, START), walk.end)
        return found


def read_left_open(directory: Path, worker: WorkerNumber) -> tuple[tuple[OpenExchange, ...], Position]:
    """Return what a worker opened and did not end, and where its journal ends.

    Only the newest segments are read: each begins with what was open before it.
    """
    base, carried = START, Carried()
    for segment in reversed(segments(directory, worker)):
        found = read_carried(segment)
        if found is not None:
            base, carried = Position(segment.sequence, 0), found
            break
    faults: list[JournalError] = []
    walk = Walk(directory, worker, faults.append)
    still = left_open(carried.open, (event for _, event in walk.events(base)))
    return still, walk.end


def read_carried(segment: SegmentFile) -> Carried | None:
    """Return what a segment carried over, or None where its first record is not whole."""
    try:
        with open_segment(segment) as source:
            source.seek(HEADER_SIZE)
            size = source.read(4)
            source.seek(HEADER_SIZE)
            run = unframe(source.read(FRAME_SIZE + int.from_bytes(size, "little")))
        return decode_carried(run.records[0][1]) if run.records else None
    except (*_UNREADABLE, RecordUnknown):
        return None
