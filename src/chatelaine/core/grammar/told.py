"""What replies have in common: counts and labels read leniently, since no upstream may break the gate."""

import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Usage

MOST_LABEL: Final = 64
MOST_ID: Final = 128
MOST_FILTERS: Final = 32
_MOST_COUNT: Final = 2**53
_NOT_LABEL: Final = re.compile(r"[^ -~]+")
_SEVERITIES: Final = ("", "safe", "negligible", "detected", "low", "medium", "high", "blocked", "filtered")

Object = dict[str, object]
_NO_MEMBERS: Final[Object] = {}
_Told = TypeVar("_Told")


def read_object(decode: Callable[[bytes], _Told], body: bytes, *, what: str) -> _Told:
    """Return a body as its struct.

    Raises:
        BodyUnreadable: ``what`` came is no JSON object.
    """
    try:
        return decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BodyUnreadable(f"the {what} is not a JSON object", clause="RFC 8259 §4") from error


def count(value: object) -> int:
    """Return a count: a whole number that is not negative; 0 for anything else."""
    if isinstance(value, int) and 0 < value < _MOST_COUNT:
        return int(value)
    if isinstance(value, float) and 0 < value < _MOST_COUNT:
        return -int(-value // 1)
    return 0


def label(value: object, *, most: int = MOST_LABEL) -> str:
    """Return a code, name or id, short and in printable ASCII, so that it can stand in a record."""
    if isinstance(value, str):
        short = value if len(value) <= most else value[:most]
        return short if short.isascii() and short.isprintable() else _NOT_LABEL.sub("_", short)
    return str(value) if isinstance(value, int) and abs(value) < _MOST_COUNT else ""


def member(told: object, name: str) -> object:
    """Return a member of what may be an object; None where it is not, or has none."""
    return told.get(name) if isinstance(told, dict) else None


def members(told: object) -> Object:
    """Return what may be an object as one."""
    return told if isinstance(told, dict) else _NO_MEMBERS


def length(*values: object) -> int:
    """Return the bytes of those values that are texts."""
    return sum(len(value.encode()) for value in values if isinstance(value, str))


def worse(one: str, other: str) -> str:
    """Return the severer of two results of a content filter."""
    return one if _rank(one) >= _rank(other) else other


def _rank(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else 1


def gather(*groups: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Return results of content filters as one: for each category the severest, sorted."""
    found: dict[str, str] = {}
    for group in groups:
        for category, severity in group:
            if category in found:
                found[category] = worse(found[category], severity)
            elif len(found) < MOST_FILTERS:
                found[category] = severity
    return tuple(sorted(found.items()))


def with_input(usage: Usage, read: int, wrote: int) -> Usage:
    """Return a usage whose cached tokens, counted beside the input, are contained in it."""
    return Usage(
        usage.input_tokens + read + wrote,
        usage.output_tokens,
        read,
        wrote,
        usage.reasoning_tokens,
    )
