"""Find api-versions that are older than a key's own."""

from typing import Final

from chatelaine.core.detection.memory import Memory, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import excuse, often, place, shown
from chatelaine.model.detection import Card, Dimension, Said, Trait
from chatelaine.model.words import SECOND

_FIXED: Final = frozenset({"2023-09-01-preview", "2024-02-15-preview"})
_DATED: Final = "20"
"""How versions begin that are dates, and so can be compared."""
_DAY: Final = 86_400


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of a version that is older than all the key uses."""
    seen, asked = scene.sighting, card.thresholds
    version = seen.api_version
    if not version.startswith(_DATED):
        return memory, None
    if Trait.NEW_API_VERSION not in scene.traits:
        return _noted(memory, scene, asked["days"] * _DAY), None
    used = [known for at, known in memory.recent if seen.at - at < asked["days"] * _DAY * SECOND]
    oldest = min(used, default="")
    if not (version < oldest or (version in _FIXED and not used)):
        return memory, None
    if silent(memory, seen.at, seconds=_DAY):
        return memory, None
    said = Said(
        seen=f"version {shown(version, '')} asked for, from {place(seen)}",
        usual=f"the oldest in {asked['days']:g} d is {shown(oldest, '')}"
        if oldest
        else _unknown(scene, version),
        against=excuse(scene, "a release may have been rolled back, or an old script taken out"),
        facts=(("fixed_in_tool", "yes" if version in _FIXED else "no"),),
    )
    return tell(memory, seen.at), said


def _noted(memory: Memory, scene: Scene, seconds: float) -> Memory:
    """Return the memory with a version the key uses, noted once a day; strangers' are not noted."""
    seen = scene.sighting
    today = seen.at - _DAY * SECOND
    if any(known == seen.api_version and at > today for at, known in memory.recent):
        return memory
    return remember(memory, seen.at, seen.api_version, seconds=seconds)


def _unknown(scene: Scene, version: str) -> str:
    return f"the key showed it in {often(scene.habit, Dimension.API_VERSION, version)}"
