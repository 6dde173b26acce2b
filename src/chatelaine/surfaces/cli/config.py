"""Check the settings, show them, show their schema, begin a file: ``chatelaine config``."""

import argparse
import json
from pathlib import Path
from typing import Protocol

from chatelaine.model.error import Fault, SettingsError
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import DEFAULT_FILE, add_json, show


class ConfigWork(Protocol):
    """What the command asks of the application."""

    def faults(self) -> tuple[Fault, ...]:
        """Return every fault of the settings."""
        ...

    def effective(self) -> dict[str, Json]:
        """Return the settings in force; of secrets, only where they are read from."""
        ...

    def schema(self) -> dict[str, Json]:
        """Return the JSON Schema of a settings file."""
        ...

    def write_first(self, path: Path) -> None:
        """Write a settings file to begin with; never over another."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    add_json(verbs.add_parser("check", help="find every fault of the settings"))
    add_json(verbs.add_parser("show", help="show the settings in force, defaults included"))
    verbs.add_parser("schema", help="write the JSON Schema of a settings file")
    begun = verbs.add_parser("init", help="write a settings file to begin with")
    begun.add_argument("file", nargs="?", type=Path, default=Path(DEFAULT_FILE), metavar="FILE")


def run(arguments: argparse.Namespace, work: ConfigWork) -> int:
    """Carry the command out."""
    if arguments.verb == "check":
        return _check(work, as_json=arguments.json)
    if arguments.verb == "init":
        work.write_first(arguments.file)
        show(f"wrote {arguments.file}\n")
    elif arguments.verb == "schema" or arguments.json:
        found = work.schema() if arguments.verb == "schema" else work.effective()
        show(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    else:
        show(
            "".join(
                f"{name}: {json.dumps(value, ensure_ascii=False)}\n"
                for name, value in _flat(work.effective(), "")
            )
        )
    return 0


def _check(work: ConfigWork, *, as_json: bool) -> int:
    faults = work.faults()
    if as_json:
        told = [{"where": fault.where, "message": fault.message, "hint": fault.hint} for fault in faults]
        show(json.dumps({"faults": told}, indent=2, ensure_ascii=False) + "\n")
        return 3 if faults else 0
    if faults:
        raise SettingsError(faults)
    show("the settings are fine\n")
    return 0


def _flat(tree: dict[str, Json], within: str) -> list[tuple[str, Json]]:
    found: list[tuple[str, Json]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            found += _flat(value, f"{within}{name}.")
        else:
            found.append((f"{within}{name}", value))
    return found
