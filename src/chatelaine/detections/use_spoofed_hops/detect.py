"""Find clients that are new, or prove nothing, and claim hops that no trusted proxy vouches for."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said, Severity, Trait

_UNPROVEN: Final = int(Trait.UNPROVEN)
_NEW_CONTEXT: Final = int(Trait.NEW_CONTEXT)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of a client's first such claim within an hour."""
    seen, limits = scene.sighting, card.thresholds
    if not scene.shows(_NEW_CONTEXT) and not scene.shows(_UNPROVEN):
        return memory, None
    if silent(memory, seen.at, seconds=limits["silent"]):
        return memory, None
    claimed = seen.forwarded - seen.believed
    said = Said(
        seen=f"it claims {claimed} hops no trusted proxy vouches for, from {seen.prefix[:40] or 'nowhere'}",
        usual=f"{seen.believed} hops of this request came from trusted proxies",
        against="a proxy of the owner may be missing in gate.trusted_proxies",
        severity=Severity.MEDIUM if claimed >= limits["hops"] else None,
    )
    return tell(memory, seen.at), said
