"""What the hub sets right after a death: exchanges without an end, holds without a holder, totals.

The order for a worker that died: charge what it left open, record the ends, drop its holds; only
then is its successor sent its tables, without which it opens no journal and takes no traffic.
A crash in between charges twice rather than never: budgets are not exceeded.
"""

import asyncio
import fcntl
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from chatelaine.adapters.journal import SegmentJournal
from chatelaine.adapters.meter import SharedMeter
from chatelaine.adapters.segment import Carried, carry, compress, read_segment, segment_files, worker_of
from chatelaine.app.wire import CLOCK
from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted
from chatelaine.model.words import SECOND, ExchangeId, Instant, KeyId, NanoUsd, WorkerNumber
from chatelaine.services.event import interrupt, left_open

HUB = WorkerNumber(0)
_DAY = 86_400 * SECOND
_MONTH = 31 * _DAY
_LOOK = 0.05
"""Seconds between looks at a segment that its writer still holds."""


async def recover_worker(
    worker: WorkerNumber, directory: Path, journal: SegmentJournal, meter: SharedMeter
) -> int:
    """Close what a dead worker left open; return how many exchanges that were.

    Raises:
        JournalUnavailable: the ends cannot be recorded at present.
    """
    own = _segments(directory, worker)
    if own:
        await _released(own[-1])
    left = await asyncio.to_thread(_left, directory, own, worker)
    for one, ended in left:
        meter.charge(one.slot, one.cost, ended.at)
    for _, ended in left:
        journal.append(ended)
    if left:
        await durable(journal)
    meter.clear_worker(worker)
    return len(left)


async def durable(journal: SegmentJournal) -> None:
    """Wait until everything appended so far is durable.

    Raises:
        JournalUnavailable: it is known not to be.
    """
    told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def tell(safe: bool) -> None:  # noqa: FBT001 - the port's callback has this shape
        if not told.done():
            told.set_result(safe)

    journal.when_durable(tell)
    if not await told:
        raise JournalUnavailable(
            f"the hub's journal cannot be written: {journal.failure}",
            hint="free space or mend the disk; it goes on by itself",
        )


def compress_closed(directory: Path) -> int:
    """Compress every segment that is not its worker's newest; return how many were."""
    newest = {worker_of(path): path for path in segment_files(directory)}
    closed = [
        path
        for path in segment_files(directory)
        if path.suffix == ".log" and newest[worker_of(path)] != path and not _held(path)
    ]
    for path in closed:
        compress(path)
    return len(closed)


def rebuild_totals(directory: Path, meter: SharedMeter, slots: Mapping[KeyId, int], *, now: Instant) -> None:
    """Count anew what was spent this month and today, where the meter's file was begun anew."""
    spent: dict[tuple[int, int], int] = defaultdict(int)
    for path in segment_files(directory):
        if path.stat().st_mtime_ns < now - _MONTH:
            continue
        for key, at, cost in _costs(read_segment(path).events):
            if key in slots and at > now - _MONTH:
                spent[at // _DAY, slots[key]] += cost
    for day, slot in sorted(spent):
        meter.charge(slot, NanoUsd(spent[day, slot]), Instant(min(day * _DAY, now)))


def _costs(events: Iterable[Event]) -> Iterator[tuple[KeyId, Instant, NanoUsd]]:
    for event in events:
        if isinstance(event, ExchangeEnded) and event.caller.key is not None:
            yield event.caller.key, event.at, event.cost
        elif isinstance(event, ExchangeInterrupted) and event.caller.key is not None:
            yield event.caller.key, event.at, event.charged


def _segments(directory: Path, worker: WorkerNumber) -> list[Path]:
    return [path for path in segment_files(directory) if worker_of(path) == worker]


async def _released(path: Path) -> None:
    """Wait until the segment's writer has gone: one that outlived its supervisor may still drain."""
    while _held(path):  # noqa: ASYNC110 - a file lock of another process sends no event
        await asyncio.sleep(_LOOK)


def _held(path: Path) -> bool:
    """Tell whether a living process writes the segment; its lock goes when it dies."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _left(
    directory: Path, own: list[Path], worker: WorkerNumber
) -> list[tuple[Carried, ExchangeInterrupted]]:
    """Return what the newest segment opens or carries and nobody has ended."""
    if not own:
        return []
    newest = read_segment(own[-1])
    left = [one for one in left_open(newest.carried, newest.events, carry) if isinstance(one, Carried)]
    closed = _closed(directory, own[-1]) if left else frozenset()
    now = CLOCK.now()
    ends = interrupt(left, closed, worker=worker, now=now)
    return [(one, ended) for one, ended in ends if isinstance(one, Carried)]


def _closed(directory: Path, newest: Path) -> frozenset[ExchangeId]:
    """Return the exchanges that an earlier recovery of this segment, itself cut short, has closed."""
    begun = newest.stat().st_mtime_ns
    return frozenset(
        event.exchange
        for path in _segments(directory, HUB)
        if path.stat().st_mtime_ns >= begun
        for event in read_segment(path).events
        if isinstance(event, ExchangeInterrupted)
    )
