"""Show and delete captured content: ``chatelaine capture``."""

import argparse
import base64
import codecs
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from chatelaine.model.capture import CapturedExchange, CapturedPart, PieceHead, Removed
from chatelaine.model.error import CaptureDamaged, UsageError
from chatelaine.model.words import ExchangeId, Instant, OwnerId
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import add_by, add_json, named_by, show, table
from chatelaine.surfaces.cli.values import duration, iso, positive, since

_FINE = 0
_FAILED = 3


@dataclass(frozen=True, slots=True)
class Shown:
    """An exchange and its content."""

    about: CapturedExchange
    parts: Sequence[CapturedPart]


class CaptureWork(Protocol):
    """What the command asks of the application."""

    @property
    def damage(self) -> Sequence[CaptureDamaged]:
        """What was found damaged while reading."""
        ...

    def instant(self, back: timedelta | Instant | None) -> Instant:
        """Return from when on, or until when, content is meant."""
        ...

    def exchanges(self) -> Sequence[CapturedExchange]:
        """Return what is kept, without content."""
        ...

    def show(self, exchange: ExchangeId, *, by: str) -> Shown:
        """Record that somebody looks, then return the content."""
        ...

    def purge(self, unwanted: Callable[[PieceHead], bool], *, by: str, said: str) -> Removed:
        """Record that somebody deletes, delete, and record what was deleted."""
        ...


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="list the exchanges whose content is kept")
    listing.add_argument("--since", type=since, metavar="WHEN", help="7d, 1h, or 2026-01-31T12:00Z")
    listing.add_argument("--owner", metavar="OWNER", help="exchanges of one owner")
    listing.add_argument("--limit", type=positive, metavar="N", help="the newest so many at most")
    add_json(listing)
    showing = verbs.add_parser("show", help="show the content of an exchange; this is recorded")
    showing.add_argument("exchange", metavar="EXCHANGE", help="the exchange's id: the caller's request id")
    add_by(showing)
    add_json(showing)
    purging = verbs.add_parser("purge", help="delete content before its time; this is recorded")
    purging.add_argument("--older-than", type=duration, metavar="DURATION", help="what is older than this")
    purging.add_argument("--owner", metavar="OWNER", help="content of one owner alone")
    purging.add_argument("--exchange", metavar="EXCHANGE", help="content of one exchange alone")
    add_by(purging)
    add_json(purging)


def run(arguments: argparse.Namespace, work: CaptureWork) -> int:
    """Carry the command out; damage that was met is told, and makes the command fail."""
    try:
        {"list": _list, "show": _show, "purge": _purge}[arguments.verb](arguments, work)
    finally:
        for fault in work.damage:
            sys.stderr.write(f"chatelaine: {fault}\n")
    return _FAILED if work.damage else _FINE


def _list(arguments: argparse.Namespace, work: CaptureWork) -> None:
    after = work.instant(arguments.since)
    found = [one for one in work.exchanges() if one.at >= after and arguments.owner in {None, one.owner}]
    found = found[-arguments.limit :] if arguments.limit is not None else found
    if arguments.json:
        _write({"captures": [_about(one) for one in found]})
    else:
        rows = (
            (one.exchange, iso(one.at) or "", one.owner, one.app, one.key, str(one.kept), _whole(one.whole))
            for one in found
        )
        heads = ("exchange", "at", "owner", "app", "key", "bytes", "whole")
        show(table(heads, rows) if found else "nothing is kept\n")


def _show(arguments: argparse.Namespace, work: CaptureWork) -> None:
    shown = work.show(ExchangeId(arguments.exchange.lower()), by=named_by(arguments))
    if arguments.json:
        _write({**_about(shown.about), "parts": [_part(part) for part in shown.parts]})
        return
    about = shown.about
    show(f"exchange {about.exchange} of {about.owner}/{about.app}, key {about.key}, {iso(about.at)}\n")
    for part in shown.parts:
        cut = "" if part.whole else f", not whole: {len(part.content)} bytes were kept"
        show(f"\n--- {part.part}: {part.size} bytes{cut}\n")
        text = _text(part)
        show("(not text; --json gives it in base64)\n" if text is None else f"{text}\n")


def _purge(arguments: argparse.Namespace, work: CaptureWork) -> None:
    age, owner, exchange = arguments.older_than, arguments.owner, arguments.exchange
    if age is None and owner is None and exchange is None:
        raise UsageError(
            "what is to be deleted?", hint="--older-than 7d, --owner OWNER or --exchange EXCHANGE; 0s is all"
        )
    before = work.instant(age) if age is not None else None
    wanted = ExchangeId(exchange.lower()) if exchange is not None else None

    def unwanted(head: PieceHead) -> bool:
        return (
            (before is None or head.at < before)
            and owner in {None, head.owner}
            and wanted in {None, head.exchange}
        )

    said = _said(iso(before), OwnerId(owner) if owner is not None else None, wanted)
    removed = work.purge(unwanted, by=named_by(arguments), said=said)
    if arguments.json:
        _write({"records": removed.records, "segments": removed.segments})
    else:
        show(f"deleted {removed.records} records and {removed.segments} segment files\n")


def _said(before: str | None, owner: OwnerId | None, exchange: ExchangeId | None) -> str:
    """Return in words what is deleted, for the record."""
    parts = (("before", before), ("owner", owner), ("exchange", exchange))
    return ", ".join(f"{name} {value}" for name, value in parts if value is not None)


def _about(one: CapturedExchange) -> dict[str, Json]:
    return {
        "exchange": one.exchange,
        "at": iso(one.at),
        "owner": one.owner,
        "app": one.app,
        "key": one.key,
        "kept_bytes": one.kept,
        "whole": one.whole,
    }


def _part(part: CapturedPart) -> Json:
    text = _text(part)
    return {
        "part": part.part.value,
        "size": part.size,
        "whole": part.whole,
        "encoding": "base64" if text is None else "utf-8",
        "content": base64.b64encode(part.content).decode() if text is None else text,
    }


def _text(part: CapturedPart) -> str | None:
    """Return content as text, or None where it is none; it may have been cut within a character."""
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(part.content, final=part.whole)
    except UnicodeDecodeError:
        return None


def _whole(whole: bool) -> str:  # noqa: FBT001 - a cell of a table
    return "yes" if whole else "no"


def _write(told: Json) -> None:
    # Escaped to ASCII: content must come out as it was, also what a terminal would not be shown.
    show(json.dumps(told, indent=2) + "\n")
