"""What every tap is, and how it counts what it could not read."""

from collections.abc import Callable
from typing import Final, Protocol

import msgspec

from chatelaine.core.grammar.index import Grammar
from chatelaine.core.served import merge
from chatelaine.model.error import BodyUnreadable
from chatelaine.model.exchange import Served, Usage, UsageSource

MOST_EVENT: Final = 1 << 20
"""Bytes of one event that are held to be read; a larger one is passed over."""
BYTES_A_TOKEN: Final = 4
"""English text has about four bytes a token."""
NOTHING: Final = Served()


class Tap(Protocol):
    """Reads a reply as it passes; it never raises, since a reply must not depend on being read."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        ...

    def served(self) -> Served:
        """Return what the reply has said of itself so far."""
        ...

    def output_estimate(self) -> int:
        """Return the output tokens seen so far, as far as they can be told."""
        ...


class BlindTap:
    """Reads nothing: a reply that is no text, such as speech or a file."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> None:
        """Let bytes pass."""

    def served(self) -> Served:
        """Return nothing."""
        return NOTHING

    def output_estimate(self) -> int:
        """Return nothing."""
        return 0


def tokens(events: int, written: int) -> int:
    """Return the tokens that a stream has given: an event with text is one at least."""
    return max(events, -(-written // BYTES_A_TOKEN))


class Tally:
    """What the events of one stream have said together."""

    __slots__ = ("_read", "events", "told", "written")

    def __init__(self, grammar: Grammar) -> None:
        self._read: Callable[[bytes, str], Served | None] = grammar.read_event
        self.told = NOTHING
        self.events = 0
        """Events that carried text."""
        self.written = 0
        """Bytes of text in them."""

    def take(self, data: bytes, name: str) -> int:
        """Read an event; return the bytes of text in it."""
        try:
            said = self._read(data, name)
        except BodyUnreadable:
            # An event that cannot be read says nothing; it went to the caller all the same.
            return 0
        if said is None:
            return 0
        written = said.output_bytes
        if written:
            self.events += 1
            self.written += written
        self.told = merge(self.told, said)
        return written


def settled(told: Served, estimate: int, written: int) -> Served:
    """Return what a stream has said, with its usage raised to what was seen where it did not end.

    A provider tells the whole usage with the last event. Where a caller leaves before, the first
    event may have told one token of output, and the rest would be had for nothing.
    """
    usage = told.usage
    if usage is not None and not told.finish and not told.error_code and estimate > usage.output_tokens:
        usage = raised(usage, estimate)
    return msgspec.structs.replace(told, usage=usage, output_bytes=written)


def raised(usage: Usage, output_tokens: int) -> Usage:
    """Return a usage with more output tokens than were reported."""
    return msgspec.structs.replace(usage, output_tokens=output_tokens, source=UsageSource.ESTIMATED)
