"""Playbooks as they are driven: rehearsed, approved, carried out, failed, taken back, and over."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec
import pytest

from chatelaine.adapters.memory_incidents import MemoryIncidentStore
from chatelaine.core.playbook.past import Spent
from chatelaine.core.playbook.plan import Playbook
from chatelaine.model.detection import Alert, Family, Phase, Severity, Sighting
from chatelaine.model.error import ChatelaineError, TransitionRefused, UsageError
from chatelaine.model.event import ActionTaken, Event
from chatelaine.model.incident import Batch
from chatelaine.model.playbook import (
    Action,
    ActionKind,
    ActionState,
    Approval,
    BlastRadius,
    Lane,
    PlaybookCard,
    Restraint,
    Situation,
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
from chatelaine.services.playbook import Hands, Responder

S = ActionState


@dataclass
class Clock:
    """A clock that a test sets."""

    at: int = 1_000

    def now(self) -> Instant:
        return Instant(self.at * SECOND)

    def elapsed(self) -> int:
        return self.at * SECOND


def book(name: str, *wanted: Wanted, **fields: object) -> Playbook:
    card = PlaybookCard(
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
    )
    return Playbook(msgspec.structs.replace(card, **fields), lambda _, __: wanted)


K1 = KeyId("k1")
THIEF = (ContextId("thief"),)
REFUSE = Wanted(kind=ActionKind.RESTRAIN, key=K1, contexts=THIEF)
TELL = Wanted(kind=ActionKind.NOTIFY, key=K1, text="look")
SUSPEND = Wanted(kind=ActionKind.SUSPEND, key=K1)
ROTATE = Wanted(kind=ActionKind.ROTATE, key=K1, overlap_minutes=60)
REVOKE = Wanted(kind=ActionKind.REVOKE, key=K1)
PERSON = {"approval": Approval.PERSON, "max_own_share": 1.0}
BOOKS = (
    book("contain_client", REFUSE, TELL),
    book("quarantine", Wanted(kind=ActionKind.RESTRAIN, key=K1, contexts=THIEF, lane=Lane.QUARANTINE)),
    book("own", Wanted(kind=ActionKind.RESTRAIN, key=K1, contexts=(ContextId("shop"),))),
    book("tell", TELL),
    book("suspend", SUSPEND, **PERSON),
    book("rotate", ROTATE, **PERSON),
    book("revoke", REVOKE, **PERSON),
)


@dataclass
class House:
    """A responder with all that it does and tells."""

    store: MemoryIncidentStore = field(default_factory=MemoryIncidentStore)
    clock: Clock = field(default_factory=Clock)
    done: list[tuple[str, ...]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    changed: list[Action] = field(default_factory=list)
    broken: str = ""

    @property
    def responder(self) -> Responder:
        async def do(*what: str) -> None:
            if self.broken == what[0]:
                raise ChatelaineError("the gate does not answer")
            self.done.append(what)

        async def restrain(one: Restraint) -> None:
            await do("restrain", one.id, one.lane)

        async def rotate(key: KeyId, overlap: timedelta, _: str) -> str:
            await do("rotate", key, str(overlap))
            return "the successor waits for its owner"

        async def notify(action: Action) -> None:
            await do("notify", action.wanted.text)

        async def past(owner: OwnerId, days: int) -> Iterable[Spent]:
            assert (owner, days) == ("acme", 30)
            seen = Sighting(Instant(1), Phase.OPENED, ExchangeId("x"), key=K1, context=ContextId("shop"))
            return [Spent(seen, 2)] * 2_500

        async def note(action: Action) -> None:
            self.changed.append(action)

        return Responder(
            store=self.store,
            clock=self.clock,
            record=self.events.append,
            playbooks={one.card.id: one for one in BOOKS},
            hands=Hands(
                restrain=restrain,
                lift=lambda name: do("lift", name),
                suspend=lambda key, _: do("suspend", key),
                resume=lambda key, _: do("resume", key),
                revoke=lambda key, _: do("revoke", key),
                rotate=rotate,
                notify=notify,
            ),
            past=past,
            known=lambda _, context: context == "shop",
            changed=note,
        )

    def answer(self, *playbooks: str, **fields: object) -> list[Action]:
        return list(asyncio.run(self.responder.answer(situation(*playbooks, **fields))))

    def states(self) -> list[str]:
        return [one.state.value for one in asyncio.run(self.store.actions())]

    def one(self) -> Action:
        (action,) = asyncio.run(self.store.actions())
        return action


def situation(*playbooks: str, **fields: object) -> Situation:
    alert = Alert(
        id=AlertId("a1"),
        at=Instant(1),
        key=K1,
        owner=OwnerId("acme"),
        contexts=THIEF,
        severity=Severity.HIGH,
        families=(Family.NETWORK, Family.CLIENT),
        certain=False,
        actionable=True,
        findings=(),
        playbooks=playbooks,
    )
    return Situation(alert=msgspec.structs.replace(alert, **fields), incident=IncidentId("inc_000000000001"))


def test_an_alert_is_answered_within_one_call_and_every_step_is_recorded() -> None:
    house = House()
    held, told = house.answer("contain_client")
    assert (held.state, told.state) == (S.RUNNING, S.DONE)
    assert house.done == [("restrain", held.id, "refuse"), ("notify", "look")]
    steps = [(e.action, e.before, e.after) for e in house.events if isinstance(e, ActionTaken)]
    assert steps == [
        (held.id, S.PLANNED, S.REHEARSED),
        (held.id, S.REHEARSED, S.RUNNING),
        (told.id, S.PLANNED, S.REHEARSED),
        (told.id, S.REHEARSED, S.RUNNING),
        (told.id, S.RUNNING, S.DONE),
    ]


def test_the_rehearsal_is_stored_with_the_action_and_stands_in_the_record() -> None:
    house = House()
    held, _ = house.answer("contain_client")
    assert held.rehearsal is not None
    assert (held.rehearsal.own, held.rehearsal.own_stopped) == (5_000, 0)
    event = house.events[0]
    assert isinstance(event, ActionTaken)
    assert (event.own, event.own_stopped) == (5_000, 0)


def test_what_would_have_stopped_the_owner_is_vetoed_and_nothing_is_done() -> None:
    house = House()
    (vetoed,) = house.answer("own")
    assert vetoed.state is S.VETOED
    assert house.done == []
    assert "5000" in vetoed.changes[-1].reason


def test_the_same_alert_is_not_answered_twice() -> None:
    house = House()
    house.answer("contain_client", "tell")
    before = list(house.done)
    assert house.answer("contain_client", "tell") == []
    assert house.done == before


def test_people_are_told_once_of_an_alert_however_many_playbooks_tell() -> None:
    house = House()
    house.answer("contain_client", "tell")
    assert [what for what in house.done if what[0] == "notify"] == [("notify", "look")]


def test_what_is_held_already_is_not_held_again_for_another_alert() -> None:
    house = House()
    house.answer("contain_client")
    assert house.answer("quarantine", id=AlertId("a2")) == []


def test_what_a_person_must_approve_waits_and_then_runs() -> None:
    house = House()
    (waiting,) = house.answer("revoke")
    assert waiting.state is S.AWAITING_APPROVAL
    assert house.done == []
    done = asyncio.run(house.responder.approve(waiting.id, by="ana", reason="stolen"))
    assert done.state is S.DONE
    assert done.outcome is not None
    assert done.outcome.well
    assert house.done == [("revoke", "k1")]
    assert [one.by for one in done.changes] == ["chatelaine", "chatelaine", "ana", "chatelaine"]


def test_a_rotation_says_how_the_successor_reaches_its_owner() -> None:
    house = House()
    (waiting,) = house.answer("rotate")
    done = asyncio.run(house.responder.approve(waiting.id, by="ana", reason=""))
    assert done.outcome is not None
    assert done.outcome.text == "the successor waits for its owner"
    assert house.done == [("rotate", "k1", "1:00:00")]


def test_a_person_may_refuse_and_another_overrule() -> None:
    house = House()
    (waiting,) = house.answer("revoke")
    refused = asyncio.run(house.responder.refuse(waiting.id, by="ana", reason="no"))
    assert refused.state is S.VETOED
    assert asyncio.run(house.responder.approve(waiting.id, by="bo", reason="yes")).state is S.DONE


def test_a_restraint_is_taken_back_when_a_person_undoes_it() -> None:
    house = House()
    held, told = house.answer("contain_client")
    undone = asyncio.run(house.responder.undo(held.id, by="ana", reason="it was us"))
    assert undone.state is S.UNDONE
    assert house.done[-1] == ("lift", held.id)
    for over in (told, held):
        with pytest.raises(TransitionRefused, match="undo is not possible"):
            asyncio.run(house.responder.undo(over.id, by="ana", reason=""))


def test_a_suspended_key_works_again_when_its_suspension_is_undone() -> None:
    house = House()
    (waiting,) = house.answer("suspend")
    asyncio.run(house.responder.approve(waiting.id, by="ana", reason="r"))
    asyncio.run(house.responder.undo(waiting.id, by="ana", reason="r"))
    assert house.done == [("suspend", "k1"), ("resume", "k1")]


def test_what_cannot_be_carried_out_has_failed_with_its_reason_and_may_be_tried_again() -> None:
    house = House(broken="restrain")
    failed, told = house.answer("contain_client")
    assert (failed.state, told.state) == (S.FAILED, S.DONE)
    assert failed.outcome is not None
    assert failed.outcome.text == "the gate does not answer"
    house.broken = ""
    assert asyncio.run(house.responder.approve(failed.id, by="ana", reason="r")).state is S.RUNNING


def test_what_cannot_be_taken_back_stays_in_force() -> None:
    house = House()
    held, _ = house.answer("contain_client")
    house.broken = "lift"
    with pytest.raises(ChatelaineError, match="does not answer"):
        asyncio.run(house.responder.undo(held.id, by="ana", reason=""))
    assert house.states()[0] == "running"


def test_what_is_in_force_ends_by_itself_and_what_nobody_approved_expires() -> None:
    house = House()
    held, _ = house.answer("contain_client")
    house.answer("revoke", id=AlertId("a2"))
    house.clock.at += 3_599
    assert asyncio.run(house.responder.expire_due()) == []
    house.clock.at += 1
    ended = asyncio.run(house.responder.expire_due())
    assert [one.state for one in ended] == [S.EXPIRED, S.EXPIRED]
    assert house.done[-1] == ("lift", held.id)
    assert asyncio.run(house.responder.expire_due()) == []


def test_what_cannot_be_ended_is_told_and_hinders_nothing_else_from_ending() -> None:
    house = House()
    house.answer("contain_client", "revoke")
    house.clock.at += 3_600
    house.broken = "lift"
    with pytest.raises(ChatelaineError, match="does not answer"):
        asyncio.run(house.responder.expire_due())
    assert house.states() == ["running", "done", "expired"]
    house.broken = ""
    assert len(asyncio.run(house.responder.expire_due())) == 1


def test_a_restart_tells_the_gates_again_what_is_in_force() -> None:
    house = House()
    held, _ = house.answer("contain_client")
    (restraint,) = asyncio.run(house.responder.resume())
    assert (restraint.id, restraint.contexts) == (held.id, THIEF)


def test_a_restart_ends_what_was_due_while_nobody_ran() -> None:
    house = House()
    house.answer("contain_client")
    house.clock.at += 4_000
    assert asyncio.run(house.responder.resume()) == []
    assert house.states() == ["expired", "done"]


@pytest.mark.parametrize(
    ("kind", "state", "after"),
    [
        (ActionKind.RESTRAIN, S.RUNNING, "running"),
        (ActionKind.SUSPEND, S.RUNNING, "running"),
        (ActionKind.ROTATE, S.RUNNING, "failed"),
        (ActionKind.NOTIFY, S.RUNNING, "failed"),
        (ActionKind.RESTRAIN, S.REHEARSED, "expired"),
        (ActionKind.REVOKE, S.AWAITING_APPROVAL, "awaiting_approval"),
    ],
)
def test_what_a_crash_left_half_done_is_settled_at_the_next_start(
    kind: ActionKind, state: ActionState, after: str
) -> None:
    house = House()
    house.answer("revoke")
    left = msgspec.structs.replace(
        house.one(), id=ActionId("act_left"), wanted=Wanted(kind=kind, key=K1), state=state, outcome=None
    )
    asyncio.run(house.store.commit(Batch(actions=((None, left),))))
    asyncio.run(house.responder.resume())
    assert house.states() == ["awaiting_approval", after]


def test_a_harmless_incident_is_released_with_all_that_was_done_for_it() -> None:
    house = House()
    held, _, _ = house.answer("contain_client", "revoke")
    released = asyncio.run(house.responder.release(IncidentId("inc_000000000001"), by="ana", reason="ours"))
    assert [one.state for one in released] == [S.UNDONE, S.EXPIRED]
    assert ("lift", held.id) in house.done


def test_a_playbook_that_a_person_proposes_is_rehearsed_and_waits() -> None:
    house = House()
    held, told = asyncio.run(house.responder.propose(PlaybookId("contain_client"), situation(), by="ana"))
    assert (held.state, told.state) == (S.AWAITING_APPROVAL, S.AWAITING_APPROVAL)
    assert held.changes[-1].reason == "proposed by ana"
    again = asyncio.run(house.responder.propose(PlaybookId("contain_client"), situation(), by="bo"))
    assert again == []
    for one in (held, told):
        asyncio.run(house.responder.refuse(one.id, by="bo", reason="no"))
    house.clock.at += 1
    anew = asyncio.run(house.responder.propose(PlaybookId("contain_client"), situation(), by="bo"))
    assert {one.id for one in anew} & {held.id, told.id} == set()
    with pytest.raises(UsageError, match=r"no playbook 'gone'.*\n.*contain_client"):
        asyncio.run(house.responder.propose(PlaybookId("gone"), situation(), by="ana"))


def test_every_move_is_told_to_whoever_keeps_the_incident() -> None:
    house = House()
    house.answer("contain_client")
    assert [one.state for one in house.changed] == [S.RUNNING, S.RUNNING, S.RUNNING, S.DONE]
    assert [one.outcome is not None for one in house.changed] == [False, True, False, True]


@pytest.mark.parametrize(("by", "reason", "said"), [(" ", "", "nobody"), ("ana", "\ud800", "not text")])
def test_an_approval_of_nobody_is_refused(by: str, reason: str, said: str) -> None:
    house = House()
    (waiting,) = house.answer("revoke")
    with pytest.raises(UsageError, match=said):
        asyncio.run(house.responder.approve(waiting.id, by=by, reason=reason))
    assert house.states() == ["awaiting_approval"]
