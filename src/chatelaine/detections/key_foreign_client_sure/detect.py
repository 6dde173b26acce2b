"""Find a client on a key that is almost certainly not its owner's: sure enough to act."""

from chatelaine.core.detection.foreign import foreign
from chatelaine.core.detection.memory import Memory
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Said


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return what is said where the score is over the card's, once a day or when it has risen."""
    over = card.thresholds
    return foreign(memory, scene, score=over["score"], rise=over["rise"], seconds=over["seconds"])
