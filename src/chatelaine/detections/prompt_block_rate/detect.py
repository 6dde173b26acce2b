"""Find a rate of blocked prompts far above the key's own."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.odds import beta_above
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said, Severity
from chatelaine.model.words import SECOND

_PRIOR_BLOCKED: Final = 0.5
_PRIOR_ASKED: Final = 50.0
"""One in a hundred is blocked, says who knows nothing."""
_REMEMBERED: Final = 20_000.0


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where the hour's rate is far above the base rate."""
    seen, limits = scene.sighting, card.thresholds
    begun, asked, blocked, base_asked, base_blocked = memory.numbers or (seen.at / SECOND, 0.0, 0.0, 0.0, 0.0)
    if seen.at / SECOND - begun > limits["seconds"]:
        # An hour raises the base to five times itself at most, or whoever probes would train it.
        most = limits["factor"] * _rate(base_blocked, base_asked) * asked
        fade = _REMEMBERED / max(base_asked + asked, _REMEMBERED)
        base_asked, base_blocked = (base_asked + asked) * fade, (base_blocked + min(blocked, most)) * fade
        begun, asked, blocked = seen.at / SECOND, 0.0, 0.0
    asked, blocked = asked + 1, blocked + seen.blocked
    memory = with_numbers(memory, (begun, asked, blocked, base_asked, base_blocked))
    if not seen.blocked or blocked <= limits["blocks"] or silent(memory, seen.at, seconds=limits["seconds"]):
        return memory, None
    base = _rate(base_blocked, base_asked)
    chance = beta_above(limits["factor"] * base, blocked + 0.5, asked - blocked + 0.5)
    if chance < limits["certainty"]:
        return memory, None
    said = Said(
        seen=f"{blocked:.0f} of {asked:.0f} prompts were blocked within an hour",
        usual=f"{base:.1%} of this key's prompts are blocked, over {base_asked:.0f} of them",
        against="a red team, a novelist or a stricter filter of the provider raises the rate too",
        severity=Severity.LOW if base_asked < _PRIOR_ASKED else None,
    )
    return tell(memory, seen.at), said


def _rate(blocked: float, asked: float) -> float:
    return (blocked + _PRIOR_BLOCKED) / (asked + _PRIOR_ASKED)
