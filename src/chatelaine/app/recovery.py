"""What the hub sets right after a death: exchanges without an end, holds without a holder, totals.

The order for a worker that died: charge what it left open, record the ends, drop its holds; only
then is its successor sent its tables, without which it opens no journal and takes no traffic.
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

from chatelaine.adapters.journal import SegmentJournal, find_start, read_segments, recover, workers
from chatelaine.adapters.meter import SharedMeter
from chatelaine.app.wire import CLOCK
from chatelaine.core.limit import totals
from chatelaine.model.error import JournalError, JournalUnavailable
from chatelaine.model.event import Event, ExchangeInterrupted
from chatelaine.model.words import SECOND, Instant, WorkerNumber
from chatelaine.services.event import interrupt

HUB = WorkerNumber(0)
_MONTH = 32 * 86_400 * SECOND


async def recover_worker(worker: WorkerNumber, directory: Path, meter: SharedMeter) -> int:
    """Close what a dead worker left open; return how many exchanges that were.

    Raises:
        JournalError: the worker lives, as one does that outlived its supervisor and still drains.
        OSError: its journal cannot be written.
    """
    return await asyncio.to_thread(_recover, worker, directory, meter)


def _recover(worker: WorkerNumber, directory: Path, meter: SharedMeter) -> int:
    now = CLOCK.now()

    def charge(end: ExchangeInterrupted) -> None:
        meter.charge(end.slot, end.charged, now)

    ends = recover(directory, worker, now, lambda left: interrupt(left, now), charge)
    meter.clear_worker(worker)
    return len(ends)


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


def rebuild_totals(directory: Path, meter: SharedMeter, *, now: Instant) -> None:
    """Count anew what was spent this month and today, where the meter was begun anew."""
    meter.rebuild(totals(_month(directory, now), now))


def _month(directory: Path, now: Instant) -> Iterator[Event]:
    """Read around damage: the doctor tells of it, and the rest is counted."""
    faults: list[JournalError] = []
    for worker in workers(directory):
        start = find_start(directory, worker, Instant(now - _MONTH))
        for _, event in read_segments(directory, worker, start, faults.append):
            yield event
