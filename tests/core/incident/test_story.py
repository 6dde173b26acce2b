"""What an incident costs, what it is judged to be, and how it is told."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.incident import work
from chatelaine.core.incident.timeline import timeline
from chatelaine.core.incident.verdict import judge, records
from chatelaine.model.detection import Alert, Family, Finding, Phase, Said, Severity, Sighting
from chatelaine.model.error import TransitionRefused, UsageError
from chatelaine.model.incident import (
    Incident,
    IncidentState,
    Money,
    RuleRecord,
    TimelineKind,
    Verdict,
    VerdictKind,
)
from chatelaine.model.playbook import (
    Action,
    ActionChange,
    ActionInput,
    ActionKind,
    ActionState,
    Lane,
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

HOUR = 3600 * SECOND
BEGUN = 1_000 * HOUR


def incident(**fields: object) -> Incident:
    one = Incident(
        id=IncidentId("inc_000000000001"),
        state=IncidentState.OPEN,
        severity=Severity.HIGH,
        title="",
        opened_at=Instant(BEGUN),
        updated_at=Instant(BEGUN),
        first_at=Instant(BEGUN),
        keys=(KeyId("k1"),),
        contexts=(ContextId("thief"),),
        detections=(DetectionId("key_new"), DetectionId("use_spike")),
    )
    return msgspec.structs.replace(one, **fields)


def seen(hours: float, *, context: str = "thief", phase: Phase = Phase.ENDED, **fields: object) -> Sighting:
    one = Sighting(
        at=Instant(int(BEGUN + hours * HOUR)),
        phase=phase,
        exchange=ExchangeId("x"),
        key=KeyId("k1"),
        context=ContextId(context),
        cost=NanoUsd(100),
    )
    return msgspec.structs.replace(one, **fields)


def refused(hours: float) -> Sighting:
    return seen(hours, phase=Phase.WHOLE, reason="key_suspended", cost=NanoUsd(0))


def counted(*sightings: Sighting, day_left: int | None = None, held: bool = False) -> Money:
    one = incident(holding=(ActionId("act_1"),) if held else ())
    left = None if day_left is None else NanoUsd(day_left)
    return work.count(one, sightings, (), day_left=left).money


def test_what_the_foreign_client_spent_since_the_first_finding_is_counted() -> None:
    told = counted(seen(-1), seen(1), seen(2), seen(3, context="shop"), seen(4, key=KeyId("k2")))
    assert told.spent == 200


def test_an_opening_counts_only_when_it_has_ended() -> None:
    assert counted(seen(1, phase=Phase.OPENED), seen(2)).spent == 100


def test_a_day_at_its_rate_is_at_risk_where_there_is_no_budget() -> None:
    assert counted(seen(0), seen(12)).at_risk == 400


def test_a_first_burst_is_not_taken_for_a_whole_day_of_it() -> None:
    assert counted(seen(0), seen(0.001)).at_risk == 24 * 200


def test_what_is_left_of_the_days_budget_is_at_risk_where_there_is_one() -> None:
    assert counted(seen(0), seen(12), day_left=33).at_risk == 33


def test_nothing_is_at_risk_while_the_client_is_held_back() -> None:
    assert counted(seen(0), seen(12), held=True).at_risk == 0


def test_refused_requests_avoid_what_served_ones_cost_on_the_mean() -> None:
    told = counted(seen(0), seen(1, cost=NanoUsd(300)), refused(2), refused(3))
    assert told.avoided == 2 * 200


def test_without_a_served_request_nobody_can_tell_what_was_avoided() -> None:
    assert counted(refused(1)) == Money()


def test_a_turn_that_is_told_again_is_not_counted_again() -> None:
    turn = [seen(1), refused(2)]
    once = work.count(incident(), turn, (), day_left=None)
    assert work.count(once, turn, (), day_left=None) == once


@given(st.lists(st.tuples(st.integers(-5, 50), st.booleans()), max_size=20), st.integers(0, 20))
def test_turns_may_be_cut_anywhere(told: list[tuple[int, bool]], cut: int) -> None:
    turn = [refused(h + n / 100) if no else seen(h + n / 100) for n, (h, no) in enumerate(sorted(told))]
    whole = work.count(incident(), turn, (), day_left=None)
    parts = work.count(work.count(incident(), turn[:cut], (), day_left=None), turn[cut:], (), day_left=None)
    assert parts.money == whole.money
    assert parts.money.spent >= 0


def action(state: ActionState = ActionState.RUNNING, **wanted: object) -> Action:
    asked: dict[str, object] = {"kind": ActionKind.RESTRAIN, "key": KeyId("k1"), **wanted}
    return Action(
        id=ActionId("act_000000000001"),
        incident=IncidentId("inc_000000000001"),
        alert=AlertId("a1"),
        playbook=PlaybookId("contain_client"),
        owner=OwnerId("acme"),
        wanted=msgspec.convert(asked, Wanted),
        state=state,
        planned_at=Instant(BEGUN),
        changed_at=Instant(BEGUN + 5),
        outcome=Outcome(Instant(BEGUN + 5), well=True, text="done"),
        changes=(
            ActionChange(
                Instant(BEGUN + 5),
                ActionInput.START,
                ActionState.REHEARSED,
                ActionState.RUNNING,
                "chatelaine",
                "the rehearsal speaks for it",
            ),
        ),
    )


def test_an_action_that_holds_the_client_back_contains_the_incident_until_it_ends() -> None:
    held = work.with_action(incident(), action(), by="chatelaine")
    assert (held.state, held.holding) == (IncidentState.CONTAINED, ("act_000000000001",))
    lifted = work.with_action(held, action(ActionState.UNDONE), by="ana")
    assert (lifted.state, lifted.holding) == (IncidentState.WORKING, ())
    assert lifted.actions == ("act_000000000001",)


def test_an_incident_that_spread_is_contained_again_by_the_action_that_holds_the_new_client() -> None:
    held = work.with_action(incident(), action(), by="x")
    spread = msgspec.structs.replace(held, state=IncidentState.OPEN)
    other = msgspec.structs.replace(action(), id=ActionId("act_000000000002"))
    assert work.with_action(spread, action(), by="x").state is IncidentState.OPEN
    assert work.with_action(spread, other, by="x").state is IncidentState.CONTAINED


def test_the_last_action_that_ends_lifts_the_incident_and_not_the_first() -> None:
    other = msgspec.structs.replace(action(), id=ActionId("act_000000000002"))
    held = work.with_action(work.with_action(incident(), action(), by="x"), other, by="x")
    ended = work.with_action(held, action(ActionState.EXPIRED), by="clock")
    assert ended.state is IncidentState.CONTAINED


def test_an_incident_that_spread_is_contained_again_by_what_holds_the_new_client_too() -> None:
    spread = incident(holding=(action().id,), actions=(action().id,))
    other = msgspec.structs.replace(action(), id=ActionId("act_000000000002"))
    held = work.with_action(spread, other, by="x")
    assert held.state is IncidentState.CONTAINED
    assert held.holding == (action().id, other.id)
    told = msgspec.structs.replace(action(kind=ActionKind.NOTIFY), id=ActionId("act_000000000003"))
    assert work.with_action(spread, told, by="x").state is IncidentState.OPEN


@pytest.mark.parametrize(
    ("asked", "contains"),
    [
        (action(lane=Lane.QUARANTINE), True),
        (action(lane=Lane.THROTTLE), False),
        (action(lane=Lane.TARPIT), False),
        (action(kind=ActionKind.SUSPEND), True),
        (action(kind=ActionKind.STEP_UP), True),
        (action(kind=ActionKind.DECOY), True),
        (action(kind=ActionKind.NOTIFY), False),
        (action(ActionState.AWAITING_APPROVAL), False),
        (action(ActionState.DONE, kind=ActionKind.REVOKE), True),
        (action(ActionState.DONE, kind=ActionKind.ROTATE), False),
    ],
)
def test_what_slows_or_tells_contains_nothing(asked: Action, *, contains: bool) -> None:
    assert (work.with_action(incident(), asked, by="x").state is IncidentState.CONTAINED) is contains


def test_an_action_that_is_not_in_force_yet_contains_nothing() -> None:
    starting = msgspec.structs.replace(action(), outcome=None)
    assert work.with_action(incident(), starting, by="x").state is IncidentState.OPEN


def test_actions_may_end_after_their_incident() -> None:
    for state in (IncidentState.CLOSED, IncidentState.MERGED):
        held = incident(state=state, holding=(action().id,), actions=(action().id,))
        assert work.with_action(held, action(ActionState.EXPIRED), by="clock").state is state


def verdict(kind: VerdictKind = VerdictKind.TRUE_POSITIVE, *, by: str = "ana", reason: str = "r") -> Verdict:
    return Verdict(kind, reason, by, Instant(BEGUN + 9))


def test_a_verdict_is_a_humans_with_a_reason() -> None:
    assert judge(incident(), verdict()).verdicts == (verdict(),)
    with pytest.raises(UsageError, match="somebody who gives it"):
        judge(incident(), verdict(by=" "))
    with pytest.raises(UsageError, match="reason"):
        judge(incident(), verdict(reason=""))


def test_an_incident_is_closed_with_a_verdict_only() -> None:
    with pytest.raises(UsageError, match="no verdict yet"):
        work.close(incident(), at=Instant(BEGUN), by="ana", reason="done")
    closed = work.close(judge(incident(), verdict()), at=Instant(BEGUN), by="ana", reason="done")
    assert closed.state is IncidentState.CLOSED
    with pytest.raises(TransitionRefused):
        work.close(closed, at=Instant(BEGUN), by="ana", reason="again")
    assert work.reopen(closed, at=Instant(BEGUN), by="ana", reason="r").state is IncidentState.REOPENED


def test_somebody_is_named_to_work_on_an_incident() -> None:
    one = work.assign(incident(), "bo", at=Instant(BEGUN), by="ana")
    assert (one.state, one.assignee) == (IncidentState.WORKING, "bo")
    with pytest.raises(UsageError):
        work.assign(incident(), " ", at=Instant(BEGUN), by="ana")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 2_001])
def test_a_note_that_is_empty_or_endless_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="1 to 2000"):
        work.note(incident(), text, at=Instant(BEGUN), by="ana")


def test_notes_have_a_bound() -> None:
    full = incident(notes=work.note(incident(), "n", at=Instant(1), by="ana").notes * 200)
    with pytest.raises(UsageError, match="200 notes"):
        work.note(full, "one more", at=Instant(BEGUN), by="ana")


def test_a_detection_is_measured_by_the_last_verdict_of_each_incident() -> None:
    changed_mind = judge(judge(incident(), verdict(VerdictKind.FALSE_POSITIVE)), verdict())
    benign = judge(incident(detections=(DetectionId("key_new"),)), verdict(VerdictKind.BENIGN_TRUE_POSITIVE))
    wrong = judge(incident(), verdict(VerdictKind.FALSE_POSITIVE))
    merged = msgspec.structs.replace(wrong, state=IncidentState.MERGED)
    told = records([changed_mind, benign, wrong, merged, incident()])
    assert told == {
        "key_new": RuleRecord(DetectionId("key_new"), 1, 1, 1),
        "use_spike": RuleRecord(DetectionId("use_spike"), 1, 1, 0),
    }
    assert told[DetectionId("key_new")].precision == 0.5
    assert RuleRecord(DetectionId("x"), benign=3).precision is None


def test_a_story_is_told_in_order_of_time_and_each_fact_once() -> None:
    found = Finding(
        id=FindingId("f1"),
        detection=DetectionId("key_new"),
        version=1,
        at=Instant(BEGUN),
        exchange=ExchangeId("x1"),
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        context=ContextId("thief"),
        prefix="p",
        family=Family.NETWORK,
        severity=Severity.MEDIUM,
        certain=False,
        said=Said("a new network", "usual", "against"),
    )
    alert = Alert(
        id=AlertId("a1"),
        at=Instant(BEGUN),
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        contexts=(ContextId("thief"),),
        severity=Severity.HIGH,
        families=(Family.NETWORK, Family.CLIENT),
        certain=False,
        actionable=True,
        findings=(FindingId("f1"),),
        playbooks=(),
    )
    one = work.note(incident(), "asked the owner", at=Instant(BEGUN + 7), by="ana")
    one = judge(one, verdict(reason="not theirs"))
    told = timeline(one, [found, found], [alert], [action()])
    assert [entry.kind for entry in told] == [
        TimelineKind.FINDING,
        TimelineKind.ALERT,
        TimelineKind.ACTION,
        TimelineKind.NOTE,
        TimelineKind.CHANGE,
        TimelineKind.VERDICT,
    ]
    assert told[0].exchange == "x1"
    assert told[0].by == "key_new"
    assert told[1].text == "high: 2 families agree (network, client)"
    assert told[2].text == "contain_client: restrain is running: the rehearsal speaks for it"
    assert told[-1].text == "true_positive: not theirs"
