"""Find keys whose networks multiply."""

from chatelaine.core.detection.memory import MANY, Memory, brief, distinct, knows, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, networks, span
from chatelaine.model.detection import Card, Dimension, Said


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a day brings many times the known networks."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    value = f"{seen.asn} {brief(seen.prefix)}"
    if knows(memory, value):
        return memory, None
    memory = remember(memory, seen.at, value, seconds=asked["seconds"], most=MANY)
    new, known = distinct(memory), habit.count(Dimension.PREFIX)
    operators = len({text.partition(" ")[0] for _, text in memory.recent})
    enough = new >= max(asked["networks"], asked["times"] * known)
    if not enough or (seen.asn and operators < asked["operators"]):
        return memory, None
    if silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    by = f" of {count_of(operators, 'operator')}" if seen.asn else ""
    said = Said(
        seen=f"{count_of(new, 'new network')}{by} in {span(asked['seconds'])}",
        usual=f"in all its time the key was used from {networks(habit)}",
        against=excuse(scene, "the owner may have given many people a program with the key in it"),
    )
    return tell(memory, seen.at), said
