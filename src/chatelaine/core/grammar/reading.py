"""What the grammars share: a body read strictly as a whole, and leniently field by field.

A field of the wrong type is the upstream's to refuse. A body that is no JSON object, or that can be
read in two ways, is refused here: we would judge one reading and the upstream serve the other.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec import Raw

from chatelaine.core.grammar.parameter import NUMBERS
from chatelaine.model.error import BodyUnreadable

Value = str | int | float | bool | list[Raw] | dict[str, Raw] | None
Fields = dict[str, Value]
"""An object's members: plain values decoded, arrays and objects one level deep."""

MOST_NUMBERS: Final = 32
IMPOSSIBLE: Final = 1e300
"""Stands for a number that no double holds; JSON has no infinity to record it as."""
_LARGEST: Final = int(IMPOSSIBLE)
"""As a whole number: native code turns both sides of a comparison into doubles, and most hold no such one."""
_MOST_WHOLE: Final = 2**53
_MOST_DIGITS: Final = 16
_NUMERIC: Final = (int, float)

_FIELDS: Final = msgspec.json.Decoder(dict[str, Value])
_VALUE: Final = msgspec.json.Decoder(Value)
_RAW_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])

_DECISIVE_NAMES: Final = frozenset(
    {
        "model",
        "stream",
        "n",
        "best_of",
        "max_tokens",
        "max_completion_tokens",
        "max_output_tokens",
        "max_tokens_to_sample",
        "max_gen_len",
        "maxtokens",
        "maxoutputtokens",
        "candidatecount",
        "messages",
        "input",
        "prompt",
        "contents",
        "tools",
        "requests",
        "params",
        "parameters",
        "instances",
        "generationconfig",
        "generation_config",
        "inferenceconfig",
        "textgenerationconfig",
    }
)
"""Names that must be said once and in their own letters, in lower case."""
_DISGUISED: Final = re.compile(rb"\\u00[4-7]")
"""An escape for an ASCII letter, digit or underscore: no client writes one, but to hide a name."""


