"""Runs our processes on a wall clock that is off by what a file says, as after somebody set it.

``shifted_clock.py up SETTINGS`` starts the service so; its children are this program and their module.
"""

import os
import sys
import time
from importlib import import_module
from pathlib import Path

from chatelaine.adapters.log import set_up
from chatelaine.app.processes import Supervisor

SHIFT = Path(os.environ["CLOCK_SHIFT_FILE"])
_true = time.time_ns


def shifted() -> int:
    """Return nanoseconds since 1970 by the clock that was set."""
    return _true() + int(SHIFT.read_text(encoding="ascii")) * 1_000_000_000


def main() -> None:
    """Run what the arguments name."""
    if sys.argv[1] != "up":
        time.time_ns = shifted
        import_module(sys.argv[1]).main()
        return
    set_up()
    here = (sys.executable, str(Path(__file__).resolve()))
    programs = {"hub": (*here, "chatelaine.app.hub"), "worker": (*here, "chatelaine.app.worker")}
    raise SystemExit(Supervisor(sys.argv[2], (), **programs).run(lambda *_: None))


if __name__ == "__main__":
    main()
