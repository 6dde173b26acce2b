"""Find runs of prompts that differ and are alike in all that can be seen: best-of-N resampling."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said
from chatelaine.model.exchange import Operation
from chatelaine.model.words import SECOND

_DIGITS: Final = 12
"""Digits of a keyed hash that are held."""
_ASKS: Final = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.RESPONSE, Operation.IMAGE})


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said at the tenth variant in a row."""
    seen, limits = scene.sighting, card.thresholds
    if seen.operation not in _ASKS or not seen.body_hash or seen.input_tokens < limits["tokens"]:
        return memory, None
    form = f"{seen.input_tokens}|{seen.messages}|{seen.system_hash[:_DIGITS]}|{seen.parent_chain[:_DIGITS]}"
    asked = seen.body_hash[:_DIGITS]
    if not memory.recent or memory.recent[0][1] != form:
        return Memory(((seen.at, form), (seen.at, asked)), memory.told_at, (1.0,)), None
    (begun, _), (_, body) = memory.recent
    if body == asked:
        return memory, None
    if seen.at - begun > limits["seconds"] * SECOND:
        return Memory(((seen.at, form), (seen.at, asked)), memory.told_at, (1.0,)), None
    run = memory.numbers[0] + 1
    memory = Memory(((begun, form), (seen.at, asked)), memory.told_at, (run,))
    if run < limits["times"] or silent(memory, seen.at, seconds=limits["seconds"]):
        return memory, None
    said = Said(
        seen=f"{run:.0f} prompts in a row differ, but have one size, system prompt and turn before",
        usual="prompts that follow each other differ in size",
        against="rows of a fixed length, such as codes or forms, make prompts of equal size too",
    )
    return Memory(memory.recent, seen.at, memory.numbers), said
