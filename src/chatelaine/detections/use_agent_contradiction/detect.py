"""Find programs whose names are denied by their own marks."""

from typing import Final

from chatelaine.core.detection.memory import Memory, brief, knows, remember
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import excuse, often, place, program
from chatelaine.model.detection import Card, Dimension, Said, Sighting

_BROWSER: Final = "mozilla"
_LANGUAGES: Final = frozenset({"python", "js", "node", "go", "java", "ruby", "csharp", "kotlin"})
_ALPN_AT: Final = 8
"""Where JA4 tells the first protocol that is offered: ``t13d1516h2``."""


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a program's name and marks disagree."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    why = _denied(seen)
    if not why or habit.weight(Dimension.CONTEXT, seen.context) >= asked["usual"]:
        return memory, None
    value = brief(f"{seen.context} {why}")
    if knows(memory, value):
        return memory, None
    memory = remember(memory, seen.at, value, seconds=asked["days"] * 86_400)
    said = Said(
        seen=f"{program(seen)} {why}, from {place(seen)}",
        usual=f"the key shows this name in {often(habit, Dimension.AGENT, seen.agent_family)}",
        against=excuse(scene, "a company's TLS inspection gives a browser another TLS client"),
        facts=(("agent", seen.agent[:200]), ("ja4", seen.ja4)),
    )
    return memory, said


def _denied(seen: Sighting) -> str:
    """Return what denies the name; "" where nothing does."""
    told = dict(seen.sdk)
    language, runtime = told.get("x-stainless-lang", "").lower(), told.get("x-stainless-runtime", "").lower()
    if seen.agent_family == _BROWSER:
        if language and not runtime.startswith("browser"):
            return "brings the headers of an SDK outside browsers"
        offered = seen.ja4[_ALPN_AT : _ALPN_AT + 2]
        return "offers no HTTP/2, as browsers do" if offered in {"00", "h1", "ht"} else ""
    named = seen.agent_family.rpartition("/")[2]
    if language in _LANGUAGES and named in _LANGUAGES and language != named:
        return f"brings the headers of an SDK for {language}"
    return ""
