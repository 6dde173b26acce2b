"""Find networks that a key was never used from."""

from chatelaine.core.detection.memory import Memory, knows, remember
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import class_of, excuse, networks, place
from chatelaine.core.stats import surprise
from chatelaine.model.detection import Card, Dimension, Said, Severity


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where an operator is new to a key that seldom changes it."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    kind = Dimension.ASN if seen.asn else Dimension.PREFIX
    value = str(seen.asn) if seen.asn else seen.prefix
    if not value or habit.weight(kind, value) or knows(memory, value):
        return memory, None
    memory = remember(memory, seen.at, value, seconds=asked["days"] * 86_400)
    odds = surprise(0.0, total=habit.total(kind), kinds=habit.count(kind))
    if odds < asked["surprise"]:
        return memory, None
    said = Said(
        seen=f"first use from {place(seen)}",
        usual=f"the key is used from {networks(habit)}; one exchange in {10**odds:,.0f} showed a new one",
        against=excuse(scene, "owners move, travel and change their VPN"),
        severity=Severity.MEDIUM if class_of(seen.network) else None,
        score=odds,
        facts=(("asn", str(seen.asn)), ("prefix", seen.prefix), ("country", seen.country)),
    )
    return memory, said
