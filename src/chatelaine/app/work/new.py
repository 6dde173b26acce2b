"""Behind ``chatelaine new``: a shelf's template, copied under a new id."""

import re
import shutil
from pathlib import Path

import chatelaine
from chatelaine.model.error import UsageError
from chatelaine.surfaces.cli.options import Chosen

SHELVES = {
    "provider": "providers",
    "guard": "guards",
    "detection": "detections",
    "playbook": "playbooks",
    "source": "sources",
    "export": "exports",
}
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class New:
    """Begins shelf items in this installation's source tree."""

    def __init__(self, package: Path) -> None:
        self._package = package

    def create(self, shelf: str, name: str) -> Path:
        """Copy a shelf's template and return the new item's folder.

        Raises:
            UsageError: there is no such shelf or template, the id is none, or it is taken.
        """
        if shelf not in SHELVES:
            raise UsageError(f"{shelf!r} is not a shelf", hint=f"one of {', '.join(SHELVES)}")
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} is not an id", hint="lower case words joined by underscores")
        template, made = self._package / SHELVES[shelf] / "_template", self._package / SHELVES[shelf] / name
        if not template.is_dir():
            raise UsageError(f"the shelf {SHELVES[shelf]} has no template yet", hint=f"looked for {template}")
        if made.exists():
            raise UsageError(f"{made} exists already", hint="ids are never used twice: take another")
        shutil.copytree(template, made, ignore=shutil.ignore_patterns("__pycache__"))
        return made


def begin(chosen: Chosen) -> New:
    """Return what the command works with."""
    del chosen
    return New(Path(chatelaine.__file__).parent)
