"""Find clients that grope about."""

from typing import Final

from chatelaine.core.detection.memory import Memory, brief, distinct, renew, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, networks, place, span
from chatelaine.model.detection import Card, Dimension, Said

_FAULTY: Final = frozenset({400, 404, 405, 415, 422})
"""Answers to what is malformed or not there; not those to what is too much, or not allowed."""


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a stranger sends many different faulty requests."""
    seen, asked = scene.sighting, card.thresholds
    if seen.status not in _FAULTY or not seen.key:
        return memory, None
    if scene.habit.weight(Dimension.CONTEXT, seen.context) >= asked["known"]:
        return memory, None
    shape = brief(f"{seen.route} {seen.model} {seen.cap} {seen.body_hash}")
    memory = renew(memory, seen.at, shape, seconds=asked["seconds"])
    faults = distinct(memory)
    if faults < asked["faults"] or silent(memory, seen.at, seconds=3_600):
        return memory, None
    what, within = count_of(faults, "different faulty request"), span(asked["seconds"])
    said = Said(
        seen=f"{what} in {within}, the last answered {seen.status}, from {place(seen)}",
        usual=f"the key is used from {networks(scene.habit)}; its clients know what to ask",
        against=excuse(scene, "a developer who writes a first client gropes about, too"),
        facts=(("error_code", seen.error_code), ("route", seen.route)),
    )
    return tell(memory, seen.at), said
