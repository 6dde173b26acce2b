"""Replies that are one JSON value, or an array that streams its values."""

import re
from collections import deque
from typing import Final

import msgspec

from chatelaine.core.grammar.index import Grammar
from chatelaine.core.stream.tap import BYTES_A_TOKEN, MOST_EVENT, NOTHING, Tally, settled, tokens
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Served, Usage

MOST_HELD: Final = 256 * 1024
"""Bytes of a reply that are held to be read whole; of a larger one only the end is kept."""
_TAIL: Final = 64 * 1024
_MOST_USAGE: Final = 4096
_USAGES: Final = (b'"usage"', b'"usageMetadata"')
_STRUCTURE: Final = re.compile(rb'[{}"]')
_STRING_END: Final = re.compile(rb'["\\]')


class JsonTap:
    """Reads a reply that is one JSON value, once it has ended."""

    __slots__ = ("_chunks", "_counted", "_grammar", "_held", "_overlap", "_parts", "_served", "_total")

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._chunks: deque[bytes] = deque()
        self._held = 0
        self._total = 0
        self._counted = False
        self._parts = 0
        self._overlap = b""
        self._served: Served | None = None

    def feed(self, chunk: bytes) -> None:
        """Hold the next bytes, or the last of them."""
        self._chunks.append(chunk)
        self._held += len(chunk)
        self._total += len(chunk)
        self._served = None
        if self._total > MOST_HELD:
            self._count_parts(chunk)
            while self._held - len(self._chunks[0]) >= _TAIL:
                self._held -= len(self._chunks.popleft())

    def _count_parts(self, chunk: bytes) -> None:
        """Count the images of a reply that is too large to be held."""
        part = self._grammar.part
        if not part:
            return
        if not self._counted:
            self._counted = True
            chunk = b"".join(self._chunks)
        seen = self._overlap + chunk
        self._parts += seen.count(part)
        self._overlap = seen[-(len(part) - 1) :]

    def served(self) -> Served:
        """Return what the reply says, once it has ended; nothing of one that is not JSON."""
        if self._served is None:
            self._served = self._read_tail() if self._total > MOST_HELD else self._read_whole()
        return self._served

    def _read_whole(self) -> Served:
        try:
            return self._grammar.read_reply(b"".join(self._chunks))
        except BodyUnreadable:
            return NOTHING

    def _read_tail(self) -> Served:
        """Return what the end of a large reply says: the usage, which stands last, and its images."""
        tail = b"".join(self._chunks)
        found = _last_usage(tail)
        try:
            served = self._grammar.read_reply(found) if found else NOTHING
        except BodyUnreadable:
            served = NOTHING
        if self._parts:
            usage = msgspec.structs.replace(served.usage or Usage(), images=self._parts)
            return msgspec.structs.replace(served, usage=usage)
        if served.usage is None and self._grammar.mark:
            return msgspec.structs.replace(served, output_bytes=self._total)
        return served

    def output_estimate(self) -> int:
        """Return 0 while the reply comes, since it is paid by its usage; at its end, what its text is."""
        served = self._served
        if served is None or served.usage is not None:
            return 0
        return -(-served.output_bytes // BYTES_A_TOKEN)


def _last_usage(tail: bytes) -> bytes:
    """Return an object with nothing but the last usage of a reply's end; empty where there is none."""
    at, name = max((tail.rfind(name), name) for name in _USAGES)
    start = tail.find(b"{", at) if at >= 0 else -1
    if start < 0:
        return b""
    depth = 0
    for found in _STRUCTURE.finditer(tail, start, start + _MOST_USAGE):
        depth += {b"{": 1, b"}": -1}.get(found[0], 0)
        if depth == 0:
            return b"{" + name + b":" + tail[start : found.end()] + b"}"
    return b""


class ArrayTap:
    """Reads an array that streams its objects, as Gemini does without ``alt=sse``; or a single one.

    Whether it is an array shows in the first byte that is not white space (RFC 8259 §2).
    """

    __slots__ = ("_grammar", "_splitter", "_tally", "_whole")

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._splitter: ObjectSplitter | None = None
        self._whole: JsonTap | None = None
        self._tally = Tally(grammar)

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self._splitter is None and self._whole is None:
            chunk = chunk.lstrip()
            if not chunk:
                return
            if chunk[:1] == b"[":
                self._splitter = ObjectSplitter()
            else:
                self._whole = JsonTap(self._grammar)
        if self._splitter is not None:
            for value in self._splitter.feed(chunk):
                self._tally.take(value, "")
        elif self._whole is not None:
            self._whole.feed(chunk)

    def served(self) -> Served:
        """Return what the objects have said so far."""
        if self._whole is not None:
            return self._whole.served()
        return settled(self._tally.told, self.output_estimate(), self._tally.written)

    def output_estimate(self) -> int:
        """Return the output tokens so far, as for any stream."""
        if self._whole is not None:
            return self._whole.output_estimate()
        return tokens(self._tally.events, self._tally.written)


class ObjectSplitter:
    """Cuts an array into its objects; one of more than ``MOST_EVENT`` bytes is passed over."""

    __slots__ = ("_depth", "_escaped", "_held", "_in_string", "_skips")

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._held = bytearray()
        self._skips = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the objects that the next bytes complete."""
        objects: list[bytes] = []
        start = position = 0
        while position < len(chunk):
            depth = self._depth
            position = self._step(chunk, position)
            if depth == 0 and self._depth == 1:
                start = position - 1
            elif depth == 1 and self._depth == 0:
                self._hold(chunk[start:position])
                if not self._skips:
                    objects.append(bytes(self._held))
                self._held.clear()
                self._skips = False
        if self._depth > 0:
            self._hold(chunk[start:])
        return objects

    def _hold(self, part: bytes) -> None:
        if len(self._held) + len(part) > MOST_EVENT:
            self._skips = True
            self._held.clear()
        if not self._skips:
            self._held += part

    def _step(self, chunk: bytes, position: int) -> int:
        """Move past the next byte of structure; return where the one after it may stand."""
        if self._escaped:
            self._escaped = False
            return position + 1
        found = (_STRING_END if self._in_string else _STRUCTURE).search(chunk, position)
        if found is None:
            return len(chunk)
        byte = found[0]
        if byte == b'"':
            self._in_string = not self._in_string
        elif byte == b"\\":
            self._escaped = True
        elif byte == b"{":
            self._depth += 1
        elif self._depth > 0:
            self._depth -= 1
        return found.end()
