"""What is said of a client that all evidence together tells from the owner's."""

from typing import Final

from chatelaine.core.detection.evidence_said import Weight
from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of
from chatelaine.model.detection import Said

_LEAST_NATS: Final = 1.0
"""A family that adds less does not speak for itself."""


def foreign(
    memory: Memory, scene: Scene, *, score: float, rise: float, seconds: float
) -> tuple[Memory, Said | None]:
    """Return what is said where the score is over a limit, once in so many seconds or when it has risen."""
    seen, weight = scene.sighting, scene.weight
    if weight is None or weight.score < score:
        return memory, None
    before = memory.numbers[0] if memory.numbers else weight.score - rise
    risen = weight.score - before >= rise
    if not risen and silent(memory, seen.at, seconds=seconds):
        return memory, None
    said = Said(
        seen=f"{_seen(weight)}, after {count_of(weight.requests, 'request')} of this client",
        usual=(weight.reasons[0][3] if weight.reasons else "") or "nothing of the kind",
        against=_against(weight),
        score=weight.score,
        families=tuple(family for family, nats in weight.families.items() if nats >= _LEAST_NATS),
        facts=tuple((name, f"{nats:+.2f}") for name, nats, _, _ in weight.reasons),
    )
    return with_numbers(tell(memory, seen.at), (weight.score,)), said


def _seen(weight: Weight) -> str:
    if not weight.reasons:
        return "many small differences"
    name, _, seen, _ = weight.reasons[0]
    return f"{name}: {seen}"


def _against(weight: Weight) -> str:
    if not weight.against:
        return "nothing that it shows speaks for the owner; a new service of his shows nothing either"
    name, _, seen, _ = weight.against[0]
    return f"{name} speaks for the owner: {seen}"
