"""Find one thing in sightings."""

from chatelaine.core.detection.memory import Memory, distinct, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where so many different lists are asked for in a span."""
    seen, asked = scene.sighting, card.thresholds
    memory = remember(memory, seen.at, seen.route, seconds=asked["seconds"])
    if distinct(memory) < asked["times"] or silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    said = Said(
        seen=f"{distinct(memory)} different lists were asked for in {asked['seconds']:g} s",
        usual="this key lists nothing",
        against="a new version of the owner's program may list at its start",
    )
    return tell(memory, seen.at), said
