"""Find uses of canaries."""

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import place, program, shown
from chatelaine.model.detection import Card, Said
from chatelaine.model.exchange import NetworkClass


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of the use of a canary."""
    seen = scene.sighting
    if silent(memory, seen.at, seconds=card.thresholds["seconds"]):
        return memory, None
    hosted = seen.network != NetworkClass.NONE
    curious = "a colleague or a scanner of the owner's may have tried what it found"
    said = Said(
        seen=f"canary {shown(seen.key, 'without id')} was used by {program(seen)}, from {place(seen)}",
        usual="a canary is never used; it lies where only a thief looks",
        against=f"{curious}, if rarely from such a network" if hosted else curious,
        facts=(("route", seen.route), ("model", shown(seen.model, ""))),
    )
    return tell(memory, seen.at), said
