"""Find api-versions that are older than a key's own."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, place
from chatelaine.model.detection import Card, Dimension, Said

_FIXED: Final = frozenset({"2023-09-01-preview", "2024-02-15-preview"})
"""What the tool asks of every tenant, in chat and for images."""
_DATES: Final = """
2022-12-01 2023-01-01 2023-03-15-preview 2023-05-15 2023-06-01 2023-06-01-preview 2023-07-01-preview
2023-08-01-preview 2023-09-01-preview 2023-10-01-preview 2023-12-01-preview 2024-02-01 2024-02-15-preview
2024-03-01-preview 2024-04-01-preview 2024-05-01-preview 2024-06-01 2024-07-01-preview 2024-08-01-preview
2024-09-01-preview 2024-10-01-preview 2024-10-21 2024-12-01-preview 2025-01-01-preview 2025-02-01-preview
2025-03-01-preview 2025-04-01-preview
"""
_PUBLISHED: Final = tuple(_DATES.split())
"""Azure's and Anthropic's dated versions, oldest first; what came later is newer than all of them."""


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of a version that is older than all the key uses."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    version, kind = seen.api_version, Dimension.API_VERSION
    if version not in _PUBLISHED or not habit.total(kind):
        return memory, None
    used = (known for known in _PUBLISHED if habit.weight(kind, known) >= asked["usual"])
    oldest = next(used, f"later than {_PUBLISHED[-1]}")
    if version >= oldest or silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    said = Said(
        seen=f"version {version} asked for, from {place(seen)}",
        usual=f"of {count_of(habit.count(kind), 'version')} the key uses, the oldest is {oldest}",
        against=excuse(scene, "a release may have been rolled back, or an old script taken out"),
        facts=(("fixed_in_tool", "yes" if version in _FIXED else "no"),),
    )
    return tell(memory, seen.at), said
