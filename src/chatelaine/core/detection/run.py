"""Detections run over scenes: who looks at what, what each remembers, and the findings that come of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from hashlib import sha256
from math import isfinite
from typing import Final, NamedTuple

from msgspec.structs import replace

from chatelaine.core.detection.memory import EMPTY, Memory
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Family, Finding, Group, Said, Sighting, Trait
from chatelaine.model.words import FindingId

Detect = Callable[[Memory, Scene, Card], tuple[Memory, Said | None]]
"""What a detection is: memory of the group, scene and card in; the next memory, and what it says."""

GroupKey = tuple[int, str, str]
_MOST_GROUPS: Final = 500_000
"""Memories that are held at all; the oldest gives way."""
_MOST_KINDS: Final = 4_096
_DIGITS: Final = 24
_LONGEST: Final = 400
"""Characters of a sentence."""
_LONGEST_FACT: Final = 120
_MOST_FACTS: Final = 16


class Detection(NamedTuple):
    """An item of the shelf: its card and its verb."""

    card: Card
    detect: Detect


class _Rule(NamedTuple):
    place: int
    mask: int
    card: Card
    detect: Detect
    group: Callable[[Sighting], tuple[str, str]]


_GROUPS: Final[Mapping[Group, Callable[[Sighting], tuple[str, str]]]] = {
    Group.KEY: lambda seen: (seen.key, ""),
    Group.KEY_CONTEXT: lambda seen: (seen.key, seen.context),
    Group.CONTEXT: lambda seen: ("", seen.context),
    Group.ORIGIN: lambda seen: (seen.prefix, seen.ja4),
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

    __slots__ = ("_chosen", "_memories", "_rules")

    def __init__(self, detections: Iterable[Detection]) -> None:
        chosen = [one for one in detections if one.card.enabled]
        self._rules = tuple(
            _Rule(place, int(mask_of(one.card)), one.card, one.detect, _GROUPS[one.card.group])
            for place, one in enumerate(sorted(chosen, key=lambda one: one.card.id))
        )
        self._memories: dict[GroupKey, Memory] = {}
        self._chosen: dict[int, tuple[_Rule, ...]] = {}

    def run(self, scene: Scene) -> Iterator[Finding]:
        """Yield what the detections find in a scene, in the order of their ids."""
        memories = self._memories
        for rule in self._looking(int(scene.traits)):
            at = (rule.place, *rule.group(scene.sighting))
            before = memories.get(at, EMPTY)
            after, said = rule.detect(before, scene, rule.card)
            if after is not before:
                self._hold(at, after)
            if said is not None:
                for family in said.families or (rule.card.family,):
                    yield finding(rule.card, scene.sighting, said, family)

    def _looking(self, traits: int) -> tuple[_Rule, ...]:
        """Return the rules that look at such sightings; worked out once for each kind."""
        found = self._chosen.get(traits)
        if found is None:
            found = tuple(rule for rule in self._rules if not rule.mask or rule.mask & traits)
            if len(self._chosen) >= _MOST_KINDS:
                self._chosen.clear()
            self._chosen[traits] = found
        return found

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


def finding(card: Card, sighting: Sighting, said: Said, family: Family) -> Finding:
    """Return what a detection said as a finding; the same sighting always gives the same id."""
    said = _bounded(said)
    told = (
        f"{card.id}|{card.version}|{sighting.exchange}|{sighting.phase}|{sighting.at}|{sighting.key}|{family}"
    )
    return Finding(
        id=FindingId(sha256(told.encode("utf-8", "replace")).hexdigest()[:_DIGITS]),
        detection=card.id,
        version=card.version,
        at=sighting.at,
        exchange=sighting.exchange,
        key=sighting.key,
        owner=sighting.owner,
        context=sighting.context,
        prefix=sighting.prefix,
        family=family,
        severity=card.severity if said.severity is None else said.severity,
        certain=card.certain,
        budgeted=card.budgeted,
        said=said,
    )


def _bounded(said: Said) -> Said:
    """Return what a detection said, cut to what every store and frame can hold.

    A caller chooses what stands in a User-Agent or a model's name, and how long it is.
    """
    return replace(
        said,
        seen=_cut(said.seen),
        usual=_cut(said.usual),
        against=_cut(said.against),
        # JSON has no infinity: no store and no peer could read it again.
        score=said.score if isfinite(said.score) else 0.0,
        facts=tuple(
            (_cut(name, _LONGEST_FACT), _cut(value, _LONGEST_FACT))
            for name, value in said.facts[:_MOST_FACTS]
        ),
    )


def _cut(text: str, most: int = _LONGEST) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
