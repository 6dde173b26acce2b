"""Messages: raw JSON of which only roles, kinds of content and emptiness are looked at."""

import re
from typing import Final

import msgspec

from chatelaine.core.grammar.reading import Value, raw_text
from chatelaine.core.grammar.wire import Turn
from chatelaine.model.exchange import Modality

Kinds = tuple[tuple[re.Pattern[bytes], Modality], ...]
"""Patterns that tell a kind of content part, in the raw JSON of a message."""

_SHORT: Final = 256
"""Bytes of the longest message that is looked at for being empty: a probe is shorter."""
_BLANK: Final = frozenset({b"", b'""', b"null", b"[]", b"{}"})
_STARTS: Final = frozenset({b"{", b'"'})
_USER_STARTS: Final = (b'{"role":"user"', b'{"role": "user"')
_SYSTEM_STARTS: Final = (
    b'{"role":"system"',
    b'{"role": "system"',
    b'{"role":"developer"',
    b'{"role": "developer"',
)
_OTHER_STARTS: Final = (*_USER_STARTS, *_SYSTEM_STARTS)
_SYSTEM_ROLES: Final = frozenset({"system", "developer"})
_TEXT_ONLY: Final = (Modality.TEXT,)


_TURN: Final = msgspec.json.Decoder(Turn)
_NO_TURN: Final = Turn()
_STRING: Final = msgspec.json.Decoder(str)
_PARTS: Final = msgspec.json.Decoder(list[Turn])


def as_messages(value: Value) -> tuple[bytes, ...]:
    """Return the raw messages of an array; text that stands for itself is one; token numbers are none."""
    if isinstance(value, list):
        messages = tuple(map(bytes, value))
        return messages if messages and messages[0][:1] in _STARTS else ()
    raw = raw_text(value)
    return (raw,) if raw else ()


def _turn(message: bytes) -> Turn:
    try:
        return _TURN.decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _NO_TURN


def find_last(messages: tuple[bytes, ...], role: str) -> int:
    """Return the index of the last message of a role; -1 where there is none."""
    needle = f'"{role}"'.encode()
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message.startswith(_OTHER_STARTS):
            continue
        if needle in message and _turn(message).role == role:
            return index
    return -1


def find_system(messages: tuple[bytes, ...]) -> bytes:
    """Return the first message where it is the system's or the developer's; empty where it is not."""
    if not messages:
        return b""
    first = messages[0]
    if first.startswith(_SYSTEM_STARTS):
        return first
    told = (b'"system"' in first or b'"developer"' in first) and _turn(first).role in _SYSTEM_ROLES
    return first if told else b""


def is_empty(said: Value, messages: tuple[bytes, ...]) -> bool:
    """Tell whether what is said last says nothing: the shape of a liveness probe (threats.md D02).

    Args:
        said: the field that holds the messages, or the text that stands for them.
        messages: its raw messages.
    """
    if isinstance(said, str):
        return not said.strip()
    if not messages:
        return said == []
    last = messages[-1]
    if len(last) > _SHORT:
        return False
    if last[:1] == b'"':
        return _is_blank(last)
    turn = _turn(last)
    if turn is _NO_TURN:
        return False
    content = bytes(turn.content) or bytes(turn.parts)
    return _is_blank(content) or _says_nothing(content)


def _is_blank(raw: bytes) -> bool:
    if raw in _BLANK:
        return True
    try:
        return raw[:1] == b'"' and not _STRING.decode(raw).strip()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False


def _says_nothing(raw: bytes) -> bool:
    """Tell whether content parts are texts, all of them blank."""
    if raw[:1] != b"[":
        return False
    try:
        parts = _PARTS.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return all(part.text and _is_blank(bytes(part.text)) for part in parts)


def kind_of_part(name: bytes) -> re.Pattern[bytes]:
    """Return the pattern of a kind of content: a type of that name, or a member of it.

    A text that is no more than such a name does not fit, and in a longer one its quotes are escaped.
    """
    return re.compile(rb'"type"\s*:\s*"%b"|"%b"\s*:' % (name, name))


def find_modalities(messages: tuple[bytes, ...], kinds: Kinds, *, hidden: bool) -> tuple[Modality, ...]:
    """Return the kinds of content that go in, text always among them.

    Args:
        messages: raw messages.
        kinds: what tells a kind.
        hidden: whether the body holds escapes under which a kind could hide.
    """
    found: set[Modality] | None = None
    for message in messages:
        # A part is an object inside the message's own; text that holds a brace is looked at in vain.
        if message.find(b"{", 1) >= 0:
            plain = unescaped(message) if hidden else message
            found = found or {Modality.TEXT}
            found.update(modality for pattern, modality in kinds if pattern.search(plain))
    return tuple(sorted(found)) if found is not None and len(found) > 1 else _TEXT_ONLY


def unescaped(raw: bytes) -> bytes:
    """Return JSON without escaped letters, under which a kind of content could hide."""
    try:
        return msgspec.json.encode(msgspec.json.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return raw


def join(*groups: tuple[Modality, ...]) -> tuple[Modality, ...]:
    """Return several groups of modalities as one, sorted, without repeats."""
    return tuple(sorted({modality for group in groups for modality in group}))
