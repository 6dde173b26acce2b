"""Look for whatever may be wrong, and name what mends it: ``chatelaine doctor``."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from chatelaine.surfaces.cli.options import add_json, show


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one look has shown."""

    check: str
    level: Level
    message: str
    fix: str = ""


class DoctorWork(Protocol):
    """What the command asks of the application."""

    def examine(self, *, mend: Sequence[Path]) -> Sequence[Diagnosis]:
        """Look at everything; mend these segments of the journal before."""
        ...


_COLOURS = {Level.OK: "32", Level.WARN: "33", Level.FAIL: "31"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "--mend-journal",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="keep the good records of a damaged segment and move the damaged file aside",
    )
    add_json(parser)


def run(arguments: argparse.Namespace, work: DoctorWork) -> int:
    """Look at everything; 1 where something fails."""
    found = work.examine(mend=arguments.mend_journal)
    failed = any(one.level is Level.FAIL for one in found)
    if arguments.json:
        told = {"fine": not failed, "checks": [asdict(one) for one in found]}
        show(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
    else:
        for one in found:
            _show_line(one)
    return 1 if failed else 0


def _show_line(one: Diagnosis) -> None:
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    sys.stdout.write(f"\x1b[{_COLOURS[one.level]}m" if coloured else "")
    sys.stdout.write(f"{one.level:<5}")
    sys.stdout.write("\x1b[0m" if coloured else "")
    show(f"{one.check}: {one.message}\n")
    if one.fix:
        show(f"      {one.fix}\n")
