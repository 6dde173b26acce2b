"""The driver of notices: fans them out to receivers, and delivers until each is taken or given up.

A notice is in the outbox, durably, before the first attempt, and marked after it. A kill between an attempt
and its mark repeats the attempt, with the same id: every notice arrives at least once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

from chatelaine.core.metric import SINK_DELIVERIES
from chatelaine.core.notice.delivery import notice_id, received, requeued
from chatelaine.core.notice.text import cleaned
from chatelaine.model.detection import Severity
from chatelaine.model.error import ReceiverUnknown, StoreConflict
from chatelaine.model.notice import (
    Delivery,
    DeliveryState,
    Notice,
    NoticeKind,
    Parcel,
    Reception,
    Refused,
)
from chatelaine.model.words import Instant, NoticeId, OwnerId, ReceiverName
from chatelaine.ports import Clock, Outbox, Receiver, Telemetry

KEPT = timedelta(days=30)
"""What is settled is kept so long, to be looked at, and to know what was told already."""
LOOK_AGAIN = timedelta(seconds=5)
"""The outbox is looked at so often, for what another process has added or wants tried again."""
_FORGET_EVERY = timedelta(hours=1)
_EACH = 20
"""Notices a receiver is sent in one round; the others wait for the next."""
_LISTED = 100_000
_RESULTS = {
    DeliveryState.SENT: "ok",
    DeliveryState.RETRYING: "retried",
    DeliveryState.DEAD: "dead",
}


@dataclass(frozen=True, slots=True)
class Subscription:
    """A receiver and what it wants to hear of."""

    receiver: Receiver
    least: Severity = Severity.INFO
    owners: frozenset[OwnerId] = frozenset()
    """Whose incidents; empty: everybody's, and what concerns no single owner."""

    def wants(self, notice: Notice) -> bool:
        """Tell whether it is to be told."""
        return notice.severity >= self.least and (not self.owners or notice.owner in self.owners)


Subscriptions: TypeAlias = Mapping[ReceiverName, Subscription]
Wait: TypeAlias = Callable[[Instant], Awaitable[None]]
_UnderWay: TypeAlias = dict[ReceiverName, asyncio.Task[None]]
"""Who is being delivered to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Courier:
    """Carries notices to the receivers of one installation."""

    outbox: Outbox
    clock: Clock
    telemetry: Telemetry
    subscriptions: Callable[[], Subscriptions]
    """The receivers by the settings now in force."""

    async def tell(self, notices: Iterable[Notice]) -> int:
        """Put notices into the outbox for everybody who wants them, and return how many are new.

        They are durable when this returns. Telling the same again changes nothing.

        Raises:
            StoreError: the outbox cannot be written.
        """
        told = [(cleaned(notice), self._who_wants(notice)) for notice in notices]
        return await self.outbox.add([pair for pair in told if pair[1]], self.clock.now())

    def _who_wants(self, notice: Notice) -> Sequence[ReceiverName]:
        return [name for name, one in self.subscriptions().items() if one.wants(notice)]

    async def run(self, wait: Wait) -> None:
        """Deliver for as long as it lives, to each receiver at its own pace.

        Args:
            wait: returns at an instant, or before when there may be something new.

        Raises:
            StoreError: the outbox cannot be used.
        """
        under_way: _UnderWay = {}
        forget_at = self.clock.now()
        try:
            while True:
                if self.clock.now() >= forget_at:
                    await self.outbox.forget(_later(self.clock.now(), -KEPT))
                    forget_at = _later(self.clock.now(), _FORGET_EVERY)
                for name, queue in (await self._queues(under_way)).items():
                    under_way[name] = asyncio.create_task(self._deliver(name, queue))
                await self._pause(wait, under_way)
                for name in [name for name, task in under_way.items() if task.done()]:
                    under_way.pop(name).result()
        finally:
            await _stop(under_way.values())

    async def _pause(self, wait: Wait, under_way: _UnderWay) -> None:
        """Wait until something is due, something may be new, or a receiver is free again."""
        latest, due = _later(self.clock.now(), LOOK_AGAIN), await self.outbox.next_at(besides=under_way)
        waiting = asyncio.ensure_future(wait(latest if due is None else min(due, latest)))
        try:
            await asyncio.wait({waiting, *under_way.values()}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                waiting.result()
        finally:
            await _stop([waiting])

    async def deliver_due(self) -> int:
        """Try once what is due, all receivers at the same time, and return how many attempts were made."""
        queues = await self._queues(())
        await asyncio.gather(*(self._deliver(name, queue) for name, queue in queues.items()))
        return sum(map(len, queues.values()))

    async def _queues(self, besides: Collection[ReceiverName]) -> Mapping[ReceiverName, Sequence[Parcel]]:
        queues: dict[ReceiverName, list[Parcel]] = {}
        for parcel in await self.outbox.due(self.clock.now(), each=_EACH, besides=besides):
            queues.setdefault(parcel.delivery.receiver, []).append(parcel)
        return queues

    async def _deliver(self, name: ReceiverName, queue: Sequence[Parcel]) -> None:
        for parcel in queue:
            known = self.subscriptions().get(name)
            if known is None:
                how: Reception = Refused("the settings name no such receiver any more")
            else:
                how = await known.receiver.deliver(parcel.notice, self.clock.now())
            after = received(parcel.delivery, how, at=self.clock.now())
            self.telemetry.count(SINK_DELIVERIES, name, _RESULTS[after.state])
            await self._mark(parcel.delivery, after)

    async def _mark(self, before: Delivery, after: Delivery) -> bool:
        try:
            await self.outbox.mark(before, after)
        except StoreConflict:
            # Somebody wanted it tried again meanwhile: it is, with the same id.
            return False
        return True

    async def send_test(self, name: ReceiverName, *, by: str) -> Reception:
        """Send a receiver a notice that says it is a test, at once and once, and return how that ended.

        Raises:
            ReceiverUnknown: the settings name no such receiver.
        """
        known = self.subscriptions().get(name)
        if known is None:
            raise ReceiverUnknown(
                f"no receiver is named {name!r}", hint="chatelaine notify list shows those of the settings"
            )
        return await known.receiver.deliver(cleaned(_test(name, by, self.clock.now())), self.clock.now())

    async def retry(self, wanted: Callable[[Delivery], bool]) -> Sequence[Delivery]:
        """Have dead deliveries tried again, and return those."""
        again = []
        for parcel in await self.outbox.held(DeliveryState.DEAD, most=_LISTED):
            if wanted(parcel.delivery):
                after = requeued(parcel.delivery, at=self.clock.now())
                if await self._mark(parcel.delivery, after):
                    again.append(after)
        return again


def _test(name: ReceiverName, by: str, at: Instant) -> Notice:
    return Notice(
        id=NoticeId(notice_id("test", name, str(at))),
        at=at,
        kind=NoticeKind.TEST,
        severity=Severity.INFO,
        title="A test of Chatelaine's notices",
        summary="Nothing has happened. Somebody tried whether notices arrive here.",
        facts=(("receiver", name), ("asked for by", by)),
    )


def _later(at: Instant, by: timedelta) -> Instant:
    return Instant(at + by // timedelta(microseconds=1) * 1000)


async def _stop(tasks: Iterable[asyncio.Future[None]]) -> None:
    """Stop what is still under way, and wait until it has stopped."""
    stopping = tuple(tasks)
    for task in stopping:
        task.cancel()
    await asyncio.gather(*stopping, return_exceptions=True)
