"""The keeper of keys, over stores in memory and in SQLite."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from chatelaine.adapters.clock import ManualClock
from chatelaine.adapters.entropy import SeededEntropy
from chatelaine.adapters.memory import MemoryKeyStore
from chatelaine.adapters.sealer import AesGcmSealer
from chatelaine.adapters.sqlite import open_key_store
from chatelaine.core.key.identify import identify
from chatelaine.core.key.roster import Roster
from chatelaine.core.key.token import Digester, Peppers
from chatelaine.model.error import (
    JournalUnavailable,
    KeyNotFound,
    StoreConflict,
    TokenMalformed,
    TransitionRefused,
    UsageError,
)
from chatelaine.model.event import Event, KeyChanged, KeyIssued
from chatelaine.model.key import Grant, Issued, KeyRequest, KeyState, Standing, VirtualKey
from chatelaine.model.words import AppName, KeyId, OwnerId, PepperId
from chatelaine.ports import KeyStore
from chatelaine.services.key import KeyKeeper

ASKED = KeyRequest(
    owner=OwnerId("acme"),
    app=AppName("chat"),
    contact="ops@acme.example",
    grant=Grant(models=("gpt-4o*",), parallel=4),
    lifetime=timedelta(days=90),
)
PEPPERS = Peppers(PepperId("p1"), {PepperId("p1"): Digester(b"p" * 32)})
OVERLAP = timedelta(hours=24)


@dataclass
class House:
    """A keeper with all it needs, and what it told whom, in order."""

    store: KeyStore
    clock: ManualClock = field(default_factory=ManualClock)
    roster: Roster = field(default_factory=lambda: Roster(PEPPERS))
    told: list[tuple[str, object]] = field(default_factory=list)
    journal_works: bool = True

    def __post_init__(self) -> None:
        entropy = SeededEntropy()
        self.keeper = KeyKeeper(
            store=self.store,
            clock=self.clock,
            entropy=entropy,
            sealer=AesGcmSealer({"k1": b"k" * 32}, entropy),
            peppers=PEPPERS,
            record=self.record,
            publish=self.publish,
            publish_provider_keys=lambda _: None,
        )

    def record(self, event: Event) -> None:
        if not self.journal_works:
            raise JournalUnavailable("the disk is full")
        self.told.append(("event", event))

    def publish(self, keys: Sequence[VirtualKey]) -> None:
        self.told.append(("keys", list(keys)))
        self.roster.change(keys)

    def events(self) -> list[object]:
        return [what for whom, what in self.told if whom == "event"]

    def standing(self, issued: Issued) -> Standing:
        return identify(issued.token.encode(), self.roster, self.clock.now()).standing

    def issue(self) -> Issued:
        return asyncio.run(self.keeper.issue(ASKED, by="ada"))


@contextmanager
def made_store(kind: str, path: Path) -> Iterator[KeyStore]:
    if kind == "memory":
        yield MemoryKeyStore()
    else:
        with closing(open_key_store(path / "keys.db")) as store:
            yield store


@pytest.fixture(params=["memory", "sqlite"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    with made_store(request.param, tmp_path) as store:
        yield House(store)


def test_an_issued_key_works_and_is_stored_recorded_and_published_in_that_order(house: House) -> None:
    issued = house.issue()
    assert house.standing(issued) is Standing.GOOD
    assert asyncio.run(house.store.key(issued.key.id)) == issued.key
    assert [whom for whom, _ in house.told] == ["event", "keys"]
    event = house.events()[0]
    assert isinstance(event, KeyIssued)
    assert (event.key, event.by, event.owner, event.grant) == (issued.key.id, "ada", "acme", ASKED.grant)
    assert issued.key.expires_at == house.clock.now() + 90 * 86_400 * 10**9
    assert issued.key.state is KeyState.ISSUED


def test_a_token_is_in_nothing_but_what_issue_returns(house: House) -> None:
    issued = house.issue()
    secret = issued.token[20:63]
    kept = json.dumps(msgspec.to_builtins([what for _, what in house.told]))
    assert secret not in kept
    assert secret not in repr(house.told)
    assert secret not in repr(issued)
    assert secret not in repr(asyncio.run(house.keeper.list()))


def test_every_key_has_its_own_slot_and_a_rotated_one_keeps_its(house: House) -> None:
    one, two = house.issue(), house.issue()
    three = asyncio.run(house.keeper.rotate(one.key.id, overlap=OVERLAP, by="ada", reason=""))
    assert one.key.slot != two.key.slot
    assert three.key.slot == one.key.slot


def test_a_key_without_a_lifetime_does_not_expire(house: House) -> None:
    issued = asyncio.run(house.keeper.issue(replace(ASKED, lifetime=None), by="ada"))
    house.clock.advance(timedelta(days=50_000))
    assert house.standing(issued) is Standing.GOOD


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (replace(ASKED, grant=Grant(networks=("10.0.0.0/99",))), UsageError),
        (replace(ASKED, lifetime=timedelta(0)), UsageError),
        (replace(ASKED, lifetime=timedelta(days=-1)), UsageError),
        (replace(ASKED, lifetime=timedelta.max), UsageError),
        (replace(ASKED, env="Live!"), TokenMalformed),
        (replace(ASKED, owner=OwnerId("acm\udce9")), UsageError),
    ],
)
def test_a_request_that_makes_no_sense_issues_nothing(
    house: House, asked: KeyRequest, error: type[Exception]
) -> None:
    with pytest.raises(error):
        asyncio.run(house.keeper.issue(asked, by="ada"))
    assert not asyncio.run(house.keeper.list())
    assert not house.told


def test_a_reason_that_is_no_text_is_refused(house: House) -> None:
    issued = house.issue()
    with pytest.raises(UsageError, match="reason"):
        asyncio.run(house.keeper.suspend(issued.key.id, by="ada", reason="\udc80"))
    asyncio.run(house.keeper.suspend(issued.key.id, by="ada", reason="in\ntwo lines, with ✓"))


class StuckEntropy:
    """Draws the same bytes again and again, and others after a while."""

    def __init__(self, repeats: int) -> None:
        self._left = repeats

    def draw(self, size: int) -> bytes:
        self._left -= 1
        return bytes([max(0, -self._left)]) * size


def test_a_kid_that_is_taken_is_drawn_anew(house: House) -> None:
    keeper = replace(house.keeper, entropy=StuckEntropy(6))
    one, two = (asyncio.run(keeper.issue(ASKED, by="ada")) for _ in range(2))
    assert one.key.id != two.key.id


def test_a_source_of_entropy_that_repeats_itself_is_told(house: House) -> None:
    keeper = replace(house.keeper, entropy=StuckEntropy(10_000))
    asyncio.run(keeper.issue(ASKED, by="ada"))
    with pytest.raises(StoreConflict, match="no free key id"):
        asyncio.run(keeper.issue(ASKED, by="ada"))


def test_a_suspended_key_stops_and_a_resumed_one_works_again(house: House) -> None:
    issued = house.issue()
    kid = issued.key.id
    asyncio.run(house.keeper.suspend(kid, by="ada", reason="odd traffic"))
    assert house.standing(issued) is Standing.SUSPENDED
    asyncio.run(house.keeper.resume(kid, by="ada", reason="it was us"))
    assert house.standing(issued) is Standing.GOOD
    changes = [event for event in house.events() if isinstance(event, KeyChanged)]
    assert [(change.before, change.after, change.reason) for change in changes] == [
        (KeyState.ISSUED, KeyState.SUSPENDED, "odd traffic"),
        (KeyState.SUSPENDED, KeyState.ACTIVE, "it was us"),
    ]
    assert asyncio.run(house.keeper.show(kid)).reason == "it was us"


def test_an_exposed_key_stops_and_can_be_told_from_a_revoked_one(house: House) -> None:
    exposed, revoked = house.issue(), house.issue()
    asyncio.run(house.keeper.expose(exposed.key.id, by="scan", reason="found in a repository"))
    asyncio.run(house.keeper.revoke(revoked.key.id, by="ada", reason="project over"))
    assert house.standing(exposed) is house.standing(revoked) is Standing.REVOKED
    states = [identify(one.token.encode(), house.roster, house.clock.now()).key for one in (exposed, revoked)]
    assert [key.state for key in states if key] == [KeyState.COMPROMISED, KeyState.REVOKED]


def test_what_the_life_cycle_refuses_changes_and_tells_nothing(house: House) -> None:
    issued = house.issue()
    asyncio.run(house.keeper.revoke(issued.key.id, by="ada", reason=""))
    told = len(house.told)
    with pytest.raises(TransitionRefused, match="revoked"):
        asyncio.run(house.keeper.resume(issued.key.id, by="ada", reason=""))
    assert len(house.told) == told


Change = Callable[[KeyKeeper, KeyId], Coroutine[object, object, object]]


@pytest.mark.parametrize(
    "change",
    [
        lambda keeper, kid: keeper.show(kid),
        lambda keeper, kid: keeper.suspend(kid, by="", reason=""),
        lambda keeper, kid: keeper.rotate(kid, overlap=OVERLAP, by="", reason=""),
    ],
)
@pytest.mark.parametrize("kid", ["ZZZZZZZZZ", "", "'; DROP TABLE virtual_key; --", "\ud800"])
def test_an_id_that_no_key_has_is_told(house: House, change: Change, kid: str) -> None:
    with pytest.raises(KeyNotFound):
        asyncio.run(change(house.keeper, KeyId(kid)))


def test_both_keys_work_in_the_overlap_and_after_it_only_the_new_one(house: House) -> None:
    old = house.issue()
    new = asyncio.run(house.keeper.rotate(old.key.id, overlap=OVERLAP, by="ada", reason="quarterly"))
    assert house.standing(old) is house.standing(new) is Standing.GOOD
    shown = asyncio.run(house.keeper.show(old.key.id))
    assert (shown.state, shown.successor) == (KeyState.ROTATED, new.key.id)
    assert replace(new.key, id=old.key.id, digest=old.key.digest) == old.key
    house.clock.advance(OVERLAP - timedelta(microseconds=1))
    assert house.standing(old) is Standing.GOOD
    house.clock.advance(timedelta(microseconds=1))
    assert house.standing(old) is Standing.EXPIRED
    assert house.standing(new) is Standing.GOOD
    asyncio.run(house.keeper.expire_due(house.clock.now()))
    assert asyncio.run(house.keeper.show(old.key.id)).state is KeyState.EXPIRED


def test_of_fifty_rotations_at_once_one_makes_a_successor(house: House) -> None:
    old = house.issue()

    async def rotate() -> bool:
        try:
            await house.keeper.rotate(old.key.id, overlap=OVERLAP, by="ada", reason="")
        except TransitionRefused:
            return False
        return True

    async def check() -> None:
        assert sum(await asyncio.gather(*(rotate() for _ in range(50)))) == 1
        assert len(await house.keeper.list()) == 2

    asyncio.run(check())
    assert sum(isinstance(event, KeyIssued) for event in house.events()) == 2


def test_rotating_a_suspended_key_gives_a_successor_and_no_overlap(house: House) -> None:
    old = house.issue()
    asyncio.run(house.keeper.suspend(old.key.id, by="ada", reason=""))
    new = asyncio.run(house.keeper.rotate(old.key.id, overlap=OVERLAP, by="ada", reason=""))
    assert house.standing(old) is Standing.REVOKED
    assert house.standing(new) is Standing.GOOD


def test_a_compromised_key_is_rotated_once_and_stays_compromised(house: House) -> None:
    old = house.issue()
    asyncio.run(house.keeper.expose(old.key.id, by="scan", reason=""))
    asyncio.run(house.keeper.rotate(old.key.id, overlap=OVERLAP, by="ada", reason=""))
    assert asyncio.run(house.keeper.show(old.key.id)).state is KeyState.COMPROMISED
    with pytest.raises(TransitionRefused, match="rotated already"):
        asyncio.run(house.keeper.rotate(old.key.id, overlap=OVERLAP, by="ada", reason=""))


@pytest.mark.parametrize("overlap", [-OVERLAP, timedelta.max])
def test_an_overlap_that_makes_no_sense_is_refused(house: House, overlap: timedelta) -> None:
    old = house.issue()
    with pytest.raises(UsageError, match="overlap"):
        asyncio.run(house.keeper.rotate(old.key.id, overlap=overlap, by="ada", reason=""))
    assert house.standing(old) is Standing.GOOD


def test_the_sweep_expires_what_is_due_once(house: House) -> None:
    due, suspended, exposed = house.issue(), house.issue(), house.issue()
    lasting = asyncio.run(house.keeper.issue(replace(ASKED, lifetime=None), by="ada"))
    asyncio.run(house.keeper.suspend(suspended.key.id, by="ada", reason=""))
    asyncio.run(house.keeper.expose(exposed.key.id, by="ada", reason=""))
    house.clock.advance(timedelta(days=90))
    swept = asyncio.run(house.keeper.expire_due(house.clock.now()))
    assert {key.id for key in swept} == {due.key.id, suspended.key.id}
    assert {key.state for key in swept} == {KeyState.EXPIRED}
    assert house.standing(lasting) is Standing.GOOD
    told = len(house.told)
    assert not asyncio.run(house.keeper.expire_due(house.clock.now()))
    assert len(house.told) == told


def test_a_clock_that_jumps_back_revives_nothing(house: House) -> None:
    issued = house.issue()
    house.clock.jump(timedelta(days=91))
    asyncio.run(house.keeper.expire_due(house.clock.now()))
    house.clock.jump(timedelta(days=-91))
    assert house.standing(issued) is Standing.EXPIRED


def test_the_first_use_makes_a_key_active_and_later_ones_change_nothing(house: House) -> None:
    issued, stopped = house.issue(), house.issue()
    asyncio.run(house.keeper.suspend(stopped.key.id, by="ada", reason=""))
    told = len(house.told)
    kids = [issued.key.id, stopped.key.id, KeyId("ZZZZZZZZZ"), issued.key.id]
    used = asyncio.run(house.keeper.mark_used(kids))
    assert [(key.id, key.state) for key in used] == [(issued.key.id, KeyState.ACTIVE)]
    assert len(house.told) == told + 2
    assert not asyncio.run(house.keeper.mark_used(kids))
    assert asyncio.run(house.keeper.show(stopped.key.id)).state is KeyState.SUSPENDED


def test_changes_that_meet_are_both_made(house: House) -> None:
    issued = house.issue()

    async def check() -> None:
        await asyncio.gather(
            house.keeper.mark_used([issued.key.id]),
            house.keeper.suspend(issued.key.id, by="ada", reason=""),
        )
        assert (await house.keeper.show(issued.key.id)).state is KeyState.SUSPENDED

    asyncio.run(check())
    assert house.standing(issued) is Standing.SUSPENDED


def test_a_key_stops_also_where_that_cannot_be_recorded(house: House) -> None:
    issued = house.issue()
    house.journal_works = False
    with pytest.raises(JournalUnavailable):
        asyncio.run(house.keeper.suspend(issued.key.id, by="ada", reason=""))
    assert house.standing(issued) is Standing.SUSPENDED
    assert asyncio.run(house.keeper.show(issued.key.id)).state is KeyState.SUSPENDED
