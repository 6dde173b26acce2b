"""Find a drift of what a key is used for, as far as hashes of system prompts show it."""

from typing import Final

from chatelaine.core.detection.memory import Memory, distinct, remember, silent, tell, with_numbers
from chatelaine.core.detection.odds import jensen_shannon
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Dimension, Said, Trait

_NEW_SYSTEM: Final = int(Trait.NEW_SYSTEM)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where the share of new prompts is far from none."""
    seen, limits = scene.sighting, card.thresholds
    fresh = scene.shows(_NEW_SYSTEM)
    if not memory.numbers and not fresh:
        return memory, None
    asked, among = memory.numbers or (0.0, 0.0)
    if fresh:
        memory = remember(memory, seen.at, seen.system_hash, seconds=limits["seconds"])
    fresh = fresh or any(system == seen.system_hash for _, system in memory.recent)
    asked, among = asked + 1, among + fresh
    if asked < limits["requests"]:
        return with_numbers(memory, (asked, among)), None
    habit = scene.habit
    learnt = sum(habit.weight(Dimension.SYSTEM, one) > 0 for one in {one for _, one in memory.recent})
    own = habit.count(Dimension.SYSTEM) - learnt
    prompts, apart = distinct(memory), jensen_shannon(among / asked, 0.0)
    # What is counted ends here; the next new prompt begins anew.
    memory = with_numbers(memory, ())
    if prompts < limits["prompts"] or apart < limits["divergence"]:
        return memory, None
    if own >= limits["templates"] or silent(memory, seen.at, seconds=limits["seconds"]):
        return memory, None
    said = Said(
        seen=f"{among:.0f} of {asked:.0f} requests have {prompts} new system prompts: {apart:.2f} bit apart",
        usual=f"this key has had {own} system prompts before",
        against="the owner may have deployed a program with other prompts",
    )
    return tell(memory, seen.at), said
