"""Find requests that have become much larger than a key's are."""

from math import expm1, log1p
from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene, at_home
from chatelaine.core.habit_view import HabitView
from chatelaine.model.detection import Card, Measure, Said, Severity
from chatelaine.model.words import SECOND

_EVERY: Final = 10
_WINDOW: Final = 100
_STEP: Final = 0.05
_MEASURES: Final = (Measure.INPUT_TOKENS, Measure.OUTPUT_TOKENS)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where the running mean of tokens is beyond the habit."""
    seen, limits = scene.sighting, card.thresholds
    if seen.input_tokens <= 0:
        return memory, None
    last, count, taken, given, most_taken, most_given = memory.numbers or (seen.at, 0.0, 0.0, 0.0, 0.0, 0.0)
    if not count or count >= _WINDOW or seen.at - last > limits["seconds"] * SECOND:
        # What is usual is asked as counting begins: the habit learns from what is counted, too.
        count, (most_taken, most_given) = 0.0, _most(scene.habit, card)
    count += 1
    step = max(1 / count, _STEP)
    taken += step * (log1p(seen.input_tokens) - taken)
    given += step * (log1p(max(seen.output_tokens, 0)) - given)
    memory = with_numbers(memory, (seen.at, count, taken, given, most_taken, most_given))
    if count < limits["requests"] or count % _EVERY or silent(memory, seen.at, seconds=limits["seconds"]):
        return memory, None
    sizes = zip(_MEASURES, (expm1(taken), expm1(given)), (most_taken, most_given), strict=True)
    for measure, mean, most in sizes:
        if most and mean > most:
            named = measure.replace("_", " ")
            said = Said(
                seen=f"about {mean:,.0f} {named} a request, over {count:.0f} requests",
                usual=f"the key's requests hardly ever have more than {most:,.0f} {named}",
                against="the owner may send longer documents, or ask for longer texts",
                severity=Severity.LOW if at_home(scene) else None,
            )
            return tell(memory, seen.at), said
    return memory, None


def _most(habit: HabitView, card: Card) -> tuple[float, ...]:
    """Return the means of input and output tokens that are still usual; 0 where nothing is known."""
    limits = card.thresholds
    if not habit.settled:
        return 0.0, 0.0
    return tuple(
        max(limits["factor"] * habit.mean(one), habit.high(one, limits["deviations"]), limits["tokens"])
        for one in _MEASURES
    )
