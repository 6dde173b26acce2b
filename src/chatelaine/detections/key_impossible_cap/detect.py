"""Find requests that can only test a key."""

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import excuse, often, place, shown
from chatelaine.model.detection import Card, Dimension, Said


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where an impossible cap comes with next to no text."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    if seen.cap is None or seen.cap > 0 or seen.input_tokens > asked["tokens"]:
        return memory, None
    if habit.weight(Dimension.CAP, str(seen.cap)) >= asked["usual"]:
        return memory, None
    # Owners' programs go wrong, too: who else says that it is no client of the owner's?
    foreign = scene.weight is not None and scene.weight.score >= asked["score"]
    told = silent(memory, seen.at, seconds=asked["seconds"])
    if told and (not foreign or memory.numbers):
        return memory, None
    cap, model = shown(str(seen.cap), ""), shown(seen.model, "no model")
    said = Said(
        seen=f"{cap} output tokens of {model} asked for, from {place(seen)}",
        usual=f"the key set this cap in {often(habit, Dimension.CAP, str(seen.cap))}",
        against=excuse(scene, "tools for self-hosted models send -1 where they mean no limit"),
        certain=foreign,
        facts=(("cap", str(seen.cap)), ("input_tokens", str(seen.input_tokens))),
    )
    return with_numbers(tell(memory, seen.at), (1.0,) if foreign else ()), said
