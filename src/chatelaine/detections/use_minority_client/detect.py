"""Find small clients beside the owner's that differ from it in what they ask, how much, and when."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Dimension, Measure, Said, Trait
from chatelaine.model.words import SECOND

_NEW_CONTEXT: Final = int(Trait.NEW_CONTEXT)
_HOUR: Final = 3_600 * SECOND
_HOURS: Final = tuple(f"{hour:02}" for hour in range(24))
_MODEL: Final = Dimension.MODEL
_OF_DAY: Final = Dimension.HOUR
_TOKENS: Final = Measure.INPUT_TOKENS
_NAMES: Final = ("another model", "another size", "other hours")
_SMALL: Final = 0.1
_LARGE: Final = 3.0


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where most requests of a young client are odd in two ways."""
    seen, habit, limits = scene.sighting, scene.habit, card.thresholds
    if not memory.numbers and not scene.shows(_NEW_CONTEXT):
        return memory, None
    begun, count, *odd = memory.numbers or (float(seen.at), 0.0, 0.0, 0.0, 0.0)
    mean = habit.mean(_TOKENS)
    odd[0] += habit.share(_MODEL, seen.model) < limits["rare"]
    odd[1] += not _SMALL * mean <= seen.input_tokens <= max(habit.high(_TOKENS), _LARGE * mean)
    odd[2] += habit.share(_OF_DAY, _HOURS[seen.at // _HOUR % 24]) < limits["rare"] / 5
    count += 1
    memory = with_numbers(memory, (begun, count, *odd))
    if count < limits["requests"]:
        return memory, None
    kinds = [name for name, times in zip(_NAMES, odd, strict=True) if times >= limits["most"] * count]
    if len(kinds) < limits["kinds"]:
        return memory, None
    hours = max((seen.at - begun) / _HOUR, 1)
    rate, usual = count / hours, habit.mean(Measure.REQUESTS_AN_HOUR)
    if rate > limits["minor"] * usual or silent(memory, seen.at, seconds=limits["silent"]):
        return memory, None
    said = Said(
        seen=f"a new client of {rate:.1f} requests an hour has {' and '.join(kinds)}, over {count:.0f}",
        usual=f"this key's clients use other models, sizes or hours, in {usual:,.0f} requests an hour",
        against="a developer beside the application, or a second application, differs too",
    )
    return tell(memory, seen.at), said
