"""Detections run over scenes: who looks at what, what each remembers, and the findings that come of it."""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from math import isfinite
from typing import Final, NamedTuple

from msgspec.structs import replace

from chatelaine.core.detection.memory import EMPTY, Kept, Memory, load
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Family, Finding, Group, Said, Sighting, Trait
from chatelaine.model.words import FindingId

Detect = Callable[[Memory, Scene, Card], tuple[Memory, Said | None]]
"""What a detection is: memory of the group, scene and card in; the next memory, and what it says."""

_MOST_GROUPS: Final = 500_000
"""Memories that are held at all; beyond it the oldest of the detection that takes one more gives way."""
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


_GROUPS: Final = tuple(Group)


class _Rule:
    __slots__ = ("card", "detect", "group", "held", "mask")

    def __init__(self, one: Detection) -> None:
        self.card: Card = one.card
        self.detect: Detect = one.detect
        self.mask = int(mask_of(one.card))
        self.group = _GROUPS.index(one.card.group)
        self.held: dict[tuple[str, str], Memory] = {}


def groups_of(seen: Sighting) -> tuple[tuple[str, str], ...]:
    """Return what a sighting belongs to, for each kind of group in their order."""
    key, context = seen.key, seen.context
    return (key, ""), (key, context), ("", context), (seen.prefix, seen.ja4), (seen.owner, ""), ("", "")


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

    __slots__ = ("_chosen", "_count", "_most", "_rules")

    def __init__(self, detections: Iterable[Detection], most: int = _MOST_GROUPS) -> None:
        self._most = most
        chosen = [one for one in detections if one.card.enabled]
        self._rules = [_Rule(one) for one in sorted(chosen, key=lambda one: one.card.id)]
        self._count = 0
        self._chosen: dict[int, list[_Rule]] = {}

    def run(self, scene: Scene) -> list[Finding]:
        """Return what the detections find in a scene, in the order of their ids."""
        found: list[Finding] = []
        seen = scene.sighting
        groups = groups_of(seen)
        for rule in self._looking(scene.traits):
            at = groups[rule.group]
            before = rule.held.get(at)
            after, said = rule.detect(EMPTY if before is None else before, scene, rule.card)
            if before is not None:
                if after is not before:
                    rule.held[at] = after
            elif after is not EMPTY:
                self._hold(rule.held, at, after)
            if said is not None:
                families = said.families or (rule.card.family,)
                found += [finding(rule.card, seen, said, family) for family in families]
        return found

    def _looking(self, traits: int) -> list[_Rule]:
        """Return the rules that look at such sightings; worked out once for each kind."""
        found = self._chosen.get(traits)
        if found is None:
            found = [rule for rule in self._rules if not rule.mask or rule.mask & traits]
            if len(self._chosen) >= _MOST_KINDS:
                self._chosen.clear()
            self._chosen[traits] = found
        return found

    def _hold(self, held: dict[tuple[str, str], Memory], at: tuple[str, str], memory: Memory) -> None:
        held[at] = memory
        if self._count >= self._most:
            del held[next(iter(held))]
        else:
            self._count += 1

    def dump(self) -> dict[str, list[tuple[str, str, Kept]]]:
        """Return what the detections remember, by their ids."""
        return {
            rule.card.id: [(first, second, memory.dump()) for (first, second), memory in rule.held.items()]
            for rule in self._rules
        }

    def load(self, kept: Mapping[str, Iterable[tuple[str, str, Kept]]]) -> None:
        """Take over what was dumped; what detections remembered that are gone is dropped."""
        for rule in self._rules:
            held = kept.get(rule.card.id, ())
            rule.held = {(first, second): load(parts) for first, second, parts in held}
        self._count = sum(len(rule.held) for rule in self._rules)


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
