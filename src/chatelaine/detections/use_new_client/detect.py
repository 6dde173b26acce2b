"""Find programs that a key was never used by."""

from chatelaine.core.detection.memory import Memory, brief, knows, remember
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import excuse, own_network, place, program, programs
from chatelaine.core.habit_view import HabitView
from chatelaine.core.stats import surprise
from chatelaine.model.detection import Card, Dimension, Said, Severity


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a program is unlike those a key is used by."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    value = brief(f"{seen.ja4} {seen.header_hash} {seen.agent_family}")
    same_name = habit.weight(Dimension.AGENT, seen.agent_family) > 0
    # The same program in the same place with other headers is an upgrade.
    if (same_name and own_network(scene)) or knows(memory, value):
        return memory, None
    memory = remember(memory, seen.at, value, seconds=asked["days"] * 86_400)
    odds = _odds(habit, Dimension.JA4, seen.ja4) + _odds(habit, Dimension.HEADERS, seen.header_hash)
    odds += _odds(habit, Dimension.AGENT, seen.agent_family)
    if odds < asked["surprise"]:
        return memory, None
    said = Said(
        seen=f"first use by {program(seen)}, from {place(seen)}",
        usual=f"the key is used by {programs(habit)}",
        against=excuse(scene, "owners upgrade SDKs, and write second programs"),
        severity=Severity.LOW if same_name or own_network(scene) else None,
        score=odds,
        facts=(("ja4", seen.ja4), ("headers", seen.header_hash), ("agent", seen.agent[:200])),
    )
    return memory, said


def _odds(habit: HabitView, kind: Dimension, value: str) -> float:
    """Return how surprising a value is; nothing where the source does not know it, or it is usual."""
    if not value or habit.weight(kind, value):
        return 0.0
    return surprise(0.0, total=habit.total(kind), kinds=habit.count(kind))
