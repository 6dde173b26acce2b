"""How long a change of a key, or a restraint, takes to be in force in every worker and to cut what is open.

Run: ``python bench/push.py [changes]``. Two workers, streams open on both.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

from rig import Report, median

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "wire"))

from caller import Caller, change, chat, key_of, request, tell  # noqa: E402 - found by the line above
from house import House, house  # noqa: E402 - found by the line above
from plain_upstream import plain_upstream  # noqa: E402 - found by the line above

from chatelaine.model.key import KeyInput  # noqa: E402 - found by the line above
from chatelaine.model.link import Lift, Restrain, RestraintsTold  # noqa: E402 - found by the line above
from chatelaine.model.playbook import Lane, Restraint  # noqa: E402 - found by the line above
from chatelaine.model.words import SECOND, ActionId, Instant  # noqa: E402 - found by the line above

WORKERS, STREAMS, BAR_MS, RESTRAINT_BAR_MS = 2, 8, 200, 500


async def broken_at(caller: Caller) -> float:
    """Read a stream to where it breaks off, and return when that was."""
    try:
        await caller.rest()
    except (OSError, asyncio.IncompleteReadError):
        return time.monotonic()
    finally:
        await caller.close()
    raise SystemExit("bench: a stream of a suspended key came to its end")


async def measure(gate: House, token: str, changes: int) -> tuple[list[float], list[float]]:
    """Return milliseconds of each change until all workers have it, and until the last stream broke."""
    data = request(token, chat(stream=True, most=16_000), headers={"x-test-do": "stream"})
    reached, cut = [], []
    for turn in range(changes):
        callers = [await Caller.dial(gate.port) for _ in range(STREAMS if turn % 2 == 0 else 0)]
        for caller in callers:
            caller.writer.write(data)
            await caller.head()
            await caller.chunk()
        reading = [asyncio.create_task(broken_at(caller)) for caller in callers]
        started_at = time.monotonic()
        reach = await change(gate, token, KeyInput.RESUME if turn % 2 else KeyInput.SUSPEND)
        reached.append((time.monotonic() - started_at) * 1000)
        if reach.missing:
            raise SystemExit(f"bench: the change did not reach workers {reach.missing}")
        if reading:
            cut.append((max(await asyncio.gather(*reading)) - started_at) * 1000)
    return sorted(reached), sorted(cut)


async def measure_restraints(gate: House, token: str, changes: int) -> list[float]:
    """Return milliseconds from putting a restraint on until callers on every worker are refused by it."""
    callers = [await Caller.dial(gate.port) for _ in range(STREAMS)]
    data, took, key = request(token, chat()), [], key_of(token)
    for _ in range(changes):
        until = Instant(time.time_ns() + 600 * SECOND)
        asked = Restraint(ActionId(""), key, Lane.REFUSE, until, prefixes=("127.0.0.0/24",))
        started_at = time.monotonic()
        told = await tell(gate, Restrain(restraint=asked, by="bench"))
        answers = await asyncio.gather(*(caller.ask(data) for caller in callers))
        took.append((time.monotonic() - started_at) * 1000)
        if not isinstance(told, RestraintsTold) or {answer.status for answer in answers} != {401}:
            raise SystemExit("bench: a restrained client was not refused")
        await tell(gate, Lift(restraint=told.restraints[0].id, by="bench"))
    for caller in callers:
        await caller.close()
    return sorted(took)


def main() -> None:
    """Measure and print."""
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    report = Report("push")
    with (
        tempfile.TemporaryDirectory(prefix="chatelaine-bench-") as folder,
        plain_upstream() as upstream,
        house(Path(folder), model=upstream.port, tls=False, workers=WORKERS) as gate,
    ):
        reached, cut = asyncio.run(measure(gate, gate.issue(), changes))
        held = asyncio.run(measure_restraints(gate, gate.issue(), changes))
    for what, took, bar in (
        ("change in force in every worker", reached, BAR_MS),
        ("open streams of the key cut", cut, BAR_MS),
        ("restraint in force, and eight callers refused", held, RESTRAINT_BAR_MS),
    ):
        worst = took[int(len(took) * 0.99) - 1]
        report.add(f"{what}: p50, ms", f"<= {bar} ms", median(took), met=median(took) <= bar)
        report.add(f"{what}: p99, ms", f"<= {bar} ms", worst, met=worst <= bar)
    report.show()


if __name__ == "__main__":
    main()
