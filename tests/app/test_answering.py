"""From findings to a contained incident: combiner, keeper and responder together, and again after a crash."""

import asyncio
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from chatelaine import catalog
from chatelaine.adapters.sqlite import SqliteIncidentStore, open_incident_store
from chatelaine.app.answering import Answering
from chatelaine.core.detection.combine import Combiner, Rules, Window
from chatelaine.core.playbook.past import Spent
from chatelaine.model.detection import Family, Finding, Phase, Said, Severity, Sighting
from chatelaine.model.event import Event
from chatelaine.model.incident import IncidentState
from chatelaine.model.playbook import Action, ActionState, Lane, Restraint
from chatelaine.model.words import (
    SECOND,
    ContextId,
    DetectionId,
    ExchangeId,
    FindingId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
)
from chatelaine.services.incident import IncidentKeeper
from chatelaine.services.playbook import Hands, Responder

PLAYBOOKS = catalog.playbooks()
RULES = Rules(
    playbooks={
        DetectionId("key_new"): "contain_client",
        DetectionId("key_canary"): "decoy",
        DetectionId("key_odd"): "observe",
    }
)


@dataclass
class Clock:
    """A clock that a test sets."""

    at: int = 1_000

    def now(self) -> Instant:
        return Instant(self.at * SECOND)

    def elapsed(self) -> int:
        return self.at * SECOND


@dataclass
class Hub:
    """What a hub is made of, as far as it answers."""

    store: SqliteIncidentStore
    combiner: Combiner = field(default_factory=lambda: Combiner(RULES))
    clock: Clock = field(default_factory=Clock)
    held: dict[str, Restraint] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    alarmed: frozenset[KeyId] = frozenset()
    own: frozenset[str] = frozenset({"shop"})

    @property
    def keeper(self) -> IncidentKeeper:
        def alarm(keys: frozenset[KeyId]) -> None:
            self.alarmed = keys

        return IncidentKeeper(
            store=self.store,
            clock=self.clock,
            record=self.events.append,
            notify=lambda _, __: None,
            day_left=lambda _: NanoUsd(500),
            past=lambda _, __: (),
            alarm=alarm,
        )

    @property
    def responder(self) -> Responder:
        async def restrain(one: Restraint) -> None:
            self.held[one.id] = one

        async def lift(name: str) -> None:
            self.held.pop(name, None)

        async def notify(action: Action) -> None:
            self.told.append(action.wanted.text)

        async def on_key(*_: object) -> str:
            pytest.fail("no key is touched here")

        async def past(_: OwnerId, days: int) -> Iterable[Spent]:
            assert days == 30
            return [Spent(seen(n, context="shop", phase=Phase.OPENED), 1) for n in range(100)]

        return Responder(
            store=self.store,
            clock=self.clock,
            record=self.events.append,
            playbooks=PLAYBOOKS,
            hands=Hands(
                restrain=restrain,
                lift=lift,
                suspend=on_key,
                resume=on_key,
                revoke=on_key,
                rotate=on_key,
                notify=notify,
            ),
            past=past,
            known=lambda _, context: context in self.own,
            changed=self.keeper.note_action,
        )

    @property
    def answering(self) -> Answering:
        return Answering(self.keeper, self.responder, lambda key: key == "canary")

    def answer(self, *findings: Finding, sightings: tuple[Sighting, ...] = ()) -> None:
        asyncio.run(self.answering.take(self.combiner.gather(findings, sightings)))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "incidents.db"


def finding(name: str, *, family: Family = Family.NETWORK, **fields: object) -> Finding:
    one = Finding(
        id=FindingId(name),
        detection=DetectionId("key_new"),
        version=1,
        at=Instant(900 * SECOND),
        exchange=ExchangeId(f"x{name}"),
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        context=ContextId("thief"),
        prefix="203.0.113.0/24",
        family=family,
        severity=Severity.HIGH,
        certain=False,
        said=Said("seen", "usual", "against"),
    )
    return msgspec.structs.replace(one, **fields)


PAIR = (finding("f1"), finding("f2", family=Family.BEHAVIOUR, detection=DetectionId("key_client")))


def seen(second: int, *, context: str = "thief", phase: Phase = Phase.ENDED) -> Sighting:
    return Sighting(
        Instant(second * SECOND),
        phase,
        ExchangeId(f"s{second}"),
        key=KeyId("k1"),
        context=ContextId(context),
        cost=NanoUsd(100),
    )


def test_a_theft_is_contained_at_its_client_and_the_owner_goes_on(path: Path) -> None:
    with closing(open_incident_store(path)) as store:
        hub = Hub(store)
        hub.answer(*PAIR, sightings=(seen(901), seen(902, context="shop")))
        (held,) = hub.held.values()
        assert (held.key, held.lane, held.contexts, held.foreign) == ("k1", Lane.REFUSE, ("thief",), False)
        (incident,) = asyncio.run(store.incidents())
        assert incident.state is IncidentState.CONTAINED
        assert incident.money.spent == 100
        assert hub.alarmed == {"k1"}
        assert hub.told == ["Refuse the foreign client, and let the owner go on: 1 client contexts on key k1"]
        assert [event.kind for event in hub.events].count("incident.opened") == 1


def test_what_looks_like_a_theft_of_the_owners_own_client_stops_nothing(path: Path) -> None:
    with closing(open_incident_store(path)) as store:
        hub = Hub(store)
        hub.answer(*(msgspec.structs.replace(one, context=ContextId("shop")) for one in PAIR))
        assert hub.held == {}
        (incident,) = asyncio.run(store.incidents())
        assert incident.state is IncidentState.OPEN
        vetoed, told = asyncio.run(store.actions())
        assert (vetoed.state, told.state) == (ActionState.VETOED, ActionState.DONE)


