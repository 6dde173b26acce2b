"""Find uses over networks that hide who is there."""

from typing import Final

from chatelaine.core.detection.memory import Memory, knows, remember
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import class_of, excuse, often, place
from chatelaine.model.detection import Card, Dimension, Said, Severity
from chatelaine.model.exchange import NetworkClass

_TOR: Final = int(NetworkClass.TOR)
_ANONYMOUS: Final = int(NetworkClass.TOR | NetworkClass.VPN | NetworkClass.PROXY)
_NETWORK_CLASS: Final = Dimension.NETWORK_CLASS


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of a network of a kind that the key does not use."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    kind = int(seen.network)
    value = str(kind)
    if not kind or 100 * habit.share(_NETWORK_CLASS, value) >= asked["usual_percent"]:
        return memory, None
    if not (kind & _TOR or habit.settled) or knows(memory, f"{value} {seen.prefix}"):
        return memory, None
    memory = remember(memory, seen.at, f"{value} {seen.prefix}", seconds=asked["days"] * 86_400)
    said = Said(
        seen=f"used over {class_of(seen.network)}: {place(seen)}",
        usual=f"such a network in {often(habit, _NETWORK_CLASS, value)}",
        against=excuse(scene, "the owner may have taken up a VPN, or moved to another house's machines"),
        severity=_severity(kind),
    )
    return memory, said


def _severity(kind: int) -> Severity:
    if kind & _TOR:
        return Severity.HIGH
    return Severity.MEDIUM if kind & _ANONYMOUS else Severity.LOW
