"""Find dead keys in strangers' hands."""

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import (
    excuse,
    networks,
    own_network,
    own_program,
    place,
    program,
    shown,
)
from chatelaine.model.detection import Card, Dimension, Said, Severity


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where somebody else than its owner uses a dead key."""
    seen, habit = scene.sighting, scene.habit
    if _owners(scene) or silent(memory, seen.at, seconds=card.thresholds["seconds"]):
        return memory, None
    word = shown(seen.reason.removeprefix("key_"), "dead")
    said = Said(
        seen=f"the key, {word}, was tried by {program(seen)}, from {place(seen)}",
        usual=f"it was used from {networks(habit)}" if habit.settled else "it was used too little to tell",
        against=excuse(scene, "a forgotten deployment of the owner's on another network would do the same"),
        severity=None if habit.settled else Severity.LOW,
    )
    return tell(memory, seen.at), said


def _owners(scene: Scene) -> bool:
    """Tell whether the client may be the owner's: its network is, or its operator and program are."""
    seen = scene.sighting
    operator = bool(seen.asn) and scene.habit.weight(Dimension.ASN, str(seen.asn)) > 0
    return own_network(scene) or (operator and own_program(scene))
