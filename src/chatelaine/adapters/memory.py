"""Stores of keys and restraints in memory: for tests and demonstrations."""

from collections.abc import Iterable, Sequence

from chatelaine.model.error import StoreConflict
from chatelaine.model.key import KeyState, ProviderKey, VirtualKey
from chatelaine.model.playbook import Restraint
from chatelaine.model.words import ActionId, Instant, KeyId, ProviderKeyName

_ENDED = frozenset({KeyState.REVOKED, KeyState.EXPIRED, KeyState.COMPROMISED})


class MemoryKeyStore:
    """Holds keys as long as it lives."""

    def __init__(self) -> None:
        self._keys: dict[KeyId, VirtualKey] = {}
        self._provider_keys: dict[ProviderKeyName, ProviderKey] = {}
        self._slots = 0

    async def keys(self) -> Sequence[VirtualKey]:
        """Return every virtual key."""
        return tuple(self._keys.values())

    async def key(self, kid: KeyId) -> VirtualKey | None:
        """Return one virtual key, or None."""
        return self._keys.get(kid)

    async def due(self, at: Instant) -> Sequence[VirtualKey]:
        """Return the keys whose expiry or overlap is over at an instant and that are not ended yet."""
        return tuple(
            key
            for key in self._keys.values()
            if key.state not in _ENDED
            and any(end is not None and end <= at for end in (key.expires_at, key.retires_at))
        )

    async def add(self, key: VirtualKey) -> None:
        """Add a new virtual key.

        Raises:
            StoreConflict: the id is taken.
        """
        await self.replace((), (key,))

    async def replace(
        self, changes: Iterable[tuple[VirtualKey, VirtualKey]], added: Iterable[VirtualKey] = ()
    ) -> None:
        """Replace keys (before, after) and add others, all or nothing.

        Raises:
            StoreConflict: a key is no longer as ``before`` says, or an added id is taken.
        """
        keys = dict(self._keys)
        for before, after in changes:
            if keys.get(before.id) != before:
                raise StoreConflict(f"key {before.id} changed meanwhile", hint="look at it and try again")
            keys[before.id] = after
        for key in added:
            if key.id in keys:
                raise StoreConflict(f"key {key.id} exists", hint="draw another id")
            keys[key.id] = key
        self._keys = keys

    async def claim_slot(self) -> int:
        """Return a meter slot that was never given out before."""
        self._slots += 1
        return self._slots

    async def provider_keys(self) -> Sequence[ProviderKey]:
        """Return the newest version of every provider key."""
        return tuple(self._provider_keys.values())

    async def store_provider_key(self, key: ProviderKey) -> None:
        """Store a version of a provider key in place of the older one.

        Raises:
            StoreConflict: that version or a newer one exists.
        """
        held = self._provider_keys.get(key.name)
        if held is not None and held.version >= key.version:
            raise StoreConflict(
                f"provider key {key.name} is at version {held.version}", hint="look at it and try again"
            )
        self._provider_keys[key.name] = key

    async def remove_provider_key(self, name: ProviderKeyName) -> None:
        """Remove a provider key with all its versions."""
        self._provider_keys.pop(name, None)


class MemoryRestraintStore:
    """Holds restraints as long as it lives."""

    def __init__(self) -> None:
        self._held: dict[ActionId, Restraint] = {}

    async def restraints(self) -> Sequence[Restraint]:
        """Return every restraint, in the order they were put on."""
        return tuple(self._held.values())

    async def change(self, added: Sequence[Restraint], lifted: Sequence[ActionId]) -> None:
        """Add or replace restraints and remove others."""
        for action in lifted:
            self._held.pop(action, None)
        self._held.update((one.id, one) for one in added)
