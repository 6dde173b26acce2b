"""Clocks: the system's, and one that a test moves by hand."""

import time
from datetime import timedelta

from chatelaine.model.words import Instant


class SystemClock:
    """Tells the system's time."""

    def now(self) -> Instant:
        """Return the wall-clock time; it may jump."""
        return Instant(time.time_ns())

    def elapsed(self) -> int:
        """Return nanoseconds on a clock that never jumps, for durations."""
        return time.monotonic_ns()


class ManualClock:
    """Stands still until it is moved: time in a test is an argument."""

    def __init__(self, now: int = 1_720_000_000_000_000_000) -> None:
        self._now = now
        self._elapsed = 0

    def now(self) -> Instant:
        """Return the wall-clock time that was set."""
        return Instant(self._now)

    def elapsed(self) -> int:
        """Return nanoseconds by which the clock was advanced; jumps do not count."""
        return self._elapsed

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        nanoseconds = by // timedelta(microseconds=1) * 1_000
        self._now += nanoseconds
        self._elapsed += nanoseconds

    def jump(self, by: timedelta) -> None:
        """Set the wall clock forward or back, as an operator or NTP does."""
        self._now += by // timedelta(microseconds=1) * 1_000
