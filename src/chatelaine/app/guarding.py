"""The hub's watch put together: stores opened, drivers built, and what runs for as long as the hub lives."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from chatelaine.adapters.sqlite import open_incident_store, open_outbox, open_watch_store
from chatelaine.app.answering import Answering, Desk
from chatelaine.app.habits import Habits
from chatelaine.app.notices import Bell, subscriptions
from chatelaine.app.watching import Watching
from chatelaine.app.wire import CLOCK, Places
from chatelaine.catalog import detections
from chatelaine.model.error import StoreError
from chatelaine.model.event import Event
from chatelaine.model.key import VirtualKey
from chatelaine.model.limit import MeterRow
from chatelaine.model.playbook import HabitTable
from chatelaine.model.settings import NotifySettings
from chatelaine.model.words import SECOND, KeyId, NanoUsd
from chatelaine.ports import Telemetry
from chatelaine.services.detection import Watch
from chatelaine.services.key import KeyKeeper
from chatelaine.services.notice import Courier, Subscriptions
from chatelaine.services.restraint import RestraintKeeper

log = logging.getLogger("chatelaine.watch")

_DAY = 86_400 * SECOND
_PATIENCE = 1.0
"""Seconds until the outbox is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubParts:
    """What the watch takes from the hub."""

    places: Places
    record: Callable[[Event], None]
    keys: KeyKeeper
    restraints: RestraintKeeper
    telemetry: Telemetry
    held: Callable[[], Mapping[KeyId, VirtualKey]]
    """The keys as they stand."""
    meter_row: Callable[[int], MeterRow]
    publish_habits: Callable[[Sequence[HabitTable]], None]
    notify: Sequence[NotifySettings]


class Guarding:
    """The watch, its answers and its messengers, from the hub's start to its end."""

    def __init__(self, parts: HubParts) -> None:
        """Open the stores and build the drivers.

        Raises:
            StoreError: a store cannot be used.
            CardError: a shelf is not whole.
            SecretUnreadable: a receiver's secret is not where the settings say.
        """
        self._parts = parts
        self._subscriptions: Subscriptions = subscriptions(parts.notify)
        self._stack = ExitStack()
        with ExitStack() as opening:
            incidents = open_incident_store(parts.places.incidents)
            opening.callback(incidents.close)
            watched = open_watch_store(parts.places.watch)
            opening.callback(watched.close)
            outbox = open_outbox(parts.places.notices)
            opening.callback(outbox.close)
            self._stack = opening.pop_all()
        self._bell = Bell()
        watch = Watch(detections())
        self._habits = Habits(watch, parts.publish_habits)
        self.courier = Courier(
            outbox=outbox,
            clock=CLOCK,
            telemetry=parts.telemetry,
            subscriptions=lambda: self._subscriptions,
        )
        self.answering = Answering(
            Desk(
                store=incidents,
                clock=CLOCK,
                record=parts.record,
                keys=parts.keys,
                restraints=parts.restraints,
                courier=self.courier,
                ring=self._bell.ring,
                held=parts.held,
                spent_today=self._spent_today,
                handover=parts.places.root / "handover",
                habits=self._habits,
            ),
            watch,
        )
        self.watching = Watching(parts.places.journal, watch, watched, CLOCK, self.answering.take)

    def works(self) -> tuple[Coroutine[None, None, None], ...]:
        """Return what runs for as long as the hub lives."""
        return self._watch(), self._habits.run(), self._deliver()

    async def _watch(self) -> None:
        await self.answering.start()
        await self.watching.run()

    async def _deliver(self) -> None:
        while True:
            try:
                await self.courier.run(self._bell.wait)
            except StoreError as fault:
                log.error("notices wait: their outbox cannot be used", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced
                await asyncio.sleep(_PATIENCE)

    def change_receivers(self, notify: Sequence[NotifySettings]) -> None:
        """Take over new receivers.

        Raises:
            SecretUnreadable: a secret is not where the settings say; those before stay.
        """
        self._subscriptions = subscriptions(notify)

    async def expire_due(self) -> None:
        """End actions whose time is over, and tell of it.

        Raises:
            StoreError: they cannot be ended.
        """
        await self.answering.responder.expire_due()
        await self.answering.tell()

    def _spent_today(self, slot: int) -> NanoUsd:
        row = self._parts.meter_row(slot)
        settled = row.day_settled if row.day == CLOCK.now() // _DAY else 0
        return NanoUsd(settled + row.held)

    def close(self) -> None:
        """Close the stores."""
        self._stack.close()
