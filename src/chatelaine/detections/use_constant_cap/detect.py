"""Find an output cap that is new to a key, and the same over many prompts."""

from typing import Final

from chatelaine.core.detection.memory import Memory, distinct, remember, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said, Trait

_DIGITS: Final = 12
"""Digits of a keyed hash that are held."""
_NEW_CAP: Final = int(Trait.NEW_CAP)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where nearly all requests ask for the one new cap."""
    seen, limits = scene.sighting, card.thresholds
    fresh = seen.cap is not None and seen.cap > 0 and scene.shows(_NEW_CAP)
    if not memory.numbers and not fresh:
        return memory, None
    cap, asked, same = memory.numbers or (float(seen.cap or 0), 0.0, 0.0)
    asked, same = asked + 1, same + (seen.cap == cap)
    memory = remember(memory, seen.at, seen.system_hash[:_DIGITS], seconds=limits["seconds"], most=16)
    memory = with_numbers(memory, (cap, asked, same))
    constant = same >= limits["times"] and same > limits["share"] * asked
    if not constant or distinct(memory) < limits["systems"]:
        return memory, None
    if silent(memory, seen.at, seconds=limits["seconds"]):
        return memory, None
    said = Said(
        seen=f"{same:.0f} of {asked:.0f} requests, {distinct(memory)} system prompts, have the cap {cap:.0f}",
        usual=f"this key never asked for {cap:.0f}",
        against="a new program of the owner may have one limit for all its prompts",
    )
    return tell(memory, seen.at), said
