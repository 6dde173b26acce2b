"""A key's habit as others see it: detections read it, and a trial teaches one.

A base class and no protocol, since a compiled caller reaches a method of a class at once and one of a
protocol by its name: detections ask twenty times a sighting. ``core/key/habit.py`` is the habit itself.
"""

from abc import ABCMeta, abstractmethod
from typing import Final

from chatelaine.model.detection import Dimension, Measure, Sighting
from chatelaine.model.words import Instant

YOUNG: Final = 50.0
"""Sightings after which a value is one of its key's own, whoever brought it."""
UNCOMPARED: Final = -1

Shown = tuple[object, ...]
"""What a sighting shows, to be compared as a whole."""


class HabitView(metaclass=ABCMeta):
    """What a key normally shows, to be read."""

    __slots__ = ()

    @property
    @abstractmethod
    def settled(self) -> bool:
        """Whether the key was used enough for what is new to mean something."""

    @abstractmethod
    def weight(self, dimension: Dimension, value: str) -> float:
        """Return how often a value was seen, older sightings counting less; 0 where never."""

    @abstractmethod
    def share(self, dimension: Dimension, value: str) -> float:
        """Return the share of a value among all of its dimension: 0 where it was never seen."""

    @abstractmethod
    def total(self, dimension: Dimension) -> float:
        """Return the weight of all values of a dimension."""

    @abstractmethod
    def count(self, dimension: Dimension) -> int:
        """Return how many values of a dimension are held."""

    @abstractmethod
    def mean(self, measure: Measure) -> float:
        """Return the geometric mean of a measure; 0 where nothing was measured."""

    @abstractmethod
    def high(self, measure: Measure, deviations: float = 3.0) -> float:
        """Return what a measure rarely exceeds: its mean and so many deviations, on a logarithmic scale."""

    @abstractmethod
    def measured(self, measure: Measure) -> int:
        """Return how many times a measure was taken."""

    @abstractmethod
    def idle_days(self, now: Instant) -> float:
        """Return days since the key was last seen; 0 where it never was."""

    @abstractmethod
    def compared(self, shown: Shown) -> int:
        """Return what was found new or young of this when it was last compared; ``UNCOMPARED``: ask anew."""

    @abstractmethod
    def remember(self, shown: Shown, found: int) -> None:
        """Take note of what is new or young of this, until the habit learns what may change it."""


class LearningHabit(HabitView):
    """A habit that can be taught."""

    __slots__ = ()

    @abstractmethod
    def learn(self, sighting: Sighting) -> None:
        """Take a sighting for the owner's own."""
