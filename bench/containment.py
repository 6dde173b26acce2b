"""From a thief's first request to its being shut out on every worker.

Run: ``python bench/containment.py [thieves]``. Each thief probes a key of its own, which two simulated weeks
have settled; it is contained once each of its connections, spread over two workers, is refused.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from rig import Report, say

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "wire"))

from house import house, model_server  # noqa: E402 - found by the line above
from test_containment_latency import contained  # noqa: E402 - found by the line above
from theft import Settling, recognised, thief, wait_until_watched  # noqa: E402 - found by the line above

THIEVES, BAR_MS = 80, 500


def measure(folder: Path, model: int, thieves: int) -> list[float]:
    """Return the milliseconds that each thief had, sorted."""
    settling = Settling(recognised(folder / "look", model), thieves + 1)
    (folder / "house").mkdir()
    with house(folder / "house", model=model, workers=2, before=settling) as gate:
        say("  the past is being learnt")
        wait_until_watched(gate, settling.owned.pop())

        async def run() -> list[float]:
            return [await contained(gate, thief(n), one.token) for n, one in enumerate(settling.owned)]

        return sorted(one * 1000 for one in asyncio.run(run()))


def main() -> None:
    """Measure and print."""
    thieves = int(sys.argv[1]) if len(sys.argv) > 1 else THIEVES
    report = Report("containment")
    with tempfile.TemporaryDirectory(prefix="chatelaine-bench-") as name, model_server(Path(name)) as model:
        took = measure(Path(name), model, thieves)
    for share in (50, 90, 99):
        at = took[max(0, -(-len(took) * share // 100) - 1)]
        report.add(
            f"request to contained on both workers: p{share}, ms", f"<= {BAR_MS} ms", at, met=at <= BAR_MS
        )
    report.orient("thieves", len(took))
    report.show()


if __name__ == "__main__":
    main()
