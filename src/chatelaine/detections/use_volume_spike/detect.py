"""Find hours with far more requests than a key has."""

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Measure, Said, Severity
from chatelaine.model.words import SECOND

_EVERY = 10


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where the requests of an hour are beyond the habit."""
    at, limits = scene.sighting.at, card.thresholds
    begun, count = memory.numbers or (at, 0.0)
    begun, count = (begun, count + 1) if at - begun < limits["seconds"] * SECOND else (at, 1.0)
    memory = with_numbers(memory, (begun, count))
    if count < limits["requests"] or count % _EVERY or silent(memory, at, seconds=limits["seconds"]):
        return memory, None
    habit = scene.habit
    mean = habit.mean(Measure.REQUESTS_AN_HOUR)
    high = max(habit.high(Measure.REQUESTS_AN_HOUR, limits["deviations"]), limits["factor"] * mean)
    if habit.measured(Measure.REQUESTS_AN_HOUR) < limits["hours"] or count <= high:
        return memory, None
    huge = count >= limits["many"] or count >= limits["many_factor"] * high
    said = Said(
        seen=f"{count:,.0f} requests within {(at - begun) / SECOND / 60:.0f} min",
        usual=f"{mean:,.0f} an hour; hardly ever more than {high:,.0f}",
        against="a batch job, a load test or a launch looks the same",
        severity=Severity.HIGH if huge else None,
    )
    return tell(memory, at), said
