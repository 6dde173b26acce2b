"""Find uses over networks that hide who is there."""

from typing import Final

from chatelaine.core.detection.memory import Memory, knows, remember
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import class_of, excuse, often, place
from chatelaine.model.detection import Card, Dimension, Said, Severity
from chatelaine.model.exchange import NetworkClass

_ANONYMOUS: Final = NetworkClass.TOR | NetworkClass.VPN | NetworkClass.PROXY


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of a network of a kind that the key does not use."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    kind, value = seen.network, str(int(seen.network))
    if not kind or 100 * habit.share(Dimension.NETWORK_CLASS, value) >= asked["usual_percent"]:
        return memory, None
    if not (kind & NetworkClass.TOR or habit.settled) or knows(memory, f"{value} {seen.prefix}"):
        return memory, None
    memory = remember(memory, seen.at, f"{value} {seen.prefix}", seconds=asked["days"] * 86_400)
    said = Said(
        seen=f"used over {class_of(kind)}: {place(seen)}",
        usual=f"such a network in {often(habit, Dimension.NETWORK_CLASS, value)}",
        against=excuse(scene, "the owner may have taken up a VPN, or moved to another house's machines"),
        severity=_severity(kind),
    )
    return memory, said


def _severity(kind: NetworkClass) -> Severity:
    if kind & NetworkClass.TOR:
        return Severity.HIGH
    return Severity.MEDIUM if kind & _ANONYMOUS else Severity.LOW
