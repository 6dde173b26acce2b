"""The hub's watch put together: stores opened, drivers built, and what runs for as long as the hub lives."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from chatelaine.adapters.sqlite import (
    SqliteWatchStore,
    open_incident_store,
    open_outbox,
    open_watch_store,
)
from chatelaine.app.answering import Answering
from chatelaine.app.habits import Habits
from chatelaine.app.incident_desk import IncidentDesk, TokenBox, hands
from chatelaine.app.notices import Bell, subscriptions
from chatelaine.app.restraining import lift_by_plan, restrain_by_plan
from chatelaine.app.telling import Telling
from chatelaine.app.watching import Watching
from chatelaine.app.wire import CLOCK, Places
from chatelaine.catalog import detections, playbooks
from chatelaine.core.incident.lifecycle import alarmed
from chatelaine.core.playbook.past import Spent
from chatelaine.model.error import JournalError, StoreCorrupt, StoreError
from chatelaine.model.event import Event
from chatelaine.model.key import VirtualKey
from chatelaine.model.limit import MeterRow
from chatelaine.model.playbook import HabitTable
from chatelaine.model.settings import NotifySettings
from chatelaine.model.watch import WatchTold
from chatelaine.model.words import SECOND, KeyId, NanoUsd, OwnerId
from chatelaine.ports import IncidentStore, Telemetry
from chatelaine.services.detection import Turn, Watch
from chatelaine.services.incident import IncidentKeeper
from chatelaine.services.key import KeyKeeper
from chatelaine.services.notice import Courier, Subscriptions
from chatelaine.services.playbook import Responder
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
            watched = _open_watch(parts.places.watch)
            opening.callback(watched.close)
            outbox = open_outbox(parts.places.notices)
            opening.callback(outbox.close)
            self._stack = opening.pop_all()
        self._bell = Bell()
        self._watch = Watch(detections())
        self._habits = Habits(self._watch, parts.publish_habits)
        courier = Courier(
            outbox=outbox,
            clock=CLOCK,
            telemetry=parts.telemetry,
            subscriptions=lambda: self._subscriptions,
        )
        self._courier = courier
        self._telling = Telling(courier, self._bell.ring)
        self._tokens = TokenBox()
        self._keeper = self._build_keeper(incidents)
        self._responder = self._build_responder(incidents)
        self._answering = Answering(self._keeper, self._responder, self._watch.canary)
        self.desk = IncidentDesk(self._keeper, self._responder, self._tokens)
        self.watching = Watching(parts.places.journal, self._watch, watched, CLOCK, self._answer)

    def _build_keeper(self, store: IncidentStore) -> IncidentKeeper:
        return IncidentKeeper(
            store=store,
            clock=CLOCK,
            record=self._parts.record,
            notify=self._telling.note_incident,
            day_left=self._day_left,
            past=self._watch.recent,
            alarm=self._habits.alarm,
        )

    def _build_responder(self, store: IncidentStore) -> Responder:
        async def past(owner: OwnerId, days: int) -> Iterable[Spent]:
            del days
            return self._watch.past(owner, CLOCK.now())

        return Responder(
            store=store,
            clock=CLOCK,
            record=self._parts.record,
            playbooks=playbooks(),
            hands=hands(
                self._parts.keys,
                self._tokens,
                restrain=partial(restrain_by_plan, self._parts.restraints),
                lift=partial(lift_by_plan, self._parts.restraints),
                notify=self._telling.notify,
            ),
            past=past,
            known=self._watch.knows,
            changed=self._telling.noting_actions(self._keeper.note_action),
        )

    async def _answer(self, turn: Turn) -> None:
        """Answer a turn; it returns when that is done, however long the disk takes."""
        while True:
            try:
                await self._answering.take(turn.found())
                await self._telling.flush()
            except (StoreError, JournalError) as fault:
                log.error("what was found cannot be stored", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced
                await asyncio.sleep(_PATIENCE)
            else:
                return

    def _day_left(self, keys: Sequence[KeyId]) -> NanoUsd | None:
        held = self._parts.held()
        left = 0
        for kid in keys:
            key = held.get(kid)
            if key is None or key.grant.spend_per_day is None:
                return None
            left += max(key.grant.spend_per_day - self._spent_today(key.slot), 0)
        return NanoUsd(left)

    def told(self, *, habits: int) -> WatchTold:
        """Return how far the watch has come; ``habits``: how many the gates hold."""
        standing = self.watching.standing
        return WatchTold(standing.seen, standing.behind, standing.faults, habits)

    def works(self) -> tuple[Coroutine[None, None, None], ...]:
        """Return what runs for as long as the hub lives."""
        return self._live(), self._habits.run(), self._deliver()

    async def _live(self) -> None:
        for restraint in await self._responder.resume():
            await restrain_by_plan(self._parts.restraints, restraint)
        self._habits.alarm(alarmed(await self._keeper.live()))
        await self.watching.run()

    async def _deliver(self) -> None:
        while True:
            try:
                await self._courier.run(self._bell.wait)
            except StoreError as fault:
                log.error("notices wait: their outbox cannot be used", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced
                await asyncio.sleep(_PATIENCE)

    def change_receivers(self, notify: Sequence[NotifySettings]) -> None:
        """Take over new receivers.

        Raises:
            SecretUnreadable: a secret is not where the settings say; those before stay.
        """
        self._subscriptions = subscriptions(notify)

    async def look_after(self) -> None:
        """End actions whose time is over, contain what was watched long enough, and tell of it.

        Raises:
            StoreError: it cannot be stored.
        """
        await self._answering.look_after()
        await self._telling.flush()

    def _spent_today(self, slot: int) -> NanoUsd:
        row = self._parts.meter_row(slot)
        settled = row.day_settled if row.day == CLOCK.now() // _DAY else 0
        return NanoUsd(settled + row.held)

    def close(self) -> None:
        """Close the stores."""
        self._stack.close()


def _open_watch(path: Path) -> SqliteWatchStore:
    """Open the state of the watch; a damaged one is moved aside: the journals hold all it was made of.

    Raises:
        StoreError: it cannot be opened.
    """
    try:
        return open_watch_store(path)
    except StoreCorrupt as fault:
        for suffix in ("", "-wal", "-shm"):
            held = path.with_name(f"{path.name}{suffix}")
            if held.exists():
                held.replace(path.with_name(f"{path.name}.damaged{suffix}"))
        log.error(  # noqa: TRY400 - told, not traced
            "the state of the watch is moved aside, and the journals are read from their start",
            extra={"fault": str(fault), "aside": str(path.with_name(f"{path.name}.damaged"))},
        )
        return open_watch_store(path)
