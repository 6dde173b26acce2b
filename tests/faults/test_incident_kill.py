"""A process killed while it stores what it found: a turn is there with all of its parts, or not at all."""

import asyncio
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from chatelaine.adapters.sqlite import open_incident_store
from chatelaine.model.words import Instant

WORKER = """
import asyncio, sys
from pathlib import Path
from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.sqlite import open_incident_store
from chatelaine.core.detection.combine import Combiner, Rules
from chatelaine.model.detection import Family, Finding, Said, Severity
from chatelaine.services.incident import IncidentKeeper

SAID = Said("seen", "usual", "against")

def finding(number):
    family = Family.NETWORK if number % 2 else Family.CLIENT
    pair = number // 2
    return Finding(f"f{number:06}", f"key_{family}", 1, 1000 + number, f"x{number}", f"k{pair}", "acme",
                   f"c{pair}", "p", family, Severity.HIGH, False, SAID)

async def main():
    store = open_incident_store(Path(sys.argv[1]))
    keeper = IncidentKeeper(
        store=store, clock=SystemClock(), record=lambda event: None, notify=lambda before, after: None,
        day_left=lambda keys: None, past=lambda key, at: (), alarm=lambda keys: None,
    )
    combiner = Combiner(Rules())
    print("ready", flush=True)
    for turn in range(int(sys.argv[2])):
        await keeper.take(combiner.gather([finding(10 * turn + n) for n in range(10)]))
        print(turn, flush=True)

asyncio.run(main())
"""
TURNS = 12


async def read(path: Path) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Return the findings that are held, and those that each incident names, by its key."""
    with closing(open_incident_store(path)) as store:
        findings = [str(one.id) for one in await store.findings_since(Instant(0))]
        incidents = await store.incidents()
        named = {str(one.keys[0]): tuple(sorted(map(str, one.findings))) for one in incidents}
        alerts = [name for one in incidents for name in one.alerts]
        assert len(await store.alerts(alerts)) == len(alerts) == len(incidents)
        return findings, named


def run(path: Path, *, kill_after: int | None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(path), str(TURNS)], stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdout is not None
        for number, _ in enumerate(worker.stdout):
            if number == kill_after:
                worker.kill()
                break


@pytest.mark.slow
def test_killed_at_any_turn_a_store_is_whole_and_the_same_turns_again_make_it_complete(
    tmp_path: Path,
) -> None:
    whole = tmp_path / "whole.db"
    run(whole, kill_after=None)
    expected = asyncio.run(read(whole))
    assert len(expected[0]) == 10 * TURNS
    assert len(expected[1]) == 5 * TURNS
    path = tmp_path / "killed.db"
    for kill_after in (0, 1, 2, 5, 9):
        run(path, kill_after=kill_after)
        findings, named = asyncio.run(read(path))
        assert len(findings) % 10 == 0
        assert sorted(name for names in named.values() for name in names) == findings
    run(path, kill_after=None)
    assert asyncio.run(read(path)) == expected
