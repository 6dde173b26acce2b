"""Find proxies by the names of the many who come through them."""

from zlib import crc32

from chatelaine.core.detection.memory import Memory, renew, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, place, programs, shown, span
from chatelaine.model.detection import Card, Dimension, Said


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where one TLS client at one address has many names."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    if not seen.agent or not seen.ip:
        return memory, None
    if 100 * habit.share(Dimension.AGENT, seen.agent_family) >= asked["usual_percent"]:
        return memory, None
    # Browsers differ in all that stands behind their common first word.
    value = f"{seen.ip} {crc32(seen.agent.encode('utf-8', 'replace')):08x}"
    again = bool(memory.recent) and memory.recent[-1][1] == value
    memory = renew(memory, seen.at, value, seconds=asked["seconds"])
    if again or silent(memory, seen.at, seconds=asked["seconds"]):
        return memory, None
    agents = {text for _, text in memory.recent if text.startswith(f"{seen.ip} ")}
    if len(agents) < asked["agents"]:
        return memory, None
    client = f"TLS client {shown(seen.ja4, '')}" if seen.ja4 else "address"
    said = Said(
        seen=f"{count_of(len(agents), 'name')} in {span(asked['seconds'])} on one {client}, {place(seen)}",
        usual=f"the key is used by {programs(habit)}",
        against=excuse(scene, "an owner's web front, or an office with many browser versions, looks alike"),
        facts=(("ip", seen.ip), ("ja4", seen.ja4)),
    )
    return tell(memory, seen.at), said
