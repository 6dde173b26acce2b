"""Links between keys: what of a sighting was seen before under keys of other owners.

An index over all keys, bounded in entries and in time. What several owners have shared for days
is established (a build network, a public template, the fingerprint of a common library) and links
nobody; so does nothing in the first day of an index, in which everything looks fresh.
"""

from typing import Final, NamedTuple

from chatelaine.core.detection.generations import Table
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


class Turn(NamedTuple):
    """The last turn of a conversation, as it was begun."""

    at: Instant
    key: KeyId
    owners: Owners
    messages: int
    system: str
    hops: int


class Shared(NamedTuple):
    """Who shows a value."""

    touched: Instant
    """To the hour, so that an entry in steady use is seldom written."""
    owners: Owners
    since: tuple[Instant, ...]
    """When each of them showed it first."""


class Body(NamedTuple):
    """A body that was served."""

    first: Instant
    begun: Instant
    """When the span began in which it is counted."""
    touched: Instant
    times: int
    key: KeyId
    owners: Owners


Turns = dict[str, Turn]
Bodies = dict[str, Body]
Sharings = dict[str, Shared]


class Links:
    """The index; it is asked about every sighting, and takes it in."""

    __slots__ = ("begun", "bodies", "shared", "turns")

    def __init__(self, most: int = MOST) -> None:
        self.begun = NEVER
        """When the first sighting was taken in."""
        self.turns: Table[Turn] = Table(most)
        self.bodies: Table[Body] = Table(most)
        self.shared: tuple[Table[Shared], ...] = tuple(Table(most) for _ in _ALONE)

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
        self.begun = self.begun or at
        systems, contexts, prefixes, clients = self.shared
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
        if shared == _ALONE or at - self.begun < _WARM:
            shared = _ALONE
            if parent is None:
                return NOWHERE
        systems_of, contexts_of, prefixes_of, clients_of = shared
        told = _told(parent, sighting, hops)
        return Elsewhere(*told, systems_of, contexts_of, prefixes_of, clients_of)

    def _parent(self, sighting: Sighting) -> Turn | None:
        turn = self.turns.get(sighting.parent_chain)
        return turn if turn is not None and sighting.at - turn.at <= LASTS else None

    def _note_turn(self, sighting: Sighting, hops: int) -> None:
        before, owner = self.turns.get(sighting.chain), sighting.owner
        owners: Owners = (owner,)
        if before is not None and sighting.at - before.at <= LASTS:
            owners = (*(one for one in before.owners if one != owner), owner)[-_MOST_OWNERS:]
        turn = Turn(sighting.at, sighting.key, owners, sighting.messages, sighting.system_hash, hops)
        self.turns.hold(sighting.chain, turn)

    def _served(self, sighting: Sighting, found: Elsewhere) -> Elsewhere:
        at, owner, key = sighting.at, sighting.owner, sighting.key
        before = self.bodies.get(sighting.body_hash)
        if before is None or at - before.touched > LASTS:
            self.bodies.hold(sighting.body_hash, Body(at, at, at, 1, key, (owner,)))
            return found
        goes_on = before.key == key and at - before.begun < _BODY_WINDOW
        begun, count = (before.begun, before.times + 1) if goes_on else (at, 1)
        others = tuple(one for one in before.owners if one != owner)
        owners = (*others, owner)[-_MOST_OWNERS:]
        self.bodies.hold(sighting.body_hash, Body(before.first, begun, at, count, key, owners))
        if at - before.first > _ROUTINE:
            return found
        return found._replace(owners_with_body=others, same_body=count)


def _share(table: Table[Shared], value: str, owner: OwnerId, at: Instant) -> Owners:
    """Note that an owner showed a value; return the other owners that do, unless they long have."""
    if not value:
        return ()
    held = table.get(value)
    if held is None or at - held.touched > LASTS:
        table.hold(value, Shared(at, (owner,), (at,)))
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
        table.hold(value, Shared(max(at, touched), owners, since))
    if len(since) > 1 and at - since[1] > _ESTABLISHED:
        return ()
    return tuple([one for one in owners if one != owner])


def _told(parent: Turn | None, sighting: Sighting, hops: int) -> tuple[KeyId, OwnerId, Instant, int, bool]:
    if parent is None:
        return _NO_PARENT
    firm = parent.system == sighting.system_hash and (bool(parent.system) or parent.messages >= _FIRM)
    return parent.key, parent.owners[-1], parent.at, hops, firm
