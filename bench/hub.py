"""make bench NAME=hub: how many events a core takes through all detections, and what a key costs to remember.

The simulator plays some days of sixty owners with every scenario, thefts among them. All days but the last
warm up; the last is measured, first the events as they are, then the same as they are read from a journal on
disk. What counts is CPU time, since machines may be shared. ``python bench/hub.py 3 60`` plays three days of
sixty owners.
"""

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from chatelaine.adapters.journal import PastWriter, read_segments
from chatelaine.app.collecting import settle
from chatelaine.app.watching import YOUNG
from chatelaine.catalog import detections
from chatelaine.core.play.stage import SCENARIOS, play
from chatelaine.model.detection import Dimension
from chatelaine.model.event import Event
from chatelaine.model.play import Call
from chatelaine.model.watch import Piece, PieceKind
from chatelaine.model.words import SECOND, Instant, KeyId, WorkerNumber
from chatelaine.services.detection import Turn, Watch
from rig import Report, median, say

SEED, DAYS, OWNERS = 1, 4, 60
START = Instant(1_793_577_600 * SECOND)
RATE_BAR, KEY_BAR = 25_000, 8_192
ELASTIC = 16
"""Networks from which on a key is called elastic."""
BATCH = 20_000
_OF_A_KEY = frozenset({PieceKind.HABIT, PieceKind.PAST, PieceKind.WEIGHED, PieceKind.REMEMBERED})


def played(days: int, owners: int) -> tuple[list[Event], list[Event]]:
    """Return the events of the days that warm up, and of the day that is measured."""
    hours = list(play(Call(SEED, START, days, owners, tuple(SCENARIOS))).hours())
    last = 24 * (days - 1)
    return (
        [event for hour in hours[:last] for event in hour.events],
        [event for hour in hours[last:] for event in hour.events],
    )


def take(watch: Watch, events: Iterable[Event]) -> int:
    """Let the watch take events; return how many."""
    turn, count = Turn(), 0
    for event in events:
        watch.take(event, turn)
        count += 1
    return count


def rates(watch: Watch, events: Iterator[Event]) -> tuple[float, float]:
    """Return events a CPU second over all of them, and over the best batch."""
    spent, count, best = 0.0, 0, 0.0
    while True:
        begun = time.process_time()
        taken = take(watch, islice(events, BATCH))
        seconds = time.process_time() - begun
        if not taken:
            return count / spent, best
        spent, count = spent + seconds, count + taken
        if taken == BATCH:
            best = max(best, taken / seconds)


def journal(folder: Path, events: Sequence[Event]) -> Iterator[Event]:
    """Write a journal and yield its events as they are read from the disk."""
    writer = PastWriter(folder, WorkerNumber(1))
    writer.add(events)
    writer.close()
    return (event for _, event in read_segments(folder, WorkerNumber(1)))


def sizes(pieces: Iterable[Piece]) -> tuple[Counter[str], int]:
    """Return the bytes kept of each key, what detections remember of it among them, and of all else."""
    keys: Counter[str] = Counter()
    rest = 0
    for piece in pieces:
        if piece.kind in _OF_A_KEY:
            keys[piece.name] += len(piece.value)
        else:
            rest += len(piece.value)
    return keys, rest


def weigh(watch: Watch, report: Report) -> None:
    """Add what a key costs to remember."""
    keys, rest = sizes(watch.changed())
    habits = {KeyId(key): watch.habit(KeyId(key)) for key in keys}
    known = {key: habit for key, habit in habits.items() if habit is not None}
    elastic = [keys[key] for key, habit in known.items() if habit.count(Dimension.PREFIX) >= ELASTIC]
    usual = [keys[key] for key, habit in known.items() if habit.count(Dimension.PREFIX) < ELASTIC]
    for what, held in (("a usual key, median", usual), (f"a key of {ELASTIC} networks and more", elastic)):
        if held:
            report.add(f"bytes kept of {what}", f"<= {KEY_BAR}", median(held), met=median(held) <= KEY_BAR)
    most = max(keys[key] for key in known)
    report.add("bytes kept of a key, at most", f"<= {KEY_BAR}", most, met=most <= KEY_BAR)
    report.orient("keys", len(known))
    report.orient("bytes kept of all that is of no one key", rest)


def main() -> None:
    """Measure and print."""
    days, owners = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (DAYS, OWNERS)
    say(f"  {days} days of {owners} owners are played")
    before, events = played(days, owners)
    report = Report("hub")
    with tempfile.TemporaryDirectory(prefix="chatelaine-bench-") as folder:
        read = journal(Path(folder) / "journal", events)
        settle(YOUNG)
        watch = Watch(detections())
        again = Watch(detections())
        take(watch, before)
        take(again, before)
        say(f"  {len(before)} events warmed it up; {len(events)} are measured")
        rate, best = rates(watch, iter(events))
        from_disk, _ = rates(again, read)
    report.add("events/s of a core through all detections", f">= {RATE_BAR}", rate, met=rate >= RATE_BAR)
    report.orient(f"the same, best {BATCH} in a row", best)
    report.orient("events/s of a core, read from the journal too", from_disk)
    weigh(watch, report)
    report.show()


if __name__ == "__main__":
    main()
