"""Links between keys: what of a sighting was seen before under keys of other owners.

An index over all keys, bounded in entries and in time. What several owners have shared for days
is established (a build network, a public template, the fingerprint of a common library) and links
nobody; so does nothing in the first day of an index, in which everything looks fresh.
"""

from collections.abc import Iterable
from typing import Final, Generic, NamedTuple, TypeVar

from chatelaine.model.detection import Phase, Sighting
from chatelaine.model.words import NEVER, SECOND, Instant, KeyId, OwnerId

MOST: Final = 200_000
"""Entries of one table."""
_HOUR: Final = 3_600 * SECOND
_DAY: Final = 24 * _HOUR
LASTS: Final = _DAY
"""What was not seen for a day is forgotten."""
_ESTABLISHED: Final = 3 * _DAY
"""Two owners share it for so long: then it is no thief's."""
_WARM: Final = _DAY
_MOST_OWNERS: Final = 8
_ROUTINE: Final = _DAY
"""A body that has been sent for longer, and without a day's pause, is a routine: a check of health, a job."""
_FIRM: Final = 2
"""Messages that two strangers do not write alike by chance; one of them may be a greeting."""
_ALONE: Final[tuple[tuple[OwnerId, ...], ...]] = ((), (), (), ())
"""Nobody shares a system prompt, context, prefix or client: the four tables."""
_BODY_WINDOW: Final = 300 * SECOND
_FIRST_FAILURE: Final = 400

_OPENED: Final = Phase.OPENED
_ENDED: Final = Phase.ENDED
_ADMIN: Final = Phase.ADMIN

Owners = tuple[OwnerId, ...]


class Elsewhere(NamedTuple):
    """What of a sighting was seen before, and under whose keys."""

    parent_key: KeyId = KeyId("")
    """The key the turn before travelled on, where its owner is another and this one never sent it."""
    parent_owner: OwnerId = OwnerId("")
    parent_at: Instant = NEVER
    hops: int = 0
    """How often its conversation has gone over to a stranger's key so far; 0 where it does not now."""
    parent_firm: bool = False
    """Whether the turn before is one that two strangers do not write by chance: a system prompt, which
    is this one's too, or several messages."""
    owners_with_system: Owners = ()
    """Other owners that send its system prompt, without a day's pause; the next three are alike."""
    owners_with_context: Owners = ()
    owners_with_prefix: Owners = ()
    owners_with_client: Owners = ()
    """Its TLS client and header order."""
    owners_with_body: Owners = ()
    """Other owners that were served this very body."""
    same_body: int = 0
    """How often its key was served this very body within five minutes, this time included."""


NOWHERE: Final = Elsewhere()
_NO_PARENT: Final = NOWHERE[:5]


class _Turn(NamedTuple):
    at: Instant
    key: KeyId
    owners: Owners
    messages: int
    system: str
    hops: int


class _Shared(NamedTuple):
    touched: Instant
    """To the hour, so that an entry in steady use is seldom written."""
    owners: Owners
    since: tuple[Instant, ...]
    """When each of them showed it first."""


class _Body(NamedTuple):
    first: Instant
    begun: Instant
    """When the span began in which it is counted."""
    touched: Instant
    times: int
    key: KeyId
    owners: Owners


_Values = dict[str, _Shared]
Dumped = tuple[
    Instant, Instant, dict[str, _Turn], dict[str, _Body], tuple[_Values, _Values, _Values, _Values]
]
"""An index in builtins: when it began and came to, turns, bodies, and what is shared."""

_T = TypeVar("_T")


