"""Find many languages at once among a key's young clients, as far as headers tell languages."""

from collections import Counter
from typing import Final

from chatelaine.core.detection.memory import Memory, remember, silent, tell
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said

_MOST: Final = 32
_HEADER: Final = "accept-language"


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where no language prevails among enough requests."""
    seen, limits = scene.sighting, card.thresholds
    told = next((value for name, value in seen.sdk if name == _HEADER), "")
    language = told[:2].lower()
    if not language.isalpha():
        return memory, None
    memory = remember(memory, seen.at, language, seconds=limits["seconds"], most=_MOST)
    if len(memory.recent) < limits["requests"] or silent(memory, seen.at, seconds=limits["seconds"]):
        return memory, None
    languages = Counter(value for _, value in memory.recent)
    (_, most), *_ = languages.most_common(1)
    if len(languages) < limits["languages"] or most > limits["most"] * len(memory.recent):
        return memory, None
    named = ", ".join(f"{name} {times}" for name, times in languages.most_common(4))
    said = Said(
        seen=f"{len(memory.recent)} requests in an hour ask for {len(languages)} languages: {named}",
        usual="a program asks for one language, or for none",
        against="an application may hand on what its users' browsers ask for",
    )
    return tell(memory, seen.at), said
