"""Find clients that take stock of a key."""

from chatelaine.core.detection.memory import Memory, distinct, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, often, place, span
from chatelaine.model.detection import Card, Dimension, Said, Severity, Trait
from chatelaine.model.exchange import Operation

_LIST = Operation.LIST.value


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a stranger lists, or anybody lists a lot."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    if habit.weight(Dimension.CONTEXT, seen.context) >= asked["known"]:
        return memory, None
    if 100 * habit.share(Dimension.OPERATION, _LIST) >= asked["usual_percent"]:
        return memory, None
    memory = remember(memory, seen.at, seen.route, seconds=asked["seconds"])
    many = distinct(memory) >= asked["lists"]
    if not many and Trait.NEW_CONTEXT not in scene.traits:
        return memory, None
    if silent(memory, seen.at, seconds=asked["seconds"]) and distinct(memory) != asked["lists"]:
        return memory, None
    lists = count_of(distinct(memory), "kind of list", "kinds of list")
    said = Said(
        seen=f"{lists} asked for within {span(asked['seconds'])}, from {place(seen)}",
        usual=f"the key lists in {often(habit, Dimension.OPERATION, _LIST)}",
        against=excuse(scene, "chat clients list the models as they start"),
        severity=None if many else Severity.LOW,
        facts=(("route", seen.route),),
    )
    return tell(memory, seen.at), said
