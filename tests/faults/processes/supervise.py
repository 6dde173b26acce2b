"""Starts the supervisor with quiet workers, as tests of processes need it."""

import sys
from pathlib import Path

from chatelaine.adapters.log import set_up
from chatelaine.app.processes import Supervisor
from chatelaine.model.error import ChatelaineError

QUIET = (sys.executable, str(Path(__file__).with_name("quiet_worker.py")))

if __name__ == "__main__":
    set_up()
    try:
        raise SystemExit(Supervisor(sys.argv[1], (), worker=QUIET).run(lambda *_: None))
    except ChatelaineError as fault:
        sys.stderr.write(f"{fault}\n")
        raise SystemExit(3) from None
