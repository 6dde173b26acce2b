"""Find a turn in what a key's requests ask for: streaming and tools."""

from typing import Final

from chatelaine.core.detection.memory import Memory, silent, tell, with_numbers
from chatelaine.core.detection.odds import g_test
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Dimension, Said
from chatelaine.model.exchange import Operation

_ASKS: Final = frozenset({Operation.CHAT, Operation.COMPLETION, Operation.RESPONSE})
_NONE: Final = (0.0, 0.0, 0.0, 0.0, 0.0)


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where forty requests are not as the key's are."""
    seen, habit, limits = scene.sighting, scene.habit, card.thresholds
    if seen.operation not in _ASKS:
        return memory, None
    count, streams, tools, usual_stream, usual_tools = memory.numbers or _NONE
    if not count:
        if not habit.settled:
            return memory, None
        usual_stream = habit.share(Dimension.STREAM, "yes")
        usual_tools = habit.share(Dimension.TOOLS, "yes")
    count, streams, tools = count + 1, streams + seen.stream, tools + bool(seen.tools)
    if count < limits["requests"]:
        return with_numbers(memory, (count, streams, tools, usual_stream, usual_tools)), None
    memory = with_numbers(memory, ())
    for name, hits, usual in (("stream", streams, usual_stream), ("bring tools", tools, usual_tools)):
        # The side that has grown: with it, or without.
        grown, before = max((hits, usual), (count - hits, 1 - usual), key=lambda one: one[0] / count - one[1])
        turned = before <= limits["rare"] and grown >= limits["common"] * count
        chance = g_test(grown, count, before)
        if turned and chance < limits["chance"] and not silent(memory, seen.at, seconds=limits["seconds"]):
            said = Said(
                seen=f"{hits:.0f} of {count:.0f} requests {name}; chance would do so with p = {chance:.0e}",
                usual=f"{usual:.0%} of this key's requests {name}",
                against="a new version of the owner's program may do so",
            )
            return tell(memory, seen.at), said
    return memory, None
