"""Habits: what values a key, and the whole population, shows, and how surprising the next one is.

The likelihood ratio is that of Freeman et al., *Who Are You?* (NDSS 2016): a random other client of the
population against this key's owner. What was never seen is weighed by Good and Turing's estimate on active
hours, not on requests, which hang together: a key that shows new values all the time excuses the next one.
"""

from math import log
from typing import Final

from chatelaine.core.detection.evidence_dump import Plain, numbers, texts_or_numbers

Value = str | int

COUNT: Final = 0
FIRST: Final = 1
REPEATED: Final = -1
"""Stands for the first hour of a value that was seen in a second one."""
FLOOR: Final = -4.0
CEILING: Final = 7.0
"""Nats that one observation weighs at least and at most; e^7 is 1,000 to 1."""
MANY: Final = 2_000_000
"""So many hours, and the population's counts are halved."""
ALWAYS_NEW: Final = 0.95
"""A key is never thought to show more new values than this share."""


class Habit:
    """The values that one key shows in one dimension."""

    __slots__ = ("births", "counts", "room", "singles")

    def __init__(self, room: int) -> None:
        self.counts: dict[Value, list[int]] = {}
        """How often each was seen, and in which hour first."""
        self.singles = 0.0
        """How many were seen in one hour only, also those that had to make room."""
        self.births = 0.0
        """How many observations were of a new value."""
        self.room = room

    def bear(self, value: Value, hour: int) -> None:
        """Count a value that is new; the first that is rare makes room."""
        counts = self.counts
        while len(counts) >= self.room:
            first = next(iter(counts))
            entry = counts.pop(first)
            if entry[COUNT] > 1:
                entry[COUNT] >>= 1
                counts[first] = entry
        counts[value] = [1, hour]
        self.singles += 1.0
        self.births += 1.0

    def repeat(self, entry: list[int]) -> None:
        """Note that a value came back in another hour."""
        entry[FIRST] = REPEATED
        self.singles = max(0.0, self.singles - 1.0)

    def halve(self) -> None:
        """Halve all counts, so that habits follow what a key does now."""
        for value, entry in list(self.counts.items()):
            entry[COUNT] >>= 1
            if not entry[COUNT]:
                del self.counts[value]
        self.births /= 2

    def newness(self, hours: float) -> float:
        """Return the probability that the next active hour shows a value never seen."""
        return min(ALWAYS_NEW, (self.singles + 0.5) / (hours + 1.0))

    def surprise(self, value: Value, share: float, hours: float, total: int) -> float:
        """Return the logarithm of how much likelier a random other client shows this value."""
        new = min(ALWAYS_NEW, (self.singles + 0.5) / (hours + 1.0))
        entry = self.counts.get(value)
        if entry is None:
            return min(CEILING, -log(new))
        own = (1.0 - new) * entry[COUNT] / (total + 1) + new * share
        return max(FLOOR, min(CEILING, log(share / own)))

    def echo(self, total: int) -> float:
        """Return the surprise of a foreign value that comes again: an owner who never repeats does not."""
        return -log(max(0.01, 1.0 - self.births / (total + 10.0)))

    def dump(self) -> Plain:
        """Return its state in builtins."""
        flat = [x for value, entry in self.counts.items() for x in (value, *entry)]
        return [self.singles, self.births, *flat]

    def load(self, state: Plain) -> None:
        """Take the state that a dump holds."""
        flat = texts_or_numbers(state)
        self.singles, self.births = numbers(state, 0, 2)
        self.counts.clear()
        self.counts.update(
            (flat[at], [int(flat[at + 1]), int(flat[at + 2])]) for at in range(2, len(flat) - 2, 3)
        )


class Crowd:
    """In how many hours of how many keys a value was seen first, over the whole population."""

    __slots__ = ("counts", "room", "total", "unique")

    def __init__(self, room: int, unique: float) -> None:
        self.counts: dict[Value, int] = {}
        self.total = 0
        self.room = room
        self.unique = unique
        """The share of every value but the empty one, where two clients share none; 0 where they do."""

    def learn(self, value: Value) -> None:
        """Count one more hour of a key that began with a value."""
        if self.unique and value:
            self.total += 1
            return
        known = self.counts.get(value)
        if known is None and len(self.counts) >= self.room:
            return
        self.counts[value] = (known or 0) + 1
        self.total += 1
        if self.total >= MANY:
            self.counts = {v: n >> 1 for v, n in self.counts.items() if n > 1}
            self.total >>= 1

    def share(self, value: Value) -> float:
        """Return the probability that a random client shows this value."""
        if self.unique and value:
            return self.unique
        return (self.counts.get(value, 0) + 0.5) / (self.total + 0.5 * len(self.counts) + 20.0)

    def dump(self) -> Plain:
        """Return its state in builtins."""
        return [self.total, *(x for pair in self.counts.items() for x in pair)]

    def load(self, state: Plain) -> None:
        """Take the state that a dump holds."""
        flat = texts_or_numbers(state)
        self.total = int(flat[0])
        self.counts = {flat[at]: int(flat[at + 1]) for at in range(1, len(flat) - 1, 2)}
