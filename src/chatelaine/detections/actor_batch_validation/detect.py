"""Find clients that check many owners' keys at once."""

from chatelaine.core.detection.memory import MANY, Memory, distinct, renew, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import class_of, count_of, place, program, span
from chatelaine.model.detection import Card, Dimension, Said
from chatelaine.model.exchange import NetworkClass


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where one client checks the keys of many owners."""
    seen, asked = scene.sighting, card.thresholds
    known = scene.habit.weight(Dimension.CONTEXT, seen.context) >= asked["usual"]
    if not seen.owner or not seen.context or known:
        return memory, None
    memory = renew(memory, seen.at, seen.owner, seconds=asked["seconds"], most=MANY)
    owners = distinct(memory)
    if owners < asked["owners"] or silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    shared = bool(seen.network & NetworkClass.BIG_CLOUD)
    crowd = f"many customers of {class_of(seen.network)} share one network and one SDK"
    within = span(asked["seconds"])
    said = Said(
        seen=f"keys of {count_of(owners, 'owner')} checked in {within} by one client, {place(seen)}",
        usual="a client uses the keys of one owner",
        against=crowd if shared else f"{program(seen)} may be a platform's that serves all these owners",
        facts=(("owners", " ".join(sorted({owner for _, owner in memory.recent}))),),
    )
    return tell(memory, seen.at), said
