"""Many processes at the edge of a cap, and processes killed in the middle of counting."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import astuple

from chatelaine.adapters.meter import SharedMeter
from chatelaine.model.exchange import Reservation
from chatelaine.model.limit import Allowance
from chatelaine.model.words import SECOND, Instant, NanoUsd, WorkerNumber

NOW = Instant(1_795_435_200 * SECOND)
FIVE = Reservation(1, 1, NanoUsd(5))

WORKER = """
import sys
from pathlib import Path
from chatelaine.adapters.meter import SharedMeter
from chatelaine.model.exchange import Reservation
from chatelaine.model.limit import Allowance, Charge
from chatelaine.model.words import SECOND, Instant, NanoUsd, WorkerNumber

path, worker, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
now = Instant(1_795_435_200 * SECOND)
meter = SharedMeter(path, WorkerNumber(worker), 4)
asked = Reservation(1, 1, NanoUsd(5))
limits = Allowance(spend_per_day=NanoUsd(3001), parallel=700)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(rounds):
    taken = [number for number in range(200) if meter.reserve(0, limits, asked, now) is None]
    kept = taken if rounds == 1 else []
    for _ in taken[len(kept):]:
        meter.settle(0, Charge(asked, NanoUsd(0), 2, now), now)
print(len(taken), flush=True)
"""


def start(path: Path, rounds: int) -> list["subprocess.Popen[str]"]:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(path), str(worker), str(rounds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for worker in range(1, 5)
    ]
    for worker in started:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in started:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return started


def test_four_processes_of_two_hundred_each_use_a_cap_up_and_never_exceed_it(tmp_path: Path) -> None:
    with closing(SharedMeter(tmp_path / "meter", WorkerNumber(0), 4)) as hub:
        told = [worker.communicate()[0] for worker in start(tmp_path / "meter", 1)]
        taken = [int(line) for line in told]
        row = hub.row(0)
        assert sum(taken) == 600 == row.parallel == row.requests
        assert row.held == 3000
        for worker in range(1, 5):
            hub.clear_worker(WorkerNumber(worker))
            assert hub.row(0).parallel == sum(taken[worker:])


@pytest.mark.slow
def test_killed_at_any_moment_workers_leave_a_meter_that_serves_the_others(tmp_path: Path) -> None:
    limits = Allowance(spend_per_day=NanoUsd(3001))
    with closing(SharedMeter(tmp_path / "meter", WorkerNumber(0), 4)) as hub:
        for attempt in range(10):
            started = start(tmp_path / "meter", 1_000_000)
            for looks in range(1 + attempt * 37):
                row = hub.row(0)
                assert row.held <= 3000, looks
                assert 0 <= row.parallel <= 601
            for worker in started:
                worker.kill()
                worker.communicate()
            # Before they are cleared, the dead hold at least what they held.
            assert hub.row(0).held <= 3005
            for number in range(1, 5):
                hub.clear_worker(WorkerNumber(number))
            assert astuple(hub.row(0))[-2:] == (0, 0)
            assert hub.reserve(0, limits, FIVE, NOW) is None
            hub.release(0, FIVE, NOW)
