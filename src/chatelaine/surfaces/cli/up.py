"""Start the service and keep it running: ``chatelaine up``."""

import argparse
import sys
from collections.abc import Callable
from typing import Protocol


class UpWork(Protocol):
    """What the command asks of the application."""

    def run(self, *, workers: int | None, tell: Callable[[str], None]) -> int:
        """Keep the service up; ``tell`` is told what was begun, and how to reach it once it takes traffic."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--workers", type=int, metavar="N", help="gate workers (default: settings)")
    parser.add_argument("--quiet", action="store_true", help="do not show how to reach the gate")


def run(arguments: argparse.Namespace, work: UpWork) -> int:
    """Start the service and keep it until it is told to stop."""

    def tell(text: str) -> None:
        if not arguments.quiet:
            sys.stdout.write(text)
            sys.stdout.flush()

    return work.run(workers=arguments.workers, tell=tell)
