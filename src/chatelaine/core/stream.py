"""Taps: replies read as they pass, in bounded memory, whatever way the bytes are cut.

A tap never delays or changes a byte. Most events of a stream say nothing but more text, so only
those that contain a needle are decoded; the others are counted.
"""

import zlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from struct import Struct
from typing import Final, Protocol

import msgspec

from chatelaine.core.served import merge
from chatelaine.model.exchange import Served

Reader = Callable[[bytes], Served]

_NOTHING: Final = Served()
MOST_HELD: Final = 1 << 20
"""Bytes of one event, or of a JSON reply's end, that are held to be read; more is passed over."""
_NEEDLES: Final = (b"sage", b"error", b"filter", b"finish_reason", b"stop", b"message_start", b"etrics")
"""Parts of the names under which usage, errors, filters, ends and models are told."""
_BARE_EVENTS: Final = 3
"""Events of a stream that carry no text: its first, its last and the closing one."""


class Tap(Protocol):
    """Reads a reply as it passes."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        ...

    def served(self) -> Served:
        """Return what the reply has said of itself so far."""
        ...

    def output_estimate(self) -> int:
        """Return the output tokens seen so far, as far as they can be told."""
        ...


class JsonTap:
    """Reads a reply that is one JSON value; of a very large one, only what fits."""

    __slots__ = ("_held", "_parts", "_read", "_served")

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._parts: list[bytes] = []
        self._held = 0
        self._served: Served | None = None

    def feed(self, chunk: bytes) -> None:
        """Hold the next bytes."""
        self._held += len(chunk)
        if self._held <= MOST_HELD:
            self._parts.append(chunk)
        elif len(chunk) >= MOST_HELD:
            self._parts = [chunk[-MOST_HELD:]]
        else:
            self._parts = [b"".join(self._parts)[-(MOST_HELD - len(chunk)) :], chunk]

    def served(self) -> Served:
        """Read the reply; called when it has ended."""
        if self._served is None:
            parts = self._parts
            whole = parts[0] if len(parts) == 1 else b"".join(parts)
            if self._held > MOST_HELD:
                whole = _tail_object(whole)
            self._served = self._read(whole)
            self._parts = []
        return self._served

    def output_estimate(self) -> int:
        """Return nothing: a whole reply is paid by its usage, or not known before its end."""
        return 0


def _tail_object(tail: bytes) -> bytes:
    """Return an object made of the members that follow the last ``"usage"`` of a reply's end."""
    at = max(tail.rfind(b'"usage"'), tail.rfind(b'"usageMetadata"'))
    return b"{" + tail[at:] if at >= 0 else b""


class EventTap:
    """Reads server-sent events (HTML standard §9.2)."""

    __slots__ = ("_events", "_partial", "_read", "_served", "_skipping")

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._partial = b""
        self._skipping = False
        self._served = _NOTHING
        self._events = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes: count events, decode those that say something."""
        if not self._partial and chunk.endswith(b"\n\n"):
            self._events += chunk.count(b"data:")
            # Nearly every chunk is one event of plain text: it is searched, and not taken apart.
            if any(needle in chunk for needle in _NEEDLES):
                self._take_lines(chunk)
            return
        data = self._partial + chunk
        end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
        lines, self._partial = data[:end], data[end:]
        self._events += lines.count(b"data:")
        if any(needle in lines for needle in _NEEDLES):
            self._take_lines(lines)
        if len(self._partial) > MOST_HELD:
            self._partial = b"data:"[: len(self._partial)]

    def _take_lines(self, lines: bytes) -> None:
        for line in lines.splitlines():
            if line.startswith(b"data:") and any(needle in line for needle in _NEEDLES):
                self._served = merge(self._served, self._read(line[5:].strip()))

    def served(self) -> Served:
        """Return what the events have said so far."""
        if self._partial.startswith(b"data:"):
            return merge(self._served, self._read(self._partial[5:].strip()))
        return self._served

    def output_estimate(self) -> int:
        """Return one token for each event with text: no provider sends less than a token."""
        return max(self._events - _BARE_EVENTS, 0)


_PRELUDE: Final = Struct(">III")
_TRAILER: Final = 4


class _Chunk(msgspec.Struct):
    bytes: str = ""


_CHUNK: Final = msgspec.json.Decoder(_Chunk)


class FrameTap:
    """Reads ``application/vnd.amazon.eventstream``: prelude, headers, payload, each checksummed.

    A stream that breaks its own framing is read no further; the bytes pass all the same.
    """

    __slots__ = ("_broken", "_buffer", "_events", "_read", "_served", "_skip")

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._buffer = b""
        self._skip = 0
        self._broken = False
        self._served = _NOTHING
        self._events = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes: read every whole message."""
        if self._broken:
            return
        if self._skip:
            passed = min(self._skip, len(chunk))
            self._skip -= passed
            chunk = chunk[passed:]
        self._buffer = self._buffer + chunk if self._buffer else chunk
        while len(self._buffer) >= _PRELUDE.size and self._take_message():
            pass

    def _take_message(self) -> bool:
        total, headers, checksum = _PRELUDE.unpack_from(self._buffer)
        least = _PRELUDE.size + _TRAILER + headers
        if zlib.crc32(self._buffer[:8]) != checksum or total < least:
            self._broken = True
            return False
        if total > MOST_HELD:
            self._skip = max(total - len(self._buffer), 0)
            self._buffer = self._buffer[total:]
            return True
        if len(self._buffer) < total:
            return False
        message, self._buffer = self._buffer[:total], self._buffer[total:]
        if zlib.crc32(message[:-_TRAILER]) != int.from_bytes(message[-_TRAILER:], "big"):
            self._broken = True
            return False
        self._events += 1
        self._take_payload(message[_PRELUDE.size + headers : -_TRAILER])
        return True

    def _take_payload(self, payload: bytes) -> None:
        if payload.startswith(b'{"bytes":'):
            try:
                payload = b64decode(_CHUNK.decode(payload).bytes)
            except (msgspec.MsgspecError, Base64Error):
                return
        if any(needle in payload for needle in _NEEDLES):
            self._served = merge(self._served, self._read(payload))

    def served(self) -> Served:
        """Return what the messages have said so far."""
        return self._served

    def output_estimate(self) -> int:
        """Return one token for each message with text."""
        return max(self._events - _BARE_EVENTS, 0)

    @property
    def broken(self) -> bool:
        """Whether the stream broke its own framing."""
        return self._broken


