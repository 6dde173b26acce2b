"""What every store of incidents must do."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from chatelaine.adapters.memory_incidents import MemoryIncidentStore
from chatelaine.adapters.sqlite import SqliteIncidentStore, open_incident_store
from chatelaine.model.detection import Alert, Family, Finding, Said, Severity
from chatelaine.model.error import StoreConflict
from chatelaine.model.incident import (
    Batch,
    Change,
    Incident,
    IncidentInput,
    IncidentState,
    Money,
    Note,
    Reckoning,
    Verdict,
    VerdictKind,
)
from chatelaine.model.playbook import (
    Action,
    ActionChange,
    ActionInput,
    ActionKind,
    ActionState,
    Audience,
    Lane,
    Outcome,
    Rehearsal,
    Wanted,
)
from chatelaine.model.words import (
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

Store = MemoryIncidentStore | SqliteIncidentStore


def finding(name: str, at: int = 1, key: str = "k1") -> Finding:
    return Finding(
        id=FindingId(name),
        detection=DetectionId("key_new"),
        version=3,
        at=Instant(at),
        exchange=ExchangeId("x1"),
        key=KeyId(key),
        owner=OwnerId("acme"),
        context=ContextId("c1"),
        prefix="203.0.113.0/24",
        family=Family.NETWORK,
        severity=Severity.HIGH,
        certain=True,
        said=Said("seen; DROP TABLE finding --", "\x00 and 😀", "against", Severity.LOW, -1.5, (("a", "b"),)),
    )


def alert(name: str, at: int = 1) -> Alert:
    return Alert(
        id=AlertId(name),
        at=Instant(at),
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        contexts=(ContextId("c1"),),
        severity=Severity.CRITICAL,
        families=(Family.NETWORK, Family.CONTENT),
        certain=True,
        actionable=True,
        findings=(FindingId("f1"),),
        playbooks=("observe",),
    )


def incident(name: str = "inc_1", at: int = 1, **fields: object) -> Incident:
    one = Incident(
        id=IncidentId(name),
        state=IncidentState.OPEN,
        severity=Severity.HIGH,
        title="t",
        opened_at=Instant(at),
        updated_at=Instant(at),
        first_at=Instant(at),
    )
    return msgspec.structs.replace(one, **fields)


def action(name: str = "act_1", **fields: object) -> Action:
    one = Action(
        id=ActionId(name),
        incident=IncidentId("inc_1"),
        alert=AlertId("a1"),
        playbook=PlaybookId("contain_client"),
        owner=OwnerId("acme"),
        wanted=Wanted(kind=ActionKind.RESTRAIN),
        state=ActionState.PLANNED,
        planned_at=Instant(1),
        changed_at=Instant(1),
    )
    return msgspec.structs.replace(one, **fields)


FULL_INCIDENT = incident(
    keys=(KeyId("k1"), KeyId("Ätna")),
    owners=(OwnerId("acme"),),
    contexts=(ContextId("c1"),),
    prefixes=("p",),
    families=(Family.NETWORK, Family.CONTENT),
    detections=(DetectionId("key_new"),),
    alerts=(AlertId("a1"),),
    findings=(FindingId("f1"),),
    found=7,
    actions=(ActionId("act_1"),),
    holding=(ActionId("act_1"),),
    money=Money(NanoUsd(1), NanoUsd(2**60), NanoUsd(3)),
    reckoning=Reckoning(1, 2, NanoUsd(3), Instant(4), Instant(5), Instant(6)),
    verdicts=(Verdict(VerdictKind.BENIGN_TRUE_POSITIVE, "line\nbreak", "ana", Instant(9)),),
    notes=(Note(Instant(2), "ana", "😀 \x00"),),
    changes=(Change(Instant(3), IncidentInput.CLOSE, IncidentState.OPEN, IncidentState.CLOSED, "ana", "r"),),
    assignee="bo",
    merged_into=IncidentId("inc_9"),
    absorbed=(IncidentId("inc_8"),),
)
FULL_ACTION = action(
    state=ActionState.VETOED,
    until=Instant(99),
    wanted=Wanted(
        kind=ActionKind.STEP_UP,
        key=KeyId("k1"),
        lane=Lane.DECOY,
        contexts=(ContextId("c1"),),
        prefixes=("p",),
        foreign=True,
        requests_per_minute=1,
        delay_ms=2,
        overlap_minutes=3,
        audience=Audience.OWNER,
        text="t",
    ),
    rehearsal=Rehearsal(30, 1, 2, 3, 4, 5, 6, (ExchangeId("x1"),)),
    outcome=Outcome(Instant(8), well=False, text="no"),
    changes=(
        ActionChange(Instant(3), ActionInput.VETO, ActionState.REHEARSED, ActionState.VETOED, "ana", "r"),
    ),
)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryIncidentStore()
        return
    opened = open_incident_store(tmp_path / "incidents.db")
    yield opened
    opened.close()


def test_a_new_store_holds_nothing(store: Store) -> None:
    async def check() -> None:
        assert not await store.incidents()
        assert not await store.actions()
        assert not await store.findings([FindingId("f1")])
        assert not await store.findings_since(Instant(0))
        assert not await store.alerts([AlertId("a1")])
        assert await store.incident(IncidentId("inc_1")) is None
        assert await store.action(ActionId("act_1")) is None

    asyncio.run(check())


def test_every_field_comes_back(store: Store) -> None:
    batch = Batch(
        findings=(finding("f1"),),
        alerts=(alert("a1"),),
        incidents=((None, FULL_INCIDENT),),
        actions=((None, FULL_ACTION),),
    )

    async def check() -> None:
        await store.commit(batch)
        assert await store.findings([FindingId("f1")]) == [finding("f1")]
        assert await store.alerts([AlertId("a1")]) == [alert("a1")]
        assert await store.incident(FULL_INCIDENT.id) == FULL_INCIDENT
        assert await store.action(FULL_ACTION.id) == FULL_ACTION

    asyncio.run(check())


def test_a_finding_or_an_alert_that_is_held_is_passed_over(store: Store) -> None:
    async def check() -> None:
        await store.commit(Batch(findings=(finding("f1"),), alerts=(alert("a1"),)))
        await store.commit(
            Batch(
                findings=(finding("f1", 99), finding("f2", 2)),
                alerts=(alert("a1", 99), alert("a2", 2)),
            )
        )
        assert await store.findings_since(Instant(0)) == [finding("f1"), finding("f2", 2)]
        assert await store.alerts([AlertId("a2"), AlertId("a1")]) == [alert("a1"), alert("a2", 2)]

    asyncio.run(check())


def test_an_incident_is_replaced_where_it_is_as_it_was_read(store: Store) -> None:
    before = incident()
    after = incident(state=IncidentState.WORKING, updated_at=Instant(5))

    async def check() -> None:
        await store.commit(Batch(incidents=((None, before),)))
        await store.commit(Batch(incidents=((before, after),)))
        assert await store.incident(before.id) == after
        with pytest.raises(StoreConflict, match="changed meanwhile"):
            await store.commit(Batch(incidents=((before, incident(title="x")),)))
        with pytest.raises(StoreConflict, match="exists"):
            await store.commit(Batch(incidents=((None, before),)))
        assert await store.incident(before.id) == after

    asyncio.run(check())


def test_what_is_not_there_cannot_be_replaced(store: Store) -> None:
    with pytest.raises(StoreConflict):
        asyncio.run(store.commit(Batch(incidents=((incident(), incident(title="x")),))))
    with pytest.raises(StoreConflict):
        asyncio.run(store.commit(Batch(actions=((action(), action(state=ActionState.DONE)),))))


def test_what_conflicts_stores_nothing_at_all(store: Store) -> None:
    async def check() -> None:
        await store.commit(Batch(actions=((None, action()),)))
        with pytest.raises(StoreConflict):
            await store.commit(
                Batch(
                    findings=(finding("f1"),),
                    alerts=(alert("a1"),),
                    incidents=((None, incident()),),
                    actions=((None, action("act_2")), (None, action())),
                )
            )
        assert not await store.findings_since(Instant(0))
        assert not await store.alerts([AlertId("a1")])
        assert not await store.incidents()
        assert [one.id for one in await store.actions()] == ["act_1"]

    asyncio.run(check())


def test_one_incident_may_change_twice_in_a_batch(store: Store) -> None:
    first, second = incident(), incident(title="second")

    async def check() -> None:
        await store.commit(Batch(incidents=((None, first), (first, second))))
        assert await store.incidents() == [second]

    asyncio.run(check())


def test_incidents_are_listed_by_state_what_changed_last_first(store: Store) -> None:
    held = [
        incident("inc_1", 1),
        incident("inc_2", 3, state=IncidentState.CLOSED),
        incident("inc_3", 2),
        incident("inc_4", 3),
    ]

    async def names(*states: IncidentState, limit: int | None = None) -> list[str]:
        return [one.id for one in await store.incidents(states, limit=limit)]

    async def check() -> None:
        await store.commit(Batch(incidents=tuple((None, one) for one in held)))
        assert await names() == ["inc_2", "inc_4", "inc_3", "inc_1"]
        assert await names(IncidentState.OPEN) == ["inc_4", "inc_3", "inc_1"]
        assert await names(IncidentState.OPEN, IncidentState.CLOSED, limit=2) == ["inc_2", "inc_4"]
        assert await names(IncidentState.MERGED) == []
        assert await names(limit=0) == []

    asyncio.run(check())


def test_actions_are_listed_by_incident_and_state_in_the_order_of_their_planning(store: Store) -> None:
    held = [
        action("act_9"),
        action("act_1", state=ActionState.RUNNING),
        action("act_5", incident=IncidentId("inc_2"), state=ActionState.RUNNING),
    ]

    async def check() -> None:
        await store.commit(Batch(actions=tuple((None, one) for one in held)))
        await store.commit(Batch(actions=((held[0], action("act_9", state=ActionState.DONE)),)))
        assert [one.id for one in await store.actions()] == ["act_9", "act_1", "act_5"]
        assert [one.id for one in await store.actions(incident=IncidentId("inc_1"))] == ["act_9", "act_1"]
        running = await store.actions(states=(ActionState.RUNNING,))
        assert [one.id for one in running] == ["act_1", "act_5"]
        both = await store.actions(incident=IncidentId("inc_1"), states=(ActionState.RUNNING,))
        assert [one.id for one in both] == ["act_1"]

    asyncio.run(check())


def test_findings_are_found_by_their_instant_and_key_in_order_of_time(store: Store) -> None:
    held = (finding("f3", 3), finding("f1", 1), finding("f2", 2, "k2"))

    async def names(at: int, key: str | None = None) -> list[str]:
        found = await store.findings_since(Instant(at), key=KeyId(key) if key else None)
        return [one.id for one in found]

    async def check() -> None:
        await store.commit(Batch(findings=held))
        assert await names(0) == ["f1", "f2", "f3"]
        assert await names(2) == ["f2", "f3"]
        assert await names(0, "k1") == ["f1", "f3"]
        assert await names(4) == []

    asyncio.run(check())


def test_thousands_of_findings_are_asked_for_at_once(store: Store) -> None:
    held = tuple(finding(f"f{n:05}", n) for n in range(2_500))

    async def check() -> None:
        await store.commit(Batch(findings=held))
        found = await store.findings([one.id for one in reversed(held)])
        assert found == list(held)
        assert await store.findings([FindingId("f00001"), FindingId("f00001"), FindingId("no")]) == [held[1]]

    asyncio.run(check())


def test_of_many_changes_of_one_incident_exactly_one_is_made(store: Store) -> None:
    before = incident()

    async def attempt(number: int) -> bool:
        try:
            await store.commit(Batch(incidents=((before, incident(title=str(number))),)))
        except StoreConflict:
            return False
        return True

    async def check() -> None:
        await store.commit(Batch(incidents=((None, before),)))
        assert sum(await asyncio.gather(*map(attempt, range(40)))) == 1

    asyncio.run(check())
