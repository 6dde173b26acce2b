"""Play owners and thieves: ``chatelaine simulate``."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chatelaine.model.error import UsageError
from chatelaine.model.words import Instant
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import show, table
from chatelaine.surfaces.cli.values import iso, since

_MOST_DAYS = 400
_MOST_KEYS = 100_000
_MOST_SEED = (1 << 64) - 1
_MOST_RATE = 200
_MOST_SECONDS = 600
_EVERYDAY = "everyday"
"""A scenario's name for none at all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be played, and where it goes."""

    seed: int
    days: int
    keys: int
    scenarios: tuple[str, ...]
    starts_at: Instant | None
    """None: so many days before now."""
    journal: Path | None
    truth: Path | None


@dataclass(frozen=True, slots=True)
class Driving:
    """How a running gate is driven."""

    url: str
    tokens: str
    """A file with one token a line; "-" for standard input."""
    ca: Path | None
    rate: int
    """Requests a second at most."""
    seconds: int


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one scenario."""

    scenario: str
    part: str
    begins_at: Instant
    keys: int
    exchanges: int


@dataclass(frozen=True, slots=True)
class Played:
    """What a play came to."""

    events: int
    exchanges: int
    seconds: float
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Driven:
    """What a running gate answered."""

    requests: int
    seconds: float
    addresses: int
    stacks: int
    """TLS stacks that were shown; 0 over plain HTTP."""
    statuses: Mapping[int, int]
    """Replies by status; 0: the connection broke off."""


class SimulateWork(Protocol):
    """What the command asks of the application."""

    def scenarios(self) -> Sequence[tuple[str, str, str]]:
        """Return name, part and sentence of every scenario."""
        ...

    def play(self, asked: Asked, tell: Callable[[dict[str, Json]], None] | None) -> Played:
        """Play, telling each event as JSON where somebody wants to hear it.

        Raises:
            ChatelaineError: a file cannot be written, or holds something already.
        """
        ...

    def drive(self, asked: Asked, driving: Driving) -> Driven:
        """Play against a running gate.

        Raises:
            ChatelaineError: the address is not on this machine, or tokens cannot be read.
        """
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("--list", action="store_true", help="show the scenarios and play none")
    add(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME",
        help=f"play this; {_EVERYDAY}: none (default: all)",
    )
    add("--days", type=_whole(1, _MOST_DAYS), default=14, metavar="N", help="days (default: 14)")
    add(
        "--keys",
        type=_whole(0, _MOST_KEYS),
        default=40,
        metavar="N",
        help="owners beside those of scenarios (40)",
    )
    add(
        "--seed",
        type=_whole(0, _MOST_SEED),
        default=1,
        metavar="N",
        help="the same seed plays the same (default: 1)",
    )
    add("--start", type=since, metavar="WHEN", help="the first instant (default: so many days before now)")
    add("--journal", type=Path, metavar="DIR", help="write a journal into an empty folder")
    add(
        "--truth",
        type=Path,
        metavar="FILE",
        help="write what is true of each exchange, one JSON object a line",
    )
    add("--json", action="store_true", help="write each event, one JSON object a line")
    _configure_http(parser.add_argument_group("against a running gate on this machine"))


def _configure_http(http: argparse._ArgumentGroup) -> None:
    http.add_argument("--http", metavar="URL", help="send requests to http(s)://127.0.0.1:PORT")
    http.add_argument(
        "--tokens", metavar="FILE", help="tokens of the gate's keys, one a line; - for standard input"
    )
    http.add_argument("--ca", type=Path, metavar="FILE", help="the certificate to trust, such as gate.crt")
    http.add_argument(
        "--rate",
        type=_whole(1, _MOST_RATE),
        default=20,
        metavar="N",
        help="requests a second at most (default: 20)",
    )
    http.add_argument(
        "--seconds",
        type=_whole(1, _MOST_SECONDS),
        default=30,
        metavar="N",
        help="stop after so many (default: 30)",
    )


def run(arguments: argparse.Namespace, work: SimulateWork) -> int:
    """Play, and tell what it came to."""
    listed = work.scenarios()
    if arguments.list:
        _list(listed, as_json=arguments.json)
        return 0
    asked = _asked(arguments, [name for name, _, _ in listed])
    driving = _driving(arguments)
    if driving is not None:
        _show_driven(work.drive(asked, driving), as_json=arguments.json)
        return 0
    played = work.play(asked, _tell if arguments.json else None)
    # The events have standard output where they are asked for; what is said of them goes beside it.
    (sys.stderr.write if arguments.json else show)(_summary(asked, played))
    return 0


def _asked(arguments: argparse.Namespace, known: Sequence[str]) -> Asked:
    names = tuple(dict.fromkeys(arguments.scenario)) or tuple(known)
    for name in names:
        if name not in known and name != _EVERYDAY:
            raise UsageError(f"{name!r} is not a scenario", hint="chatelaine simulate --list shows them")
    if arguments.start is not None and not isinstance(arguments.start, int):
        raise UsageError("--start: a play begins at an instant", hint="for example 2026-01-31T00:00Z")
    return Asked(
        seed=arguments.seed,
        days=arguments.days,
        keys=arguments.keys,
        scenarios=tuple(name for name in names if name != _EVERYDAY),
        starts_at=None if arguments.start is None else Instant(arguments.start),
        journal=arguments.journal,
        truth=arguments.truth,
    )


def _driving(arguments: argparse.Namespace) -> Driving | None:
    if arguments.http is None:
        for name in ("tokens", "ca"):
            if getattr(arguments, name) is not None:
                raise UsageError(f"--{name} is for a running gate", hint="add --http http://127.0.0.1:PORT")
        return None
    if arguments.tokens is None:
        raise UsageError("--http needs tokens to ask with", hint="add --tokens FILE, one token a line")
    for name in ("journal", "truth"):
        if getattr(arguments, name) is not None:
            raise UsageError(
                f"--{name} and --http: a running gate writes its own journal", hint=f"leave out --{name}"
            )
    return Driving(arguments.http, arguments.tokens, arguments.ca, arguments.rate, arguments.seconds)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,20}", text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a whole number from {least} to {most}")
        return int(text)

    return read


def _tell(event: dict[str, Json]) -> None:
    at = event["at"]
    told = {**event, "at": iso(at) if isinstance(at, int) else at}
    sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")


def _list(listed: Sequence[tuple[str, str, str]], *, as_json: bool) -> None:
    if as_json:
        rows = [{"scenario": name, "part": part, "what": what} for name, part, what in listed]
        show(json.dumps(rows, ensure_ascii=False) + "\n")
    else:
        show(table(("SCENARIO", "PART", "WHAT HAPPENS"), listed))


def _summary(asked: Asked, played: Played) -> str:
    rate = played.events / played.seconds if played.seconds else 0.0
    head = (
        f"{played.events} events of {played.exchanges} exchanges in {asked.days} days, seed {asked.seed}; "
        f"made in {played.seconds:.1f} s, {rate:.0f} a second\n"
    )
    if not played.rows:
        return head
    rows = [
        (row.scenario, row.part, iso(row.begins_at) or "", str(row.keys), str(row.exchanges))
        for row in played.rows
    ]
    return head + table(("SCENARIO", "PART", "BEGINS", "KEYS", "EXCHANGES"), rows)


def _show_driven(driven: Driven, *, as_json: bool) -> None:
    if as_json:
        told = {
            "requests": driven.requests,
            "seconds": round(driven.seconds, 3),
            "addresses": driven.addresses,
            "stacks": driven.stacks,
            "statuses": {str(status): count for status, count in sorted(driven.statuses.items())},
        }
        show(json.dumps(told) + "\n")
        return
    replies = ", ".join(
        f"{count} × {status or 'broken off'}" for status, count in sorted(driven.statuses.items())
    )
    show(
        f"{driven.requests} requests in {driven.seconds:.1f} s from {driven.addresses} addresses "
        f"with {driven.stacks} TLS stacks: {replies or 'none was answered'}\n"
    )
