"""A key's last thirty days, by client context: what a rehearsal looks at, without a log to read.

What a context asked for is counted in five spans of six days, apart where it was more than plain text, since
that is what the lanes tell apart. So a busy key's month is a few kilobytes, and a rehearsal takes a moment.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from chatelaine.model.detection import Phase, Sighting
from chatelaine.model.exchange import Modality
from chatelaine.model.words import SECOND, ContextId, ExchangeId, Instant, KeyId, OwnerId

_OPENED: Final = Phase.OPENED
_WHOLE: Final = Phase.WHOLE
_TEXT: Final = Modality.TEXT
SPAN: Final = 6 * 86_400 * SECOND
_SPANS: Final = 5
_MOST: Final = 24
"""Entries of a key; the one that was silent longest gives way."""

PastParts = list[tuple[str, str, bool, int, str, list[int]]]
"""Context, prefix, rich, the last span's number, an exchange, and counts by span, the newest last."""


class Spent(NamedTuple):
    """What one client context asked for, as one sighting that stands for many."""

    seen: Sighting
    times: int


class _Entry:
    __slots__ = ("counts", "exchange", "last", "prefix")

    def __init__(self, prefix: str, last: int) -> None:
        self.prefix = prefix
        self.last = last
        self.exchange = ExchangeId("")
        self.counts = [0] * _SPANS

    def roll(self, span: int) -> None:
        """Drop what is too old at a span."""
        gone = min(max(span - self.last, 0), _SPANS)
        if gone:
            self.counts = [*self.counts[gone:], *([0] * gone)]
            self.last = span


class Past:
    """What a key's client contexts asked for in the last thirty days."""

    __slots__ = ("_entries", "owner")

    def __init__(self) -> None:
        self._entries: dict[tuple[ContextId, bool], _Entry] = {}
        self.owner = OwnerId("")

    def add(self, seen: Sighting) -> None:
        """Count an exchange at its opening; ends, and what was refused, count for nothing."""
        if seen.phase is _WHOLE:
            if seen.reason:
                return
        elif seen.phase is not _OPENED:
            return
        self.owner = seen.owner
        at = (seen.context, _rich(seen))
        span = seen.at // SPAN
        entry = self._entries.pop(at, None) or _Entry(seen.prefix, span)
        # Put last, so that the first one is that which was silent longest.
        self._entries[at] = entry
        entry.roll(span)
        entry.counts[-1] += 1
        entry.exchange = seen.exchange
        if len(self._entries) > _MOST:
            del self._entries[next(iter(self._entries))]

    def spent(self, key: KeyId, now: Instant) -> Iterator[Spent]:
        """Yield what each context asked for in the thirty days before an instant."""
        for (context, rich), entry in self._entries.items():
            entry.roll(now // SPAN)
            times = sum(entry.counts)
            if times:
                seen = Sighting(
                    at=Instant(entry.last * SPAN),
                    phase=Phase.WHOLE,
                    exchange=entry.exchange,
                    key=key,
                    owner=self.owner,
                    context=context,
                    prefix=entry.prefix,
                    tools=int(rich),
                    modalities=(Modality.TEXT,),
                )
                yield Spent(seen, times)

    def dump(self) -> tuple[str, PastParts]:
        """Return all of it in builtins."""
        return self.owner, [
            (context, entry.prefix, rich, entry.last, entry.exchange, entry.counts)
            for (context, rich), entry in self._entries.items()
        ]

    def fill(self, entries: PastParts) -> None:
        """Take over what was dumped."""
        for context, prefix, rich, last, exchange, counts in entries:
            entry = _Entry(prefix, last)
            entry.exchange, entry.counts = ExchangeId(exchange), list(counts)
            self._entries[ContextId(context), rich] = entry


def load_past(parts: tuple[str, PastParts]) -> Past:
    """Return what was dumped."""
    past = Past()
    owner, entries = parts
    past.owner = OwnerId(owner)
    past.fill(entries)
    return past


def _rich(seen: Sighting) -> bool:
    """Tell whether an exchange asks for more than plain text, which the quarantine lane refuses."""
    return seen.tools > 0 or any(modality is not _TEXT for modality in seen.modalities)
