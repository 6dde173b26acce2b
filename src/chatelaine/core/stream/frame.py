"""Messages of ``application/vnd.amazon.eventstream``: prelude, headers, payload, each checksummed.

Layout: total length, length of the headers, CRC-32 of these two; headers; payload; CRC-32 of all
before it. Numbers are big-endian (Amazon Transcribe developer guide, "Event stream encoding").
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

import msgspec

from chatelaine.core.grammar.index import Grammar
from chatelaine.core.stream.tap import MOST_EVENT, Tally, settled, tokens
from chatelaine.model.error import WireError
from chatelaine.model.exchange import Served

_PRELUDE: Final = Struct(">III")
_TRAILER: Final = 4
_MOST_HEADERS: Final = 128 * 1024
_MOST_MESSAGE: Final = 24 * 1024 * 1024
"""Bytes of the longest message that the format allows."""
_CLAUSE: Final = "event stream encoding"
_STRING: Final = 7
_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type; types 6 and 7 say their own length."""
_SIZED: Final = frozenset({6, _STRING})


class Message(NamedTuple):
    """One message: those of its headers that are strings, and its payload."""

    headers: dict[str, str]
    payload: bytes


class MessageDecoder:
    """Cuts bytes into messages; one of more than ``MOST_EVENT`` bytes is passed over."""

    __slots__ = ("_buffer", "_skip", "_wanted")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = _PRELUDE.size
        self._skip = 0

    def feed(self, chunk: bytes) -> list[Message]:
        """Return the messages that the next bytes complete.

        Raises:
            WireError: a checksum or a length is wrong.
        """
        messages: list[Message] = []
        self._buffer += chunk
        while True:
            if self._skip:
                passed = min(self._skip, len(self._buffer))
                del self._buffer[:passed]
                self._skip -= passed
            if self._skip or len(self._buffer) < self._wanted:
                return messages
            if self._wanted == _PRELUDE.size:
                self._read_prelude()
            else:
                messages.append(self._read_message())

    def _read_prelude(self) -> None:
        total, headers, checksum = _PRELUDE.unpack_from(self._buffer)
        if crc32(self._buffer[:8]) != checksum:
            raise WireError("the prelude of a message is corrupt", clause=_CLAUSE)
        if headers > _MOST_HEADERS or not _PRELUDE.size + headers + _TRAILER <= total <= _MOST_MESSAGE:
            raise WireError("the length of a message is impossible", clause=_CLAUSE)
        if total > MOST_EVENT:
            self._skip = total
        else:
            self._wanted = total

    def _read_message(self) -> Message:
        total = self._wanted
        message = bytes(self._buffer[:total])
        del self._buffer[:total]
        self._wanted = _PRELUDE.size
        if crc32(message[:-_TRAILER]) != int.from_bytes(message[-_TRAILER:], "big"):
            raise WireError("a message is corrupt", clause=_CLAUSE)
        end = _PRELUDE.size + int.from_bytes(message[4:8], "big")
        return Message(read_headers(message[_PRELUDE.size : end]), message[end:-_TRAILER])


def write_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return a message whose headers are all strings."""
    lines = [
        b"%c%b%c%b%b" % (len(name), name.encode(), _STRING, len(value).to_bytes(2, "big"), value.encode())
        for name, value in headers.items()
    ]
    told = b"".join(lines)
    sizes = (_PRELUDE.size + len(told) + len(payload) + _TRAILER).to_bytes(4, "big") + len(told).to_bytes(
        4, "big"
    )
    message = sizes + crc32(sizes).to_bytes(4, "big") + told + payload
    return message + crc32(message).to_bytes(4, "big")


def read_headers(raw: bytes) -> dict[str, str]:
    """Return the headers of a message that are strings.

    Raises:
        WireError: a header is cut off, or of an unknown type.
    """
    headers: dict[str, str] = {}
    position = 0
    while position < len(raw):
        end = position + 1 + raw[position]
        name, kind = raw[position + 1 : end], raw[end : end + 1]
        start = end + 1
        if kind and kind[0] in _SIZED:
            start += 2
            size = int.from_bytes(raw[start - 2 : start], "big")
        else:
            size = _SIZES.get(kind[0], -1) if kind else -1
        position = start + size
        if size < 0 or position > len(raw):
            raise WireError("a header of a message is broken", clause=_CLAUSE)
        if kind[0] == _STRING:
            headers[name.decode("utf-8", "replace")] = raw[start:position].decode("utf-8", "replace")
    return headers


class _Chunk(msgspec.Struct):
    bytes: str = ""


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


class FrameTap:
    """Reads Bedrock's messages. A stream that breaks its own framing is read no further."""

    __slots__ = ("_decoder", "_tally", "broken")

    def __init__(self, grammar: Grammar) -> None:
        self._decoder = MessageDecoder()
        self._tally = Tally(grammar)
        self.broken = ""
        """How the stream broke its framing; "" where it did not."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self.broken:
            return
        try:
            messages = self._decoder.feed(chunk)
        except WireError as fault:
            self.broken = fault.message
            return
        for headers, payload in messages:
            name = headers.get(":exception-type") or headers.get(":error-code") or ""
            if name and not name.endswith("Exception"):
                name += "Exception"
            self._tally.take(_plain(payload), name or headers.get(":event-type", ""))

    def served(self) -> Served:
        """Return what the messages have said so far."""
        return settled(self._tally.told, self.output_estimate(), self._tally.written)

    def output_estimate(self) -> int:
        """Return the output tokens so far, as for any stream."""
        return tokens(self._tally.events, self._tally.written)


def _plain(payload: bytes) -> bytes:
    """Return the event inside a chunk of InvokeModel, which is Base64; any other payload as it is."""
    if b'"bytes"' not in payload[:64]:
        return payload
    try:
        return b64decode(_CHUNK.decode(payload).bytes, validate=True)
    except (msgspec.MsgspecError, Base64Error, UnicodeDecodeError):
        return b""
