"""Find a new model that is tried with one tiny call, and then used far beyond what is usual."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent
from chatelaine.core.detection.scene import Scene, at_home
from chatelaine.model.detection import Card, Measure, Said, Severity, Trait
from chatelaine.model.words import SECOND

_NEW_MODEL: Final = int(Trait.NEW_MODEL)
_HOUR: Final = 3_600 * SECOND
_AGAINST: Final = "an owner who moves to a new model tries it first, too"


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of the first tiny call and of the burst after it."""
    seen, habit, limits = scene.sighting, scene.habit, card.thresholds
    armed = bool(memory.recent) and memory.recent[0][1] == seen.model
    if not armed and scene.shows(_NEW_MODEL):
        tiny = seen.input_tokens <= limits["tiny_tokens"] or (seen.cap or 1e9) <= limits["tiny_cap"]
        usual = habit.mean(Measure.INPUT_TOKENS)
        if not tiny or (memory.recent and silent(memory, seen.at, seconds=limits["seconds"])):
            return memory, None
        said = Said(
            seen=f"one call of {seen.input_tokens} input tokens to {seen.model[:40]}, new to this key",
            usual=f"calls of {usual:,.0f} input tokens to other models",
            against="a developer may try a new model",
            severity=Severity.LOW if at_home(scene) else None,
        )
        return Memory(((seen.at, seen.model),), seen.at, (0.0, 0.0)), said
    if not armed:
        return memory, None
    begun = memory.recent[0][0]
    calls, tokens = memory.numbers[0] + 1, memory.numbers[1] + seen.input_tokens
    memory = Memory(memory.recent, memory.told_at, (calls, tokens))
    hours = max((seen.at - begun) / _HOUR, 1)
    usual = habit.mean(Measure.INPUT_TOKENS) * max(habit.mean(Measure.REQUESTS_AN_HOUR), 1)
    if calls < limits["calls"] or tokens < limits["factor"] * usual * hours:
        return memory, None
    within = seen.at - begun <= limits["seconds"] * SECOND
    said = Said(
        seen=f"{tokens:,.0f} input tokens in {calls:.0f} calls to {seen.model[:40]}, tried {hours:.0f} h ago",
        usual=f"this key sends {usual:,.0f} input tokens an hour, to all models",
        against=_AGAINST,
        severity=None if at_home(scene) else Severity.CRITICAL,
    )
    return Memory((), seen.at, ()), said if within else None
