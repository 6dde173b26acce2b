"""Find keys that were idle for thirty days and are used again."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Dimension, Said, Severity, Trait

_NEW_PREFIX: Final = int(Trait.NEW_PREFIX)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of the first use after the idle days."""
    seen, habit = scene.sighting, scene.habit
    if silent(memory, seen.at, seconds=card.thresholds["silent"]):
        return memory, None
    strange = scene.shows(_NEW_PREFIX)
    said = Said(
        seen=f"used from {seen.prefix[:40]} after {habit.idle_days(seen.at):.0f} idle days",
        usual=f"it knows {habit.count(Dimension.PREFIX)} networks, {'not this' if strange else 'this too'}",
        against="a quarterly job, or a project that is taken up again",
        severity=Severity.HIGH if strange else None,
    )
    return tell(memory, seen.at), said
