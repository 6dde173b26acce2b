"""Find the empty requests by which a resale proxy checks keys."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import excuse, often, own_network, own_program, place, shown
from chatelaine.model.detection import Card, Dimension, Said, Sighting

_SIZING_CAP: Final = 9_000
"""What the tool asks for where a model says gpt-4, to learn the size of its window."""


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of an empty request of an exact shape."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    if not seen.empty or seen.stream or not (seen.cap == 1 or _sizes(seen)):
        return memory, None
    monitored = habit.weight(Dimension.CAP, str(seen.cap)) >= asked["usual"]
    if monitored and (own_network(scene) or own_program(scene)):
        return memory, None
    if silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    model = shown(seen.model, "no model")
    said = Said(
        seen=f"an empty text with a cap of {seen.cap} for {model}, from {place(seen)}",
        usual=f"the key set this cap in {often(habit, Dimension.CAP, str(seen.cap))}",
        against=excuse(scene, "a monitor that the owner has just set up may send the same"),
        facts=(("shape", "sizing" if _sizes(seen) else "liveness"), ("api_version", seen.api_version)),
    )
    return tell(memory, seen.at), said


def _sizes(seen: Sighting) -> bool:
    numbers = dict(seen.numbers)
    return seen.cap == _SIZING_CAP and numbers.get("temperature") == 0 and numbers.get("seed") == 0
