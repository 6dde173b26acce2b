"""Server-sent events (HTML Living Standard §9.2): decoded in bounded memory, and mostly not at all.

Nearly every event of a stream is one piece of text. Such an event is recognised by its mark and
counted; only one that may say more is taken apart.
"""

from typing import Final

from chatelaine.core.grammar.index import Grammar
from chatelaine.core.stream.tap import BYTES_A_TOKEN, MOST_EVENT, Tally, settled
from chatelaine.model.exchange import Served

_BOM: Final = b"\xef\xbb\xbf"
_UNEVEN: Final = (b'"obfuscation"', b'"logprobs":{', b'"logprobs": {')
"""Members whose size does not depend on the text, so that bytes tell nothing of it."""


class EventDecoder:
    """Cuts bytes into events; an event of more than ``MOST_EVENT`` bytes comes back empty."""

    __slots__ = ("_after_cr", "_data", "_held", "_line", "_name", "_skips", "_started")

    def __init__(self) -> None:
        self._line = bytearray()
        self._data: list[bytes] = []
        self._name = ""
        self._held = 0
        self._skips = False
        self._after_cr = False
        self._started = False

    @property
    def clean(self) -> bool:
        """Whether the bytes so far end where an event ends."""
        return not (self._line or self._data or self._name or self._skips or self._after_cr)

    def feed(self, chunk: bytes) -> list[tuple[str, bytes]]:
        """Return the events that the next bytes complete: name and data."""
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return []
        self._after_cr = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = chunk.split(b"\n")
        events: list[tuple[str, bytes]] = []
        if lines and self._line:
            lines[0] = bytes(self._line + lines[0])
            self._line.clear()
        for line in lines:
            self._take_line(line, events)
        self._hold(rest)
        return events

    def _hold(self, rest: bytes) -> None:
        if len(self._line) + self._held + len(rest) > MOST_EVENT:
            self._skip()
        if self._skips:
            # One byte stands for the line, so that its end is not taken for an empty line.
            self._line[:] = b"x" if rest or self._line else b""
        else:
            self._line += rest

    def _skip(self) -> None:
        self._skips = True
        self._data.clear()
        self._held = 0

    def _take_line(self, line: bytes, events: list[tuple[str, bytes]]) -> None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if not line:
            self._end_event(events)
        elif not self._skips:
            self._take_field(line)

    def _take_field(self, line: bytes) -> None:
        if self._held + len(line) > MOST_EVENT:
            self._skip()
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._held += len(value) + 1
        elif field == b"event":
            self._name = value[:128].decode("utf-8", "replace")

    def _end_event(self, events: list[tuple[str, bytes]]) -> None:
        if self._skips:
            events.append((self._name, b""))
        elif any(self._data):
            events.append((self._name, b"\n".join(self._data)))
        self._data.clear()
        self._held = 0
        self._skips = False
        self._name = ""

    def rest(self) -> tuple[str, bytes] | None:
        """Return the event that was under way when the bytes ended, where there is one."""
        data = list(self._data)
        if self._line.startswith(b"data:"):
            data.append(bytes(self._line[5:]).removeprefix(b" "))
        return (self._name, b"\n".join(data)) if data and not self._skips else None


class EventTap:
    """Reads server-sent events."""

    __slots__ = (
        "_clean",
        "_decoder",
        "_envelope",
        "_grammar",
        "_last",
        "_mark",
        "_needles",
        "_passed",
        "_tally",
        "_uneven",
        "_unread",
    )

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._mark = grammar.mark
        self._needles = grammar.needles
        self._decoder = EventDecoder()
        self._tally = Tally(grammar)
        self._clean = False
        """Whether the next chunk may pass unread: no event is under way, and the first one was read."""
        self._unread = 0
        """Events that passed unread."""
        self._last = b""
        """The last chunk of them: it may say how the reply finished."""
        self._passed = 0
        """Their bytes."""
        self._envelope = 0
        """Bytes of an event around its text; 0 until an event with text was read."""
        self._uneven = False

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        if self._clean and chunk.endswith(b"\n\n"):
            for needle in self._needles:
                # ``in`` first takes its left side for a number, which costs more than the search.
                if chunk.find(needle) >= 0:
                    break
            else:
                marks = chunk.count(self._mark)
                if marks == chunk.count(b"\n\n"):
                    self._unread += marks
                    self._passed += len(chunk)
                    self._last = chunk
                    return
        self._read(chunk)

    def _read(self, chunk: bytes) -> None:
        tally = self._tally
        if self._last:
            tally.told, self._last = self._heard(tally.told), b""
        for name, data in self._decoder.feed(chunk):
            if not data:
                tally.events += 1
                continue
            written = tally.take(data, name)
            if written:
                self._measure(name, data, written)
        self._clean = bool(self._mark and self._envelope) and self._decoder.clean

    def _measure(self, name: str, data: bytes, written: int) -> None:
        framing = len(b"data: \n\n") + (len(name) + len(b"event: \n") if name else 0)
        self._envelope = max(self._envelope, len(data) + framing - written)
        self._uneven = self._uneven or any(part in data for part in _UNEVEN)

    def _written(self) -> int:
        """Return the bytes of text so far: exact where events were read, reckoned where they passed."""
        unread = 0 if self._uneven else max(self._passed - self._unread * self._envelope, 0)
        return self._tally.written + unread

    def _heard(self, told: Served) -> Served:
        """Return what has been said with what the last chunk that passed unread adds, text apart."""
        aside = Tally(self._grammar)
        aside.told = told
        for name, data in EventDecoder().feed(self._last):
            aside.take(data, name)
        return aside.told

    def served(self) -> Served:
        """Return what the events have said so far, the one under way included."""
        told, rest = self._heard(self._tally.told), self._decoder.rest()
        if rest is not None:
            # On a tally of its own, as more bytes may follow; its text is not counted.
            last = Tally(self._grammar)
            last.told = told
            last.take(rest[1], rest[0])
            told = last.told
        return settled(told, self.output_estimate(), self._written())

    def output_estimate(self) -> int:
        """Return the output tokens so far: one an event with text at least, one for four bytes of it."""
        tally, unread = self._tally, self._unread
        events, written = tally.events + unread, tally.written
        if unread and not self._uneven:
            written += self._passed - unread * self._envelope
        return events if written <= events * BYTES_A_TOKEN else -(-written // BYTES_A_TOKEN)
