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


def rate(days: int, folder: Path | None) -> tuple[float, int]:
    """Return events a second and how many there were; written into a folder, or made alone."""
    staged, count = play(Call(SEED, START, days, OWNERS, tuple(SCENARIOS))), 0
    writer = PastWriter(folder, WorkerNumber(1)) if folder is not None else None
    began = time.perf_counter()
    for hour in staged.hours():
        count += len(hour.events)
        if writer is not None:
            writer.add(hour.events)
    if writer is not None:
        writer.close()
    return count / (time.perf_counter() - began), count


def main() -> None:
    """Measure and print."""
    days = int(sys.argv[1]) if len(sys.argv) > 1 else 4
    report = Report("simulate")
    made, count = rate(days, None)
    say(f"  {count} events made")
    with tempfile.TemporaryDirectory(prefix="chatelaine-bench-") as folder:
        written, _ = rate(days, Path(folder) / "journal")
    report.add("events/s made", f">= {BAR}", made, met=made >= BAR)
    report.orient("events/s made and written into a journal", written)
    report.show()


if __name__ == "__main__":
    main()
