"""What a detection remembers of its group: a few recent values, and when it last spoke."""

from typing import Final
from zlib import crc32

from chatelaine.model.words import NEVER, SECOND, Instant

Recent = tuple[tuple[Instant, str], ...]

MOST: Final = 24
"""Values that are remembered at most where no more are needed: a key is to cost a few kilobytes."""
MANY: Final = 64
"""The same for what is counted in dozens."""

Kept = tuple[Recent, Instant, tuple[float, ...]]
"""A memory in builtins."""


class Memory:
    """The state of one detection for one group, which nothing changes: a step returns the next."""

    __slots__ = ("numbers", "recent", "told_at")

    def __init__(
        self, recent: Recent = (), told_at: Instant = NEVER, numbers: tuple[float, ...] = ()
    ) -> None:
        self.recent: Final = recent
        """Values with their instants, oldest first."""
        self.told_at: Final = told_at
        self.numbers: Final = numbers

    def dump(self) -> Kept:
        """Return all of it in builtins."""
        return self.recent, self.told_at, self.numbers


EMPTY: Final = Memory()


def load(kept: Kept) -> Memory:
    """Return the memory that was dumped."""
    recent, told_at, numbers = kept
    return Memory(recent, told_at, numbers)


def remember(memory: Memory, at: Instant, value: str, *, seconds: float, most: int = MOST) -> Memory:
    """Return the memory with one more value, and without those older than a span or beyond a number."""
    first = _first(memory.recent, at, seconds, most)
    return Memory((*memory.recent[first:], (at, value)), memory.told_at, memory.numbers)


def renew(memory: Memory, at: Instant, value: str, *, seconds: float, most: int = MOST) -> Memory:
    """Return the memory with a value at its latest instant alone, so that one repeated drives none out."""
    recent = memory.recent
    if not recent or recent[-1][1] == value:
        recent = recent[:-1]
    else:
        recent = tuple([entry for entry in recent if entry[1] != value])
    first = _first(recent, at, seconds, most)
    return Memory((*recent[first:], (at, value)), memory.told_at, memory.numbers)


def _first(recent: Recent, at: Instant, seconds: float, most: int) -> int:
    """Return where what is kept beside one more value begins: the oldest stand first."""
    count, oldest = len(recent), at - int(seconds * SECOND)
    first = max(count - most + 1, 0)
    while first < count and recent[first][0] < oldest:
        first += 1
    return first


def brief(text: str) -> str:
    """Return a few digits that stand for a text which is compared with others and never shown.

    Whoever makes two of his texts collide makes them look like one, and gains nothing.
    """
    return f"{crc32(text.encode('utf-8', 'replace')):08x}" if text else ""


def distinct(memory: Memory) -> int:
    """Return how many different values are remembered."""
    return len({value for _, value in memory.recent})


def knows(memory: Memory, value: str) -> bool:
    """Tell whether a value is remembered."""
    return any(known == value for _, known in memory.recent)


def tell(memory: Memory, at: Instant) -> Memory:
    """Return the memory of a detection that speaks now."""
    return Memory(memory.recent, at, memory.numbers)


def silent(memory: Memory, at: Instant, *, seconds: float) -> bool:
    """Tell whether a detection spoke within a span, so that it need not again."""
    return memory.told_at > NEVER and at - memory.told_at < int(seconds * SECOND)


def with_numbers(memory: Memory, numbers: tuple[float, ...]) -> Memory:
    """Return the memory with other numbers."""
    return Memory(memory.recent, memory.told_at, numbers)
