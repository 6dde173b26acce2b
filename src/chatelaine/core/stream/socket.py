"""WebSocket frames (RFC 6455 §5), read as they pass in either direction."""

from typing import Final

import msgspec

from chatelaine.core.grammar.index import Grammar
from chatelaine.core.served import merge
from chatelaine.core.stream.tap import MOST_EVENT, NOTHING, raised
from chatelaine.model.error import BodyUnreadable, WireError
from chatelaine.model.exchange import Served, Usage

_SHORT: Final = 2
_TWO_BYTES: Final = 126
_EIGHT_BYTES: Final = 127
_MASK: Final = 4
_CONTINUATION: Final = 0
_DATA: Final = frozenset({0, 1, 2})
_CONTROL: Final = frozenset({8, 9, 10})
_MOST_CONTROL: Final = 125
_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F


class FrameDecoder:
    """Cuts bytes into messages; one of more than ``MOST_EVENT`` bytes comes back empty.

    Args:
        masked: True for the frames a caller sends, which must be masked; False for an upstream's,
            which must not be (RFC 6455 §5.1).
    """

    __slots__ = ("_buffer", "_masked", "_message", "_skip", "_skips", "_under_way")

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked
        self._buffer = bytearray()
        self._message = bytearray()
        self._skip = 0
        self._skips = False
        self._under_way = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the messages that the next bytes complete; control frames are left out.

        Raises:
            WireError: a frame breaks RFC 6455 §5.
        """
        messages: list[bytes] = []
        self._buffer += chunk
        while True:
            if self._skip:
                passed = min(self._skip, len(self._buffer))
                del self._buffer[:passed]
                self._skip -= passed
            if self._skip or len(self._buffer) < _SHORT or not self._take_frame(messages):
                return messages

    def _take_frame(self, messages: list[bytes]) -> bool:
        buffer = self._buffer
        first, second = buffer[0], buffer[1]
        self._check(first, second)
        start, length = self._measure(second)
        if length < 0:
            return False
        if length > MOST_EVENT:
            del buffer[:start]
            self._skip = length
            self._join(b"", first, messages, skips=True)
            return True
        if len(buffer) < start + length:
            return False
        payload = bytes(buffer[start : start + length])
        if self._masked:
            payload = _unmask(payload, bytes(buffer[start - _MASK : start]))
        del buffer[: start + length]
        if first & _OPCODE in _DATA:
            self._join(payload, first, messages, skips=False)
        return True

    def _measure(self, second: int) -> tuple[int, int]:
        """Return where the payload starts and how long it is; -1 while that has not come."""
        length, start = second & _LENGTH, _SHORT
        if length >= _TWO_BYTES:
            start += 2 if length == _TWO_BYTES else 8
            if len(self._buffer) < start:
                return start, -1
            length = int.from_bytes(self._buffer[_SHORT:start], "big")
            if length >> 63:
                raise WireError("the length of a frame is impossible", clause="RFC 6455 §5.2")
        if self._masked:
            start += _MASK
            if len(self._buffer) < start:
                return start, -1
        return start, length

    def _check(self, first: int, second: int) -> None:
        opcode = first & _OPCODE
        if first & _RESERVED:
            raise WireError("a frame uses an extension that was not agreed on", clause="RFC 6455 §5.2")
        if bool(second & _MASKED) is not self._masked:
            raise WireError("a frame is masked by the wrong side", clause="RFC 6455 §5.1")
        if opcode in _CONTROL:
            if not first & _FIN or second & _LENGTH > _MOST_CONTROL:
                raise WireError("a control frame is too long or in parts", clause="RFC 6455 §5.5")
        elif opcode not in _DATA:
            raise WireError("the kind of a frame is not known", clause="RFC 6455 §5.2")
        elif (opcode == _CONTINUATION) is not self._under_way:
            raise WireError("the parts of a message are out of order", clause="RFC 6455 §5.4")

    def _join(self, payload: bytes, first: int, messages: list[bytes], *, skips: bool) -> None:
        if skips or len(self._message) + len(payload) > MOST_EVENT:
            self._skips = True
            self._message.clear()
        if not self._skips:
            self._message += payload
        self._under_way = not first & _FIN
        if not self._under_way:
            messages.append(bytes(self._message))
            self._message.clear()
            self._skips = False


def _unmask(payload: bytes, mask: bytes) -> bytes:
    """Return a payload without its mask (RFC 6455 §5.3), as one exclusive or of two large numbers."""
    size = len(payload)
    repeated = (mask * (size // _MASK + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")).to_bytes(size, "big")


class SocketTap:
    """Reads what an upstream says over Realtime: the usages of its turns add up."""

    __slots__ = ("_decoder", "_grammar", "_since", "_told", "broken")

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._decoder = FrameDecoder(masked=False)
        self._told = NOTHING
        self._since = 0
        """Events with text or speech since the last turn was counted."""
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
        for message in messages:
            self._take(message)

    def _take(self, message: bytes) -> None:
        if b'"delta"' in message or not message:
            self._since += 1
            return
        try:
            said = self._grammar.read_event(message, "")
        except BodyUnreadable:
            # What cannot be read says nothing; it went to the caller all the same.
            return
        if said is None:
            return
        if said.usage is not None:
            self._since = 0
        self._told = _add(self._told, said)

    def served(self) -> Served:
        """Return what the messages have said so far; a turn that is not counted yet is estimated."""
        told = self._told
        if not self._since:
            return told
        usage = raised(told.usage or Usage(), self.output_estimate())
        return msgspec.structs.replace(told, usage=usage)

    def output_estimate(self) -> int:
        """Return the output tokens of all turns, of the present one a token for each event."""
        usage = self._told.usage
        return self._since + (usage.output_tokens if usage is not None else 0)


def _add(one: Served, other: Served) -> Served:
    """Return two turns of one socket together: unlike the parts of one reply, their counts add up."""
    both = merge(one, other)
    if one.usage is None or other.usage is None:
        return both
    sums = {
        name: getattr(one.usage, name) + getattr(other.usage, name)
        for name in Usage.__struct_fields__
        if name != "source"
    }
    return msgspec.structs.replace(both, usage=Usage(**sums))
