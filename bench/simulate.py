"""How fast the simulator plays: every scenario and two hundred owners, made and written down.

Run: ``python bench/simulate.py [days]``. One core; a gate writes what its traffic brings, so what is made
here is far more than a gate of this machine can take.
"""

import sys
import tempfile
import time
from pathlib import Path

from chatelaine.adapters.journal import PastWriter
from chatelaine.core.play.stage import SCENARIOS, play
from chatelaine.model.play import Call
from chatelaine.model.words import SECOND, Instant, WorkerNumber
from rig import Report, say

OWNERS, SEED, BAR = 200, 1, 50_000
START = Instant(1_793_577_600 * SECOND)


def rate(days: int, folder: Path | None) -> tuple[float, float]:
    """Return events a second, and a second of the processor's; written into a folder, or made alone."""
    staged, count = play(Call(SEED, START, days, OWNERS, tuple(SCENARIOS))), 0
    writer = PastWriter(folder, WorkerNumber(1)) if folder is not None else None
    began, used = time.perf_counter(), time.process_time()
    for hour in staged.hours():
        count += len(hour.events)
        if writer is not None:
            writer.add(hour.events)
    if writer is not None:
        writer.close()
    say(f"  {count} events")
    return count / (time.perf_counter() - began), count / (time.process_time() - used)


def main() -> None:
    """Measure and print."""
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    report = Report("simulate")
    made, of_processor = rate(days, None)
    with tempfile.TemporaryDirectory(prefix="chatelaine-bench-") as folder:
        written, _ = rate(days, Path(folder) / "journal")
    report.add("events/s made", f">= {BAR}", made, met=made >= BAR)
    report.orient("events made in a second of the processor's", of_processor)
    report.orient("events/s made and written into a journal", written)
    report.show()


if __name__ == "__main__":
    main()
