"""Find checks of a key that come back in a rhythm."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from chatelaine.core.detection.memory import Memory, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, place
from chatelaine.core.stats import off_beat
from chatelaine.model.detection import Card, Dimension, Said, Severity
from chatelaine.model.words import SECOND

_PERIODS: Final = (60.0, 90.0, 360.0)
"""Minutes between the tool's checks of OpenAI and Azure, AWS, and Anthropic keys."""


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where the checks of a stranger keep a known period."""
    seen, asked = scene.sighting, card.thresholds
    if not memory.recent and scene.habit.weight(Dimension.CONTEXT, seen.context) >= asked["usual"]:
        return memory, None
    if memory.recent and seen.at - memory.recent[-1][0] < asked["together"] * SECOND:
        return memory, None
    memory = remember(memory, seen.at, "", seconds=asked["remembered"])
    times = [at for at, _ in memory.recent]
    gaps = [(after - before) / (60 * SECOND) for before, after in pairwise(times)]
    if len(gaps) < asked["repeats"]:
        return memory, None
    # Six hours are six times one: of periods that fit alike, the longest is meant.
    chance, period = min((off_beat(gaps, period), -period) for period in _PERIODS)
    if chance > asked["chance"] or silent(memory, seen.at, seconds=86_400):
        return memory, None
    exact = _wander(gaps, -period) < asked["exact_percent"] / 100
    said = Said(
        seen=f"{count_of(len(times), 'check')} of the key about every {-period:.0f} min, from {place(seen)}",
        usual=f"without a rhythm this happens with a chance of {chance:.1g}",
        against="it keeps time as a monitor does" if exact else excuse(scene, "none: monitors do not wander"),
        severity=Severity.LOW if exact else None,
    )
    return tell(memory, seen.at), said


def _wander(gaps: Sequence[float], period: float) -> float:
    """Return by which share of the period the worst gap misses it."""
    return max(abs(gap / period - max(round(gap / period), 1)) for gap in gaps)
