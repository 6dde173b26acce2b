"""Find what a resale proxy leaves of its users' headers."""

from typing import Final

from chatelaine.core.detection.memory import Memory, knows, remember
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import excuse, own_network, place
from chatelaine.core.habit_view import HabitView
from chatelaine.model.detection import Card, Dimension, Said, Severity, Trait

_RESIDUE: Final = int(Trait.RESIDUE)
_BARE: Final = frozenset(
    {"host", "content-type", "content-length", "transfer-encoding", "connection", "api-key", "authorization"}
    | {"x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}
)
"""All that the proxy sends to Azure and AWS."""


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said of headers of an exact shape that is new to the key."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    named = _named(habit)
    blank = scene.shows(_RESIDUE)
    if not blank and not (_is_bare(seen.header_names) and not seen.agent and named >= asked["named_percent"]):
        return memory, None
    known = habit.weight(Dimension.CONTEXT, seen.context) >= asked["usual"] or own_network(scene)
    if known or knows(memory, seen.context):
        return memory, None
    memory = remember(memory, seen.at, seen.context, seconds=asked["days"] * 86_400)
    shape = "origin and referer are there, and empty" if blank else "no name, nothing but what must be"
    said = Said(
        seen=f"{shape}; from {place(seen)}",
        usual=f"programs give their name in {named:.0f} % of the key's exchanges",
        against=excuse(scene, "a hand-written client or a proxy of the owner's may send as little"),
        severity=None if habit.settled else Severity.MEDIUM,
        facts=(("headers", seen.header_names[:300]),),
    )
    return memory, said


def _is_bare(header_names: str) -> bool:
    return bool(header_names) and _BARE.issuperset(header_names.lower().split(","))


def _named(habit: HabitView) -> float:
    """Return in how many hundredths of its exchanges a key's programs name themselves; 0 without a habit."""
    total = habit.total(Dimension.STREAM)
    return min(100 * habit.total(Dimension.AGENT) / total, 100.0) if total else 0.0
