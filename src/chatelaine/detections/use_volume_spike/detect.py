"""Find hours with far more requests than a key has."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import span
from chatelaine.model.detection import Card, Measure, Said, Severity, Trait
from chatelaine.model.words import SECOND

_NEW_CONTEXT: Final = int(Trait.NEW_CONTEXT)
_EVERY: Final = 10
_LATE: Final = 2
"""It looks at three requests in ten: habits are not asked for nothing, nor strangers missed."""


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where the requests of an hour are beyond the habit."""
    at, limits = scene.sighting.at, card.thresholds
    begun, count, strange = memory.numbers or (at, 0.0, 0.0)
    if at - begun >= limits["seconds"] * SECOND:
        begun, count, strange = at, 0.0, 0.0
    stranger = scene.shows(_NEW_CONTEXT)
    count, strange = count + 1, strange + stranger
    memory = with_numbers(memory, (begun, count, strange))
    if count < limits["requests"] or count % _EVERY > _LATE or silent(memory, at, seconds=limits["seconds"]):
        return memory, None
    by_strangers = strange > count / 2
    if by_strangers and not stranger:
        # What is said is to stand beside the client that it is about.
        return memory, None
    habit = scene.habit
    mean = habit.mean(Measure.REQUESTS_AN_HOUR)
    high = max(habit.high(Measure.REQUESTS_AN_HOUR, limits["deviations"]), limits["factor"] * mean)
    if habit.measured(Measure.REQUESTS_AN_HOUR) < limits["hours"] or count <= high:
        return memory, None
    many = Severity.HIGH if count >= limits["many"] or count >= limits["many_factor"] * high else None
    said = Said(
        seen=f"{count:,.0f} requests in {span((at - begun) / SECOND)}, {strange:,.0f} of strangers",
        usual=f"{mean:,.1f} an hour; hardly ever more than {high:,.0f}",
        against="a batch job, a load test or a launch looks the same",
        severity=many if by_strangers else Severity.LOW,
    )
    return tell(memory, at), said
