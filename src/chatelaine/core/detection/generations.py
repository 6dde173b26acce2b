"""A table in two generations, whose changes are kept piece by piece.

What was not written for a whole generation falls out, in no time at all. What was written since all was last
kept is a new piece; a generation that fell out takes its pieces with it. So a large table costs its writes to
keep, not its size.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, Generic, TypeVar

T = TypeVar("T")

_MOST_IN_A_PIECE: Final = 5_000
"""What a hub writes of a piece at once, while nothing else has its turn."""


class Table(Generic[T]):
    """A dict that is bounded, and forgets the oldest."""

    __slots__ = ("_fresh", "_fresh_old", "_generation", "_kept", "_most", "old", "young")

    def __init__(self, most: int) -> None:
        self._most = max(most // 2, 1)
        self._generation = 0
        self.old: dict[str, T] = {}
        self.young: dict[str, T] = {}
        self._fresh: dict[str, T] = {}
        """What was written since all was last kept; the same of the old generation."""
        self._fresh_old: dict[str, T] = {}
        self._kept: dict[int, int] = {}
        """How many pieces are kept of a generation."""

    def get(self, value: str) -> T | None:
        """Return an entry; None where there is none."""
        return self.young.get(value) or self.old.get(value)

    def hold(self, value: str, entry: T) -> None:
        """Put an entry in, or another in its place."""
        if len(self.young) >= self._most and value not in self.young:
            self._turn()
        self.young[value] = self._fresh[value] = entry

    def _turn(self) -> None:
        self.old, self.young = self.young, {}
        self._fresh_old, self._fresh = self._fresh, {}
        self._generation += 1

    def all(self) -> dict[str, T]:
        """Return all entries, the oldest first."""
        return {**self.old, **self.young}

    def changes(self) -> Iterator[tuple[str, dict[str, T]]]:
        """Yield pieces by their names, as generation and number; one without entries is to be dropped."""
        for generation in [one for one in self._kept if one < self._generation - 1]:
            for number in range(self._kept.pop(generation)):
                yield f"{generation}.{number}", {}
        fresh_old, self._fresh_old = self._fresh_old, {}
        fresh, self._fresh = self._fresh, {}
        for generation, written in ((self._generation - 1, fresh_old), (self._generation, fresh)):
            entries = iter(written.items())
            while piece := dict(islice(entries, _MOST_IN_A_PIECE)):
                number = self._kept.get(generation, 0)
                self._kept[generation] = number + 1
                yield f"{generation}.{number}", piece

    def take_up(self, pieces: Iterable[tuple[str, dict[str, T]]]) -> None:
        """Take over the pieces that are kept, in any order."""
        for generation, number, entries in sorted((*placed(name), held) for name, held in pieces):
            while self._generation < generation:
                if not self.young and not self.old:
                    self._generation = generation
                else:
                    self._turn()
            self.young |= entries
            self._kept[generation] = number + 1


def placed(name: str) -> tuple[int, int]:
    """Return the generation and the number that a name tells.

    Raises:
        ValueError: it tells none.
    """
    generation, _, number = name.partition(".")
    return int(generation), int(number)
