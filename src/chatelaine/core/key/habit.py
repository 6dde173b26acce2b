"""A key's habit: what it normally shows, aged by days, in a few kilobytes.

Values are held as 32-bit marks in one sorted array, so that a look-up is a bisection and those of one
dimension stand together. A weight is a count that halves every fourteen days. A client context that a
settled key never had is on probation for a day: nothing it shows is taken for the owner's before that, or
a thief's second request would look like habit.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from math import exp, log1p, sqrt
from typing import Final

from chatelaine.core.context import first_mark, mark
from chatelaine.core.habit_view import UNCOMPARED, YOUNG, LearningHabit, Shown
from chatelaine.model.detection import Dimension, Measure, Phase, Sighting
from chatelaine.model.words import NEVER, SECOND, Instant

DAY: Final = 86_400 * SECOND
HOUR: Final = 3_600 * SECOND
_HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
_HALF_LIFE_DAYS: Final = 14
_MOST_VALUES: Final = 32
"""Values of one dimension; the lightest gives way to a new one."""
_SETTLED_DAYS: Final = 3
_SETTLED_SEEN: Final = 50
_DIMENSION_BITS: Final = 27
_DIMENSION_SPAN: Final = 1 << _DIMENSION_BITS
_MEASURES: Final = {measure: 3 * place for place, measure in enumerate(Measure)}
"""Where the three numbers of each measure begin."""
PROBATION: Final = DAY
"""Nanoseconds from a context's first sighting until what it shows is learnt."""
_MOST_ON_PROBATION: Final = 32
_MOST_COMPARED: Final = 32
_NOT_COMPARED: Final = first_mark(Dimension.SYSTEM)
"""System prompts are looked up one by one; what stands behind them says nothing new of a client."""
_STEP: Final = 0.02
"""How much one more observation moves a mean once there are many."""

_OPENED: Final = Phase.OPENED
_ENDED: Final = Phase.ENDED
_ADMIN: Final = Phase.ADMIN
_INPUT_TOKENS: Final = Measure.INPUT_TOKENS
_OUTPUT_TOKENS: Final = Measure.OUTPUT_TOKENS
_COST: Final = Measure.COST
# A member of an enumeration takes fifty nanoseconds to reach, which seventeen of them are too many for.
_PREFIX: Final = Dimension.PREFIX
_ASN: Final = Dimension.ASN
_COUNTRY: Final = Dimension.COUNTRY
_NETWORK_CLASS: Final = Dimension.NETWORK_CLASS
_CONTEXT: Final = Dimension.CONTEXT
_JA4: Final = Dimension.JA4
_HEADERS: Final = Dimension.HEADERS
_AGENT: Final = Dimension.AGENT
_MODEL: Final = Dimension.MODEL
_OPERATION: Final = Dimension.OPERATION
_API_VERSION: Final = Dimension.API_VERSION
_HOUR: Final = Dimension.HOUR
_CAP: Final = Dimension.CAP
_SYSTEM: Final = Dimension.SYSTEM
_STREAM: Final = Dimension.STREAM
_TOOLS: Final = Dimension.TOOLS
_END_USER: Final = Dimension.END_USER
_MODALITY: Final = Dimension.MODALITY

Dumped = tuple[bytes, bytes, bytes, bytes, tuple[int, ...], dict[int, int]]


