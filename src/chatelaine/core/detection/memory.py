"""What a detection remembers of its group: a few recent values, and when it last spoke."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from chatelaine.model.words import NEVER, SECOND, Instant

MOST: Final = 64
"""Values that are remembered at most."""


class Memory(Struct, frozen=True, array_like=True, gc=False):
    """The state of one detection for one group; a step returns the next."""

    recent: tuple[tuple[Instant, str], ...] = ()
    """Values with their instants, oldest first."""
    told_at: Instant = NEVER
    numbers: tuple[float, ...] = ()


EMPTY: Final = Memory()


def remember(memory: Memory, at: Instant, value: str, *, seconds: float, most: int = MOST) -> Memory:
    """Return the memory with one more value, and without those older than a span or beyond a number."""
    oldest = at - int(seconds * SECOND)
    kept = tuple(entry for entry in memory.recent if entry[0] >= oldest)[-(most - 1) :]
    return Memory((*kept, (at, value)), memory.told_at, memory.numbers)


def renew(memory: Memory, at: Instant, value: str, *, seconds: float, most: int = MOST) -> Memory:
    """Return the memory with a value at its latest instant alone, so that one repeated drives none out."""
    others = tuple(entry for entry in memory.recent if entry[1] != value)
    return remember(Memory(others, memory.told_at, memory.numbers), at, value, seconds=seconds, most=most)


def distinct(memory: Memory) -> int:
    """Return how many different values are remembered."""
    return len({value for _, value in memory.recent})


def knows(memory: Memory, value: str) -> bool:
    """Tell whether a value is remembered."""
    return any(value == known for _, known in memory.recent)


def tell(memory: Memory, at: Instant) -> Memory:
    """Return the memory of a detection that speaks now."""
    return Memory(memory.recent, at, memory.numbers)


def silent(memory: Memory, at: Instant, *, seconds: float) -> bool:
    """Tell whether a detection spoke within a span, so that it need not again."""
    return memory.told_at != NEVER and at - memory.told_at < int(seconds * SECOND)


def with_numbers(memory: Memory, numbers: Iterable[float]) -> Memory:
    """Return the memory with other numbers."""
    return Memory(memory.recent, memory.told_at, tuple(numbers))
