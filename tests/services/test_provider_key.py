"""The keeper of provider keys, over stores in memory and in SQLite."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from chatelaine.adapters.clock import ManualClock
from chatelaine.adapters.entropy import SystemEntropy
from chatelaine.adapters.memory import MemoryKeyStore
from chatelaine.adapters.sealer import AesGcmSealer
from chatelaine.adapters.sqlite import open_key_store
from chatelaine.core.key.token import Digester, Peppers
from chatelaine.model.error import KeyNotFound, SealError, UsageError
from chatelaine.model.event import Event, ProviderKeyRemoved, ProviderKeyStored
from chatelaine.model.key import ProviderKey
from chatelaine.model.words import OwnerId, PepperId, ProviderKeyName
from chatelaine.ports import KeyStore
from chatelaine.services.key import KeyKeeper

OPENAI, ACME = ProviderKeyName("openai"), OwnerId("acme")
PEPPERS = Peppers(PepperId("p1"), {PepperId("p1"): Digester(b"p" * 32)})
OLD_KEK, NEW_KEK = {"old": b"o" * 32}, {"new": b"n" * 32, "old": b"o" * 32}


@dataclass
class House:
    """A keeper with all it needs, and what it told whom."""

    store: KeyStore
    keks: Mapping[str, bytes] = field(default_factory=lambda: OLD_KEK)
    events: list[Event] = field(default_factory=list)
    pushed: list[Mapping[ProviderKeyName, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keeper = KeyKeeper(
            store=self.store,
            clock=ManualClock(),
            entropy=SystemEntropy(),
            sealer=AesGcmSealer(self.keks, SystemEntropy()),
            peppers=PEPPERS,
            record=self.events.append,
            publish=lambda _: None,
            publish_provider_keys=self.pushed.append,
        )


@pytest.fixture(params=["memory", "sqlite"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    if request.param == "memory":
        yield House(MemoryKeyStore())
        return
    with closing(open_key_store(tmp_path / "keys.db")) as store:
        yield House(store)


def store_value(house: House, value: bytes, owner: OwnerId = ACME) -> int:
    return asyncio.run(house.keeper.store_provider_key(OPENAI, owner, value, by="ada")).version


def test_a_provider_key_is_sealed_versioned_recorded_and_published(house: House) -> None:
    assert store_value(house, b"sk-provider-1") == 1
    assert store_value(house, b"sk-provider-2") == 2
    assert asyncio.run(house.keeper.open_provider_keys()) == {OPENAI: b"sk-provider-2"}
    events = [event for event in house.events if isinstance(event, ProviderKeyStored)]
    assert [(event.name, event.key_version, event.by) for event in events] == [
        (OPENAI, 1, "ada"),
        (OPENAI, 2, "ada"),
    ]
    assert house.pushed[-1] == {OPENAI: b"sk-provider-2"}


def test_the_list_of_provider_keys_holds_no_value(house: House) -> None:
    store_value(house, b"sk-provider-1")
    shown = asyncio.run(house.keeper.provider_keys())
    assert [(one.name, one.owner, one.version, one.kek) for one in shown] == [(OPENAI, ACME, 1, "old")]
    assert "sk-provider" not in repr(shown)
    assert "sk-provider" not in repr(house.events)


def test_stores_at_once_are_versions_one_after_another(house: House) -> None:
    async def check() -> None:
        done = await asyncio.gather(
            *(house.keeper.store_provider_key(OPENAI, ACME, b"v%d" % number, by="ada") for number in range(6))
        )
        assert sorted(one.version for one in done) == [1, 2, 3, 4, 5, 6]

    asyncio.run(check())


def test_an_empty_value_or_another_owners_name_is_refused(house: House) -> None:
    with pytest.raises(UsageError, match="empty"):
        store_value(house, b"")
    store_value(house, b"sk-provider-1")
    with pytest.raises(UsageError, match="belongs to acme"):
        store_value(house, b"sk-other", OwnerId("mallory"))
    assert asyncio.run(house.keeper.open_provider_keys()) == {OPENAI: b"sk-provider-1"}


def test_a_removed_provider_key_is_gone(house: House) -> None:
    store_value(house, b"sk-provider-1")
    asyncio.run(house.keeper.remove_provider_key(OPENAI, by="ada"))
    assert not asyncio.run(house.keeper.open_provider_keys())
    assert isinstance(house.events[-1], ProviderKeyRemoved)
    assert house.pushed[-1] == {}
    with pytest.raises(KeyNotFound):
        asyncio.run(house.keeper.remove_provider_key(OPENAI, by="ada"))


def test_a_new_kek_seals_all_anew_while_both_are_configured(house: House) -> None:
    store_value(house, b"sk-provider-1")
    both = House(house.store, keks=NEW_KEK)
    assert asyncio.run(both.keeper.open_provider_keys()) == {OPENAI: b"sk-provider-1"}
    assert asyncio.run(both.keeper.reseal_provider_keys(by="ada")) == 1
    assert asyncio.run(both.keeper.reseal_provider_keys(by="ada")) == 0
    alone = House(house.store, keks={"new": NEW_KEK["new"]})
    assert asyncio.run(alone.keeper.open_provider_keys()) == {OPENAI: b"sk-provider-1"}
    with pytest.raises(SealError, match="provider key openai"):
        asyncio.run(house.keeper.open_provider_keys())


@pytest.mark.parametrize(
    "moved",
    [
        {"owner": OwnerId("mallory")},
        {"name": ProviderKeyName("mine")},
        {"version": 2},
        {"owner": OwnerId("acme|6:openai|"), "name": ProviderKeyName("")},
    ],
)
def test_a_sealed_value_moved_to_another_row_does_not_open(moved: dict[str, object]) -> None:
    house = House(MemoryKeyStore())
    store_value(house, b"sk-provider-1")

    async def swap() -> ProviderKey:
        (key,) = await house.store.provider_keys()
        await house.store.remove_provider_key(key.name)
        await house.store.store_provider_key(replace(key, **moved))
        return key

    asyncio.run(swap())
    with pytest.raises(SealError):
        asyncio.run(house.keeper.open_provider_keys())
