"""Find new clients that begin with next to nothing."""

from chatelaine.core.detection.memory import Memory
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, own_network, own_program, place
from chatelaine.model.detection import Card, Dimension, Measure, Said, Trait


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the memory as it was, and what is said where a new client begins with a tiny request."""
    seen, habit = scene.sighting, scene.habit
    if Trait.NEW_CONTEXT not in scene.traits or seen.empty or seen.cap is None or seen.cap <= 0:
        return memory, None
    checked = habit.weight(Dimension.CAP, str(seen.cap)) >= card.thresholds["usual"]
    if checked and (own_network(scene) or own_program(scene)):
        return memory, None
    tokens = count_of(seen.input_tokens, "token")
    said = Said(
        seen=f"a new client begins with some {tokens} of text and a cap of {seen.cap}, from {place(seen)}",
        usual=f"the key's requests have some {habit.mean(Measure.INPUT_TOKENS):.0f} tokens",
        against=excuse(scene, "a health check or a first try from a new machine looks the same"),
    )
    return memory, said
