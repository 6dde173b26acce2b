"""What a detection remembers of its group: a few recent values, and when it last spoke."""

from collections.abc import Iterable
from typing import Final

from chatelaine.core.detection.remembered import EMPTY, Memory
from chatelaine.model.words import NEVER, SECOND, Instant

__all__ = [
    "EMPTY",
    "MOST",
    "Memory",
    "distinct",
    "knows",
    "remember",
    "renew",
    "silent",
    "tell",
    "with_numbers",
]

MOST: Final = 64
"""Values that are remembered at most."""


def remember(memory: Memory, at: Instant, value: str, *, seconds: float, most: int = MOST) -> Memory:
    """Return the memory with one more value, and without those older than a span or beyond a number."""
    oldest = at - int(seconds * SECOND)
    kept = [entry for entry in memory.recent if entry[0] >= oldest][-(most - 1) :]
    kept.append((at, value))
    return Memory(tuple(kept), memory.told_at, memory.numbers)


def renew(memory: Memory, at: Instant, value: str, *, seconds: float, most: int = MOST) -> Memory:
    """Return the memory with a value at its latest instant alone, so that one repeated drives none out."""
    oldest = at - int(seconds * SECOND)
    kept = [entry for entry in memory.recent if entry[0] >= oldest and entry[1] != value][-(most - 1) :]
    kept.append((at, value))
    return Memory(tuple(kept), memory.told_at, memory.numbers)


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
    return memory.told_at != NEVER and at - memory.told_at < int(seconds * SECOND)


def with_numbers(memory: Memory, numbers: Iterable[float]) -> Memory:
    """Return the memory with other numbers."""
    return Memory(memory.recent, memory.told_at, tuple(numbers))
