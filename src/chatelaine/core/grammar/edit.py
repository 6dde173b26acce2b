"""JSON edited in place: a member is put in or its value replaced, and every other byte stays as it was."""

import re
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw

from chatelaine.model.error import BodyUnreadable

_RAW_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
_GAP: Final = re.compile(rb"[ \t\r\n]*")
_NAME: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')


class Member(NamedTuple):
    """One member of an object: its name, and where its value stands."""

    name: str
    start: int
    end: int


def find_members(raw: bytes) -> tuple[Member, ...]:
    """Return the members of an object with the places of their values.

    Only names are looked for: how long a value is, the decoder says, so a large one costs nothing.

    Raises:
        BodyUnreadable: it is no object, or a name stands twice in it.
    """
    try:
        values = _RAW_FIELDS.decode(raw)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BodyUnreadable("the body is not a JSON object", clause="RFC 8259 §4") from error
    found: list[Member] = []
    at = _skip(raw, 0) + 1
    for name, value in values.items():
        named = _NAME.match(raw, _skip(raw, at))
        if named is None:
            raise _twice()
        start = _skip(raw, _skip(raw, named.end()) + 1)
        told = bytes(value)
        end = start + len(told)
        if raw[start:end] != told:
            raise _twice()
        found.append(Member(name, start, end))
        at = _skip(raw, end) + 1
    if found and raw[at - 1 : at] != b"}":
        raise _twice()
    return tuple(found)


def _twice() -> BodyUnreadable:
    return BodyUnreadable("a name stands twice", clause="RFC 8259 §4")


def _skip(raw: bytes, at: int) -> int:
    gap = _GAP.match(raw, at)
    return gap.end() if gap is not None else at


def value_of(raw: bytes, name: str) -> bytes | None:
    """Return the raw value of a member, or None where there is none of that name."""
    for member in find_members(raw):
        if member.name == name:
            return raw[member.start : member.end]
    return None


def put(raw: bytes, name: str, value: bytes) -> bytes:
    """Return an object in which a member has this value: in its place, or else before all others."""
    for member in find_members(raw):
        if member.name == name:
            return raw[: member.start] + value + raw[member.end :]
    return put_first(raw, name, value)


def put_first(raw: bytes, name: str, value: bytes) -> bytes:
    """Return an object with a member before all others; the name must not stand in it yet."""
    return _put_at_front(raw, b"{", b"%b:%b" % (msgspec.json.encode(name), value))


def put_item_first(raw: bytes, item: bytes) -> bytes:
    """Return an array with an item before all others."""
    return _put_at_front(raw, b"[", item)


def _put_at_front(raw: bytes, opening: bytes, what: bytes) -> bytes:
    at = raw.index(opening) + 1
    alone = raw[_skip(raw, at) : _skip(raw, at) + 1] in {b"}", b"]"}
    return b"%b%b%b%b" % (raw[:at], what, b"" if alone else b",", raw[at:])
