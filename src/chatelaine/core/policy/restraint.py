"""What holds clients of a key back, as a gate worker holds it: restraints and habits, ready for look-ups.

A request of a key that has neither costs one look in a dictionary. Of a key that has, each client is
judged once and remembered until the next change, or until the first restraint ends.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Final

from chatelaine.core.context import context_id, mark, prefix_of
from chatelaine.model.detection import Dimension
from chatelaine.model.exchange import Client
from chatelaine.model.playbook import HabitTable, Lane, Restraint, UnknownClient
from chatelaine.model.policy import Hold
from chatelaine.model.words import NEVER, ActionId, Instant, KeyId

_ALWAYS: Final = Instant(2**63 - 1)
_STRICTNESS: Final = {
    Lane.REFUSE: 0,
    Lane.DECOY: 1,
    Lane.QUARANTINE: 2,
    Lane.THROTTLE: 3,
    Lane.TARPIT: 4,
}
"""Of several lanes the one that lets least through holds."""
_FIRMNESS: Final = {UnknownClient.OBSERVE: 0, UnknownClient.QUARANTINE: 1, UnknownClient.REFUSE: 2}
_ANSWERS: Final[dict[UnknownClient, Hold | None]] = {
    UnknownClient.OBSERVE: None,
    UnknownClient.QUARANTINE: Hold(Lane.QUARANTINE),
    UnknownClient.REFUSE: Hold(Lane.REFUSE),
}
_MOST_FACES: Final = 1024
"""Clients of one key that are remembered; a thief that changes address each time makes no memory grow."""


class _Habit:
    """What a settled key normally shows: its marks in one sorted array."""

    __slots__ = ("_marks", "answer", "told")

    def __init__(self, table: HabitTable) -> None:
        self._marks = array("I", sorted({*table.contexts, *table.prefixes, *table.clients}))
        self.told = hash(table)
        """Tells the table it was made of from others."""
        self.answer = firmer(table.answer, UnknownClient.QUARANTINE) if table.alarmed else table.answer

    def knows(self, prefix: str, ja4: str, header_hash: str) -> bool:
        """Tell whether a context is the owner's: seen whole, or its network and its program each seen.

        So an owner's program that was renewed, or that moved to another of its networks, stays known.
        """
        if self._has(Dimension.CONTEXT, context_id(prefix, ja4, header_hash)):
            return True
        if not prefix or not self._has(Dimension.PREFIX, prefix):
            return False
        return (ja4 != "" and self._has(Dimension.JA4, ja4)) or self._has(Dimension.HEADERS, header_hash)

    def _has(self, dimension: Dimension, value: str) -> bool:
        wanted = mark(dimension, value)
        at = bisect_left(self._marks, wanted)
        return at < len(self._marks) and self._marks[at] == wanted


class _Rule:
    """One restraint, ready to be matched."""

    __slots__ = ("_contexts", "_foreign", "_ja4s", "_prefixes", "hold", "until")

    def __init__(self, restraint: Restraint) -> None:
        self._contexts = frozenset(restraint.contexts)
        self._prefixes = frozenset(restraint.prefixes)
        self._ja4s = frozenset(restraint.ja4s)
        self._foreign = restraint.foreign
        self.until = restraint.until
        self.hold = Hold(restraint.lane, restraint.id, restraint.requests_per_minute, restraint.delay_ms)

    def matches(self, prefix: str, ja4: str, header_hash: str, *, foreign: bool) -> bool:
        """Tell whether every part that is not empty fits a client context."""
        if self._foreign and not foreign:
            return False
        if self._prefixes and prefix not in self._prefixes:
            return False
        if self._ja4s and ja4 not in self._ja4s:
            return False
        return not self._contexts or context_id(prefix, ja4, header_hash) in self._contexts


class Watch:
    """What the clients of one key are judged by, and how those seen last were judged."""

    __slots__ = ("_client", "_hold", "_seen", "_until", "_wanted", "habit", "rules")

    def __init__(self, rules: list[_Rule], habit: _Habit | None) -> None:
        self.rules = rules
        self.habit = habit
        self._until: Instant = NEVER
        self._wanted = UnknownClient.OBSERVE
        self._client: Client | None = None
        self._hold: Hold | None = None
        self._seen: dict[tuple[str, str, str], Hold | None] = {}

    def find(self, client: Client, now: Instant, wanted: UnknownClient) -> Hold | None:
        """Return what holds a client back at an instant."""
        if now >= self._until or wanted is not self._wanted:
            self._forget(now, wanted)
        elif client is self._client:
            return self._hold
        face = (client.network.ip, client.greeting.ja4, client.header_hash)
        if face in self._seen:
            hold = self._seen[face]
        else:
            if len(self._seen) >= _MOST_FACES:
                self._seen.clear()
            hold = self._seen[face] = self._judge(face[0], face[1], face[2])
        self._client, self._hold = client, hold
        return hold

    def _forget(self, now: Instant, wanted: UnknownClient) -> None:
        self.rules = [rule for rule in self.rules if rule.until > now]
        self._until = min([rule.until for rule in self.rules], default=_ALWAYS)
        self._wanted = wanted
        self._client = self._hold = None
        self._seen.clear()

    def _judge(self, ip: str, ja4: str, header_hash: str) -> Hold | None:
        prefix, habit = prefix_of(ip), self.habit
        foreign = habit is not None and not habit.knows(prefix, ja4, header_hash)
        found = [rule.hold for rule in self.rules if rule.matches(prefix, ja4, header_hash, foreign=foreign)]
        if foreign and habit is not None:
            told = _ANSWERS[firmer(self._wanted, habit.answer)]
            if told is not None:
                found.append(told)
        return min(found, key=_strictness) if found else None

    def knows(self, client: Client) -> bool:
        """Tell whether a client is of the key's habit; False where the key has none."""
        if self.habit is None:
            return False
        return self.habit.knows(prefix_of(client.network.ip), client.greeting.ja4, client.header_hash)


