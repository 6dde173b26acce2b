"""An outbox in memory: for tests and demonstrations."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from chatelaine.core.notice.delivery import WAITING
from chatelaine.model.error import StoreConflict
from chatelaine.model.notice import Delivery, DeliveryState, Notice, Parcel
from chatelaine.model.words import Instant, NoticeId, ReceiverName


class MemoryOutbox:
    """Holds notices as long as it lives."""

    def __init__(self) -> None:
        self._notices: dict[NoticeId, Notice] = {}
        self._deliveries: dict[tuple[NoticeId, ReceiverName], Delivery] = {}

    async def add(self, told: Iterable[tuple[Notice, Sequence[ReceiverName]]], at: Instant) -> int:
        """Add notices for receivers, all or nothing, and return how many deliveries are new."""
        before = len(self._deliveries)
        for notice, receivers in tuple(told):
            for receiver in receivers:
                self._notices.setdefault(notice.id, notice)
                made = Delivery(notice.id, receiver, next_at=at, changed_at=at)
                self._deliveries.setdefault((notice.id, receiver), made)
        return len(self._deliveries) - before

    async def due(
        self, at: Instant, *, each: int, besides: Collection[ReceiverName] = ()
    ) -> Sequence[Parcel]:
        """Return what is to be delivered now in the order it was added, at most ``each`` a receiver."""
        taken: Counter[ReceiverName] = Counter()
        found = []
        for delivery in self._firsts():
            if (
                delivery.receiver not in besides
                and delivery.next_at <= at
                and taken[delivery.receiver] < each
            ):
                taken[delivery.receiver] += 1
                found.append(self._parcel(delivery))
        return found

    async def next_at(self, *, besides: Collection[ReceiverName] = ()) -> Instant | None:
        """Return when the next delivery to anybody else is due, or None where none waits."""
        waiting = (one.next_at for one in self._firsts() if one.receiver not in besides)
        return min(waiting, default=None)

    async def mark(self, before: Delivery, after: Delivery) -> None:
        """Replace a delivery.

        Raises:
            StoreConflict: it is no longer as ``before`` says.
        """
        which = (before.notice, before.receiver)
        if self._deliveries.get(which) != before:
            way = f"{before.notice} to {before.receiver}"
            raise StoreConflict(f"the delivery of {way} changed meanwhile", hint="look at it again")
        self._deliveries[which] = after

    async def held(self, state: DeliveryState, *, most: int) -> Sequence[Parcel]:
        """Return the deliveries in a state, those changed last first."""
        # The order of adding breaks ties, as it does in a file.
        found = [one for one in reversed(self._deliveries.values()) if one.state is state]
        found.sort(key=lambda one: one.changed_at, reverse=True)
        return [self._parcel(one) for one in found[:most]]

    async def counts(self) -> Mapping[tuple[ReceiverName, DeliveryState], int]:
        """Return how many deliveries there are by receiver and state."""
        return Counter((one.receiver, one.state) for one in self._deliveries.values())

    async def forget(self, before: Instant) -> int:
        """Remove what was sent or given up before an instant, and return how many deliveries went."""
        old = [
            which
            for which, one in self._deliveries.items()
            if one.state not in WAITING and one.changed_at < before
        ]
        for which in old:
            del self._deliveries[which]
        kept = {notice for notice, _ in self._deliveries}
        self._notices = {name: notice for name, notice in self._notices.items() if name in kept}
        return len(old)

    def _firsts(self) -> Sequence[Delivery]:
        """Return what waits longest in each thread of each receiver."""
        firsts: dict[tuple[ReceiverName, str], Delivery] = {}
        for one in self._deliveries.values():
            if one.state in WAITING:
                firsts.setdefault((one.receiver, self._notices[one.notice].thread), one)
        return tuple(firsts.values())

    def _parcel(self, delivery: Delivery) -> Parcel:
        return Parcel(self._notices[delivery.notice], delivery)
