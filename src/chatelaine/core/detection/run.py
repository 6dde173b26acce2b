"""Detections run over scenes: who looks at what, what each remembers, and the findings that come of it."""

from collections.abc import Callable, Iterable
from hashlib import sha256
from math import isfinite
from typing import Final, NamedTuple
from zlib import crc32

from msgspec.structs import replace

from chatelaine.core.detection.memory import EMPTY, Kept, Memory, load
from chatelaine.core.detection.scene import Scene
from chatelaine.model.detection import Card, Family, Finding, Group, Said, Sighting, Trait
from chatelaine.model.words import FindingId

Detect = Callable[[Memory, Scene, Card], tuple[Memory, Said | None]]
"""What a detection is: memory of the group, scene and card in; the next memory, and what it says."""

_MOST: Final = 100_000
"""Keys, and places that are no key's, of which anything is remembered; beyond it the oldest give way."""
_MOST_NAMED: Final = 10_000
"""The same for keys that were merely named: whoever names many must not drive out those that are used."""
_MOST_CONTEXTS: Final = 8
"""Client contexts of a key; the one that was silent longest gives way, or a key would take any room."""
_MOST_KINDS: Final = 4_096
_DIGITS: Final = 24
_LONGEST: Final = 400
"""Characters of a sentence."""
_LONGEST_FACT: Final = 120
_MOST_FACTS: Final = 16


KeptRow = dict[int, Kept]
"""A row by the marks of its detections: the shelf may be another when it is taken up again."""
OfKey = dict[str, KeptRow]
"""What is remembered of a key by its client contexts."""
Rest = list[tuple[str, str, str, KeptRow]]
"""What is remembered elsewhere: group, the two words of a place, and the row."""


class Detection(NamedTuple):
    """An item of the shelf: its card and its verb."""

    card: Card
    detect: Detect


_GROUPS: Final = tuple(Group)
_KEY: Final = _GROUPS.index(Group.KEY)
_KEY_CONTEXT: Final = _GROUPS.index(Group.KEY_CONTEXT)
_CONTEXT: Final = _GROUPS.index(Group.CONTEXT)
_ORIGIN: Final = _GROUPS.index(Group.ORIGIN)
_OWNER: Final = _GROUPS.index(Group.OWNER)
_MARK: Final = 0xFFFF
_UNPROVEN: Final = int(Trait.UNPROVEN)

Row = list[Memory]
"""What the detections of one group remember at one place, each at its own number."""
At = tuple[str, str]


class _Rule:
    __slots__ = ("card", "detect", "group", "mark", "mask", "number")

    def __init__(self, one: Detection, number: int) -> None:
        self.card: Card = one.card
        self.detect: Detect = one.detect
        self.mask = int(mask_of(one.card))
        self.group = _GROUPS.index(one.card.group)
        self.number = number
        self.mark = crc32(one.card.id.encode()) & _MARK
        """Stands for its id in what is kept, where there are dozens of it for each key."""


class _OfKey:
    """What is remembered of a key, and of its client contexts, the one that came last at the end."""

    __slots__ = ("contexts", "own")

    def __init__(self) -> None:
        self.own: Row | None = None
        self.contexts: dict[str, Row] = {}

    def context(self, name: str) -> Row | None:
        row = self.contexts.pop(name, None)
        if row is not None:
            self.contexts[name] = row
        return row


