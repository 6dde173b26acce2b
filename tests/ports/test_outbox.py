"""What every outbox must do."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from chatelaine.adapters.memory_outbox import MemoryOutbox
from chatelaine.adapters.sqlite import open_outbox
from chatelaine.core.notice.delivery import received, requeued
from chatelaine.model.detection import Severity
from chatelaine.model.error import StoreConflict
from chatelaine.model.notice import (
    Delivery,
    DeliveryState,
    Notice,
    NoticeKind,
    NoticeLink,
    Parcel,
    PutOff,
    Refused,
    Taken,
)
from chatelaine.model.words import IncidentId, Instant, KeyId, NoticeId, OwnerId, ReceiverName
from chatelaine.ports import Outbox

A, B = ReceiverName("a"), ReceiverName("b")
NOW = Instant(1_000)
EVER = Instant(2**62)


def notice(name: str = "msg_1", *, incident: str = "", title: str = "t") -> Notice:
    return Notice(
        id=NoticeId(name),
        at=Instant(5),
        kind=NoticeKind.INCIDENT_OPENED,
        severity=Severity.HIGH,
        title=title,
        summary="s",
        incident=IncidentId(incident),
    )


@pytest.fixture(params=["memory", "sqlite"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    if request.param == "memory":
        yield MemoryOutbox()
        return
    opened = open_outbox(tmp_path / "notices.db")
    yield opened
    opened.close()


def ways(parcels: Sequence[Parcel]) -> list[tuple[str, str]]:
    return [(parcel.notice.id, parcel.delivery.receiver) for parcel in parcels]


def test_a_new_outbox_holds_nothing(outbox: Outbox) -> None:
    async def check() -> None:
        assert not await outbox.due(EVER, each=10)
        assert await outbox.next_at() is None
        assert not await outbox.held(DeliveryState.DEAD, most=10)
        assert not await outbox.counts()
        assert await outbox.forget(EVER) == 0

    asyncio.run(check())


def test_every_field_of_a_notice_comes_back(outbox: Outbox) -> None:
    full = Notice(
        id=NoticeId("msg_full"),
        at=Instant(2**62),
        kind=NoticeKind.ACTION_NEEDED,
        severity=Severity.CRITICAL,
        title="Ätna; DROP TABLE notice --",
        summary="line\nbreak and \x00 and 😀",
        incident=IncidentId("inc_000000000001"),
        key=KeyId("AAAAAAAAA"),
        owner=OwnerId("acme"),
        facts=(("seen", "AS64500"), ("", "")),
        links=(NoticeLink("open", "https://x/y"),),
        dedup="d",
    )

    async def check() -> None:
        await outbox.add([(full, [A])], NOW)
        (parcel,) = await outbox.due(NOW, each=1)
        assert parcel == Parcel(full, Delivery(full.id, A, next_at=NOW, changed_at=NOW))

    asyncio.run(check())


def test_a_notice_is_added_once_for_each_receiver_however_often_it_is_told(outbox: Outbox) -> None:
    async def check() -> None:
        assert await outbox.add([(notice(), [A])], NOW) == 1
        assert await outbox.add([(notice(title="told again"), [A, B])], Instant(NOW + 1)) == 1
        assert await outbox.add([(notice(), [A, B]), (notice(), [B])], EVER) == 0
        found = await outbox.due(EVER, each=10)
        assert ways(found) == [("msg_1", A), ("msg_1", B)]
        assert {parcel.notice.title for parcel in found} == {"t"}

    asyncio.run(check())


def test_what_was_sent_is_not_added_again(outbox: Outbox) -> None:
    async def check() -> None:
        await outbox.add([(notice(), [A])], NOW)
        (parcel,) = await outbox.due(NOW, each=1)
        await outbox.mark(parcel.delivery, received(parcel.delivery, Taken(), at=NOW))
        assert await outbox.add([(notice(), [A])], NOW) == 0
        assert not await outbox.due(EVER, each=1)

    asyncio.run(check())


def test_due_is_what_waits_in_the_order_it_was_added_and_so_many_a_receiver(outbox: Outbox) -> None:
    async def check() -> None:
        await outbox.add([(notice(f"msg_{number}"), [A, B]) for number in range(4)], NOW)
        assert not await outbox.due(Instant(NOW - 1), each=9)
        assert ways(await outbox.due(NOW, each=2)) == [
            ("msg_0", A), ("msg_0", B), ("msg_1", A), ("msg_1", B),
        ]  # fmt: skip

    asyncio.run(check())


def test_no_notice_overtakes_an_earlier_one_of_its_incident(outbox: Outbox) -> None:
    async def check() -> None:
        first, second = notice("msg_1", incident="inc_1"), notice("msg_2", incident="inc_1")
        await outbox.add([(first, [A, B]), (second, [A, B]), (notice("msg_3", incident="inc_2"), [A])], NOW)
        assert ways(await outbox.due(NOW, each=9)) == [("msg_1", A), ("msg_1", B), ("msg_3", A)]
        to_a = (await outbox.due(NOW, each=9))[0].delivery
        to_b = (await outbox.due(NOW, each=9))[1].delivery
        put_off = received(to_a, PutOff("later"), at=NOW)
        await outbox.mark(to_a, put_off)
        await outbox.mark(to_b, received(to_b, Taken(), at=NOW))
        assert ways(await outbox.due(NOW, each=9)) == [("msg_2", B), ("msg_3", A)]
        assert await outbox.next_at() == NOW
        again = received(put_off, Refused("no"), at=put_off.next_at)
        await outbox.mark(put_off, again)
        # What is given up holds nobody up.
        assert ways(await outbox.due(NOW, each=9)) == [("msg_2", A), ("msg_2", B), ("msg_3", A)]

    asyncio.run(check())


def test_who_is_being_delivered_to_is_left_out(outbox: Outbox) -> None:
    odd = ReceiverName('it\'s "c"')

    async def check() -> None:
        await outbox.add([(notice(), [A, B, odd])], NOW)
        assert ways(await outbox.due(NOW, each=1, besides={A, odd})) == [("msg_1", B)]
        assert await outbox.next_at(besides={A, odd}) == NOW
        assert await outbox.next_at(besides={A, B, odd}) is None

    asyncio.run(check())


def test_what_is_put_off_is_due_at_its_instant(outbox: Outbox) -> None:
    async def check() -> None:
        await outbox.add([(notice(), [A])], NOW)
        (parcel,) = await outbox.due(NOW, each=1)
        after = received(parcel.delivery, PutOff("busy"), at=NOW)
        await outbox.mark(parcel.delivery, after)
        assert await outbox.next_at() == after.next_at
        assert not await outbox.due(Instant(after.next_at - 1), each=1)
        (found,) = await outbox.due(after.next_at, each=1)
        assert found.delivery == after
        assert (after.attempts, after.fault, after.state) == (1, "busy", DeliveryState.RETRYING)

    asyncio.run(check())


def test_a_delivery_is_marked_where_it_is_as_it_was_read(outbox: Outbox) -> None:
    async def check() -> None:
        await outbox.add([(notice(), [A])], NOW)
        (parcel,) = await outbox.due(NOW, each=1)
        before = parcel.delivery
        await outbox.mark(before, received(before, Taken(), at=NOW))
        with pytest.raises(StoreConflict, match="msg_1"):
            await outbox.mark(before, received(before, Refused("no"), at=NOW))
        with pytest.raises(StoreConflict):
            await outbox.mark(replace(before, receiver=B), replace(before, receiver=B, fault="x"))
        assert await outbox.counts() == {(A, DeliveryState.SENT): 1}

    asyncio.run(check())


def test_the_dead_are_listed_newest_first_and_come_back_when_they_are_requeued(outbox: Outbox) -> None:
    async def check() -> None:
        await outbox.add([(notice(f"msg_{number}"), [A]) for number in range(3)], NOW)
        for number, parcel in enumerate(await outbox.due(NOW, each=9)):
            after = received(parcel.delivery, Refused(f"no {number}"), at=Instant(NOW + number))
            await outbox.mark(parcel.delivery, after)
        dead = await outbox.held(DeliveryState.DEAD, most=2)
        assert [parcel.delivery.fault for parcel in dead] == ["no 2", "no 1"]
        assert await outbox.next_at() is None
        back = requeued(dead[0].delivery, at=Instant(NOW + 9))
        await outbox.mark(dead[0].delivery, back)
        assert ways(await outbox.due(Instant(NOW + 9), each=9)) == [("msg_2", A)]
        assert await outbox.counts() == {(A, DeliveryState.DEAD): 2, (A, DeliveryState.PENDING): 1}

    asyncio.run(check())


def test_only_what_is_settled_and_old_is_forgotten(outbox: Outbox) -> None:
    async def check() -> None:
        await outbox.add([(notice("msg_1"), [A, B]), (notice("msg_2"), [A]), (notice("msg_3"), [A])], NOW)
        one_a, one_b, two, _ = (parcel.delivery for parcel in await outbox.due(NOW, each=9))
        await outbox.mark(one_a, received(one_a, Taken(), at=NOW))
        await outbox.mark(one_b, received(one_b, Taken(), at=Instant(NOW + 5)))
        await outbox.mark(two, received(two, Refused("no"), at=NOW))
        assert await outbox.forget(Instant(NOW + 1)) == 2
        assert await outbox.counts() == {(B, DeliveryState.SENT): 1, (A, DeliveryState.PENDING): 1}
        assert ways(await outbox.held(DeliveryState.SENT, most=9)) == [("msg_1", B)]
        assert ways(await outbox.due(EVER, each=9)) == [("msg_3", A)]

    asyncio.run(check())


def test_notices_are_added_all_or_none(outbox: Outbox) -> None:
    class Unreadable(Exception):
        """What the caller meets while it still gives notices."""

    def told() -> Iterator[tuple[Notice, list[ReceiverName]]]:
        yield notice(), [A]
        raise Unreadable

    async def check() -> None:
        with pytest.raises(Unreadable):
            await outbox.add(told(), NOW)
        assert not await outbox.counts()

    asyncio.run(check())
