"""Detections run over scenes: who looks at what, what each remembers, and the findings that come of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from math import isfinite
from typing import Final, NamedTuple

from msgspec.structs import replace

from chatelaine.core.detection.memory import EMPTY, Memory
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Finding, Group, Said, Sighting, Trait
from chatelaine.model.words import FindingId

Detect = Callable[[Memory, Scene, Card], tuple[Memory, Said | None]]
"""What a detection is: memory of the group, scene and card in; the next memory, and what it says."""

GroupKey = tuple[int, str, str]
_MOST_GROUPS: Final = 500_000
"""Memories that are held at all; the oldest gives way."""
_DIGITS: Final = 24


class Detection(NamedTuple):
    """An item of the shelf: its card and its verb."""

    card: Card
    detect: Detect


class _Rule(NamedTuple):
    place: int
    mask: Trait
    card: Card
    detect: Detect
    group: Callable[[Sighting], tuple[str, str]]


_GROUPS: Final[Mapping[Group, Callable[[Sighting], tuple[str, str]]]] = {
    Group.KEY: lambda seen: (seen.key, ""),
    Group.KEY_CONTEXT: lambda seen: (seen.key, seen.context),
    Group.CONTEXT: lambda seen: ("", seen.context),
    Group.OWNER: lambda seen: (seen.owner, ""),
    Group.ALL: lambda _: ("", ""),
}


def mask_of(card: Card) -> Trait:
    """Return the traits that a card names.

    Raises:
        KeyError: there is no such trait.
    """
    mask = Trait.ANY
    for name in card.on:
        mask |= Trait[name.upper()]
    return mask


class Runner:
    """Runs detections over scenes, and holds what they remember."""

    __slots__ = ("_memories", "_rules")

    def __init__(self, detections: Iterable[Detection]) -> None:
        chosen = [one for one in detections if one.card.enabled]
        self._rules = tuple(
            _Rule(place, mask_of(one.card), one.card, one.detect, _GROUPS[one.card.group])
            for place, one in enumerate(sorted(chosen, key=lambda one: one.card.id))
        )
        self._memories: dict[GroupKey, Memory] = {}

    def run(self, scene: Scene) -> Iterator[Finding]:
        """Yield what the detections find in a scene, in the order of their ids."""
        traits, memories = scene.traits, self._memories
        for rule in self._rules:
            if rule.mask and not rule.mask & traits:
                continue
            at = (rule.place, *rule.group(scene.sighting))
            before = memories.get(at, EMPTY)
            after, said = rule.detect(before, scene, rule.card)
            if after is not before:
                self._hold(at, after)
            if said is not None:
                yield finding(rule.card, scene.sighting, said)

    def _hold(self, at: GroupKey, memory: Memory) -> None:
        memories = self._memories
        memories[at] = memory
        if len(memories) > _MOST_GROUPS:
            del memories[next(iter(memories))]

    def dump(self) -> dict[str, list[tuple[str, str, Memory]]]:
        """Return what the detections remember, by their ids."""
        kept: dict[str, list[tuple[str, str, Memory]]] = {rule.card.id: [] for rule in self._rules}
        for (place, first, second), memory in self._memories.items():
            kept[self._rules[place].card.id].append((first, second, memory))
        return kept

    def load(self, kept: Mapping[str, Iterable[tuple[str, str, Memory]]]) -> None:
        """Take over what was dumped; what detections remembered that are gone is dropped."""
        places = {str(rule.card.id): rule.place for rule in self._rules}
        self._memories = {
            (places[name], first, second): memory
            for name, held in kept.items()
            if name in places
            for first, second, memory in held
        }


def finding(card: Card, sighting: Sighting, said: Said) -> Finding:
    """Return what a detection said as a finding; the same sighting always gives the same id."""
    if not isfinite(said.score):
        # No store and no peer could read it again.
        said = replace(said, score=0.0)
    told = f"{card.id}|{card.version}|{sighting.exchange}|{sighting.phase}|{sighting.at}|{sighting.key}"
    return Finding(
        id=FindingId(sha256(told.encode()).hexdigest()[:_DIGITS]),
        detection=card.id,
        version=card.version,
        at=sighting.at,
        exchange=sighting.exchange,
        key=sighting.key,
        owner=sighting.owner,
        context=sighting.context,
        prefix=sighting.prefix,
        family=card.family,
        severity=card.severity if said.severity is None else said.severity,
        certain=card.certain,
        said=said,
    )
