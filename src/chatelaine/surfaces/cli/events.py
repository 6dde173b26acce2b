"""Read the journal: ``chatelaine events``."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Protocol

from chatelaine.model.error import ChatelaineError
from chatelaine.model.words import Instant
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import show
from chatelaine.surfaces.cli.values import iso, positive, since


class EventWork(Protocol):
    """What the command asks of the application."""

    @property
    def faults(self) -> Sequence[ChatelaineError]:
        """Return where the journals are damaged, as far as they were read."""
        ...

    def instant(self, back: timedelta | Instant | None) -> Instant:
        """Return from when on events are wanted."""
        ...

    def read(self, *, after: Instant, follow: bool) -> Iterator[dict[str, Json]]:
        """Yield events in order of time as JSON, with ``kind`` and ``at`` in nanoseconds."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, text in (("show", "show what was recorded"), ("tail", "show what is being recorded, until ^C")):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("--since", type=since, metavar="WHEN", help="7d, 1h, or 2026-01-31T12:00Z")
        verb.add_argument("--key", metavar="KEY", help="events of one key")
        verb.add_argument("--kind", metavar="KIND", help="events of one kind: exchange.refused, key, …")
        verb.add_argument("--limit", type=positive, metavar="N", help="so many at most")
        verb.add_argument("--json", action="store_true", help="write one JSON object a line")


def run(arguments: argparse.Namespace, work: EventWork) -> int:
    """Show events, one a line."""
    follow = arguments.verb == "tail"
    back = arguments.since if arguments.since is not None or not follow else timedelta(0)
    left = arguments.limit
    for event in work.read(after=work.instant(back), follow=follow):
        if left == 0:
            break
        if _wanted(event, arguments):
            show(_line(event, as_json=arguments.json))
            sys.stdout.flush()
            left = None if left is None else left - 1
    for fault in work.faults:
        sys.stderr.write(f"chatelaine: {fault}\n")
    return 0


def _wanted(event: dict[str, Json], arguments: argparse.Namespace) -> bool:
    kind = str(event["kind"])
    if arguments.kind and kind != arguments.kind and not kind.startswith(f"{arguments.kind}."):
        return False
    return not arguments.key or _key(event) == arguments.key


def _key(event: dict[str, Json]) -> Json:
    caller = event.get("caller")
    return caller.get("key") if isinstance(caller, dict) else event.get("key")


def _line(event: dict[str, Json], *, as_json: bool) -> str:
    at = event["at"]
    shown = {**event, "at": iso(at) if isinstance(at, int) else at}
    if as_json:
        return json.dumps(shown, ensure_ascii=False) + "\n"
    words = (
        f"{name}={value}"
        for name in (
            "status",
            "reason",
            "exchange",
            "before",
            "after",
            "owner",
            "app",
            "action",
            "outcome",
            "detail",
        )
        if (value := event.get(name)) not in (None, "")
    )
    return f"{shown['at']} {shown['kind']:<20} {_key(event) or '-':<9} {' '.join(words)}\n"
