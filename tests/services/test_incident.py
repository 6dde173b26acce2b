"""Incidents as they are driven: opened by alerts, worked on by people, measured and told."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import pytest

from chatelaine.adapters.memory_incidents import MemoryIncidentStore
from chatelaine.core.detection.combine import Combiner, Rules
from chatelaine.core.link import frame
from chatelaine.model.desk import IncidentTold
from chatelaine.model.detection import Family, Finding, Phase, Said, Severity, Sighting
from chatelaine.model.error import IncidentNotFound, StoreConflict, TransitionRefused, UsageError
from chatelaine.model.event import Event, IncidentChanged, IncidentOpened
from chatelaine.model.incident import (
    Batch,
    Found,
    Incident,
    IncidentInput,
    IncidentState,
    VerdictKind,
)
from chatelaine.model.link import FRAME_LIMIT
from chatelaine.model.playbook import (
    Action,
    ActionKind,
    ActionState,
    Outcome,
    Wanted,
)
from chatelaine.model.words import (
    SECOND,
    ActionId,
    AlertId,
    ContextId,
    DetectionId,
    ExchangeId,
    FindingId,
    IncidentId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
    PlaybookId,
)
from chatelaine.services.incident import IncidentKeeper


@dataclass
class Clock:
    """A clock that a test sets."""

    at: int = 1_000

    def now(self) -> Instant:
        return Instant(self.at * SECOND)

    def elapsed(self) -> int:
        return self.at * SECOND


class Contended(MemoryIncidentStore):
    """A store in which somebody else is quicker, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def commit(self, batch: Batch) -> None:
        if batch.incidents and self.times:
            self.times -= 1
            raise StoreConflict("somebody was quicker")
        await super().commit(batch)


@dataclass
class House:
    """A keeper with all that it tells."""

    store: MemoryIncidentStore = field(default_factory=MemoryIncidentStore)
    clock: Clock = field(default_factory=Clock)
    events: list[Event] = field(default_factory=list)
    told: list[tuple[Incident | None, Incident]] = field(default_factory=list)
    alarmed: frozenset[KeyId] = frozenset()
    past: list[Sighting] = field(default_factory=list)
    combiner: Combiner = field(default_factory=lambda: Combiner(Rules()))

    @property
    def keeper(self) -> IncidentKeeper:
        def since(key: KeyId, at: Instant) -> Iterable[Sighting]:
            return [one for one in self.past if one.key == key and one.at >= at]

        def alarm(keys: frozenset[KeyId]) -> None:
            self.alarmed = keys

        return IncidentKeeper(
            store=self.store,
            clock=self.clock,
            record=self.events.append,
            notify=lambda before, after: self.told.append((before, after)),
            day_left=lambda _: None,
            past=since,
            alarm=alarm,
        )

    def take(self, *findings: Finding, sightings: tuple[Sighting, ...] = ()) -> Found:
        found = self.combiner.gather(findings, sightings)
        asyncio.run(self.keeper.take(found))
        return found

    def only(self) -> Incident:
        (one,) = asyncio.run(self.store.incidents())
        return one


def finding(name: str, at: int = 1, *, family: Family = Family.NETWORK, **fields: object) -> Finding:
    one = Finding(
        id=FindingId(name),
        detection=DetectionId(f"key_{family.value}"),
        version=1,
        at=Instant(at * SECOND),
        exchange=ExchangeId(f"x{name}"),
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        context=ContextId("thief"),
        prefix="203.0.113.0/24",
        family=family,
        severity=Severity.MEDIUM,
        certain=False,
        said=Said("seen", "usual", "against"),
    )
    return msgspec.structs.replace(one, **fields)


PAIR = (finding("f1"), finding("f2", 2, family=Family.CLIENT))


def seen(at: int, *, context: str = "thief", **fields: object) -> Sighting:
    one = Sighting(
        at=Instant(at * SECOND),
        phase=Phase.ENDED,
        exchange=ExchangeId(f"s{at}"),
        key=KeyId("k1"),
        context=ContextId(context),
        cost=NanoUsd(100),
    )
    return msgspec.structs.replace(one, **fields)


def opened(house: House) -> IncidentId:
    house.take(*PAIR)
    return house.only().id


def test_an_alert_opens_an_incident_that_is_recorded_and_told_and_alarms_no_gate_by_itself() -> None:
    house = House()
    house.take(*PAIR)
    one = house.only()
    (event,) = house.events
    assert isinstance(event, IncidentOpened)
    assert (event.incident, event.keys, event.findings) == (one.id, ("k1",), ("f1", "f2"))
    assert house.told == [(None, one)]
    assert house.alarmed == frozenset()


def test_findings_without_an_alert_are_stored_and_open_nothing() -> None:
    house = House()
    house.take(PAIR[0])
    assert asyncio.run(house.store.incidents()) == []
    assert asyncio.run(house.store.findings_since(Instant(0))) == [PAIR[0]]
    assert house.events == []


