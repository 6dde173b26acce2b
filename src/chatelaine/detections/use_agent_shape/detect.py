"""Find the shape of a coding agent on a key that is none's: tools, and prompts far above its size."""

from chatelaine.core.detection.memory import Memory, silent, tell
from chatelaine.core.detection.scene import Scene, at_home
from chatelaine.model.detection import Card, Dimension, Measure, Said, Severity


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where tools come with a prompt ten times the key's largest."""
    seen, habit, limits = scene.sighting, scene.habit, card.thresholds
    if seen.input_tokens < limits["tokens"] or not habit.settled:
        return memory, None
    high = habit.high(Measure.INPUT_TOKENS, limits["deviations"])
    if seen.input_tokens < limits["factor"] * high or silent(memory, seen.at, seconds=limits["silent"]):
        return memory, None
    if habit.share(Dimension.TOOLS, "yes") > limits["share"]:
        return memory, None
    large = Severity.HIGH if seen.input_tokens >= limits["large"] else None
    said = Said(
        seen=f"{seen.tools} tools and {seen.input_tokens:,} input tokens on {seen.model[:40]}",
        usual=f"this key brings no tools, and one prompt in a hundred has over {high:,.0f} tokens",
        against="a developer of the owner may try an agent with this key",
        severity=Severity.LOW if at_home(scene) else large,
    )
    return tell(memory, seen.at), said
