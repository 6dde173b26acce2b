"""Find floods of identical requests that are served, and paid for."""

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene, at_home
from chatelaine.model.detection import Card, Said, Severity


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said at the twentieth serving of a body, and the two-hundredth."""
    seen, limits, times = scene.sighting, card.thresholds, scene.elsewhere.same_body
    many = times == limits["many"]
    if times < limits["times"] or (silent(memory, seen.at, seconds=limits["seconds"]) and not many):
        return memory, None
    said = Said(
        seen=f"the same body was served {times} times in 5 min, by {seen.model[:40] or 'no named model'}",
        usual="what is asked again is asked once or twice, or has been for days",
        against="a load test, a loop in the owner's program or sampling on purpose does so too",
        severity=Severity.LOW if at_home(scene) else Severity.HIGH if many else None,
    )
    return tell(memory, seen.at), said
