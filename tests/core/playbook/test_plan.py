"""Plans: which playbooks answer an alert, and what they need not do again."""

import msgspec
import pytest

from chatelaine.core.playbook.plan import (
    Playbook,
    answering,
    covered,
    lane_of,
    make_plan,
    restraint,
    told_already,
)
from chatelaine.core.playbook.trial import try_vector
from chatelaine.core.playbook.work import approved, due, failed, finished
from chatelaine.core.vector import VectorBroken
from chatelaine.model.detection import Alert, Family, Severity
from chatelaine.model.playbook import (
    Action,
    ActionKind,
    ActionState,
    Approval,
    Audience,
    BlastRadius,
    Lane,
    PlaybookCard,
    Situation,
    Wanted,
)
from chatelaine.model.words import (
    SECOND,
    AlertId,
    ContextId,
    IncidentId,
    Instant,
    KeyId,
    OwnerId,
    PlaybookId,
)

NOW = Instant(5_000 * SECOND)


def card(name: str, *, enabled: bool = True) -> PlaybookCard:
    return PlaybookCard(
        id=PlaybookId(name),
        title="t",
        version=1,
        covers=("R02",),
        blast_radius=BlastRadius.CLIENT,
        approval=Approval.AUTOMATIC,
        least_severity=Severity.MEDIUM,
        time_limit_minutes=60,
        max_own_share=0.0,
        reversal="r",
        enabled=enabled,
    )


def refuse(situation: Situation, card: PlaybookCard) -> tuple[Wanted, ...]:
    text = card.title
    return (
        Wanted(kind=ActionKind.RESTRAIN, key=situation.alert.key, contexts=situation.alert.contexts),
        Wanted(kind=ActionKind.NOTIFY, key=situation.alert.key, text=text),
    )


BOOK = Playbook(card("contain_client"), refuse)


def alert(name: str = "a1", *playbooks: str) -> Alert:
    return Alert(
        id=AlertId(name),
        at=NOW,
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        contexts=(ContextId("thief"),),
        severity=Severity.HIGH,
        families=(Family.NETWORK, Family.CLIENT),
        certain=False,
        actionable=True,
        findings=(),
        playbooks=playbooks,
    )


def situation(name: str = "a1") -> Situation:
    return Situation(alert=alert(name), incident=IncidentId("inc_000000000001"))


def actions(state: ActionState = ActionState.RUNNING) -> list[Action]:
    return [msgspec.structs.replace(one, state=state) for one in make_plan(BOOK, situation(), NOW).actions]


def test_the_playbooks_that_are_named_and_switched_on_answer_in_their_order() -> None:
    books = {
        one: Playbook(card(one, enabled=one != "off"), refuse)
        for one in map(PlaybookId, ("contain_client", "observe", "off"))
    }
    found = answering(alert("a1", "observe", "gone", "off", "contain_client"), books)
    assert [one.card.id for one in found] == ["observe", "contain_client"]


def test_a_plan_has_the_same_ids_whenever_it_is_made_and_others_for_another_alert() -> None:
    first, again = make_plan(BOOK, situation(), NOW), make_plan(BOOK, situation(), Instant(NOW + 1))
    assert [one.id for one in first.actions] == [one.id for one in again.actions]
    other = make_plan(BOOK, situation("a2"), NOW)
    ids = {one.id for one in (*first.actions, *other.actions)}
    assert len(ids) == 4
    assert all(len(one) == len("act_") + 12 for one in ids)


def test_every_action_of_a_plan_ends_by_itself() -> None:
    for one in make_plan(BOOK, situation(), NOW).actions:
        assert one.until == NOW + 3600 * SECOND
        assert one.state is ActionState.PLANNED


def test_the_gate_is_told_what_the_playbook_wants() -> None:
    held = restraint(actions()[0])
    assert (held.key, held.lane, held.contexts, held.until) == (
        "k1",
        Lane.REFUSE,
        ("thief",),
        NOW + 3600 * SECOND,
    )
    assert (held.incident, held.prefixes, held.foreign) == ("inc_000000000001", (), False)
    assert lane_of(Wanted(kind=ActionKind.DECOY)) is Lane.DECOY


def wanted(kind: ActionKind = ActionKind.RESTRAIN, **fields: object) -> Wanted:
    return msgspec.convert({"kind": kind, "key": "k1", "contexts": ["thief"], **fields}, Wanted)