def place_of(group: int, seen: Sighting) -> At:
    """Return where of a group that is no key's a sighting belongs."""
    if group == _CONTEXT:
        return "", seen.context
    if group == _ORIGIN:
        return seen.prefix, seen.ja4
    return (seen.owner, "") if group == _OWNER else ("", "")


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

    __slots__ = ("_chosen", "_keys", "_most", "_named", "_rest", "_rules", "_sizes", "_touched")

    def __init__(self, detections: Iterable[Detection], most: int = _MOST) -> None:
        """Begin with nothing remembered.

        Raises:
            ValueError: two detections have one mark.
        """
        self._most = most
        chosen = [one for one in detections if one.card.enabled]
        self._sizes = [0] * len(_GROUPS)
        self._rules: list[_Rule] = []
        for one in sorted(chosen, key=lambda one: one.card.id):
            group = _GROUPS.index(one.card.group)
            self._rules.append(_Rule(one, self._sizes[group]))
            self._sizes[group] += 1
        if len({rule.mark for rule in self._rules}) < len(self._rules):
            raise ValueError("two detections have one mark: give one of them another id")
        self._chosen: dict[int, list[_Rule]] = {}
        self._keys: dict[str, _OfKey] = {}
        self._named: dict[str, _OfKey] = {}
        self._rest: list[dict[At, Row]] = [{} for _ in _GROUPS]
        self._touched: set[str] = set()

    def run(self, scene: Scene) -> list[Finding]:
        """Return what the detections find in a scene, in the order of their ids."""
        found: list[Finding] = []
        seen = scene.sighting
        named = scene.shows(_UNPROVEN)
        of_key = (self._named if named else self._keys).get(seen.key)
        own = of_key.own if of_key is not None else None
        context = of_key.context(seen.context) if of_key is not None else None
        touched = False
        for rule in self._looking(scene.traits):
            group = rule.group
            if group == _KEY:
                row = own
            elif group == _KEY_CONTEXT:
                row = context
            else:
                row = self._rest[group].get(place_of(group, seen))
            before = EMPTY if row is None else row[rule.number]
            after, said = rule.detect(before, scene, rule.card)
            if after is not before:
                touched = touched or group <= _KEY_CONTEXT
                if row is None:
                    row = self._begin(group, seen, named=named)
                    own = row if group == _KEY else own
                    context = row if group == _KEY_CONTEXT else context
                row[rule.number] = after
            if said is not None:
                families = said.families or (rule.card.family,)
                found += [finding(rule.card, seen, said, family) for family in families]
        if touched and not named:
            self._touched.add(seen.key)
        return found

    def _begin(self, group: int, seen: Sighting, *, named: bool) -> Row:
        """Begin to remember something at a place, which may drive out what was remembered elsewhere."""
        row = [EMPTY] * self._sizes[group]
        if group > _KEY_CONTEXT:
            rest = self._rest[group]
            rest[place_of(group, seen)] = row
            if len(rest) > self._most:
                del rest[next(iter(rest))]
            return row
        keys, most = (self._named, _MOST_NAMED) if named else (self._keys, self._most)
        of_key = keys.get(seen.key)
        if of_key is None:
            of_key = keys[seen.key] = _OfKey()
            if len(keys) > most:
                del keys[next(iter(keys))]
        if group == _KEY:
            of_key.own = row
            return row
        of_key.contexts[seen.context] = row
        if len(of_key.contexts) > _MOST_CONTEXTS:
            del of_key.contexts[next(iter(of_key.contexts))]
        return row

    def _looking(self, traits: int) -> list[_Rule]:
        """Return the rules that look at such sightings; worked out once for each kind."""
        found = self._chosen.get(traits)
        if found is None:
            found = [rule for rule in self._rules if not rule.mask or rule.mask & traits]
            if len(self._chosen) >= _MOST_KINDS:
                self._chosen.clear()
            self._chosen[traits] = found
        return found

    # Keeping.

    def touched(self) -> set[str]:
        """Return the keys of which something else is remembered than when this was last asked."""
        touched, self._touched = self._touched, set()
        return touched

    def dump_key(self, key: str) -> OfKey:
        """Return what is remembered of a key, by its client contexts; "" is the key itself."""
        of_key = self._keys.get(key)
        if of_key is None:
            return {}
        rows = {name: self._dump(_KEY_CONTEXT, row) for name, row in of_key.contexts.items()}
        return rows if of_key.own is None else {"": self._dump(_KEY, of_key.own), **rows}

    def load_key(self, key: str, kept: OfKey) -> None:
        """Take over what was remembered of a key."""
        of_key = self._keys[key] = _OfKey()
        if len(self._keys) > self._most:
            del self._keys[next(iter(self._keys))]
        for name, row in kept.items():
            if name:
                of_key.contexts[name] = self._load(_KEY_CONTEXT, row)
            else:
                of_key.own = self._load(_KEY, row)

    def forget(self, key: str) -> None:
        """Drop what is remembered of a key: it is kept elsewhere."""
        self._keys.pop(key, None)
        self._touched.discard(key)

    def dump(self) -> Rest:
        """Return what is remembered of all that is no key."""
        return [
            (_GROUPS[group].value, first, second, self._dump(group, row))
            for group, rows in enumerate(self._rest)
            for (first, second), row in rows.items()
        ]

    def load(self, kept: Rest) -> None:
        """Take over what was remembered of all that is no key."""
        self._rest = [{} for _ in _GROUPS]
        for name, first, second, row in kept:
            group = _GROUPS.index(Group(name))
            self._rest[group][first, second] = self._load(group, row)

    def _dump(self, group: int, row: Row) -> KeptRow:
        rules = [rule for rule in self._rules if rule.group == group]
        return {
            rule.mark: memory.dump() for rule, memory in zip(rules, row, strict=True) if memory is not EMPTY
        }

    def _load(self, group: int, kept: KeptRow) -> Row:
        row = [EMPTY] * self._sizes[group]
        for rule in self._rules:
            if rule.group == group and rule.mark in kept:
                row[rule.number] = load(kept[rule.mark])
        return row


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
        certain=card.certain and said.certain,
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
