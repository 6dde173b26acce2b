"""Find the thief of an old key on a new one."""

from typing import Final

from chatelaine.core.detection.memory import Memory, knows, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import own_network, place, program, shown
from chatelaine.model.detection import Card, Dimension, Said, Sighting, Trait
from chatelaine.model.words import SECOND

_DEAD_KEY: Final = int(Trait.DEAD_KEY)
_DAY: Final = 86_400


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a client of a dead key shows up on a live one."""
    seen, asked = scene.sighting, card.thresholds
    if seen.reason and scene.shows(_DEAD_KEY):
        mark = f"{seen.key} {seen.prefix} {seen.ja4} {seen.header_hash}"
        if not seen.owner or own_network(scene) or knows(memory, mark):
            return memory, None
        most = int(asked["remembered"])
        return remember(memory, seen.at, mark, seconds=asked["days"] * _DAY, most=most), None
    if not memory.recent or silent(memory, seen.at, seconds=_DAY):
        return memory, None
    oldest = seen.at - int(asked["days"] * _DAY) * SECOND
    known = next((mark for at, mark in memory.recent if at >= oldest and _same(mark, scene)), "")
    if not known:
        return memory, None
    old = known.split(" ", 1)[0]
    said = Said(
        seen=f"{program(seen)}, {place(seen)}: uses this key and tried the dead key {shown(old, '')}",
        usual="clients of a dead key that were not the owner's do not get the next one",
        against="the owner may have given a forgotten deployment the new key",
        facts=(("dead_key", old), ("ja4", seen.ja4), ("headers", seen.header_hash)),
    )
    return tell(memory, seen.at), said


def _same(mark: str, scene: Scene) -> bool:
    """Tell whether two independent features agree: the network, and the program by TLS or headers."""
    seen = scene.sighting
    key, prefix, ja4, headers = mark.split(" ", 3)
    if key == seen.key or _usual(scene):
        return False
    program_agrees = bool((ja4 and ja4 == seen.ja4) or (headers and headers == seen.header_hash))
    if prefix and prefix == seen.prefix:
        return program_agrees
    # From elsewhere, the program alone must be one that the owner's settled key does not have.
    both = bool(ja4 and headers) and (ja4, headers) == (seen.ja4, seen.header_hash)
    return both and scene.habit.settled and _foreign(scene, seen)


def _usual(scene: Scene) -> bool:
    return scene.habit.settled and scene.habit.weight(Dimension.CONTEXT, scene.sighting.context) > 1


def _foreign(scene: Scene, seen: Sighting) -> bool:
    habit = scene.habit
    return not habit.weight(Dimension.JA4, seen.ja4) and not habit.weight(Dimension.HEADERS, seen.header_hash)
