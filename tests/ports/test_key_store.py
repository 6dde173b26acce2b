"""What every store of keys must do."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chatelaine.adapters.memory import MemoryKeyStore
from chatelaine.adapters.sqlite import open_key_store
from chatelaine.model.error import StoreConflict
from chatelaine.model.exchange import Modality, Operation
from chatelaine.model.key import Grant, HourSpan, KeyState, ProviderKey, VirtualKey
from chatelaine.model.playbook import UnknownClient
from chatelaine.model.words import (
    AppName,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
    PepperId,
    ProviderKeyName,
    UpstreamName,
)
from chatelaine.ports import KeyStore

FULL_GRANT = Grant(
    upstreams=(UpstreamName("a"), UpstreamName("b")),
    models=("gpt-4o*",),
    operations=(Operation.CHAT, Operation.IMAGE),
    modalities=(Modality.TEXT,),
    networks=("10.0.0.0/8", "2001:db8::/32"),
    hours=(HourSpan((0, 4), 480, 1080),),
    requests_per_minute=60,
    tokens_per_minute=10_000,
    parallel=4,
    spend_per_day=NanoUsd(5_000_000_000),
    spend_per_month=NanoUsd(2**62),
)


def virtual(kid: str = "AAAAAAAAA", **fields: object) -> VirtualKey:
    key = VirtualKey(
        id=KeyId(kid),
        env="live",
        owner=OwnerId("acme"),
        app=AppName("chat"),
        contact="ops@acme.example",
        grant=Grant(),
        state=KeyState.ISSUED,
        digest=kid.encode().ljust(32, b"\0"),
        pepper=PepperId("p1"),
        slot=1,
        issued_at=Instant(1),
        expires_at=None,
    )
    return replace(key, **fields)


def provider(name: str = "openai", version: int = 1, **fields: object) -> ProviderKey:
    key = ProviderKey(
        name=ProviderKeyName(name),
        owner=OwnerId("acme"),
        version=version,
        nonce=b"n" * 12,
        sealed=bytes(range(256)),
        kek="k1",
        created_at=Instant(5),
    )
    return replace(key, **fields)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[KeyStore]:
    if request.param == "memory":
        yield MemoryKeyStore()
        return
    opened = open_key_store(tmp_path / "keys.db")
    yield opened
    opened.close()


def test_a_new_store_holds_nothing(store: KeyStore) -> None:
    async def check() -> None:
        assert not await store.keys()
        assert not await store.provider_keys()
        assert await store.key(KeyId("AAAAAAAAA")) is None
        assert not await store.due(Instant(2**62))

    asyncio.run(check())


def test_every_field_of_a_key_comes_back(store: KeyStore) -> None:
    full = virtual(
        grant=FULL_GRANT,
        state=KeyState.ROTATED,
        owner=OwnerId("Ätna; DROP TABLE virtual_key --"),
        digest=bytes(range(32)),
        expires_at=Instant(2**62),
        retires_at=Instant(7),
        successor=KeyId("BBBBBBBBB"),
        changed_at=Instant(9),
        canary=True,
        unknown_client=UnknownClient.QUARANTINE,
        reason="line\nbreak and \x00 and 😀",
    )

    async def check() -> None:
        await store.add(full)
        await store.add(virtual("BBBBBBBBB"))
        assert await store.key(full.id) == full
        assert list(await store.keys()) == [full, virtual("BBBBBBBBB")]

    asyncio.run(check())


def test_an_id_is_added_once(store: KeyStore) -> None:
    async def check() -> None:
        await store.add(virtual())
        with pytest.raises(StoreConflict, match="AAAAAAAAA"):
            await store.add(virtual(digest=b"d" * 32))
        assert list(await store.keys()) == [virtual()]

    asyncio.run(check())


def test_a_key_is_replaced_where_it_is_as_it_was_read(store: KeyStore) -> None:
    before = virtual(grant=FULL_GRANT)
    after = replace(before, state=KeyState.SUSPENDED, changed_at=Instant(4), reason="stolen")

    async def check() -> None:
        await store.add(before)
        await store.replace([(before, after)])
        assert await store.key(before.id) == after
        with pytest.raises(StoreConflict, match="changed meanwhile"):
            await store.replace([(before, replace(before, state=KeyState.REVOKED))])
        assert await store.key(before.id) == after

    asyncio.run(check())


def test_a_key_that_is_not_there_cannot_be_replaced(store: KeyStore) -> None:
    with pytest.raises(StoreConflict):
        asyncio.run(store.replace([(virtual(), virtual())]))


def test_what_conflicts_changes_nothing_at_all(store: KeyStore) -> None:
    one, two = virtual("AAAAAAAAA"), virtual("BBBBBBBBB")
    changed = replace(one, state=KeyState.ROTATED)

    async def check() -> None:
        await store.add(one)
        await store.add(two)
        with pytest.raises(StoreConflict):
            await store.replace([(one, changed)], added=[virtual("CCCCCCCCC"), two])
        with pytest.raises(StoreConflict):
            await store.replace([(one, changed), (replace(two, reason="x"), two)])
        assert list(await store.keys()) == [one, two]

    asyncio.run(check())


def test_of_many_replacements_of_one_key_exactly_one_is_made(store: KeyStore) -> None:
    before = virtual()

    async def attempt(number: int) -> bool:
        successor = virtual(f"S{number:08}")
        try:
            await store.replace([(before, replace(before, successor=successor.id))], added=[successor])
        except StoreConflict:
            return False
        return True

    async def check() -> None:
        await store.add(before)
        assert sum(await asyncio.gather(*map(attempt, range(50)))) == 1
        assert len(await store.keys()) == 2

    asyncio.run(check())


def test_slots_are_never_given_twice(store: KeyStore) -> None:
    async def check() -> None:
        slots = await asyncio.gather(*(store.claim_slot() for _ in range(100)))
        assert len(set(slots)) == 100
        assert min(slots) > 0

    asyncio.run(check())


def test_due_are_the_keys_whose_time_is_up_and_that_are_not_ended(store: KeyStore) -> None:
    at = Instant(100)
    due = [
        virtual("AAAAAAAA1", expires_at=Instant(100)),
        virtual("AAAAAAAA2", expires_at=Instant(500), retires_at=Instant(99), state=KeyState.ROTATED),
        virtual("AAAAAAAA3", expires_at=Instant(1), state=KeyState.SUSPENDED),
        virtual("AAAAAAAA4", expires_at=Instant(1), state=KeyState.ACTIVE),
    ]
    not_due = [
        virtual("BBBBBBBB1"),
        virtual("BBBBBBBB2", expires_at=Instant(101), retires_at=Instant(101)),
        *(
            virtual(f"CCCCCCCC{number}", expires_at=Instant(1), state=state)
            for number, state in enumerate((KeyState.REVOKED, KeyState.EXPIRED, KeyState.COMPROMISED))
        ),
    ]

    async def check() -> None:
        for key in (*not_due, *due):
            await store.add(key)
        assert {key.id for key in await store.due(at)} == {key.id for key in due}

    asyncio.run(check())


def test_the_newest_version_of_a_provider_key_is_held(store: KeyStore) -> None:
    async def check() -> None:
        await store.store_provider_key(provider())
        await store.store_provider_key(provider("anthropic"))
        await store.store_provider_key(provider(version=2, sealed=b"newer", kek="k2"))
        held = {key.name: key for key in await store.provider_keys()}
        assert held == {
            "openai": provider(version=2, sealed=b"newer", kek="k2"),
            "anthropic": provider("anthropic"),
        }

    asyncio.run(check())


@pytest.mark.parametrize("version", [1, 2])
def test_a_version_that_is_not_newer_is_refused(store: KeyStore, version: int) -> None:
    async def check() -> None:
        await store.store_provider_key(provider(version=2))
        with pytest.raises(StoreConflict, match="openai"):
            await store.store_provider_key(provider(version=version, sealed=b"other"))
        assert list(await store.provider_keys()) == [provider(version=2)]

    asyncio.run(check())


def test_a_removed_provider_key_is_gone_and_can_come_back(store: KeyStore) -> None:
    async def check() -> None:
        await store.store_provider_key(provider(version=3))
        await store.remove_provider_key(ProviderKeyName("openai"))
        await store.remove_provider_key(ProviderKeyName("openai"))
        assert not await store.provider_keys()
        await store.store_provider_key(provider())
        assert list(await store.provider_keys()) == [provider()]

    asyncio.run(check())