_SHORT_HEAD: Final = 2
_MEDIUM_HEAD: Final = 4
_MEDIUM: Final = 126
_LONG_HEAD: Final = 10
_TEXT_OPCODES: Final = frozenset({0, 1, 2})


class SocketTap:
    """Reads the frames an upstream sends over a WebSocket (RFC 6455 §5.2): unmasked, uncompressed."""

    __slots__ = ("_buffer", "_events", "_message", "_read", "_served", "_skip")

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._buffer = b""
        self._message = b""
        self._skip = 0
        self._served = _NOTHING
        self._events = 0

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes: read every whole frame."""
        if self._skip:
            passed = min(self._skip, len(chunk))
            self._skip -= passed
            chunk = chunk[passed:]
        self._buffer = self._buffer + chunk if self._buffer else chunk
        while self._take_frame():
            pass

    def _take_frame(self) -> bool:
        data = self._buffer
        if len(data) < _SHORT_HEAD:
            return False
        length, start = data[1] & 0x7F, _SHORT_HEAD
        if length >= _MEDIUM:
            start = _MEDIUM_HEAD if length == _MEDIUM else _LONG_HEAD
            if len(data) < start:
                return False
            length = int.from_bytes(data[_SHORT_HEAD:start], "big")
        if length > MOST_HELD:
            self._skip = max(start + length - len(data), 0)
            self._buffer = data[start + length :]
            return True
        if len(data) < start + length:
            return False
        self._buffer = data[start + length :]
        if data[0] & 0x0F in _TEXT_OPCODES:
            self._take_text(data[start : start + length], last=bool(data[0] & 0x80))
        return True

    def _take_text(self, part: bytes, *, last: bool) -> None:
        if len(self._message) <= MOST_HELD:
            self._message += part
        if not last:
            return
        message, self._message = self._message, b""
        self._events += b"delta" in message
        if b"response.done" in message or b"error" in message:
            told = self._read(message)
            self._served = _add(self._served, told)

    def served(self) -> Served:
        """Return what the frames have said so far."""
        return self._served

    def output_estimate(self) -> int:
        """Return one token for each delta."""
        return self._events


def _add(one: Served, other: Served) -> Served:
    """Return two turns of one socket together: unlike the parts of one reply, their counts add up."""
    both = merge(one, other)
    if one.usage is None or other.usage is None:
        return both
    usage = msgspec.structs.replace(
        other.usage,
        input_tokens=one.usage.input_tokens + other.usage.input_tokens,
        output_tokens=one.usage.output_tokens + other.usage.output_tokens,
        cached_tokens=one.usage.cached_tokens + other.usage.cached_tokens,
        audio_input_tokens=one.usage.audio_input_tokens + other.usage.audio_input_tokens,
        audio_output_tokens=one.usage.audio_output_tokens + other.usage.audio_output_tokens,
    )
    return msgspec.structs.replace(both, usage=usage)


class BlindTap:
    """Reads nothing: a reply that is no text, such as speech or a file."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> None:
        """Let bytes pass."""

    def served(self) -> Served:
        """Return nothing."""
        return _NOTHING

    def output_estimate(self) -> int:
        """Return nothing."""
        return 0


BLIND: Final = BlindTap()


def tap_for(content_type: str, read: Reader | None, *, websocket: bool = False) -> Tap:
    """Return the tap for a reply, by its content type and the grammar that reads it."""
    if read is None:
        return BLIND
    if websocket:
        return SocketTap(read)
    kind = content_type.partition(";")[0].strip().lower()
    if kind in {"application/json", "text/json", "application/problem+json", ""}:
        return JsonTap(read)
    if kind == "text/event-stream":
        return EventTap(read)
    if kind == "application/vnd.amazon.eventstream":
        return FrameTap(read)
    return BLIND