def read_fields(body: bytes, *, nested: tuple[bytes, ...] = ()) -> tuple[Fields, bool]:
    """Return the members of a body, and whether it holds escapes under which a name could hide.

    Args:
        body: the whole body.
        nested: quoted names inside a member that decide what is charged, such as ``"maxTokens"``.

    Raises:
        BodyUnreadable: it is no JSON object, or a decisive name stands twice, in other letters or
            in escapes (RFC 8259 §4: the meaning of repeated names is left to the reader).
    """
    try:
        fields = _FIELDS.decode(body)
    except msgspec.ValidationError:
        fields = _read_singly(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BodyUnreadable("the body is not JSON", clause="RFC 8259") from error
    if not "".join(fields).islower():
        _refuse_other_letters(fields)
    # memchr first: most bodies hold no such escape, and many no escape at all.
    hidden = body.find(b"\\") >= 0 and b"\\u00" in body and _DISGUISED.search(body) is not None
    if hidden or _may_repeat(body, fields, nested):
        _refuse_repeats(body, nested=nested)
    return fields, hidden


def _may_repeat(body: bytes, fields: Fields, nested: tuple[bytes, ...]) -> bool:
    """Tell whether a decisive name stands twice anywhere, be it in a message or a tool."""
    if "model" in fields and body.count(b'"model"') > 1:
        return True
    if "stream" in fields and body.count(b'"stream"') > 1:
        return True
    if "max_tokens" in fields and body.count(b'"max_tokens"') > 1:
        return True
    return any(body.count(name) > 1 for name in nested) if nested else False


def _refuse_other_letters(fields: Fields) -> None:
    for name in fields:
        if not name.islower() and name not in _CAMEL and name.lower() in _DECISIVE_NAMES:
            raise BodyUnreadable("a name stands in other letters than its own", clause="RFC 8259 §4")


_CAMEL: Final = frozenset(
    {
        "maxTokens",
        "maxOutputTokens",
        "candidateCount",
        "generationConfig",
        "inferenceConfig",
        "textGenerationConfig",
    }
)


def _read_singly(body: bytes) -> Fields:
    """Return the members where one of them holds a number that no machine word holds."""
    try:
        raws = _RAW_FIELDS.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BodyUnreadable("the body is not a JSON object", clause="RFC 8259 §4") from error
    return read_members(raws)


def read_members(raws: Mapping[str, Raw]) -> Fields:
    """Return the members of an object whose values are still raw."""
    return {name: _value(raw) for name, raw in raws.items()}


def _value(raw: Raw) -> Value:
    try:
        value: Value = _VALUE.decode(raw)
    except msgspec.ValidationError:
        return -IMPOSSIBLE if bytes(raw).startswith(b"-") else IMPOSSIBLE
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BodyUnreadable("the body is not JSON", clause="RFC 8259") from error
    return value


def _refuse_repeats(body: bytes, *, nested: tuple[bytes, ...] = ()) -> None:
    """Refuse a decisive name that stands twice, or in escapes, in one object."""
    try:
        raws = {name: bytes(raw) for name, raw in _RAW_FIELDS.decode(body).items()}
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BodyUnreadable("the body is not a JSON object", clause="RFC 8259 §4") from error
    inside = list(raws.values())
    if _outside(body, inside, b"\\") > 0:
        raise BodyUnreadable("a name is written in escapes", clause="RFC 8259 §7")
    for name in raws:
        if name.lower() in _DECISIVE_NAMES and _outside(body, inside, f'"{name}"'.encode()) > 1:
            raise BodyUnreadable(f"{name} stands twice", clause="RFC 8259 §4")
    if nested:
        for value in inside:
            if value[:1] == b"{":
                _refuse_nested(value, nested)


def _refuse_nested(value: bytes, names: tuple[bytes, ...]) -> None:
    inside = [bytes(raw) for raw in _RAW_FIELDS.decode(value).values()]
    if any(_outside(value, inside, name) > 1 for name in names):
        raise BodyUnreadable("a limit stands twice", clause="RFC 8259 §4")
    if any(name in value for name in names) and _outside(value, inside, b"\\") > 0:
        raise BodyUnreadable("a name is written in escapes", clause="RFC 8259 §7")


def _outside(body: bytes, inside: Iterable[bytes], part: bytes) -> int:
    """Return how often a part stands in an object outside its members' values."""
    return body.count(part) - sum(value.count(part) for value in inside)


def numbers(*objects: Fields) -> tuple[tuple[str, float], ...]:
    """Return every numeric or boolean parameter by its wire name, at most ``MOST_NUMBERS``.

    Only names that some dialect defines are returned: a name is recorded, so it must not be a
    place where a caller can write what it likes.
    """
    found = []
    for fields in objects:
        for name, value in fields.items():
            if name not in NUMBERS:
                continue
            if isinstance(value, float):
                found.append((name, value))
            elif isinstance(value, int):
                found.append((name, _as_float(value)))
    return tuple(found) if len(found) <= MOST_NUMBERS else tuple(found[:MOST_NUMBERS])


def _as_float(value: int) -> float:
    if -_LARGEST <= value <= _LARGEST:
        return float(value)
    return IMPOSSIBLE if value > 0 else -IMPOSSIBLE


def text(value: Value) -> str:
    """Return a string, or "" for anything else."""
    return value if isinstance(value, str) else ""


def whole(value: Value) -> int | None:
    """Return a number without its fraction, or None for anything else; true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, _NUMERIC):
        return None
    return int(value) if -_MOST_WHOLE < value < _MOST_WHOLE else _MOST_WHOLE if value > 0 else -_MOST_WHOLE


def cap(*values: Value) -> int | None:
    """Return the largest of several caps; None where one of them caps nothing (zero, negative, no number).

    What an upstream makes of an odd cap is not known, so the model's own maximum is reserved.
    """
    most = 0
    for value in values:
        if value is not None:
            known = value if type(value) is int else whole(value) or 0
            if known <= 0:
                return None
            most = max(most, known)
    return min(most, _MOST_WHOLE) or None


def choices(*values: Value) -> int:
    """Return how many answers are asked for: at least one; many servers take ``"5"`` for 5."""
    most = 1
    for value in values:
        if value is None:
            continue
        if isinstance(value, str):
            most = max(most, int(value) if value.isdecimal() and len(value) <= _MOST_DIGITS else 1)
        else:
            most = max(most, whole(value) or 1)
    return most


def raw_text(value: Value) -> bytes:
    """Return the JSON of a value, as near to what was sent as is needed to recognise it again."""
    if not value:
        return b""
    if isinstance(value, list):
        return b"[" + b",".join([bytes(item) for item in value]) + b"]"
    return msgspec.json.encode(value)


def items(value: Value) -> int:
    """Return how many items an array has; 0 for anything else."""
    return len(value) if isinstance(value, list) else 0


def members(value: Value) -> Fields:
    """Return the members of an object; none for anything else."""
    return read_members(value) if isinstance(value, dict) and value else {}
