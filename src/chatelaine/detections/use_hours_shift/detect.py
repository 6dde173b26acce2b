"""Find use in hours of the day in which a key is not used."""

from typing import Final

from chatelaine.core.detection.memory import Memory, distinct, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Dimension, Said, Severity
from chatelaine.model.words import SECOND

_HOUR: Final = 3_600 * SECOND


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where enough strange hours of a day are used."""
    seen, limits = scene.sighting, card.thresholds
    now = f"{seen.at // _HOUR % 24:02}"
    if memory.recent and memory.recent[-1][1] == now:
        return memory, None
    memory = remember(memory, seen.at, now, seconds=limits["seconds"])
    strange = distinct(memory)
    # The habit may have learnt of the strange hours meanwhile.
    learnt = sum(scene.habit.weight(Dimension.HOUR, hour) > 0 for hour in {hour for _, hour in memory.recent})
    own = scene.habit.count(Dimension.HOUR) - learnt
    if strange < limits["hours"] or own > limits["rhythm"]:
        return memory, None
    if silent(memory, seen.at, seconds=limits["silent"]):
        return memory, None
    hours = ", ".join(sorted({hour for _, hour in memory.recent}))
    said = Said(
        seen=f"used within a day in {strange} hours that are not its own: {hours} h UTC",
        usual=f"this key is used in {own} hours of the day",
        against="a release night or a moved job is used at strange hours too",
        severity=Severity.MEDIUM if strange >= limits["round_the_clock"] else None,
    )
    return tell(memory, seen.at), said
