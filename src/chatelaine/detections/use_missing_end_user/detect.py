"""Find requests without an end-user id on keys that always send one."""

from typing import Final

from chatelaine.core.detection.memory import Memory, remember, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene, at_home
from chatelaine.model.detection import Card, Dimension, Said, Severity
from chatelaine.model.exchange import Operation
from chatelaine.model.words import SECOND

_ASKS: Final = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.RESPONSE, Operation.IMAGE})


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said at the third request without an end-user id."""
    seen, limits = scene.sighting, card.thresholds
    if seen.end_user or (memory.numbers and seen.at < memory.numbers[0]) or seen.operation not in _ASKS:
        return memory, None
    usual = scene.habit.share(Dimension.END_USER, "yes") if scene.habit.settled else 0.0
    if usual < limits["share"]:
        # Asked again in an hour, not at every request of a key that sends none.
        return with_numbers(memory, (seen.at + limits["recheck"] * SECOND,)), None
    memory = remember(memory, seen.at, "", seconds=limits["seconds"], most=16)
    times = len(memory.recent)
    if times < limits["times"] or silent(memory, seen.at, seconds=limits["recheck"]):
        return memory, None
    said = Said(
        seen=f"{times} requests within 10 min name no end user",
        usual=f"{usual:.0%} of this key's requests name one",
        against="a job of the owner, or a new version of its program, may send none",
        severity=Severity.LOW if at_home(scene) else None,
    )
    return tell(memory, seen.at), said
