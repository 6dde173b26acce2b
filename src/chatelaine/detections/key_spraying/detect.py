"""Find clients that try many tokens."""

from typing import Final

from chatelaine.core.detection.memory import MANY, Memory, distinct, renew, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, place, program, span
from chatelaine.model.detection import Card, Said, Severity, Trait

_DEAD_KEY: Final = int(Trait.DEAD_KEY)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where one client claims many keys in vain."""
    seen, asked = scene.sighting, card.thresholds
    if not seen.key:
        return memory, None
    dead = "once valid" if scene.shows(_DEAD_KEY) else ""
    memory = renew(memory, seen.at, f"{seen.key} {dead}", seconds=asked["seconds"], most=MANY)
    if distinct(memory) < asked["keys"] or silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    valid = len({text for _, text in memory.recent if text.endswith("valid")})
    tokens, within = count_of(distinct(memory), "token"), span(asked["seconds"])
    said = Said(
        seen=f"{tokens} tried in vain in {within}, from {place(seen)}",
        usual="a client has one key, which works",
        against=f"{program(seen)} may hold keys of environments that are gone",
        severity=Severity.HIGH if valid else None,
        facts=(("once_valid", str(valid)),),
    )
    return tell(memory, seen.at), said
