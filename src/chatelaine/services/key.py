"""The driver of the key room: issues and changes virtual keys, and keeps provider keys sealed.

Each change is stored first, then recorded, then published to the gates; it is published also where it
cannot be recorded, since a key that was stopped must stop whatever the state of the disk.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from chatelaine.core.key.grant import compile_grant
from chatelaine.core.key.lifecycle import apply, usable
from chatelaine.core.key.token import SECRET_BYTES, Peppers, mint, new_kid
from chatelaine.model.error import KeyNotFound, SealError, StoreConflict, UsageError
from chatelaine.model.event import Event, KeyChanged, KeyIssued, ProviderKeyRemoved, ProviderKeyStored
from chatelaine.model.key import (
    Issued,
    KeyInput,
    KeyRequest,
    KeyState,
    ProviderKey,
    ProviderKeySummary,
    VirtualKey,
)
from chatelaine.model.words import Instant, KeyId, OwnerId, ProviderKeyName
from chatelaine.ports import Clock, Entropy, KeyStore, Sealer

_KID_ENTROPY = 16
_LONGEST = timedelta(days=36_525)
"""Instants end in the year 2262."""
_TRIES = 8
"""A change that meets another one is worked out anew from what the other left, at most so often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyKeeper:
    """Keeps the keys of one installation."""

    store: KeyStore
    clock: Clock
    entropy: Entropy
    sealer: Sealer
    peppers: Peppers
    record: Callable[[Event], None]
    """Appends an event to the hub's journal."""
    publish: Callable[[Sequence[VirtualKey]], None]
    """Pushes changed keys to every gate."""
    publish_provider_keys: Callable[[Mapping[ProviderKeyName, bytes]], None]
    """Pushes every provider key, opened, to every gate."""

    async def issue(self, asked: KeyRequest, *, by: str) -> Issued:
        """Issue a key; its token is returned here and nowhere else, ever.

        Raises:
            UsageError: the grant, the lifetime or a text makes no sense.
            TokenMalformed: the environment cannot stand in a token.
        """
        compile_grant(asked.grant)
        _require_text(owner=asked.owner, app=asked.app, contact=asked.contact, by=by)
        if asked.lifetime is not None and not timedelta(0) < asked.lifetime <= _LONGEST:
            raise UsageError(
                f"a lifetime of {asked.lifetime} makes no sense", hint="up to 100 years, such as 90d; or none"
            )
        slot = await self.store.claim_slot()
        for _ in range(_TRIES):
            issued = self._mint(asked, slot=slot, now=self.clock.now())
            try:
                await self.store.add(issued.key)
            except StoreConflict:
                # Two of 62^9 kids met; the next draw will not.
                continue
            self._announce([issued.key], [_issued(issued.key, by=by)])
            return issued
        raise StoreConflict("no free key id was found", hint="the source of random bytes repeats itself")

    async def list(self) -> Sequence[VirtualKey]:
        """Return every key."""
        return await self.store.keys()

    async def show(self, kid: KeyId) -> VirtualKey:
        """Return one key.

        Raises:
            KeyNotFound: there is no such key.
        """
        key = await self.store.key(kid) if kid.isascii() else None
        if key is None:
            raise KeyNotFound(f"no key has the id {kid!r}", hint="chatelaine keys list shows them")
        return key

    async def suspend(self, kid: KeyId, *, by: str, reason: str) -> VirtualKey:
        """Stop a key until it is resumed.

        Raises:
            KeyNotFound: there is no such key.
            TransitionRefused: the life cycle does not allow it; so for every change below.
        """
        return await self._change(kid, KeyInput.SUSPEND, by=by, reason=reason)

    async def resume(self, kid: KeyId, *, by: str, reason: str) -> VirtualKey:
        """Let a suspended key work again."""
        return await self._change(kid, KeyInput.RESUME, by=by, reason=reason)

    async def expose(self, kid: KeyId, *, by: str, reason: str) -> VirtualKey:
        """Mark a key as in other hands: it works no more."""
        return await self._change(kid, KeyInput.EXPOSE, by=by, reason=reason)

    async def revoke(self, kid: KeyId, *, by: str, reason: str) -> VirtualKey:
        """Stop a key for good."""
        return await self._change(kid, KeyInput.REVOKE, by=by, reason=reason)

    async def rotate(self, kid: KeyId, *, overlap: timedelta, by: str, reason: str) -> Issued:
        """Issue a key's successor; a working key goes on working until the overlap is over.

        The successor has the same owner, app, contact, grant, lifetime and slot, so that both count
        against one set of limits. However many ask at once, there is exactly one successor.

        Raises:
            UsageError: the overlap is negative or endless, or a text makes no sense.
        """
        if not timedelta(0) <= overlap <= _LONGEST:
            raise UsageError(f"an overlap of {overlap} makes no sense", hint="0 ends the old key at once")
        _require_text(reason=reason, by=by)
        for _ in range(_TRIES):
            before, now = await self.show(kid), self.clock.now()
            changed = apply(before, KeyInput.ROTATE, at=now, reason=reason)
            issued = self._mint(_like(before), slot=before.slot, now=now)
            retires_at = _later(now, overlap) if usable(changed.state) else None
            after = replace(changed, successor=issued.key.id, retires_at=retires_at)
            try:
                await self.store.replace([(before, after)], added=[issued.key])
            except StoreConflict:
                continue
            events: tuple[Event, ...] = (
                _issued(issued.key, by=by, predecessor=kid),
                _changed(before, after, by=by),
            )
            self._announce([issued.key, after], events)
            return issued
        raise _contended(kid)

    async def expire_due(self, now: Instant) -> Sequence[VirtualKey]:
        """End every key whose time or overlap is over; what changes meanwhile waits for the next sweep."""
        ended: list[tuple[VirtualKey, VirtualKey]] = []
        for before in await self.store.due(now):
            given = _ending(before, now)
            after = apply(before, given, at=now, reason=given.value)
            try:
                await self.store.replace([(before, after)])
            except StoreConflict:
                continue
            ended.append((before, after))
        return self._announce_changes(ended, by="clock")

    async def mark_used(self, kids: Iterable[KeyId]) -> Sequence[VirtualKey]:
        """Mark keys as active that a gate saw used for the first time; others are passed over."""
        used: list[tuple[VirtualKey, VirtualKey]] = []
        for kid in kids:
            before = await self.store.key(kid)
            if before is None or before.state is not KeyState.ISSUED:
                continue
            after = apply(before, KeyInput.USED, at=self.clock.now(), reason=before.reason)
            try:
                await self.store.replace([(before, after)])
            except StoreConflict:
                # Somebody changed it: the gate tells us again when it is next used.
                continue
            used.append((before, after))
        return self._announce_changes(used, by="gate")

    async def store_provider_key(
        self, name: ProviderKeyName, owner: OwnerId, value: bytes, *, by: str
    ) -> ProviderKeySummary:
        """Seal and store a provider key, as the next version where it exists.

        Raises:
            UsageError: the value is empty, or the name is another owner's.
        """
        _require_text(name=name, owner=owner, by=by)
        if not value:
            raise UsageError(f"the value of provider key {name} is empty")
        for _ in range(_TRIES):
            held = {key.name: key for key in await self.store.provider_keys()}.get(name)
            if held is not None and held.owner != owner:
                raise UsageError(
                    f"provider key {name} belongs to {held.owner}",
                    hint="use another name, or remove it first",
                )
            key = self._seal(name, owner, value, version=held.version + 1 if held else 1)
            try:
                await self.store.store_provider_key(key)
            except StoreConflict:
                continue
            await self._announce_provider_keys(
                ProviderKeyStored(key.created_at, name, owner, key.version, by)
            )
            return _summary(key)
        raise _contended(name)

    async def provider_keys(self) -> Sequence[ProviderKeySummary]:
        """Return what may be shown of every provider key."""
        return [_summary(key) for key in await self.store.provider_keys()]

    async def open_provider_keys(self) -> Mapping[ProviderKeyName, bytes]:
        """Return every provider key, opened: for the gates.

        Raises:
            SealError: one does not open; the message names it.
        """
        return {key.name: self._open(key) for key in await self.store.provider_keys()}

    async def remove_provider_key(self, name: ProviderKeyName, *, by: str) -> None:
        """Remove a provider key with all its versions.

        Raises:
            KeyNotFound: there is no such provider key.
        """
        held = {key.name: key for key in await self.store.provider_keys()}.get(name)
        if held is None:
            raise KeyNotFound(f"no provider key is named {name!r}")
        await self.store.remove_provider_key(name)
        await self._announce_provider_keys(ProviderKeyRemoved(self.clock.now(), name, held.owner, by))

    async def reseal_provider_keys(self, *, by: str) -> int:
        """Seal anew what an older key-encryption key sealed; return how many provider keys that were.

        Values stay as they are, so the gates go on; afterwards the older key can be taken away.
        """
        older = [key for key in await self.store.provider_keys() if key.kek != self.sealer.kek]
        for key in older:
            await self.store_provider_key(key.name, key.owner, self._open(key), by=by)
        return len(older)

    def _mint(self, asked: KeyRequest, *, slot: int, now: Instant) -> Issued:
        kid = new_kid(self.entropy.draw(_KID_ENTROPY))
        token = mint(asked.env, kid, self.entropy.draw(SECRET_BYTES))
        key = VirtualKey(
            id=kid,
            env=asked.env,
            owner=asked.owner,
            app=asked.app,
            contact=asked.contact,
            grant=asked.grant,
            state=KeyState.ISSUED,
            digest=self.peppers.digest(token.encode("ascii")),
            pepper=self.peppers.active,
            slot=slot,
            issued_at=now,
            expires_at=None if asked.lifetime is None else _later(now, asked.lifetime),
            changed_at=now,
            canary=asked.canary,
            unknown_client=asked.unknown_client,
        )
        return Issued(key, token)

    async def _change(self, kid: KeyId, given: KeyInput, *, by: str, reason: str) -> VirtualKey:
        _require_text(reason=reason, by=by)
        for _ in range(_TRIES):
            before = await self.show(kid)
            after = apply(before, given, at=self.clock.now(), reason=reason)
            try:
                await self.store.replace([(before, after)])
            except StoreConflict:
                continue
            self._announce_changes([(before, after)], by=by)
            return after
        raise _contended(kid)

    def _announce_changes(
        self, changes: Sequence[tuple[VirtualKey, VirtualKey]], *, by: str
    ) -> Sequence[VirtualKey]:
        changed = [after for _, after in changes]
        if changed:
            self._announce(changed, [_changed(before, after, by=by) for before, after in changes])
        return changed

    def _announce(self, keys: Sequence[VirtualKey], events: Iterable[Event]) -> None:
        try:
            for event in events:
                self.record(event)
        finally:
            self.publish(keys)

    async def _announce_provider_keys(self, event: Event) -> None:
        try:
            self.record(event)
        finally:
            self.publish_provider_keys(await self.open_provider_keys())

    def _seal(self, name: ProviderKeyName, owner: OwnerId, value: bytes, *, version: int) -> ProviderKey:
        nonce, sealed = self.sealer.seal(value, bound_to=_binding(owner, name, version))
        return ProviderKey(
            name=name,
            owner=owner,
            version=version,
            nonce=nonce,
            sealed=sealed,
            kek=self.sealer.kek,
            created_at=self.clock.now(),
        )

    def _open(self, key: ProviderKey) -> bytes:
        bound_to = _binding(key.owner, key.name, key.version)
        try:
            return self.sealer.open(key.nonce, key.sealed, bound_to=bound_to, kek=key.kek)
        except SealError as error:
            raise SealError(f"provider key {key.name}: {error.message}", hint=error.hint) from error


