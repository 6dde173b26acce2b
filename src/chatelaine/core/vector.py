"""Vectors: the text files by which a shelf item proves that it does what its card says.

A file is made of parts. A line ``=== name`` begins a part, and what stands before the first part is
a remark. What a part means is the shelf's business; most are TOML tables or HTTP messages::

    A key that is not known is told as OpenAI tells it.
    === request
    POST /v1/chat/completions
    content-type: application/json

    {"model": "gpt-4o-mini", "messages": []}
    === asked
    model = "gpt-4o-mini"
"""

import tomllib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Final, NamedTuple

_PART: Final = "=== "
_ENCODED: Final = "x-vector-encoding"
"""A header of our own: ``base64`` where the body is not text."""


class VectorBroken(ValueError):
    """A vector cannot be read."""


class Message(NamedTuple):
    """An HTTP message of a vector: its first line, its headers in lower case, its body."""

    start: str
    headers: Mapping[str, str]
    body: bytes


def read_parts(text: str) -> dict[str, str]:
    """Return the parts of a vector by name, each without the line end that closes it.

    Raises:
        VectorBroken: there is no part, or one stands twice.
    """
    _, *parts = f"\n{text}".removesuffix("\n").split(f"\n{_PART}")
    found: dict[str, str] = {}
    for part in parts:
        name, _, content = part.partition("\n")
        if name.strip() in found:
            raise VectorBroken(f"the part {name.strip()!r} stands twice")
        found[name.strip()] = content
    if not found:
        raise VectorBroken("there is no part: a line '=== name' begins one")
    return found


def read_message(part: str) -> Message:
    """Return an HTTP message: first line, headers, an empty line, the body as it stands.

    Raises:
        VectorBroken: a header has no colon, or a body that should be Base64 is not.
    """
    head, _, body = part.partition("\n\n")
    start, *lines = head.removesuffix("\n").split("\n")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise VectorBroken(f"the header {line!r} has no colon")
        headers[name.strip().lower()] = value.strip()
    if headers.pop(_ENCODED, "") != "base64":
        return Message(start, headers, body.encode())
    try:
        return Message(start, headers, b64decode("".join(body.split()), validate=True))
    except Base64Error as error:
        raise VectorBroken("the body is not Base64") from error


def read_table(part: str) -> dict[str, object]:
    """Return a part that is a TOML table.

    Raises:
        VectorBroken: it is none.
    """
    try:
        return tomllib.loads(part)
    except tomllib.TOMLDecodeError as error:
        raise VectorBroken(f"not TOML: {error}") from error