class Restraints:
    """The restraints and habits of all keys, replaced whole or changed by pushes from the hub."""

    __slots__ = ("_by_id", "_by_key", "_habits", "default", "delaying", "watches")

    def __init__(self, default: UnknownClient = UnknownClient.OBSERVE) -> None:
        self._by_id: dict[ActionId, Restraint] = {}
        self._by_key: dict[KeyId, dict[ActionId, Restraint]] = {}
        self._habits: dict[KeyId, _Habit] = {}
        self.watches: dict[KeyId, Watch] = {}
        """What is watched, by key; changed in place, so that who holds it sees every change."""
        self.default = default
        """What is done at an unknown client of a key whose owner wants nothing of its own."""
        self.delaying = False
        """Whether any restraint delays: only then is a credential looked at before its time."""

    # What a request asks.

    def find(
        self, key: KeyId, client: Client, now: Instant, wanted: UnknownClient | None = None
    ) -> Hold | None:
        """Return what holds a client of a key back; ``wanted`` as the key says of unknown clients."""
        watch = self.watches.get(key)
        if watch is None:
            return None
        return watch.find(client, now, wanted if wanted is not None else self.default)

    def known(self, key: KeyId, client: Client) -> bool:
        """Tell whether a client is of the key's habit; False where the key has none."""
        watch = self.watches.get(key)
        return watch is not None and watch.knows(client)

    # What the hub pushes.

    def replace_all(self, restraints: Iterable[Restraint]) -> frozenset[KeyId]:
        """Hold exactly these restraints; return the keys whose restraints differ from before."""
        before, self._by_key = self._by_key, {}
        self._by_id = {one.id: one for one in restraints}
        for one in self._by_id.values():
            self._by_key.setdefault(one.key, {})[one.id] = one
        keys = {*before, *self._by_key}
        return self._renew(key for key in keys if before.get(key) != self._by_key.get(key))

    def change(self, restraints: Iterable[Restraint], lifted: Iterable[ActionId]) -> frozenset[KeyId]:
        """Add, change and lift restraints; return the keys they are of."""
        changed: set[KeyId] = set()
        for action in lifted:
            changed |= self._drop(action)
        for one in restraints:
            changed |= {*self._drop(one.id), one.key}
            self._by_id[one.id] = one
            self._by_key.setdefault(one.key, {})[one.id] = one
        return self._renew(changed)

    def _drop(self, action: ActionId) -> set[KeyId]:
        held = self._by_id.pop(action, None)
        if held is None:
            return set()
        of_key = self._by_key[held.key]
        del of_key[action]
        if not of_key:
            del self._by_key[held.key]
        return {held.key}

    def replace_habits(self, tables: Iterable[HabitTable]) -> frozenset[KeyId]:
        """Hold exactly these habits; return the keys whose habits differ from before.

        A hub that comes back sends a hundred thousand at a stroke: what is as it was is kept.
        """
        before, changed = self._habits, set[KeyId]()
        self._habits = {}
        for table in tables:
            held = before.get(table.key)
            if held is None or held.told != hash(table):
                held = _Habit(table)
                changed.add(table.key)
            self._habits[table.key] = held
        return self._renew(changed | (before.keys() - self._habits.keys()))

    def change_habits(self, tables: Iterable[HabitTable], forgotten: Iterable[KeyId]) -> frozenset[KeyId]:
        """Add, change and forget habits; return the keys they are of."""
        gone, changed = set(forgotten), {table.key: _Habit(table) for table in tables}
        for key in gone:
            self._habits.pop(key, None)
        self._habits.update(changed)
        return self._renew({*gone, *changed})

    def _renew(self, keys: Iterable[KeyId]) -> frozenset[KeyId]:
        renewed = frozenset(keys)
        for key in renewed:
            rules, habit = self._by_key.get(key), self._habits.get(key)
            if rules or habit is not None:
                self.watches[key] = Watch([_Rule(one) for one in (rules or {}).values()], habit)
            else:
                self.watches.pop(key, None)
        self.delaying = any(one.lane is Lane.TARPIT for one in self._by_id.values())
        return renewed


def firmer(one: UnknownClient, other: UnknownClient) -> UnknownClient:
    """Return the stricter of two wishes about unknown clients."""
    return one if _FIRMNESS[one] >= _FIRMNESS[other] else other


def _strictness(hold: Hold) -> int:
    return _STRICTNESS[hold.lane]