@pytest.mark.parametrize(
    ("asked", "done"),
    [
        (wanted(), True),
        (wanted(lane="quarantine"), True),
        (wanted(lane="tarpit"), True),
        (wanted(prefixes=["p1"]), True),
        (wanted(ActionKind.DECOY), True),
        (wanted(ActionKind.STEP_UP), True),
        (wanted(contexts=["thief", "other"]), False),
        (wanted(contexts=[]), False),
        (wanted(key="k2"), False),
        (wanted(ActionKind.REVOKE), False),
        (wanted(ActionKind.SUSPEND), False),
    ],
)
def test_what_is_held_as_strictly_already_is_not_wanted_again(asked: Wanted, *, done: bool) -> None:
    assert covered(asked, actions()) is done


def test_a_softer_lane_does_not_cover_a_harder_one() -> None:
    soft = [msgspec.structs.replace(actions()[0], wanted=wanted(lane="quarantine"))]
    assert not covered(wanted(), soft)
    assert covered(wanted(lane="throttle"), soft)


@pytest.mark.parametrize(
    "state", [ActionState.UNDONE, ActionState.EXPIRED, ActionState.FAILED, ActionState.VETOED]
)
def test_what_is_over_covers_nothing(state: ActionState) -> None:
    assert not covered(wanted(), actions(state))


def test_people_are_told_once_of_an_alert() -> None:
    (_, message), other = actions(ActionState.DONE), make_plan(BOOK, situation("a2"), NOW).actions[1]
    assert told_already(message, [message])
    assert not told_already(other, [message])
    owner = msgspec.structs.replace(
        message, wanted=msgspec.structs.replace(message.wanted, audience=Audience.OWNER)
    )
    assert not told_already(owner, [message])
    assert not told_already(actions()[0], [message])


def test_the_time_limit_begins_anew_when_a_person_approves() -> None:
    waiting = actions(ActionState.AWAITING_APPROVAL)[0]
    running = approved(waiting, at=Instant(NOW + 50 * SECOND), by="ana", reason="r")
    assert running.until == NOW + 3650 * SECOND
    assert due([running], Instant(NOW + 3650 * SECOND)) == [running]
    assert due([running], Instant(NOW + 3649 * SECOND)) == []


def test_an_outcome_says_how_it_went() -> None:
    running = actions()[0]
    done, broken = finished(running, "told", at=NOW, by="x"), failed(running, "no", at=NOW, by="x")
    assert (done.state, done.outcome is not None and done.outcome.well) == (ActionState.DONE, True)
    assert (broken.state, broken.outcome is not None and broken.outcome.well) == (ActionState.FAILED, False)


SITUATION = '=== situation\ncontexts = ["thief"]\n'


@pytest.mark.parametrize(
    ("text", "quiet", "said"),
    [
        (SITUATION + '=== plan\n[[action]]\nkind = "restrain"\n', False, "which are 2 and not 1"),
        (
            SITUATION + '=== plan\n[[action]]\nkind = "revoke"\n[[action]]\nkind = "notify"\n',
            False,
            "action 0: kind is 'restrain', not 'revoke'",
        ),
        (SITUATION, True, "it plans: restrain runs"),
    ],
)
def test_a_vector_can_fail_in_every_way(text: str, *, quiet: bool, said: str) -> None:
    assert any(said in one for one in try_vector(BOOK, text, quiet=quiet))


def test_a_playbook_that_plans_nothing_fails_where_it_should() -> None:
    idle = Playbook(BOOK.card, lambda _, __: ())
    assert try_vector(idle, SITUATION, quiet=True) == []
    assert try_vector(idle, SITUATION + "=== plan\n", quiet=False) == ["it plans nothing"]


@pytest.mark.parametrize(
    "text",
    [
        "nothing",
        "=== plan\n",
        "=== situation\ncolour = 1\n",
        '=== situation\nseverity = "dire"\n',
        "=== situation\nkey = [\n",
        SITUATION + "=== past\n[[life]]\n",
    ],
)
def test_a_vector_that_cannot_be_read_is_broken(text: str) -> None:
    with pytest.raises(VectorBroken):
        try_vector(BOOK, text, quiet=True)
