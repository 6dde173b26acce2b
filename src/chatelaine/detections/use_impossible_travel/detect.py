"""Find keys that are in two countries at once."""

from typing import Final

from chatelaine.core.detection.memory import Memory, knows, remember
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import count_of, excuse, place
from chatelaine.model.detection import Card, Dimension, Said
from chatelaine.model.exchange import NetworkClass

_ORDINARY: Final = str(int(NetworkClass.NONE))
_MINUTES_A_DAY: Final = 1_440


def detect(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
    """Return the next memory, and what is said where a key of people is abroad and at home at once."""
    seen, asked, habit = scene.sighting, card.thresholds, scene.habit
    minutes = habit.idle_days(seen.at) * _MINUTES_A_DAY
    if seen.network or minutes > asked["minutes"] or knows(memory, seen.country):
        return memory, None
    countries = habit.count(Dimension.COUNTRY)
    people = 100 * habit.share(Dimension.NETWORK_CLASS, _ORDINARY)
    if not 0 < countries <= asked["countries"] or people < asked["people_percent"]:
        return memory, None
    memory = remember(memory, seen.at, seen.country, seconds=86_400)
    said = Said(
        seen=f"used from {place(seen)} {minutes:.0f} min after its last use at home",
        usual=f"it lives in {count_of(countries, 'country', 'countries')}, {people:.0f} % on plain networks",
        against=excuse(scene, "a border, a roaming phone, or a colleague abroad explains it as well"),
        facts=(("country", seen.country), ("minutes", f"{minutes:.0f}")),
    )
    return memory, said
