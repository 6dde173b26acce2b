"""Find conversations that hop between keys of different owners."""

from chatelaine.core.detection.memory import Memory, distinct, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where turns before were sent under strangers' keys."""
    seen, elsewhere, limits = scene.sighting, scene.elsewhere, card.thresholds
    if not elsewhere.parent_firm:
        return memory, None
    memory = remember(memory, seen.at, seen.parent_chain, seconds=limits["seconds"])
    hops = max(distinct(memory), elsewhere.hops)
    if hops < limits["hops"] or silent(memory, seen.at, seconds=limits["seconds"]):
        return memory, None
    elsewhere_sent = f"under key {elsewhere.parent_key[:40]} of {elsewhere.parent_owner[:40]}"
    said = Said(
        seen=f"the turn before this one was sent {elsewhere_sent}; {hops} such hops",
        usual=f"all turns of a conversation are sent under keys of one owner, here {seen.owner[:40]}",
        against="one integrator may serve both owners from one program",
        facts=(("parent_key", elsewhere.parent_key), ("parent_owner", elsewhere.parent_owner)),
    )
    return tell(memory, seen.at), said
