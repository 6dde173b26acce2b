"""Find keys that several strangers use at once."""

from typing import Final

from chatelaine.core.detection.memory import Memory, distinct, renew, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, networks, place, span
from chatelaine.model.detection import Card, Dimension, Said

_DAY: Final = 86_400


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where many new operators use a key within a span."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    kind = Dimension.ASN if seen.asn else Dimension.PREFIX
    value = str(seen.asn) if seen.asn else seen.prefix
    if not value or habit.weight(kind, value) or habit.count(kind) > asked["usual"]:
        return memory, None
    memory = renew(memory, seen.at, value, seconds=asked["seconds"])
    at_work = habit.idle_days(seen.at) * _DAY <= asked["seconds"]
    if distinct(memory) < asked["networks"] or silent(memory, seen.at, seconds=_DAY):
        return memory, None
    what = count_of(distinct(memory), "new network")
    beside = ", beside the owner" if at_work else ""
    said = Said(
        seen=f"{what} in {span(asked['seconds'])}{beside}; last {place(seen)}",
        usual=f"the key is used from {networks(habit)}",
        against=excuse(scene, "a team may have begun to use the key this morning, each from home"),
        facts=(("networks", " ".join(sorted({one for _, one in memory.recent}))),),
    )
    return tell(memory, seen.at), said