class Habit(LearningHabit):
    """What one key normally shows; it learns until it is frozen."""

    __slots__ = (
        "_compared",
        "_cost_today",
        "_days",
        "_guesses",
        "_hour",
        "_marks",
        "_measures",
        "_probation",
        "_requests_this_hour",
        "_totals",
        "_weights",
        "active_days",
        "first_at",
        "frozen",
        "last_at",
        "seen",
    )

    def __init__(self) -> None:
        self._marks = array("I")
        self._weights = array("f")
        self._days = array("H")
        self._measures = array("d", bytes(8 * 3 * len(_MEASURES)))
        self._compared: dict[Shown, int] = {}
        """What was compared, and what of it was new or young; not kept over a restart."""
        self._totals: dict[Dimension, float] = {}
        """Weights of whole dimensions, as long as nothing is learnt."""
        self._guesses = [0] * len(Dimension)
        """Where the last value of each dimension that was looked up stood: a look there mostly suffices."""
        self._probation: dict[int, int] = {}
        """Marks of contexts that are not learnt yet, and when each was first seen."""
        self._hour = 0
        self._requests_this_hour = 0
        self._cost_today = 0
        self.first_at = self.last_at = NEVER
        self.seen = 0
        self.active_days = 0
        self.frozen = False
        """Whether it learns nothing: an incident on the key is open (principle 5)."""

    # What detections ask.

    @property
    def settled(self) -> bool:
        """Whether the key was used enough for what is new to mean something."""
        return self.seen >= _SETTLED_SEEN and self.active_days >= _SETTLED_DAYS

    def weight(self, dimension: Dimension, value: str) -> float:
        """Return how often a value was seen, older sightings counting less; 0 where never."""
        wanted = mark(dimension, value)
        at = self._find(wanted)
        return self._aged(at) if at < len(self._marks) and self._marks[at] == wanted else 0.0

    def share(self, dimension: Dimension, value: str) -> float:
        """Return the share of a value among all of its dimension: 0 where it was never seen."""
        weight = self.weight(dimension, value)
        return weight / self.total(dimension) if weight else 0.0

    def total(self, dimension: Dimension) -> float:
        """Return the weight of all values of a dimension."""
        held = self._totals.get(dimension)
        if held is not None:
            return held
        total = 0.0
        for at in self._range(dimension):
            total += self._aged(at)
        self._totals[dimension] = total
        return total

    def count(self, dimension: Dimension) -> int:
        """Return how many values of a dimension are held."""
        return len(self._range(dimension))

    def mean(self, measure: Measure) -> float:
        """Return the geometric mean of a measure; 0 where nothing was measured."""
        at = _MEASURES[measure]
        return exp(self._measures[at + 1]) - 1 if self._measures[at] else 0.0

    def high(self, measure: Measure, deviations: float = 3.0) -> float:
        """Return what a measure rarely exceeds: its mean and so many deviations, on a logarithmic scale."""
        at = _MEASURES[measure]
        if not self._measures[at]:
            return 0.0
        return exp(self._measures[at + 1] + deviations * sqrt(self._measures[at + 2])) - 1

    def measured(self, measure: Measure) -> int:
        """Return how many times a measure was taken."""
        return int(self._measures[_MEASURES[measure]])

    def idle_days(self, now: Instant) -> float:
        """Return days since the key was last seen; 0 where it never was."""
        return (now - self.last_at) / DAY if self.last_at else 0.0

    def compared(self, shown: Shown) -> int:
        """Return what was found new or young of this when it was last compared; ``UNCOMPARED``: ask anew."""
        return self._compared.get(shown, UNCOMPARED)

    def remember(self, shown: Shown, found: int) -> None:
        """Take note of what is new or young of this, until the habit learns what may change it."""
        if len(self._compared) >= _MOST_COMPARED:
            self._compared.clear()
        self._compared[shown] = found

    def marks(self, dimension: Dimension) -> tuple[int, ...]:
        """Return the marks of a dimension's values, as they are pushed to the gate."""
        return tuple(self._marks[at] for at in self._range(dimension))

    # Learning.

    def learn(self, sighting: Sighting) -> None:
        """Take a sighting for the owner's own; nothing is learnt while frozen, or from what was refused."""
        if self.frozen or sighting.phase is _ADMIN or not self._trusts(sighting):
            return
        if sighting.phase is not _ENDED:
            self._begin(sighting.at)
            today = self.last_at // DAY
            for dimension, value in values(sighting):
                self._add(mark(dimension, value), today)
        if sighting.phase is not _OPENED:
            self._measure_end(sighting)

    def expect(self, at: Instant, expected: Iterable[tuple[Dimension, str]]) -> None:
        """Take values for the key's own that were not seen yet, as its owner declared at an instant."""
        for dimension, value in expected:
            self._add(mark(dimension, value), at // DAY)

    def _trusts(self, sighting: Sighting) -> bool:
        context = mark(_CONTEXT, sighting.context)
        if not self.settled or not sighting.context or self._holds(context):
            return True
        first_at = self._probation.setdefault(context, sighting.at)
        if sighting.at - first_at >= PROBATION:
            del self._probation[context]
            return True
        if len(self._probation) > _MOST_ON_PROBATION:
            del self._probation[next(iter(self._probation))]
        return False

    def forget(self, context: str) -> None:
        """Begin the probation of a context anew: an alert spoke of it."""
        self._probation.pop(mark(_CONTEXT, context), None)

    def _begin(self, at: Instant) -> None:
        if not self.first_at:
            self.first_at = at
            self.active_days = 1
        elif at // DAY != self.last_at // DAY:
            self._compared.clear()
            self.active_days += 1
            self._measure(Measure.COST_A_DAY, self._cost_today)
            self._cost_today = 0
        hour = at // HOUR
        if hour != self._hour:
            if self._requests_this_hour:
                self._measure(Measure.REQUESTS_AN_HOUR, self._requests_this_hour)
            self._hour, self._requests_this_hour = hour, 0
        self._requests_this_hour += 1
        self._totals.clear()
        self.last_at = max(at, self.last_at)
        self.seen += 1

    def _measure_end(self, sighting: Sighting) -> None:
        self._cost_today += sighting.cost
        if sighting.input_tokens:
            self._measure(_INPUT_TOKENS, sighting.input_tokens)
        if sighting.output_tokens:
            self._measure(_OUTPUT_TOKENS, sighting.output_tokens)
        if sighting.cost:
            self._measure(_COST, sighting.cost)

    def _measure(self, measure: Measure, value: float) -> None:
        at, held = _MEASURES[measure], self._measures
        step = max(1 / (held[at] + 1), _STEP)
        apart = log1p(max(value, 0)) - held[at + 1]
        held[at] += 1
        held[at + 1] += step * apart
        held[at + 2] = (1 - step) * (held[at + 2] + step * apart * apart)

    def _add(self, wanted: int, today: int) -> None:
        marks, at = self._marks, self._find(wanted)
        if at < len(marks) and marks[at] == wanted:
            before = self._aged(at)
            self._weights[at] = before + 1
            if before < YOUNG <= before + 1 or self._days[at] != today:
                self._forget_compared(wanted)
            self._days[at] = today
            return
        marks.insert(at, wanted)
        self._weights.insert(at, 1.0)
        self._days.insert(at, today)
        self._forget_compared(wanted)
        base = wanted & ~(_DIMENSION_SPAN - 1)
        begin, end = bisect_left(marks, base), bisect_left(marks, base + _DIMENSION_SPAN)
        if end - begin > _MOST_VALUES:
            lightest = min((place for place in range(begin, end) if place != at), key=self._aged)
            for held in (marks, self._weights, self._days):
                del held[lightest]

    def _forget_compared(self, learnt: int) -> None:
        if learnt < _NOT_COMPARED:
            self._compared.clear()

    def _holds(self, wanted: int) -> bool:
        at = self._find(wanted)
        return at < len(self._marks) and self._marks[at] == wanted

    def _find(self, wanted: int) -> int:
        """Return where a mark stands, or where it would."""
        marks, place = self._marks, wanted >> _DIMENSION_BITS
        at = self._guesses[place]
        if at < len(marks) and marks[at] == wanted:
            return at
        self._guesses[place] = at = bisect_left(marks, wanted)
        return at

    def _aged(self, at: int) -> float:
        days = max(self.last_at // DAY - self._days[at], 0)
        weight: float = self._weights[at]
        return weight * 0.5 ** (days / _HALF_LIFE_DAYS) if days else weight

    def _range(self, dimension: Dimension) -> range:
        base = first_mark(dimension)
        return range(bisect_left(self._marks, base), bisect_left(self._marks, base + _DIMENSION_SPAN))

    # Keeping.

    def dump(self) -> Dumped:
        """Return all of it in builtins, for the hub's disk."""
        numbers = (
            *(self._hour, self._requests_this_hour, self._cost_today, self.first_at, self.last_at),
            *(self.seen, self.active_days, int(self.frozen)),
        )
        held = (self._marks, self._weights, self._days, self._measures)
        marks, weights, days, measures = (part.tobytes() for part in held)
        return marks, weights, days, measures, numbers, dict(self._probation)

    def restore(self, dumped: Dumped) -> None:
        """Take over what was dumped."""
        marks, weights, days, measures, numbers, probation = dumped
        self._marks, self._weights = array("I", bytes(marks)), array("f", bytes(weights))
        self._days, self._measures = array("H", bytes(days)), array("d", bytes(measures))
        self._probation = dict(probation)
        self._hour, self._requests_this_hour, self._cost_today = numbers[:3]
        self.first_at, self.last_at = Instant(numbers[3]), Instant(numbers[4])
        self.seen, self.active_days, self.frozen = numbers[5], numbers[6], bool(numbers[7])


def load(dumped: Dumped) -> Habit:
    """Return the habit that was dumped."""
    habit = Habit()
    habit.restore(dumped)
    return habit


def values(sighting: Sighting) -> list[tuple[Dimension, str]]:
    """Return what a sighting shows in every dimension; a dimension of which nothing is known is left out."""
    shown = (
        (_PREFIX, sighting.prefix),
        (_ASN, str(sighting.asn) if sighting.asn else ""),
        (_COUNTRY, sighting.country),
        (_NETWORK_CLASS, str(int(sighting.network))),
        (_CONTEXT, sighting.context),
        (_JA4, sighting.ja4),
        (_HEADERS, sighting.header_hash),
        (_AGENT, sighting.agent_family),
        (_MODEL, sighting.model),
        (_OPERATION, sighting.operation.value),
        (_API_VERSION, sighting.api_version),
        (_HOUR, _HOURS[sighting.at // HOUR % 24]),
        (_CAP, str(sighting.cap) if sighting.cap is not None else "none"),
        (_SYSTEM, sighting.system_hash),
        (_STREAM, "yes" if sighting.stream else "no"),
        (_TOOLS, "yes" if sighting.tools else "no"),
        (_END_USER, "yes" if sighting.end_user else "no"),
    )
    known = [pair for pair in shown if pair[1]]
    known += [(_MODALITY, modality.value) for modality in sighting.modalities]
    return known
