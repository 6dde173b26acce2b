"""Find keys behind which many people talk."""

from chatelaine.core.detection.memory import MANY, Memory, brief, distinct, knows, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, place, span
from chatelaine.model.detection import Card, Dimension, Said


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a span brings many times the known system prompts."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    system = brief(seen.system_hash)
    if knows(memory, system) or not habit.total(Dimension.OPERATION):
        return memory, None
    memory = remember(memory, seen.at, system, seconds=asked["seconds"], most=MANY)
    new, known = distinct(memory), habit.count(Dimension.SYSTEM)
    least = max(asked["prompts"], asked["times"] * known)
    if habit.weight(Dimension.CONTEXT, seen.context) >= asked["known"]:
        least *= asked["own_times"]
    if new < least or silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    said = Said(
        seen=f"{count_of(new, 'new system prompt')} in {span(asked['seconds'])}, last from {place(seen)}",
        usual=f"in all its time the key showed {count_of(known, 'system prompt')}",
        against=excuse(scene, "a release of the owner's may bring many prompts at once"),
    )
    return tell(memory, seen.at), said