def test_one_finding_of_one_family_stops_nothing(path: Path) -> None:
    with closing(open_incident_store(path)) as store:
        hub = Hub(store)
        hub.answer(PAIR[0])
        assert (hub.held, hub.told) == ({}, [])
        assert asyncio.run(store.incidents()) == []


def test_a_canary_answers_with_a_decoy_and_nobody_elses_key_ever_does(path: Path) -> None:
    with closing(open_incident_store(path)) as store:
        hub = Hub(store)
        used = finding("f1", detection=DetectionId("key_canary"), certain=True)
        hub.answer(used)
        assert hub.held == {}
        hub.answer(msgspec.structs.replace(used, id=FindingId("f2"), key=KeyId("canary")))
        (held,) = hub.held.values()
        assert (held.key, held.lane) == ("canary", Lane.DECOY)


@pytest.mark.parametrize("lost", ["answer", "piece"])
def test_a_hub_that_dies_after_answering_answers_once(path: Path, lost: str) -> None:
    with closing(open_incident_store(path)) as store:
        first = Hub(store)
        kept = msgspec.json.encode(first.combiner.dump())
        first.answer(*PAIR, sightings=(seen(901),))
        (before,) = asyncio.run(store.incidents())
        actions = asyncio.run(store.actions())
    with closing(open_incident_store(path)) as store:
        again = Hub(store)
        if lost == "answer":
            again.combiner.load(msgspec.json.decode(kept, type=list[tuple[str, str, Window]]))
        again.held = {one.id: one for one in asyncio.run(again.responder.resume())}
        assert again.held == first.held
        again.answer(*PAIR, sightings=(seen(901),))
        assert asyncio.run(store.incidents()) == [before]
        assert asyncio.run(store.actions()) == actions
        assert again.told == []
        assert again.events == []


def test_a_hub_that_dies_before_it_acts_acts_when_it_is_back(path: Path) -> None:
    with closing(open_incident_store(path)) as store:
        first = Hub(store)
        asyncio.run(first.keeper.take(first.combiner.gather(PAIR)))
        assert first.held == {}
    with closing(open_incident_store(path)) as store:
        again = Hub(store)
        again.answer(*PAIR)
        assert len(again.held) == 1
        assert len(again.told) == 1


def test_what_is_only_watched_is_contained_once_it_has_spent_what_the_fuse_holds(path: Path) -> None:
    odd = finding("f1", detection=DetectionId("key_odd"), certain=True)
    with closing(open_incident_store(path)) as store:
        hub = Hub(store)
        answering = hub.answering
        asyncio.run(answering.take(hub.combiner.gather([odd], [seen(901)])))
        asyncio.run(answering.look_after())
        assert hub.held == {}
        dear = msgspec.structs.replace(seen(902), cost=NanoUsd(50_000_000_000))
        asyncio.run(answering.take(hub.combiner.gather([], [dear])))
        asyncio.run(answering.look_after())
        asyncio.run(answering.look_after())
        (held,) = hub.held.values()
        assert (held.lane, held.contexts) == (Lane.REFUSE, ("thief",))
        (incident,) = asyncio.run(store.incidents())
        assert incident.state is IncidentState.CONTAINED
        hub.clock.at += 86_400
        asyncio.run(answering.look_after())
        assert hub.held == {}


def test_a_thief_who_comes_back_from_another_network_is_contained_there_too(path: Path) -> None:
    with closing(open_incident_store(path)) as store:
        hub = Hub(store)
        hub.answer(*PAIR)
        second = ContextId("second")
        hub.answer(
            *(
                msgspec.structs.replace(
                    one, id=FindingId(f"{one.id}b"), context=second, prefix="198.51.100.0/24"
                )
                for one in PAIR
            )
        )
        assert sorted(one.contexts for one in hub.held.values()) == [("second",), ("thief",)]
        (incident,) = asyncio.run(store.incidents())
        assert incident.state is IncidentState.CONTAINED
        assert len(incident.holding) == 2


def test_what_was_done_for_a_merged_incident_is_shown_with_the_one_that_goes_on(path: Path) -> None:
    with closing(open_incident_store(path)) as store:
        hub = Hub(store)
        other = [
            msgspec.structs.replace(
                one, id=FindingId(f"{one.id}b"), key=KeyId("k2"), context=ContextId("second"), at=Instant(at)
            )
            for at, one in zip((901 * SECOND, 902 * SECOND), PAIR, strict=True)
        ]
        hub.answer(*PAIR)
        hub.answer(*other)
        assert len(asyncio.run(store.incidents())) == 2
        bridge = [
            msgspec.structs.replace(one, id=FindingId(f"{one.id}c"), context=ContextId("thief"))
            for one in other
        ]
        hub.answer(*bridge)
        (incident,) = [one for one in asyncio.run(store.incidents()) if not one.merged_into]
        story = asyncio.run(hub.keeper.show(incident.id))
        assert {(one.wanted.key, one.wanted.contexts) for one in story.actions if one.wanted.contexts} == {
            ("k1", ("thief",)),
            ("k2", ("second",)),
            ("k2", ("thief",)),
        }
        before = len(hub.told)
        hub.answer(*PAIR, *other, *bridge)
        assert len(hub.told) == before
