"""Begin a shelf item from the shelf's template: ``chatelaine new``."""

import argparse
from pathlib import Path
from typing import Protocol

from chatelaine.surfaces.cli.options import show


class NewWork(Protocol):
    """What the command asks of the application."""

    def create(self, shelf: str, name: str) -> Path:
        """Copy a shelf's template and return the new item's folder."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("shelf", metavar="SHELF", help="provider, guard, detection, playbook, source, export")
    parser.add_argument("name", metavar="ID", help="the item's id: lower case, with underscores")


def run(arguments: argparse.Namespace, work: NewWork) -> int:
    """Copy the template."""
    show(f"{work.create(arguments.shelf, arguments.name)}\n")
    return 0