def test_an_alert_names_findings_of_earlier_turns() -> None:
    house = House()
    house.take(PAIR[0])
    house.take(PAIR[1])
    one = house.only()
    assert (one.findings, one.first_at) == (("f1", "f2"), SECOND)


def test_a_turn_that_is_told_again_changes_nothing_and_is_answered_again() -> None:
    house = House()
    found = house.take(*PAIR, sightings=(seen(1), seen(3)))
    before, events = house.only(), list(house.events)
    again = asyncio.run(house.keeper.take(found))
    assert [(alert.id, one.id) for alert, one in again] == [(found.alerts[0].id, before.id)]
    assert house.only() == before
    assert house.events == events


def test_an_alert_of_an_incident_that_was_closed_meanwhile_is_not_answered_again() -> None:
    house = House()
    found = house.take(*PAIR)
    asyncio.run(
        house.keeper.close(house.only().id, verdict=VerdictKind.FALSE_POSITIVE, reason="ours", by="ana")
    )
    assert asyncio.run(house.keeper.take(found)) == []
    assert house.only().state is IncidentState.CLOSED


def test_findings_that_make_no_alert_join_their_incident_without_an_event() -> None:
    house = House()
    house.take(*PAIR)
    house.take(finding("f3", 2_000))
    assert house.only().findings == ("f1", "f2", "f3")
    assert len(house.events) == 1


def test_the_money_counts_from_the_first_finding_and_from_what_was_seen_before_the_alert() -> None:
    house = House()
    house.past = [seen(0), seen(1), seen(2), seen(2, context="shop"), seen(3)]
    house.take(*PAIR, sightings=(seen(3),))
    assert house.only().money.spent == 300
    house.take(sightings=(seen(4), seen(5, context="shop")))
    assert house.only().money.spent == 400


def test_a_client_that_comes_into_the_incident_brings_what_it_spent_before() -> None:
    house = House()
    house.take(*PAIR, sightings=(seen(2),))
    house.past = [seen(2), seen(3, context="second")]
    house.take(finding("f3", 9, certain=True, context=ContextId("second")))
    assert house.only().contexts == ("thief", "second")
    assert house.only().money.spent == 200


def test_two_keys_that_one_client_uses_are_one_incident() -> None:
    house = House()
    house.take(*PAIR)
    house.take(finding("f3", 9, certain=True, key=KeyId("k2")))
    assert house.only().keys == ("k1", "k2")
    assert isinstance(house.events[-1], IncidentChanged)
    assert house.events[-1].given is IncidentInput.SPREAD


def test_a_change_that_meets_another_is_worked_out_anew() -> None:
    house = House(store=Contended(3))
    house.take(*PAIR)
    assert len(house.events) == 1
    name = house.only().id
    assert isinstance(house.store, Contended)
    house.store.times = 3
    asyncio.run(house.keeper.note(name, text="n", by="ana"))
    assert len(house.only().notes) == 1


def test_what_keeps_changing_is_told_as_a_conflict() -> None:
    house = House(store=Contended(99))
    with pytest.raises(StoreConflict, match="keeps changing"):
        house.take(*PAIR)


def test_people_work_on_an_incident_and_each_step_is_recorded() -> None:
    house = House()
    name, keeper = opened(house), house.keeper

    async def work() -> None:
        await keeper.assign(name, to="bo", by="ana")
        await keeper.note(name, text="asked the owner", by="bo")
        await keeper.verdict(name, VerdictKind.TRUE_POSITIVE, reason="not theirs", by="bo")
        await keeper.close(name, verdict=None, reason="key rotated", by="bo")
        await keeper.reopen(name, reason="it goes on", by="ana")

    asyncio.run(work())
    changes = [event for event in house.events if isinstance(event, IncidentChanged)]
    assert [one.given for one in changes] == ["assign", "note", "verdict", "close", "reopen"]
    assert [one.by for one in changes] == ["ana", "bo", "bo", "bo", "ana"]
    assert changes[2].verdict is VerdictKind.TRUE_POSITIVE
    assert changes[2].reason == "not theirs"
    assert changes[3].reason == "key rotated"
    assert house.only().state is IncidentState.REOPENED


def test_a_closed_incidents_keys_learn_again() -> None:
    house = House()
    name = opened(house)
    asyncio.run(house.keeper.close(name, verdict=VerdictKind.BENIGN_TRUE_POSITIVE, reason="ours", by="ana"))
    assert house.alarmed == frozenset()
    assert asyncio.run(house.keeper.live()) == []


def test_closing_without_any_verdict_is_refused() -> None:
    house = House()
    name = opened(house)
    with pytest.raises(UsageError, match="no verdict yet"):
        asyncio.run(house.keeper.close(name, verdict=None, reason="done", by="ana"))


