"""The roster: the keys a gate worker holds, prepared for its requests.

A token is looked up by its digest, not by the kid it claims: a keyed digest tells nobody anything by
how long its look-up takes, and an unknown kid and a wrong secret are then one and the same miss.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from chatelaine.core.key.grant import CompiledGrant, allowance, compile_grant
from chatelaine.core.key.lifecycle import usable
from chatelaine.core.key.token import Peppers
from chatelaine.model.exchange import Caller
from chatelaine.model.key import Identity, KeyState, Standing, VirtualKey
from chatelaine.model.limit import Allowance
from chatelaine.model.words import Instant, KeyId

ALWAYS = Instant(2**63 - 1)
"""Later than any instant a clock of ours tells."""

_STANDINGS = {
    KeyState.ISSUED: Standing.GOOD,
    KeyState.ACTIVE: Standing.GOOD,
    KeyState.ROTATED: Standing.GOOD,
    KeyState.SUSPENDED: Standing.SUSPENDED,
    KeyState.COMPROMISED: Standing.REVOKED,
    KeyState.REVOKED: Standing.REVOKED,
    KeyState.EXPIRED: Standing.EXPIRED,
}


@dataclass(frozen=True, slots=True, eq=False)
class RosterEntry:
    """A key as the gate uses it: all that a request needs, worked out beforehand."""

    key: VirtualKey
    until: Instant
    """When the key stops working by itself: its expiry or the end of its overlap."""
    before: Identity
    """What the right token is told before ``until``, and from then on ``after``."""
    after: Identity
    grant: CompiledGrant
    allowance: Allowance
    caller: Caller


def prepare(key: VirtualKey) -> RosterEntry:
    """Return the entry of a key.

    Raises:
        UsageError: its grant makes no sense.
    """
    standing = _STANDINGS[key.state]
    ends = (at for at in (key.expires_at, key.retires_at) if at is not None)
    return RosterEntry(
        key=key,
        until=min(ends, default=ALWAYS),
        before=Identity(standing, key, key.id),
        after=Identity(Standing.EXPIRED if standing is Standing.GOOD else standing, key, key.id),
        grant=compile_grant(key.grant),
        allowance=allowance(key.grant),
        caller=Caller(key.id, key.owner, key.app),
    )


class Roster:
    """The table of keys, replaced whole or changed by pushes from the hub."""

    __slots__ = ("_by_digest", "_digests", "_entries", "_peppers")

    def __init__(self, peppers: Peppers) -> None:
        self._peppers = frozenset(peppers.digesters)
        older = [digester for pepper, digester in peppers.digesters.items() if pepper != peppers.active]
        self._digests = tuple(digester.digest for digester in (peppers.digesters[peppers.active], *older))
        self._entries: dict[KeyId, RosterEntry] = {}
        self._by_digest: dict[bytes, RosterEntry] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def replace_all(self, keys: Iterable[VirtualKey]) -> frozenset[KeyId]:
        """Hold exactly these keys; return the ids of keys that worked before and now do not."""
        entries = {key.id: prepare(key) for key in keys}
        before, self._entries = self._entries, entries
        self._by_digest = {entry.key.digest: entry for entry in entries.values()}
        return frozenset(
            kid
            for kid, entry in before.items()
            if _ended(entry, entries[kid].key if kid in entries else None)
        )

    def change(self, keys: Iterable[VirtualKey]) -> frozenset[KeyId]:
        """Add or change keys; return the ids of keys that worked before and now do not."""
        ended: set[KeyId] = set()
        for key in keys:
            entry = prepare(key)
            before = self._entries.get(key.id)
            if before is not None:
                del self._by_digest[before.key.digest]
                if _ended(before, key):
                    ended.add(key.id)
            self._entries[key.id] = self._by_digest[key.digest] = entry
        return frozenset(ended)

    def entry(self, kid: KeyId) -> RosterEntry | None:
        """Return the entry of a key that has proved itself, or that an operator names."""
        return self._entries.get(kid)

    def unverifiable(self) -> frozenset[KeyId]:
        """Return the ids of keys whose pepper is not configured: their tokens are told wrong."""
        return frozenset(kid for kid, entry in self._entries.items() if entry.key.pepper not in self._peppers)

    def prove(self, token: bytes) -> RosterEntry | None:
        """Return the entry of the key that a token is the token of, or None."""
        for digest in self._digests:
            entry = self._by_digest.get(digest(token))
            if entry is not None:
                return entry
        return None


def _ended(before: RosterEntry, after: VirtualKey | None) -> bool:
    return usable(before.key.state) and (after is None or not usable(after.state))
