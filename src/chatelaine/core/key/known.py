"""A set of kids that answers in the same time whether it holds one or not.

A Python set answers a hit some nanoseconds sooner or later than a miss: by where it branches, and by
touching colder memory. That is enough for a patient caller on the same machine to learn which kids
exist (``bench/timing.py``). So this is a cuckoo table (Pagh and Rodler, Cuckoo Hashing, 2004): a
number can stand in two places, and a question reads both, whatever stands there. The answer is
worked out in floating point, which neither branches nor allocates by value as integers do.
"""

from array import array
from collections.abc import Iterable
from math import copysign

_FOLD = (1 << 53) - 111
"""A prime: a kid's nine bytes are folded to what a double holds exactly.

Two of 62^9 kids share a fold with a chance of 10^-16; then an unknown kid would be told wrong.
"""

_FREE = 0.5
"""No kid folds to a fraction."""

_FEWEST_PLACES = 2053
_PLACES_A_KID = 4
"""With two places a kid the table works up to half full; a quarter keeps moves rare."""
_MOST_MOVES = 64


class KnownKids:
    """Kids as nine ASCII bytes each; they are added, and never removed one by one."""

    __slots__ = ("_count", "_first", "_places", "_second")

    def __init__(self, kids: Iterable[bytes] = ()) -> None:
        self._lay_out({_folded(kid) for kid in kids}, _FEWEST_PLACES)

    def __len__(self) -> int:
        return self._count

    def holds(self, kid: bytes) -> int:
        """Return 1 for a kid of the set and 0 for any other."""
        fold = int.from_bytes(kid, "big") % _FOLD
        places = self._places
        # Zero where the fold stands in either place; else at least 0.25.
        apart = (fold - places[fold % self._first]) * (fold - places[fold % self._second])
        return int(copysign(0.5, 0.01 - apart * apart) + 0.5)

    def add(self, kid: bytes) -> None:
        """Add a kid; adding it again changes nothing."""
        if self.holds(kid):
            return
        crowded = (self._count + 1) * _PLACES_A_KID > len(self._places)
        homeless = _folded(kid) if crowded else self._place(_folded(kid))
        if homeless is None:
            self._count += 1
        else:
            held = {int(place) for place in self._places if place != _FREE}
            self._lay_out(held | {homeless}, len(self._places) * 2 + 1)

    def _lay_out(self, folds: set[int], places: int) -> None:
        """Place folds anew in a table of at least so many places."""
        self._count = len(folds)
        while places < len(folds) * _PLACES_A_KID:
            places = places * 2 + 1
        while True:
            self._places = array("d", [_FREE]) * places
            # Both odd and 2 apart, so coprime: few kids share both places.
            self._first, self._second = places, places - 2
            if all(self._place(fold) is None for fold in folds):
                return
            places = places * 2 + 1

    def _place(self, fold: int) -> int | None:
        """Put a fold in one of its places, moving others to theirs; return who is left without one."""
        at = fold % self._first
        for _ in range(_MOST_MOVES):
            moved = self._places[at]
            self._places[at] = fold
            if moved == _FREE:
                return None
            fold = int(moved)
            one, other = fold % self._first, fold % self._second
            at = other if at == one else one
        return fold


def _folded(kid: bytes) -> int:
    return int.from_bytes(kid, "big") % _FOLD
