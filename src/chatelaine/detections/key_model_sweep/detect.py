"""Find sweeps over models."""

from typing import Final

from chatelaine.core.detection.memory import Memory, brief, renew, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, place, span
from chatelaine.model.detection import Card, Dimension, Said, Trait
from chatelaine.model.exchange import RefusalReason

_NEW_MODEL: Final = int(Trait.NEW_MODEL)
_DENIED: Final = RefusalReason.MODEL_NOT_GRANTED.value


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where many models are new, or many denied, in a span."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    denied = seen.reason == _DENIED
    known = habit.weight(Dimension.CONTEXT, seen.context) >= asked["known"]
    if not seen.model or not (denied or (scene.shows(_NEW_MODEL) and not known)):
        return memory, None
    mark = "denied" if denied else "new"
    memory = renew(memory, seen.at, f"{mark} {brief(seen.model)}", seconds=asked["seconds"])
    tried = {text.partition(" ")[2] for _, text in memory.recent}
    refused = {text for _, text in memory.recent if text.startswith("denied")}
    if len(refused) < asked["denied"] and (denied or len(tried) < asked["models"]):
        return memory, None
    if silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    models, within = count_of(len(tried), "model"), span(asked["seconds"])
    said = Said(
        seen=f"{models} tried in {within}, {len(refused)} denied; from {place(seen)}",
        usual=f"the key uses {count_of(habit.count(Dimension.MODEL), 'model')}",
        against=excuse(scene, "an evaluation of the owner's over many models looks the same"),
    )
    return tell(memory, seen.at), said
