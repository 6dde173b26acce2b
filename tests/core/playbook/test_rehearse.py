"""Rehearsals: what an action would have done to an owner's past, and what follows from it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.playbook.plan import judge
from chatelaine.core.playbook.rehearse import Rehearsing, objection, rehearse
from chatelaine.core.playbook.work import rehearsed
from chatelaine.model.detection import Alert, Family, Phase, Severity, Sighting
from chatelaine.model.exchange import Modality
from chatelaine.model.playbook import (
    Action,
    ActionInput,
    ActionKind,
    ActionState,
    Approval,
    BlastRadius,
    Lane,
    PlaybookCard,
    Rehearsal,
    Wanted,
)
from chatelaine.model.words import (
    SECOND,
    ActionId,
    AlertId,
    ContextId,
    ExchangeId,
    IncidentId,
    Instant,
    KeyId,
    OwnerId,
    PlaybookId,
)

OWN = {("k1", "shop"), ("k1", "batch"), ("k2", "shop")}


def known(key: KeyId, context: ContextId) -> bool:
    return (key, context) in OWN


def seen(
    number: int, *, key: str = "k1", context: str = "shop", apart: int = 60, **fields: object
) -> Sighting:
    one = Sighting(
        at=Instant(number * apart * SECOND),
        phase=Phase.OPENED,
        exchange=ExchangeId(f"{key}-{context}-{number}"),
        key=KeyId(key),
        context=ContextId(context),
        prefix=f"net of {context}",
        modalities=(Modality.TEXT,),
    )
    return msgspec.structs.replace(one, **fields)


PAST = [
    *(seen(n) for n in range(10)),
    *(seen(n, context="batch", tools=2) for n in range(10, 15)),
    *(seen(n, context="thief") for n in range(15, 20)),
    *(seen(n, key="k2") for n in range(20, 23)),
]


def wanted(kind: ActionKind = ActionKind.RESTRAIN, **fields: object) -> Wanted:
    return msgspec.convert({"kind": kind, "key": "k1", **fields}, Wanted)


def told(asked: Wanted, past: list[Sighting] = PAST) -> Rehearsal:
    return rehearse(asked, past, known, days=30)


def stopped(asked: Wanted, past: list[Sighting] = PAST) -> tuple[int, int]:
    found = told(asked, past)
    return found.own_stopped, found.foreign_stopped


def test_the_owners_own_are_told_from_all_others() -> None:
    found = told(wanted(contexts=["thief"]))
    assert (found.own, found.foreign, found.days) == (18, 5, 30)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (wanted(contexts=["thief"]), (0, 5)),
        (wanted(contexts=["shop"]), (10, 0)),
        (wanted(prefixes=["net of thief"]), (0, 5)),
        (wanted(contexts=["thief"], prefixes=["net of shop"]), (0, 0)),
        (wanted(foreign=True), (0, 5)),
        (wanted(), (15, 5)),
        (wanted(key="k2"), (3, 0)),
        (wanted(lane="decoy", contexts=["thief"]), (0, 5)),
        (wanted(lane="tarpit", contexts=["shop"], delay_ms=1), (0, 0)),
        (wanted(ActionKind.DECOY), (15, 5)),
        (wanted(ActionKind.STEP_UP, contexts=["thief"]), (0, 5)),
        (wanted(ActionKind.SUSPEND), (15, 5)),
        (wanted(ActionKind.REVOKE), (15, 5)),
        (wanted(ActionKind.ROTATE, overlap_minutes=60), (0, 0)),
        (wanted(ActionKind.NOTIFY), (0, 0)),
    ],
)
def test_what_is_stopped_is_what_matches(asked: Wanted, expected: tuple[int, int]) -> None:
    assert stopped(asked) == expected


def test_the_quarantine_lane_stops_tools_and_all_but_text_and_slows_the_rest() -> None:
    found = told(wanted(lane="quarantine"))
    assert (found.own_stopped, found.own_slowed) == (5, 10)
    picture = [seen(0, modalities=(Modality.TEXT, Modality.IMAGE))]
    assert stopped(wanted(lane="quarantine"), picture) == (1, 0)


def test_a_throttle_stops_what_exceeds_its_rate_in_a_minute() -> None:
    burst = [seen(n, context="thief", apart=1) for n in range(120)]
    found = told(wanted(lane="throttle", contexts=["thief"], requests_per_minute=10), burst)
    assert (found.foreign_stopped, found.foreign_slowed) == (100, 20)


def test_a_tarpit_slows_and_stops_nothing() -> None:
    found = told(wanted(lane="tarpit", contexts=["shop"]))
    assert (found.own_stopped, found.own_slowed) == (0, 10)
    assert found.own_share == pytest.approx(10 / 18)


def test_what_was_refused_or_had_ended_was_not_there_to_be_stopped() -> None:
    past = [
        seen(0, phase=Phase.WHOLE, reason="budget_day"),
        seen(1, phase=Phase.ENDED),
        seen(2, phase=Phase.ADMIN),
    ]
    assert told(wanted(), past) == Rehearsal(30, 0, 0, 0, 0, 0, 0)


def test_a_line_of_a_log_that_holds_the_whole_exchange_counts() -> None:
    assert stopped(wanted(), [seen(0, phase=Phase.WHOLE)]) == (1, 0)


def test_some_of_the_owners_own_exchanges_are_named_and_never_a_thiefs() -> None:
    assert told(wanted()).examples == tuple(f"k1-shop-{n}" for n in range(5))
    assert told(wanted(contexts=["thief"])).examples == ()


def test_without_any_past_nothing_is_stopped_and_no_share_is_told() -> None:
    assert told(wanted(), []).own_share == 0.0


def card(**fields: object) -> PlaybookCard:
    one = PlaybookCard(
        id=PlaybookId("contain_client"),
        title="t",
        version=1,
        covers=("R02",),
        blast_radius=BlastRadius.CLIENT,
        approval=Approval.AUTOMATIC,
        least_severity=Severity.MEDIUM,
        time_limit_minutes=60,
        max_own_share=0.0,
        reversal="r",
    )
    return msgspec.structs.replace(one, **fields)


def alert(**fields: object) -> Alert:
    one = Alert(
        id=AlertId("a1"),
        at=Instant(1),
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        contexts=(ContextId("thief"),),
        severity=Severity.HIGH,
        families=(Family.NETWORK, Family.CLIENT),
        certain=False,
        actionable=True,
        findings=(),
        playbooks=(),
    )
    return msgspec.structs.replace(one, **fields)


def planned(asked: Wanted, past: list[Sighting] = PAST) -> Action:
    one = Action(
        id=ActionId("act_000000000001"),
        incident=IncidentId("inc_000000000001"),
        alert=AlertId("a1"),
        playbook=PlaybookId("contain_client"),
        owner=OwnerId("acme"),
        wanted=asked,
        state=ActionState.PLANNED,
        planned_at=Instant(1),
        changed_at=Instant(1),
    )
    return rehearsed(one, told(asked, past), at=Instant(2), by="x")


THIEF = wanted(contexts=["thief"])


def test_a_rehearsed_action_says_what_it_would_have_done() -> None:
    action = planned(THIEF)
    assert action.state is ActionState.REHEARSED
    assert action.changes[-1].reason == (
        "of 18 of the owner's own exchanges it would have stopped 0, of 5 others 5"
    )


def test_an_action_that_stops_the_thief_alone_runs() -> None:
    assert judge(planned(THIEF), card(), alert())[0] is ActionInput.START


def test_an_action_that_would_have_stopped_too_much_of_the_owners_is_vetoed_with_numbers() -> None:
    given, why = judge(planned(wanted(contexts=["shop"])), card(max_own_share=0.5), alert())
    assert given is ActionInput.VETO
    assert "10" in why
    assert "of 18" in why
    assert "55.56%" in why
    assert judge(planned(wanted(contexts=["shop"])), card(max_own_share=0.56), alert())[0] is (
        ActionInput.START
    )


def test_the_veto_comes_before_a_person_is_asked() -> None:
    own = planned(wanted(contexts=["shop"]))
    assert judge(own, card(approval=Approval.PERSON), alert())[0] is ActionInput.VETO


@pytest.mark.parametrize(
    ("rules", "told_by", "why"),
    [
        ({"approval": Approval.PERSON}, {}, "with a person's approval"),
        ({}, {"actionable": False}, "no two families agree"),
        ({}, {"severity": Severity.LOW}, "only low"),
    ],
)
def test_a_person_is_asked_where_there_is_doubt(
    rules: dict[str, object], told_by: dict[str, object], why: str
) -> None:
    given, reason = judge(planned(THIEF), card(**rules), alert(**told_by))
    assert given is ActionInput.ASK
    assert why in reason


def test_what_reaches_the_whole_key_asks_where_no_past_is_known() -> None:
    blind = planned(wanted(ActionKind.SUSPEND), [])
    assert judge(blind, card(blast_radius=BlastRadius.KEY), alert())[0] is ActionInput.ASK
    assert judge(planned(THIEF, []), card(), alert())[0] is ActionInput.START


def test_people_are_told_whatever_else_waits() -> None:
    message = planned(wanted(ActionKind.NOTIFY))
    assert judge(message, card(approval=Approval.PERSON), alert(actionable=False))[0] is ActionInput.START


def test_what_was_never_rehearsed_is_objected_to_by_nobody_and_asks_for_the_key() -> None:
    bare = msgspec.structs.replace(planned(wanted(ActionKind.SUSPEND)), rehearsal=None)
    assert objection(bare, card()) == ""
    assert judge(bare, card(blast_radius=BlastRadius.KEY), alert())[0] is ActionInput.ASK


sightings = st.lists(
    st.builds(
        seen,
        st.integers(0, 500),
        key=st.sampled_from(["k1", "k2"]),
        context=st.sampled_from(["shop", "batch", "thief", "other"]),
        apart=st.sampled_from([1, 60]),
        phase=st.sampled_from(Phase),
        reason=st.sampled_from(["", "budget_day"]),
        tools=st.integers(0, 2),
    ),
    max_size=40,
)
wishes = st.builds(
    wanted,
    st.sampled_from(ActionKind),
    lane=st.sampled_from([lane.value for lane in Lane]),
    contexts=st.lists(st.sampled_from(["shop", "thief"]), max_size=2),
    foreign=st.booleans(),
    requests_per_minute=st.integers(0, 3),
)


@given(sightings, wishes)
def test_nobody_is_stopped_and_slowed_at_once_and_never_more_than_there_are(
    past: list[Sighting], asked: Wanted
) -> None:
    found = told(asked, past)
    assert found.own_stopped + found.own_slowed <= found.own
    assert found.foreign_stopped + found.foreign_slowed <= found.foreign
    assert found.own + found.foreign <= len(past)
    assert 0.0 <= found.own_share <= 1.0


@given(sightings, wishes)
def test_what_holds_for_foreign_clients_alone_never_reaches_the_owners_own(
    past: list[Sighting], asked: Wanted
) -> None:
    foreign = msgspec.structs.replace(asked, foreign=True)
    if foreign.kind not in {ActionKind.SUSPEND, ActionKind.REVOKE}:
        assert told(foreign, past).own_share == 0.0


@given(sightings, wishes, st.integers(0, 40))
def test_a_past_may_be_taken_in_parts(past: list[Sighting], asked: Wanted, cut: int) -> None:
    rehearsing = Rehearsing(asked, known)
    for one in past[:cut]:
        rehearsing.see(one)
    for one in past[cut:]:
        rehearsing.see(one)
    assert rehearsing.told(days=30) == told(asked, past)


@given(sightings)
def test_refusing_a_client_stops_at_least_what_every_softer_lane_does(past: list[Sighting]) -> None:
    hard = told(wanted(contexts=["thief"]), past)
    for lane in (Lane.QUARANTINE, Lane.THROTTLE, Lane.TARPIT):
        soft = told(wanted(contexts=["thief"], lane=lane.value, requests_per_minute=1), past)
        assert soft.foreign_stopped <= hard.foreign_stopped
        assert soft.foreign_stopped + soft.foreign_slowed == hard.foreign_stopped
