"""Find new clients that begin with next to nothing."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, own_network, own_program, place
from chatelaine.model.detection import Card, Dimension, Measure, Said, Trait

_NEW_CONTEXT: Final = int(Trait.NEW_CONTEXT)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a new client begins with a tiny request."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    if not scene.shows(_NEW_CONTEXT) or seen.empty or seen.cap is None or seen.cap <= 0:
        return memory, None
    checked = habit.weight(Dimension.CAP, str(seen.cap)) >= asked["usual"]
    if (checked and (own_network(scene) or own_program(scene))) or silent(
        memory, seen.at, seconds=asked["seconds"]
    ):
        return memory, None
    tokens = count_of(seen.input_tokens, "token")
    said = Said(
        seen=f"a new client begins with some {tokens} of text and a cap of {seen.cap}, from {place(seen)}",
        usual=f"the key's requests have some {habit.mean(Measure.INPUT_TOKENS):.0f} tokens",
        against=excuse(scene, "a health check or a first try from a new machine looks the same"),
    )
    return tell(memory, seen.at), said
