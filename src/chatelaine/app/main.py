"""The console script: names the commands, and hands them to the command line's frame."""

import sys
from collections.abc import Mapping

from chatelaine import __version__
from chatelaine.surfaces.cli.main import CommandCard, run


def _card(name: str, summary: str, *, works: bool = True) -> CommandCard:
    work = f"chatelaine.app.work.{name}" if works else ""
    return CommandCard(summary, f"chatelaine.surfaces.cli.{name}", work)


COMMANDS: Mapping[str, CommandCard] = {
    "demo": _card("demo", "show what it does: a theft, in under a minute and on this machine alone"),
    "up": _card("up", "start the service and keep it running"),
    "keys": _card("keys", "issue, list, show, suspend, resume, rotate and revoke keys"),
    "incidents": _card("incidents", "list, show, judge and close incidents; approve and undo actions"),
    "rules": _card("rules", "list detections with their precision, test, backtest and tune them"),
    "events": _card("events", "read the journal"),
    "capture": _card("capture", "show and delete captured content; capture is off unless switched on"),
    "notify": _card("notify", "try the receivers of notices, and have tried again what did not arrive"),
    "simulate": _card("simulate", "play owners and thieves: events, a journal, or requests to a gate here"),
    "config": _card("config", "check the settings, show them or their schema, begin a file"),
    "doctor": _card("doctor", "look for whatever may be wrong, and name what mends it"),
    "new": _card("new", "begin a shelf item from its shelf's template"),
    "version": _card("version", "show the release", works=False),
}


def main() -> None:
    """Run the command line of this process."""
    raise SystemExit(run(COMMANDS, sys.argv[1:], version=__version__))
