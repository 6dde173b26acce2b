"""The courier: fans notices out, delivers, tries again, gives up, and loses none."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from chatelaine.adapters.clock import ManualClock
from chatelaine.adapters.memory_outbox import MemoryOutbox
from chatelaine.adapters.telemetry import Tally, exposition
from chatelaine.core.notice.delivery import ATTEMPTS_MAX, requeued
from chatelaine.model.detection import Severity
from chatelaine.model.error import ReceiverUnknown, StoreError
from chatelaine.model.notice import (
    Delivery,
    DeliveryState,
    Notice,
    NoticeKind,
    PutOff,
    Reception,
    Refused,
    Taken,
)
from chatelaine.model.words import IncidentId, Instant, NoticeId, OwnerId, ReceiverName
from chatelaine.services.notice import KEPT, LOOK_AGAIN, Courier, Subscription

A, B, C = ReceiverName("a"), ReceiverName("b"), ReceiverName("c")


def notice(name: str = "msg_1", **fields: Any) -> Notice:
    given: dict[str, Any] = {
        "id": NoticeId(name),
        "at": Instant(5),
        "kind": NoticeKind.INCIDENT_OPENED,
        "severity": Severity.HIGH,
        "title": "t",
        "summary": "s",
    }
    return Notice(**given | fields)


@dataclass
class Answers:
    """A receiver that answers as it is told to, and then takes everything."""

    answers: list[Reception] = field(default_factory=list)
    seen: list[Notice] = field(default_factory=list)
    before: Callable[[], Coroutine[Any, Any, None]] | None = None

    async def deliver(self, told: Notice, at: Instant) -> Reception:
        assert at > 0
        if self.before is not None:
            await self.before()
        self.seen.append(told)
        return self.answers.pop(0) if self.answers else Taken()

    @property
    def ids(self) -> list[str]:
        return [one.id for one in self.seen]


class Office:
    """A courier over a memory outbox, and a clock that a test moves."""

    def __init__(self, **receivers: Subscription) -> None:
        self.clock = ManualClock()
        self.outbox = MemoryOutbox()
        self.tally = Tally({"sink": frozenset(receivers)})
        self.receivers = {ReceiverName(name): one for name, one in receivers.items()}
        self.courier = Courier(
            outbox=self.outbox,
            clock=self.clock,
            telemetry=self.tally,
            subscriptions=lambda: self.receivers,
        )

    async def pass_time(self) -> None:
        """Let time pass until the next delivery is due."""
        due = await self.outbox.next_at()
        assert due is not None
        self.clock.advance(timedelta(microseconds=max(0, due - self.clock.now()) // 1000 + 1))

    def counted(self, sink: str, result: str) -> bool:
        line = f'chatelaine_sink_deliveries_total{{sink="{sink}",result="{result}"}}'
        return line in exposition(self.tally.snapshot())


def test_a_notice_goes_to_everybody_who_wants_to_hear_of_it() -> None:
    every, severe, acme = Answers(), Answers(), Answers()
    office = Office(
        a=Subscription(every),
        b=Subscription(severe, least=Severity.HIGH),
        c=Subscription(acme, owners=frozenset({OwnerId("acme")})),
    )

    async def check() -> None:
        told = [
            notice("msg_1", severity=Severity.LOW),
            notice("msg_2", owner=OwnerId("acme")),
            notice("msg_3", owner=OwnerId("other"), severity=Severity.CRITICAL),
        ]
        assert await office.courier.tell(told) == 6
        assert await office.courier.tell(told) == 0
        assert await office.courier.deliver_due() == 6
        assert await office.courier.deliver_due() == 0

    asyncio.run(check())
    assert (every.ids, severe.ids, acme.ids) == (["msg_1", "msg_2", "msg_3"], ["msg_2", "msg_3"], ["msg_2"])
    assert office.counted("a", "ok")


def test_what_nobody_wants_is_not_kept() -> None:
    office = Office(a=Subscription(Answers(), least=Severity.CRITICAL))
    assert asyncio.run(office.courier.tell([notice()])) == 0


def test_nothing_is_kept_or_sent_that_looks_like_a_credential() -> None:
    receiver = Answers()
    office = Office(a=Subscription(receiver))

    async def check() -> None:
        await office.courier.tell([notice(summary="seen: Authorization: Bearer hunter2hunter2")])
        assert "hunter2" not in repr(await office.outbox.due(Instant(2**62), each=1))
        await office.courier.deliver_due()

    asyncio.run(check())
    assert "hunter2" not in repr(receiver.seen)


def test_what_is_put_off_is_tried_again_with_the_same_notice_until_it_is_taken() -> None:
    receiver = Answers([PutOff("busy"), PutOff("busy", timedelta(hours=3))])
    office = Office(a=Subscription(receiver))

    async def check() -> None:
        await office.courier.tell([notice()])
        await office.courier.deliver_due()
        assert await office.courier.deliver_due() == 0
        await office.pass_time()
        before = office.clock.now()
        assert await office.courier.deliver_due() == 1
        due = await office.outbox.next_at()
        assert due is not None
        assert due - before >= timedelta(hours=3) // timedelta(microseconds=1) * 1000
        await office.pass_time()
        assert await office.courier.deliver_due() == 1
        assert await office.outbox.next_at() is None

    asyncio.run(check())
    assert receiver.ids == ["msg_1"] * 3
    assert office.counted("a", "retried")
    assert office.counted("a", "ok")


def test_what_is_refused_or_tried_too_often_is_dead_until_somebody_wants_it_again() -> None:
    receiver = Answers([Refused("gone"), *[PutOff("busy")] * ATTEMPTS_MAX])
    office = Office(a=Subscription(receiver))

    async def check() -> None:
        await office.courier.tell([notice("msg_1"), notice("msg_2")])
        await office.courier.deliver_due()
        while await office.outbox.next_at() is not None:
            await office.pass_time()
            await office.courier.deliver_due()
        dead = {one.notice.id: one.delivery for one in await office.outbox.held(DeliveryState.DEAD, most=9)}
        assert {name: (one.attempts, one.fault) for name, one in dead.items()} == {
            "msg_1": (1, "gone"),
            "msg_2": (ATTEMPTS_MAX, "busy"),
        }
        again = await office.courier.retry(lambda delivery: delivery.notice == "msg_2")
        assert [one.notice for one in again] == ["msg_2"]
        assert not await office.courier.retry(lambda delivery: delivery.notice == "msg_2")
        assert await office.courier.deliver_due() == 1
        assert await office.outbox.counts() == {(A, DeliveryState.DEAD): 1, (A, DeliveryState.SENT): 1}

    asyncio.run(check())
    assert office.counted("a", "dead")


def test_a_receiver_that_hangs_holds_no_other_one_up() -> None:
    async def check() -> None:
        stuck, quick = asyncio.Event(), Answers()
        office = Office(a=Subscription(Answers(before=stuck.wait)), b=Subscription(quick))  # type: ignore[arg-type]  # it returns True
        await office.courier.tell([notice("msg_1"), notice("msg_2")])
        round_ = asyncio.create_task(office.courier.deliver_due())
        while len(quick.seen) < 2:
            await asyncio.sleep(0)
        assert not round_.done()
        stuck.set()
        assert await round_ == 4

    asyncio.run(check())


def test_notices_of_one_incident_arrive_in_their_order() -> None:
    receiver = Answers([PutOff("busy")])
    office = Office(a=Subscription(receiver))

    async def check() -> None:
        incident = IncidentId("inc_1")
        await office.courier.tell([notice("msg_1", incident=incident)])
        await office.courier.tell([notice("msg_2", incident=incident, kind=NoticeKind.CLOSED)])
        await office.courier.tell([notice("msg_3", incident=IncidentId("inc_2"))])
        await office.courier.deliver_due()
        await office.courier.deliver_due()
        await office.pass_time()
        await office.courier.deliver_due()
        await office.courier.deliver_due()

    asyncio.run(check())
    assert receiver.ids == ["msg_1", "msg_3", "msg_1", "msg_2"]


def test_a_receiver_that_the_settings_no_longer_name_is_given_up() -> None:
    office = Office(a=Subscription(Answers()))

    async def check() -> None:
        await office.courier.tell([notice()])
        office.receivers.clear()
        await office.courier.deliver_due()
        (dead,) = await office.outbox.held(DeliveryState.DEAD, most=9)
        assert "no such receiver" in dead.delivery.fault

    asyncio.run(check())


def test_what_is_wanted_again_while_it_is_sent_is_sent_again() -> None:
    receiver = Answers()
    office = Office(a=Subscription(receiver))

    async def requeue() -> None:
        receiver.before = None
        (parcel,) = await office.outbox.due(office.clock.now(), each=1)
        await office.outbox.mark(
            parcel.delivery, requeued(parcel.delivery, at=Instant(office.clock.now() - 1))
        )

    receiver.before = requeue

    async def check() -> None:
        await office.courier.tell([notice()])
        office.clock.advance(timedelta(seconds=1))
        await office.courier.deliver_due()
        await office.courier.deliver_due()
        assert await office.outbox.counts() == {(A, DeliveryState.SENT): 1}

    asyncio.run(check())
    assert receiver.ids == ["msg_1", "msg_1"]


def test_a_test_is_sent_at_once_and_past_the_outbox() -> None:
    receiver = Answers([PutOff("busy")])
    office = Office(a=Subscription(receiver, least=Severity.CRITICAL, owners=frozenset({OwnerId("acme")})))

    async def check() -> None:
        assert await office.courier.send_test(A, by="eve\x1b[2J") == PutOff("busy")
        assert await office.courier.send_test(A, by="eve") == Taken()
        assert not await office.outbox.counts()
        with pytest.raises(ReceiverUnknown, match="'nobody'"):
            await office.courier.send_test(ReceiverName("nobody"), by="eve")

    asyncio.run(check())
    assert {one.kind for one in receiver.seen} == {NoticeKind.TEST}
    assert receiver.seen[0].facts[1][1].isprintable()


class Enough(Exception):
    """Ends the loop of a test."""


def test_the_loop_waits_until_the_next_is_due_and_looks_again_meanwhile() -> None:
    receiver = Answers([PutOff("busy")])
    office = Office(a=Subscription(receiver))
    waits: list[float] = []

    async def wait(until: Instant) -> None:
        waits.append((until - office.clock.now()) / 1e9)
        office.clock.advance(timedelta(microseconds=max(0, until - office.clock.now()) // 1000 + 1))
        if len(waits) == 8:
            raise Enough

    async def check() -> None:
        await office.courier.tell([notice()])
        with pytest.raises(Enough):
            await office.courier.run(wait)

    asyncio.run(check())
    assert receiver.ids == ["msg_1"] * 2
    assert max(waits) <= LOOK_AGAIN.total_seconds()
    assert min(waits) < LOOK_AGAIN.total_seconds()


def test_a_receiver_that_hangs_holds_nobody_up_in_the_loop_either() -> None:
    async def check() -> None:
        stuck, quick = asyncio.Event(), Answers()
        office = Office(a=Subscription(Answers(before=stuck.wait)), b=Subscription(quick))  # type: ignore[arg-type]  # it returns True
        rung = asyncio.Event()

        async def wait(until: Instant) -> None:
            del until
            await rung.wait()
            rung.clear()

        running = asyncio.create_task(office.courier.run(wait))
        for number in range(1, 4):
            await office.courier.tell([notice(f"msg_{number}")])
            rung.set()
            while len(quick.seen) < number:
                await asyncio.sleep(0)
        assert office.clock.elapsed() == 0
        counts = await office.outbox.counts()
        assert counts[A, DeliveryState.PENDING] == 3
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(check())


class FullDisk(MemoryOutbox):
    """An outbox whose disk takes nothing any more."""

    async def mark(self, before: Delivery, after: Delivery) -> None:
        raise StoreError(f"no space for {before.notice}: {after.state}")


def test_a_fault_of_the_outbox_ends_the_loop() -> None:
    office = Office(a=Subscription(Answers()))
    carrier = replace(office.courier, outbox=FullDisk())

    async def check() -> None:
        await carrier.tell([notice()])
        with pytest.raises(StoreError, match="no space for msg_1: sent"):
            await carrier.run(lambda _: asyncio.sleep(0))

    asyncio.run(check())


def test_the_loop_forgets_what_was_settled_long_ago() -> None:
    office = Office(a=Subscription(Answers()))

    async def wait(until: Instant) -> None:
        if office.clock.elapsed() > (KEPT + timedelta(days=1)) // timedelta(microseconds=1) * 1000:
            raise Enough
        del until
        office.clock.advance(timedelta(hours=5))

    async def check() -> None:
        await office.courier.tell([notice()])
        with pytest.raises(Enough):
            await office.courier.run(wait)
        assert not await office.outbox.counts()

    asyncio.run(check())