def _require_text(**given: str) -> None:
    """Refuse what no store or journal can write: surrogates, which undecodable arguments bring in."""
    for name, text in given.items():
        if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise UsageError(f"{name} is not text: {text!r}", hint="write it in UTF-8")


def _binding(owner: OwnerId, name: ProviderKeyName, version: int) -> bytes:
    """Return what a sealed value is bound to; lengths stand in it, so that no two read alike."""
    return f"{len(owner)}:{owner}|{len(name)}:{name}|{version}".encode()


def _later(now: Instant, by: timedelta) -> Instant:
    return Instant(now + by // timedelta(microseconds=1) * 1_000)


def _like(key: VirtualKey) -> KeyRequest:
    """Ask for another key like one; its lifetime is as long as that one's was."""
    lifetime = (
        None if key.expires_at is None else timedelta(microseconds=(key.expires_at - key.issued_at) // 1_000)
    )
    return KeyRequest(
        owner=key.owner,
        app=key.app,
        contact=key.contact,
        env=key.env,
        grant=key.grant,
        lifetime=lifetime,
        canary=key.canary,
        unknown_client=key.unknown_client,
    )


def _ending(key: VirtualKey, now: Instant) -> KeyInput:
    """Return what ends a key that is due: its overlap, or its time."""
    overlap_over = key.state is KeyState.ROTATED and key.retires_at is not None and key.retires_at <= now
    return KeyInput.OVERLAP_OVER if overlap_over else KeyInput.EXPIRE


def _summary(key: ProviderKey) -> ProviderKeySummary:
    return ProviderKeySummary(
        name=key.name, owner=key.owner, version=key.version, kek=key.kek, created_at=key.created_at
    )


def _issued(key: VirtualKey, *, by: str, predecessor: KeyId | None = None) -> KeyIssued:
    return KeyIssued(
        key.issued_at,
        key.id,
        key.owner,
        key.app,
        by,
        key.grant,
        key.expires_at,
        predecessor,
        key.canary,
        key.unknown_client,
    )


def _changed(before: VirtualKey, after: VirtualKey, *, by: str) -> KeyChanged:
    return KeyChanged(after.changed_at, after.id, after.owner, before.state, after.state, by, after.reason)


def _contended(name: str) -> StoreConflict:
    return StoreConflict(f"{name} keeps changing", hint="several programs change it at once; try again")
