"""Find calls that a model cannot answer, made by strangers."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import excuse, newcomer, often, place, shown
from chatelaine.model.detection import Card, Dimension, Said, Sighting
from chatelaine.model.exchange import Operation

_TALK: Final = frozenset({Operation.CHAT, Operation.RESPONSE})
_MUTE: Final = (
    "dall-e",
    "gpt-image",
    "text-embedding",
    "babbage",
    "davinci",
    "whisper",
    "tts-",
    "text-moderation",
)
"""Beginnings of names of models that cannot talk."""
_CODES: Final = frozenset({"operationnotsupported"})
"""What Azure says where a deployment cannot do what is asked."""


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a stranger asks a model for what it cannot do."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    if not _misfits(seen) or not newcomer(scene, asked["sightings"]):
        return memory, None
    if silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    model = shown(seen.model, "a model")
    said = Said(
        seen=f"{seen.operation} asked of {model}, answered {seen.status}, from {place(seen)}",
        usual=f"the key used this model in {often(habit, Dimension.MODEL, seen.model)}",
        against=excuse(scene, "a developer on a new machine may name the wrong model"),
        facts=(("error_code", seen.error_code),),
    )
    return tell(memory, seen.at), said


def _misfits(seen: Sighting) -> bool:
    if seen.error_code.lower() in _CODES:
        return True
    return seen.operation in _TALK and seen.model.lower().startswith(_MUTE)
