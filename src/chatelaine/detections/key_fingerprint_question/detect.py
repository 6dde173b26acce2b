"""Find small questions by which new clients learn what answers them."""

from typing import Final

from chatelaine.core.detection.memory import Memory, brief, renew, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, place
from chatelaine.model.detection import Card, Dimension, Measure, Said, Severity, Trait

_NEW_CONTEXT: Final = int(Trait.NEW_CONTEXT)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of a small first question, or of one asked of many models."""
    seen, asked = scene.sighting, card.thresholds
    fresh = scene.shows(_NEW_CONTEXT)
    if not seen.chain or seen.parent_chain or seen.tools or seen.input_tokens > asked["tokens"]:
        return memory, None
    if not fresh and not memory.recent:
        return memory, None
    first = not memory.recent
    memory = renew(memory, seen.at, f"{seen.chain} {brief(seen.model)}", seconds=asked["seconds"])
    models = {text for _, text in memory.recent if text.startswith(f"{seen.chain} ")}
    if len(models) >= asked["models"] and not silent(memory, seen.at, seconds=asked["seconds"]):
        return tell(memory, seen.at), _said_of_many(scene, len(models))
    usual = scene.habit.mean(Measure.INPUT_TOKENS)
    if not first or usual < asked["times"] * max(seen.input_tokens, 1):
        return memory, None
    said = Said(
        seen=f"a new client's first question has some {seen.input_tokens} tokens, from {place(seen)}",
        usual=f"the key's requests have some {usual:.0f} tokens",
        against=excuse(scene, "a person who tries a model from a new machine begins so, too"),
    )
    return memory, said


def _said_of_many(scene: Scene, models: int) -> Said:
    return Said(
        seen=f"one small question was put to {count_of(models, 'model')}, from {place(scene.sighting)}",
        usual=f"the key uses {count_of(scene.habit.count(Dimension.MODEL), 'model')}",
        against=excuse(scene, "an evaluation of the owner's over several models looks the same"),
        severity=Severity.MEDIUM,
    )
