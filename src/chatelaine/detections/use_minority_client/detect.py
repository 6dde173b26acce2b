"""Find small clients beside the owner's that differ from it in what they ask, how much, and when."""

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.scene import HabitView, Scene
from chatelaine.model.detection import Card, Dimension, Measure, Said, Trait
from chatelaine.model.words import SECOND

_HOUR = 3_600 * SECOND
_NAMES = ("another model", "another size", "other hours")
_SMALL, _LARGE = 0.1, 3.0


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where most requests of a young client are odd in two ways."""
    seen, habit, limits = scene.sighting, scene.habit, card.thresholds
    if not memory.numbers and Trait.NEW_CONTEXT not in scene.traits:
        return memory, None
    count, *odd = memory.numbers or (0.0, 0.0, 0.0, 0.0)
    hour = f"{seen.at // _HOUR % 24:02}"
    odd[0] += _rare(habit, Dimension.MODEL, seen.model, (count, limits["rare"]))
    mean = habit.mean(Measure.INPUT_TOKENS)
    odd[1] += not _SMALL * mean <= seen.input_tokens <= max(habit.high(Measure.INPUT_TOKENS), _LARGE * mean)
    odd[2] += _rare(habit, Dimension.HOUR, hour, (count, limits["rare"] / 5))
    count += 1
    memory = with_numbers(memory, (count, *odd))
    kinds = [name for name, times in zip(_NAMES, odd, strict=True) if times >= limits["most"] * count]
    if count < limits["requests"] or len(kinds) < limits["kinds"]:
        return memory, None
    share = habit.share(Dimension.CONTEXT, seen.context)
    if share > limits["minor"] or silent(memory, seen.at, seconds=limits["silent"]):
        return memory, None
    said = Said(
        seen=f"a new client, {share:.1%} of all, has {' and '.join(kinds)} in its {count:.0f} requests",
        usual="the clients of this key use the same models, sizes and hours",
        against="a developer beside the application, or a second application, differs too",
    )
    return tell(memory, seen.at), said


def _rare(habit: HabitView, dimension: Dimension, value: str, taught: tuple[float, float]) -> bool:
    """Tell whether a value is rare on the key, without what this client has taught the habit itself."""
    count, rare = taught
    total = habit.total(dimension) - count
    return habit.weight(dimension, value) - count < rare * total
