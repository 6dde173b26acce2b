"""Options that commands have in common, and how they write."""

import argparse
import getpass
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from chatelaine.model.error import UsageError

DEFAULT_FILE = "chatelaine.yaml"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which settings a command works with."""

    path: str
    """The settings file; "" for none."""
    overrides: tuple[tuple[str, str], ...]


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Add what names the settings."""
    group = parser.add_argument_group("settings")
    group.add_argument(
        "--config",
        metavar="FILE",
        help=f"the settings file (default: $CHATELAINE_CONFIG, or {DEFAULT_FILE} where there is one)",
    )
    group.add_argument(
        "--set", metavar="NAME=VALUE", action="append", default=[], help="set one setting: gate.port=9443"
    )


def chosen(arguments: argparse.Namespace) -> Chosen:
    """Return which settings the arguments name.

    Raises:
        UsageError: an override has no value.
    """
    path = arguments.config or os.environ.get("CHATELAINE_CONFIG", "")
    if not path and Path(DEFAULT_FILE).is_file():
        path = DEFAULT_FILE
    overrides = [_override(text) for text in arguments.set]
    return Chosen(str(Path(path).resolve()) if path else "", tuple(overrides))


def _override(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--set {text}: not NAME=VALUE", hint="for example --set gate.port=9443")
    return name, value


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option of every command that reads."""
    parser.add_argument("--json", action="store_true", help="write one JSON value")


def add_by(parser: argparse.ArgumentParser) -> None:
    """Add the option of every command that is recorded."""
    parser.add_argument("--by", default="", help="who does it, for the record (default: this user)")


def named_by(arguments: argparse.Namespace) -> str:
    """Return who does it, for the record."""
    return str(arguments.by or f"{_user()}@cli")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return rows under their heads, in columns as wide as they need to be."""
    lines = [heads, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def show(text: str) -> None:
    """Write to standard output; control characters that a name may hold do not reach the terminal."""
    sys.stdout.write(
        "".join(letter if letter.isprintable() or letter == "\n" else "\ufffd" for letter in text)
    )
