"""Find known clients that are throttled after a new client has come to their key."""

from typing import Final

from chatelaine.core.detection.memory import Memory, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said, Trait
from chatelaine.model.words import SECOND

_NEW_CONTEXT: Final = int(Trait.NEW_CONTEXT)
_MOST: Final = 16
_TOO_MANY: Final = 429
_LIMITED: Final = "429"


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where enough requests of known clients were answered 429."""
    seen, limits = scene.sighting, card.thresholds
    span = limits["newcomer_seconds"]
    if scene.shows(_NEW_CONTEXT):
        return remember(memory, seen.at, seen.context, seconds=span, most=_MOST), None
    newcomers = {value for _, value in memory.recent if value != _LIMITED}
    if seen.status != _TOO_MANY or not newcomers or seen.context in newcomers:
        return memory, None
    memory = remember(memory, seen.at, _LIMITED, seconds=span, most=_MOST)
    oldest = seen.at - limits["seconds"] * SECOND
    limited = sum(value == _LIMITED and at >= oldest for at, value in memory.recent)
    newcomers = {value for _, value in memory.recent if value != _LIMITED}
    if limited < limits["times"] or not newcomers or silent(memory, seen.at, seconds=span):
        return memory, None
    said = Said(
        seen=f"known clients were answered 429 {limited} times in 10 min; {len(newcomers)} clients are new",
        usual="this key's known clients had its quota for themselves",
        against="the owner's own new instances, or a provider under load, throttle as well",
        facts=(("newcomers", " ".join(sorted(newcomers))),),
    )
    return tell(memory, seen.at), said