class _Table(Generic[_T]):
    """A dict in two generations: what was not written for a whole one falls out, in no time at all."""

    __slots__ = ("_most", "old", "young")

    def __init__(self, most: int, held: dict[str, _T] | None = None) -> None:
        self._most = max(most // 2, 1)
        self.old: dict[str, _T] = {}
        self.young: dict[str, _T] = {}
        for value, entry in (held or {}).items():
            self.hold(value, entry)

    def get(self, value: str) -> _T | None:
        return self.young.get(value) or self.old.get(value)

    def hold(self, value: str, entry: _T) -> None:
        if len(self.young) >= self._most and value not in self.young:
            self.old, self.young = self.young, {}
        self.young[value] = entry

    def all(self) -> Iterable[tuple[str, _T]]:
        """Return values and entries, the oldest first."""
        return {**self.old, **self.young}.items()


class Links:
    """The index; it is asked about every sighting, and takes it in."""

    __slots__ = ("_begun", "_bodies", "_latest", "_most", "_shared", "_turns")

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._begun = self._latest = NEVER
        self._turns: _Table[_Turn] = _Table(most)
        self._bodies: _Table[_Body] = _Table(most)
        self._shared: tuple[_Table[_Shared], ...] = tuple(_Table(most) for _ in _ALONE)

    def look(self, sighting: Sighting) -> Elsewhere:
        """Return what was seen elsewhere before a sighting, and take the sighting in.

        Conversations and clients are looked up as an exchange begins, bodies when they have been served.
        """
        if not sighting.owner or sighting.phase is _ADMIN:
            return NOWHERE
        found = NOWHERE
        if sighting.phase is not _ENDED:
            found = self._opened(sighting)
        if sighting.phase is not _OPENED and sighting.body_hash and sighting.status < _FIRST_FAILURE:
            return self._served(sighting, found)
        return found

    def _opened(self, sighting: Sighting) -> Elsewhere:
        at, owner = sighting.at, sighting.owner
        self._begun, self._latest = self._begun or at, max(self._latest, at)
        systems, contexts, prefixes, clients = self._shared
        shared: tuple[Owners, ...] = (
            _share(systems, sighting.system_hash, owner, at),
            _share(contexts, sighting.context, owner, at),
            _share(prefixes, sighting.prefix, owner, at),
            _share(clients, f"{sighting.ja4}{sighting.header_hash}", owner, at),
        )
        parent = self._parent(sighting) if sighting.parent_chain else None
        hops = parent.hops + (owner not in parent.owners) if parent is not None else 0
        if sighting.chain:
            self._note_turn(sighting, hops)
        if parent is not None and owner in parent.owners:
            parent = None
        if shared == _ALONE or at - self._begun < _WARM:
            shared = _ALONE
            if parent is None:
                return NOWHERE
        systems_of, contexts_of, prefixes_of, clients_of = shared
        told = _told(parent, sighting, hops)
        return Elsewhere(*told, systems_of, contexts_of, prefixes_of, clients_of)

    def _parent(self, sighting: Sighting) -> _Turn | None:
        turn = self._turns.get(sighting.parent_chain)
        return turn if turn is not None and sighting.at - turn.at <= LASTS else None

    def _note_turn(self, sighting: Sighting, hops: int) -> None:
        before, owner = self._turns.get(sighting.chain), sighting.owner
        owners: Owners = (owner,)
        if before is not None and sighting.at - before.at <= LASTS:
            owners = (*(one for one in before.owners if one != owner), owner)[-_MOST_OWNERS:]
        turn = _Turn(sighting.at, sighting.key, owners, sighting.messages, sighting.system_hash, hops)
        self._turns.hold(sighting.chain, turn)

    def _served(self, sighting: Sighting, found: Elsewhere) -> Elsewhere:
        at, owner, key = sighting.at, sighting.owner, sighting.key
        before = self._bodies.get(sighting.body_hash)
        if before is None or at - before.touched > LASTS:
            self._bodies.hold(sighting.body_hash, _Body(at, at, at, 1, key, (owner,)))
            return found
        goes_on = before.key == key and at - before.begun < _BODY_WINDOW
        begun, count = (before.begun, before.times + 1) if goes_on else (at, 1)
        others = tuple(one for one in before.owners if one != owner)
        owners = (*others, owner)[-_MOST_OWNERS:]
        self._bodies.hold(sighting.body_hash, _Body(before.first, begun, at, count, key, owners))
        if at - before.first > _ROUTINE:
            return found
        return found._replace(owners_with_body=others, same_body=count)

    def dump(self) -> Dumped:
        """Return what of it still counts, for the hub's disk."""
        oldest = self._latest - LASTS
        turns = {chain: turn for chain, turn in self._turns.all() if turn.at >= oldest}
        bodies = {body: held for body, held in self._bodies.all() if held.touched >= oldest}
        systems, contexts, prefixes, clients = (
            {value: held for value, held in table.all() if held.touched >= oldest} for table in self._shared
        )
        return self._begun, self._latest, turns, bodies, (systems, contexts, prefixes, clients)

    def load(self, kept: Dumped) -> None:
        """Take over what was dumped."""
        self._begun, self._latest, turns, bodies, shared = kept
        self._turns, self._bodies = _Table(self._most, turns), _Table(self._most, bodies)
        self._shared = tuple(_Table(self._most, held) for held in shared)


def _share(table: _Table[_Shared], value: str, owner: OwnerId, at: Instant) -> Owners:
    """Note that an owner showed a value; return the other owners that do, unless they long have."""
    if not value:
        return ()
    held = table.get(value)
    if held is None or at - held.touched > LASTS:
        table.hold(value, _Shared(at, (owner,), (at,)))
        return ()
    touched, owners, since = held
    known = owner in owners
    if known and at - touched < _HOUR:
        if len(owners) == 1:
            return ()
    else:
        if not known:
            # The first two tell for how long it has been shared; the third oldest gives way.
            owners, since = (*owners, owner), (*since, at)
            if len(owners) > _MOST_OWNERS:
                owners, since = owners[:2] + owners[3:], since[:2] + since[3:]
        table.hold(value, _Shared(max(at, touched), owners, since))
    if len(since) > 1 and at - since[1] > _ESTABLISHED:
        return ()
    return tuple([one for one in owners if one != owner])


def _told(parent: _Turn | None, sighting: Sighting, hops: int) -> tuple[KeyId, OwnerId, Instant, int, bool]:
    if parent is None:
        return _NO_PARENT
    firm = parent.system == sighting.system_hash and (bool(parent.system) or parent.messages >= _FIRM)
    return parent.key, parent.owners[-1], parent.at, hops, firm
