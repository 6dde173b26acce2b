"""Chance that is no chance: SplitMix64, so that a seed tells everything that will be drawn.

Steele, Lea and Flood, *Fast splittable pseudorandom number generators* (OOPSLA 2014). The generator
counts by a constant and mixes the count; a branch is a generator of its own whose draws depend on
its name alone, never on what was drawn before.
"""

from collections.abc import Sequence
from hashlib import sha256
from math import cos, exp, log, pi, sqrt
from typing import Final, TypeVar

T = TypeVar("T")

_MASK: Final = (1 << 64) - 1
_STEP: Final = 0x9E3779B97F4A7C15
_FRACTION: Final = 2.0**-53
_MANY: Final = 40.0
"""Mean from which on a Poisson count is drawn from the normal distribution that it approaches."""


def mix(count: int) -> int:
    """Return 64 bits in which every bit depends on every bit of a 64-bit count; no two counts share them."""
    count = (count ^ count >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    count = (count ^ count >> 27) * 0x94D049BB133111EB & _MASK
    return count ^ count >> 31


class Chance:
    """Draws from a seed; two of one seed draw the same for ever."""

    __slots__ = ("_count", "_seed")

    def __init__(self, seed: int) -> None:
        self._seed = self._count = seed & _MASK

    def branch(self, name: str) -> "Chance":
        """Return a generator that depends on this one's seed and the name."""
        named = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
        return Chance(mix(self._seed ^ named))

    def bits(self) -> int:
        """Return 64 bits."""
        self._count = count = (self._count + _STEP) & _MASK
        count = (count ^ count >> 30) * 0xBF58476D1CE4E5B9 & _MASK
        count = (count ^ count >> 27) * 0x94D049BB133111EB & _MASK
        return count ^ count >> 31

    def share(self) -> float:
        """Return a number from 0 up to, not including, 1."""
        return (self.bits() >> 11) * _FRACTION

    def below(self, end: int) -> int:
        """Return a whole number from 0 up to, not including, ``end``, which is far below 2^64."""
        return self.bits() * end >> 64

    def between(self, low: float, high: float) -> float:
        """Return a number between two."""
        return low + self.share() * (high - low)

    def often(self, share: float) -> bool:
        """Return whether what happens in a share of all times happens now."""
        return self.share() < share

    def pick(self, things: Sequence[T]) -> T:
        """Return one of some things."""
        return things[self.bits() * len(things) >> 64]

    def several(self, things: Sequence[T], count: int) -> tuple[T, ...]:
        """Return so many different ones, in an order of chance; all where there are no more."""
        rest = list(things)
        taken: list[T] = []
        while rest and len(taken) < count:
            taken.append(rest.pop(self.below(len(rest))))
        return tuple(taken)

    def normal(self) -> float:
        """Return a number of the standard normal distribution (Box and Muller, 1958)."""
        return sqrt(-2.0 * log(1.0 - self.share())) * cos(2.0 * pi * self.share())

    def lognormal(self, median: float, sigma: float) -> float:
        """Return a number whose logarithm is normally distributed."""
        return median * exp(sigma * self.normal())

    def gap(self, mean: float) -> float:
        """Return the time to the next of events that come at random (the exponential distribution)."""
        return -mean * log(1.0 - self.share())

    def count(self, mean: float) -> int:
        """Return how many such events come where so many are expected (the Poisson distribution)."""
        if mean >= _MANY:
            return max(round(mean + sqrt(mean) * self.normal()), 0)
        limit, product, found = exp(-mean), self.share(), 0
        while product > limit:
            product *= self.share()
            found += 1
        return found

    def digits(self) -> str:
        """Return 32 hexadecimal digits: what a keyed hash looks like."""
        return f"{self.bits():016x}{self.bits():016x}"
