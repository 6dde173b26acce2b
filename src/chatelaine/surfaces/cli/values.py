"""How values on the command line are read and shown: durations, money, hours, instants."""

import argparse
import re
from datetime import UTC, datetime, timedelta

from chatelaine.model.key import HourSpan
from chatelaine.model.words import Instant, NanoUsd

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", re.ASCII)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"(?:([a-z]{3})(?:-([a-z]{3}))? )?(\d\d):(\d\d)-(\d\d):(\d\d)", re.ASCII)
_NANO = 1_000_000_000


def duration(text: str) -> timedelta:
    """Read a duration such as 90d, 24h or 1h30m.

    Raises:
        ArgumentTypeError: it is none.
    """
    parts = _PARTS.findall(text)
    if not parts or _PARTS.sub("", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 90d, 24h or 1h30m")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than all time") from None


def lifetime(text: str) -> timedelta | None:
    """Read a lifetime: a duration, or ``none`` for a key that does not expire."""
    return None if text == "none" else duration(text)


def money(text: str) -> NanoUsd:
    """Read US dollars.

    Raises:
        ArgumentTypeError: it is no amount, or less than a billionth of a dollar precise.
    """
    found = re.fullmatch(r"(\d{1,9})(?:\.(\d{1,9}))?", text.removeprefix("$"), re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not an amount in US dollars such as 20 or 0.50")
    return NanoUsd(int(found[1]) * _NANO + int((found[2] or "").ljust(9, "0")))


def positive(text: str) -> int:
    """Read a whole number above 0.

    Raises:
        ArgumentTypeError: it is none.
    """
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 2**53:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def hours(text: str) -> HourSpan:
    """Read hours of the week in UTC such as ``mon-fri 08:00-18:00``.

    Raises:
        ArgumentTypeError: they are none.
    """
    found = _HOURS.fullmatch(text.lower())
    if found is None or not {found[1] or "mon", found[2] or "mon"} <= set(_DAYS):
        raise argparse.ArgumentTypeError(f"{text!r} is not hours such as 'mon-fri 08:00-18:00' (UTC)")
    first = _DAYS.index(found[1]) if found[1] else 0
    last = _DAYS.index(found[2]) if found[2] else (first if found[1] else 6)
    days = range(first, last + 1) if first <= last else (*range(first, 7), *range(last + 1))
    start, end = int(found[3]) * 60 + int(found[4]), int(found[5]) * 60 + int(found[6])
    if not start < end <= 24 * 60:
        raise argparse.ArgumentTypeError(f"{text!r}: the hours end before they begin; give two spans")
    return HourSpan(tuple(days), start, end)


def iso(at: int | None) -> str | None:
    """Return an instant in ISO 8601, UTC, to the millisecond; None stays None."""
    if at is None:
        return None
    moment = datetime.fromtimestamp(at // _NANO, UTC) + timedelta(microseconds=at % _NANO // 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def since(text: str) -> timedelta | Instant:
    """Read how far back: a duration before now, or an instant in ISO 8601.

    Raises:
        ArgumentTypeError: it is neither.
    """
    if _PARTS.match(text) and not _PARTS.sub("", text):
        return duration(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is neither a duration such as 7d nor an instant such as 2026-01-31T12:00Z"
        ) from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return Instant(int(moment.timestamp()) * _NANO)
