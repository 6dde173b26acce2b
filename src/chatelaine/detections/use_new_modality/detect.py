"""Find kinds of content that are new to a key."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene, at_home
from chatelaine.model.detection import Card, Dimension, Said, Severity, Trait
from chatelaine.model.exchange import Modality

_NEW_OPERATION: Final = int(Trait.NEW_OPERATION)
_MADE: Final = frozenset({Modality.IMAGE, Modality.AUDIO, Modality.VIDEO})
_SEVERITIES: Final = {1: Severity.HIGH, 0: Severity.MEDIUM, -1: Severity.LOW}


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of the first use of a kind of content."""
    seen, habit = scene.sighting, scene.habit
    fresh = [one for one in seen.modalities if not habit.weight(Dimension.MODALITY, one.value)]
    if not fresh or silent(memory, seen.at, seconds=card.thresholds["silent"]):
        return memory, None
    uses = habit.total(Dimension.MODALITY)
    made = not _MADE.isdisjoint(fresh) and scene.shows(_NEW_OPERATION)
    said = Said(
        seen=f"{' and '.join(fresh)} for the first time, {seen.operation} on {seen.model[:40] or 'no model'}",
        usual=f"{habit.count(Dimension.MODALITY)} other kinds of content in {uses:.0f} uses",
        against="the owner's application may have learnt something new",
        severity=_SEVERITIES[made - at_home(scene)],
    )
    return tell(memory, seen.at), said
