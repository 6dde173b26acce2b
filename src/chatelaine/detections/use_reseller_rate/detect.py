"""Find the pace of a resale proxy: a floor under the gaps between uses, and four seconds after a 429."""

from typing import Final

from chatelaine.core.detection.memory import Memory, distinct, remember, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Phase, Said
from chatelaine.model.words import SECOND

_DIGITS: Final = 12
"""Digits of a keyed hash that are held."""
_NONE: Final = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_TOO_MANY: Final = 429


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where the gaps are a proxy's."""
    seen, limits, at = scene.sighting, card.thresholds, scene.sighting.at / SECOND
    last, gaps, total, least, limited, after, hits = memory.numbers or _NONE
    if seen.phase is not Phase.ENDED:
        gap = at - last
        if last:
            gaps, total, least = gaps + 1, total + gap, min(least, gap) if gaps else gap
        if limited:
            after += 1
            hits += limits["after_low"] <= at - limited <= limits["after_high"]
        memory = remember(memory, seen.at, seen.system_hash[:_DIGITS], seconds=limits["silent"], most=16)
        last, limited = at, 0.0
    if seen.status == _TOO_MANY:
        limited = at
    memory = with_numbers(memory, (last, gaps, total, least, limited, after, hits))
    # Were the gaps without a floor, none below it would have a chance of exp(-gaps * floor / mean).
    floored = (
        gaps >= limits["gaps"] and least >= limits["floor"] and gaps * least * gaps / total > limits["chance"]
    )
    floored = floored and distinct(memory) >= limits["systems"]
    waits = hits >= limits["after_times"] and hits >= limits["after_share"] * after
    if not (floored or waits) or silent(memory, seen.at, seconds=limits["silent"]):
        return memory, None
    floor = f"no two of {gaps + 1:.0f} requests are closer than {least:.2f} s"
    said = Said(
        seen=f"{hits:.0f} of {after:.0f} requests after a 429 came 4 s later" if waits else floor,
        usual="requests come as users do, at any distance; retries wait by a growing time",
        against="a client with a rate limiter of its own, or that waits for each answer, is spaced too",
    )
    return tell(memory, seen.at), said
