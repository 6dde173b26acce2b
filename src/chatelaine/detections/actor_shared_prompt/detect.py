"""Find system prompts that the keys of several owners share."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said, Trait

_YOUNG: Final = int(Trait.YOUNG)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where enough other owners send a prompt that is young here."""
    seen, limits = scene.sighting, card.thresholds
    owners = scene.elsewhere.owners_with_system
    if len(owners) + 1 < limits["owners"] or (scene.habit.settled and not scene.shows(_YOUNG)):
        return memory, None
    if silent(memory, seen.at, seconds=limits["silent"]):
        return memory, None
    named = ", ".join(one[:24] for one in owners[:3])
    said = Said(
        seen=f"{named} send its system prompt, too: {len(owners) + 1} owners within days",
        usual="a system prompt is one owner's own, or has been shared for longer than three days",
        against="a public template or agent that has just been released looks the same",
        facts=(("system_hash", seen.system_hash), ("owners", " ".join(owners))),
    )
    return tell(memory, seen.at), said
