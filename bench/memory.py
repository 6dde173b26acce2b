"""Memory of a worker over many requests: its size, and whether it goes on growing.

Run: ``python bench/memory.py [requests [minutes]]``; it ends when both are reached. The slope is that of
a line through the second half.
"""

import statistics
import sys
import time
from pathlib import Path

from rig import Ask, Report, family, resident_mb, rig, say
from rivals import chatelaine

SIZE_BAR_MB, SLOPE_BAR_MB = 80.0, 1.0
CONNECTIONS, SECONDS = 64, 5.0


def worker_of(pid: int) -> int:
    """Return the process id of the one gate worker under a supervisor."""
    for one in family(pid):
        if "chatelaine.app.worker" in Path(f"/proc/{one}/cmdline").read_text():
            return one
    raise SystemExit("bench: no worker is running")


def main() -> None:
    """Load in bursts, looking at the worker's size after each."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    minutes = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    report, sizes, done = Report("memory"), [], [0.0]
    until = time.monotonic() + minutes * 60
    with rig() as at, at.upstream() as upstream, chatelaine(at, upstream, durability="flush") as gate:
        worker = worker_of(gate.pid)
        while done[-1] < wanted or time.monotonic() < until:
            load = at.load(gate.port, pid=gate.pid, ask=Ask(CONNECTIONS, gate.headers, seconds=SECONDS))
            if load.errors:
                raise SystemExit(f"bench: {load.errors} requests failed")
            # The second of warming up counts as well.
            done.append(done[-1] + load.rps * (SECONDS + 1))
            sizes.append(resident_mb(worker))
            say(f"  {done[-1]:>10.0f} requests  {sizes[-1]:.1f} MB")
    half = len(sizes) // 2
    slope = (
        statistics.linear_regression(done[1 + half :], sizes[half:]).slope * 1e6 if len(sizes) > 3 else 0.0
    )
    report.add(
        f"a worker after {done[-1]:.0f} requests, MB",
        f"<= {SIZE_BAR_MB:g} MB",
        max(sizes),
        met=max(sizes) <= SIZE_BAR_MB,
    )
    report.add(
        "growth for 10^6 more requests, MB", f"<= {SLOPE_BAR_MB:g} MB", slope, met=slope <= SLOPE_BAR_MB
    )
    report.show()


if __name__ == "__main__":
    main()
