"""Find a client on a key that all evidence together says is not its owner's."""

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said

_LEAST_NATS = 1.0
"""A family that adds less does not speak for itself."""


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return what is said where the score is over the budget, once a day or when it has risen."""
    seen, weight = scene.sighting, scene.weight
    if weight is None or weight.score < card.thresholds["score"]:
        return memory, None
    before = memory.numbers[0] if memory.numbers else weight.score - card.thresholds["rise"]
    risen = weight.score - before >= card.thresholds["rise"]
    if not risen and silent(memory, seen.at, seconds=card.thresholds["seconds"]):
        return memory, None
    for_it, against = weight.reasons[0], weight.against[0]
    said = Said(
        seen=f"{for_it[0]}: {for_it[2]}, after {weight.requests} requests of this client",
        usual=f"{for_it[3] or 'nothing of the kind'}",
        against=f"{against[0]} speaks for the owner: {against[2]}",
        score=weight.score,
        families=tuple(family for family, nats in weight.families.items() if nats >= _LEAST_NATS),
        facts=tuple((name, f"{nats:+.2f}") for name, nats, _, _ in weight.reasons),
    )
    return with_numbers(tell(memory, seen.at), (weight.score,)), said
