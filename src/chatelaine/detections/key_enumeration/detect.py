"""Find clients that take stock of a key."""

from typing import Final

from chatelaine.core.detection.memory import Memory, distinct, renew, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, often, own_program, place, shown, span
from chatelaine.model.detection import Card, Dimension, Said, Severity, Trait
from chatelaine.model.exchange import Operation
from chatelaine.model.words import SECOND

_NEW_CONTEXT: Final = int(Trait.NEW_CONTEXT)
_LISTING: Final = int(Trait.LISTING)
_LIST: Final = Operation.LIST.value


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a stranger lists, or anybody lists a lot."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    if not scene.shows(_LISTING):
        return _used(memory, scene, asked["seconds"])
    if habit.weight(Dimension.CONTEXT, seen.context) >= asked["known"]:
        return memory, None
    if 100 * habit.share(Dimension.OPERATION, _LIST) >= asked["usual_percent"]:
        return memory, None
    memory = renew(memory, seen.at, seen.route, seconds=asked["seconds"])
    many = distinct(memory) >= asked["lists"]
    if not many and not scene.shows(_NEW_CONTEXT):
        return memory, None
    if silent(memory, seen.at, seconds=asked["seconds"]) and distinct(memory) != asked["lists"]:
        return memory, None
    lists = count_of(distinct(memory), "kind of list", "kinds of list")
    return tell(memory, seen.at), Said(
        seen=f"{lists} asked for within {span(asked['seconds'])}, from {place(seen)}",
        usual=f"the key lists in {often(habit, Dimension.OPERATION, _LIST)}",
        against=excuse(scene, "chat clients list the models as they start"),
        severity=None if many else Severity.LOW,
        facts=(("route", seen.route),),
    )


def _used(memory: Memory, scene: Scene, seconds: float) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of the first use after a stranger's list, once."""
    seen = scene.sighting
    if not memory.recent or memory.numbers or seen.at - memory.recent[-1][0] > seconds * SECOND:
        return memory, None
    later, model = span((seen.at - memory.recent[-1][0]) / SECOND), shown(seen.model, "it")
    said = Said(
        seen=f"a new client listed what there is, and used {model} {later} later, from {place(seen)}",
        usual=f"the key lists in {often(scene.habit, Dimension.OPERATION, _LIST)}",
        against=excuse(scene, "a colleague's new chat client lists, and then talks"),
        severity=Severity.LOW if own_program(scene) else None,
    )
    return with_numbers(memory, (1.0,)), said
