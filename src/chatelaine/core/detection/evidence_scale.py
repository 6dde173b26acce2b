"""The scale: how many false alarms so much evidence would mean, learnt from days of the benign population.

A key's day has a peak: the strongest evidence seen on it. The scale counts the peaks of a trailing window and
tells, for any evidence, how many of a thousand key-days would reach it if no key were stolen. It is Kaplan
and Meier's estimator of survival (1958), with a Beta prior from shipped tables on each step: an installation
that is small leans on the prior, a large one on itself. A thief cannot teach it that thieves are usual: what
is alarming is censored, and counts no more than as many false alarms as are expected at its score; but a part
of it always counts, or a population that changes for good would never be believed.
"""

from math import log10
from typing import Final

from chatelaine.core.detection.evidence_dump import Plain, numbers

LOW: Final = -4.0
STEP: Final = 0.5
BINS: Final = 90
"""Evidence is counted from ``LOW`` on in steps of ``STEP``."""
KEEP: Final = 0.8
"""What a day leaves of the counts: a window of five days."""
WEIGHT: Final = 40.0
"""So many key-days at risk weigh as much as the prior does, in each step."""
BASE_WEIGHT: Final = 500.0
"""The same for the share of key-days that reach ``LOW``."""
TOP: Final = 6.0
ALARM: Final = 0.0
EXPECTED: Final = 1e-3
"""The score of an alarm, and the false ones in a key-day that are expected at it."""
BELIEVED: Final = 0.25
"""The least that an alarming day counts."""


class Scale:
    """Counts of peaks over a trailing window, and the score they give."""

    __slots__ = ("alarmed", "base", "censor", "days", "ended", "prior", "reached", "risk", "table")

    def __init__(self, base: float, prior: tuple[float, ...], censor: float) -> None:
        self.base = base
        """The prior share of key-days that reach ``LOW``."""
        self.prior = prior
        """The prior probability that a peak which reached a step ends in it."""
        self.censor = censor
        """The score from which on a peak is not counted any further."""
        self.days = self.reached = self.alarmed = 0.0
        self.ended = [0.0] * BINS
        self.risk = [0.0] * BINS
        self.table: list[float] = []
        self.settle()

    def note(self, peak: float | None) -> None:
        """Count a key-day with its strongest evidence, None where nothing was weighed."""
        self.days += 1.0
        if peak is None or peak < LOW:
            return
        weight = self._weight(peak)
        self.reached += weight
        last = min(BINS - 1, int((peak - LOW) / STEP))
        for at in range(last + 1):
            if self.table[at] >= self.censor:
                return
            self.risk[at] += weight
        self.ended[last] += weight

    def _weight(self, peak: float) -> float:
        if self.score(peak) < ALARM:
            return 1.0
        self.alarmed += 1.0
        return max(BELIEVED, min(1.0, EXPECTED * (self.days + BASE_WEIGHT) / self.alarmed))

    def settle(self) -> None:
        """Make the table anew."""
        rate = (self.reached + BASE_WEIGHT * self.base) / (self.days + BASE_WEIGHT)
        self.table = []
        for ended, risk, prior in zip(self.ended, self.risk, self.prior, strict=True):
            self.table.append(min(TOP, -log10(max(1e-12, 1000.0 * rate))))
            rate *= 1.0 - (ended + WEIGHT * prior) / (risk + WEIGHT)
        self.table.append(min(TOP, -log10(max(1e-12, 1000.0 * rate))))

    def fade(self) -> None:
        """Let a day pass."""
        self.days *= KEEP
        self.reached *= KEEP
        self.alarmed *= KEEP
        self.ended = [x * KEEP for x in self.ended]
        self.risk = [x * KEEP for x in self.risk]

    def score(self, raw: float) -> float:
        """Return minus the decimal logarithm of the false alarms per thousand key-days at this evidence."""
        place = (raw - LOW) / STEP
        if place <= 0.0:
            return self.table[0]
        at = int(place)
        if at >= BINS:
            return self.table[BINS]
        return self.table[at] + (self.table[at + 1] - self.table[at]) * (place - at)

    def dump(self) -> Plain:
        """Return its state in builtins."""
        return [self.days, self.reached, self.alarmed, *self.ended, *self.risk, *self.table]

    def load(self, state: Plain) -> None:
        """Take the state that a dump holds.

        Raises:
            ValueError: it is no such state.
        """
        self.days, self.reached, self.alarmed = numbers(state, 0, 3)
        self.ended = numbers(state, 3, 3 + BINS)
        self.risk = numbers(state, 3 + BINS, 3 + 2 * BINS)
        self.table = numbers(state, 3 + 2 * BINS, 4 + 3 * BINS)