def test_a_merged_incidents_name_leads_to_the_one_that_goes_on() -> None:
    house = House()
    house.take(*PAIR)
    first = house.only().id
    house.take(finding("f3", 5, certain=True, key=KeyId("k2"), context=ContextId("second")))
    house.take(finding("f4", 6, certain=True, key=KeyId("k2")))
    (gone,) = [one for one in asyncio.run(house.store.incidents()) if one.merged_into]
    assert gone.merged_into == first
    noted = asyncio.run(house.keeper.note(gone.id, text="n", by="ana"))
    assert noted.id == first


@pytest.mark.parametrize("name", ["inc_nothing", "", "ünicode", "x" * 10_000])
def test_an_incident_that_is_not_there_is_named_with_the_way_out(name: str) -> None:
    with pytest.raises(IncidentNotFound, match="incidents list"):
        asyncio.run(House().keeper.show(IncidentId(name)))


@pytest.mark.parametrize(
    ("reason", "by", "said"),
    [("", "ana", "reason is missing"), ("r", " ", "by is missing"), ("\ud800", "ana", "not text")],
)
def test_a_verdict_of_nobody_or_without_a_reason_is_refused(reason: str, by: str, said: str) -> None:
    house = House()
    name = opened(house)
    with pytest.raises(UsageError, match=said):
        asyncio.run(house.keeper.verdict(name, VerdictKind.TRUE_POSITIVE, reason=reason, by=by))


def test_a_step_that_the_life_cycle_does_not_allow_is_refused_and_stores_nothing() -> None:
    house = House()
    name = opened(house)
    with pytest.raises(TransitionRefused):
        asyncio.run(house.keeper.reopen(name, reason="r", by="ana"))
    assert house.only().state is IncidentState.OPEN


def action(incident: IncidentId, state: ActionState) -> Action:
    return Action(
        id=ActionId("act_000000000001"),
        incident=incident,
        alert=AlertId("a1"),
        playbook=PlaybookId("contain_client"),
        owner=OwnerId("acme"),
        wanted=Wanted(kind=ActionKind.RESTRAIN, key=KeyId("k1")),
        state=state,
        planned_at=Instant(1),
        changed_at=Instant(5_000 * SECOND),
        outcome=Outcome(Instant(5), well=True, text="held"),
    )


def test_an_action_contains_its_incident_and_its_end_lifts_it() -> None:
    house = House()
    name, keeper = opened(house), house.keeper
    asyncio.run(keeper.note_action(action(name, ActionState.RUNNING)))
    assert house.only().state is IncidentState.CONTAINED
    asyncio.run(keeper.note_action(action(name, ActionState.EXPIRED)))
    assert house.only().state is IncidentState.WORKING
    assert [e.given for e in house.events if isinstance(e, IncidentChanged)] == ["contain", "lift"]


def test_the_story_holds_findings_alerts_and_what_people_did() -> None:
    house = House()
    name = opened(house)
    asyncio.run(house.keeper.note(name, text="asked", by="ana"))
    story = asyncio.run(house.keeper.show(name))
    assert [one.id for one in story.findings] == ["f1", "f2"]
    assert len(story.alerts) == 1
    assert [one.kind for one in story.timeline] == ["finding", "finding", "alert", "note"]


def test_the_fullest_story_that_there_can_be_fits_one_frame() -> None:
    long = "€" * 400
    said = Said(long, long, long, facts=tuple((f"{n}{long}"[:120], long[:120]) for n in range(16)))
    house = House()
    house.take(*(msgspec.structs.replace(one, said=said) for one in PAIR))
    for n in range(1_200):
        house.take(finding(f"n{n:04}", 3, detection=DetectionId(f"key_{n}"), said=said))
    name = house.only().id
    acted = action(name, ActionState.DONE)
    many = tuple((None, msgspec.structs.replace(acted, id=ActionId(f"act_{n}"))) for n in range(1_200))
    asyncio.run(house.store.commit(Batch(actions=many)))
    for _ in range(200):
        asyncio.run(house.keeper.note(name, text="€" * 2_000, by="ana"))
    story = asyncio.run(house.keeper.show(name))
    assert (story.incident.found, len(story.findings), len(story.actions)) == (1_202, 300, 300)
    assert [story.findings[0].id, story.findings[-1].id] == ["f1", "n1199"]
    assert len(frame(IncidentTold(story))) < FRAME_LIMIT


def test_detections_are_measured_by_what_people_said() -> None:
    house = House()
    name = opened(house)
    asyncio.run(house.keeper.verdict(name, VerdictKind.FALSE_POSITIVE, reason="ours", by="ana"))
    told = asyncio.run(house.keeper.records())
    assert {one: record.precision for one, record in told.items()} == {"key_client": 0.0, "key_network": 0.0}
