"""What the watch finds, answered: incidents, actions, and the people who are told."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from chatelaine.app.habits import Habits
from chatelaine.catalog import playbooks
from chatelaine.core.incident.tell import of_action, of_incident
from chatelaine.model.detection import Alert
from chatelaine.model.error import ChatelaineError, JournalError, StoreError
from chatelaine.model.event import Event
from chatelaine.model.incident import Incident
from chatelaine.model.key import VirtualKey
from chatelaine.model.notice import Notice
from chatelaine.model.playbook import Action, Restraint, Situation
from chatelaine.model.words import ActionId, FindingId, KeyId, NanoUsd
from chatelaine.ports import Clock, IncidentStore
from chatelaine.services.detection import Turn, Watch
from chatelaine.services.incident import IncidentKeeper
from chatelaine.services.key import KeyKeeper
from chatelaine.services.notice import Courier
from chatelaine.services.playbook import Hands, Responder
from chatelaine.services.restraint import RestraintKeeper

log = logging.getLogger("chatelaine.watch")

_BY = "chatelaine"
_PATIENCE = 1.0
"""Seconds until a turn is tried again that could not be stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What answering takes from the hub."""

    store: IncidentStore
    clock: Clock
    record: Callable[[Event], None]
    keys: KeyKeeper
    restraints: RestraintKeeper
    courier: Courier
    ring: Callable[[], None]
    """Wakes the courier."""
    held: Callable[[], Mapping[KeyId, VirtualKey]]
    """The keys as they stand."""
    spent_today: Callable[[int], NanoUsd]
    """What was settled and is held of a meter's slot today."""
    handover: Path
    """Where the token of a successor is laid, for the owner's eyes."""
    habits: Habits


@dataclass(slots=True)
class Answering:
    """Takes what the watch finds, turn by turn."""

    desk: Desk
    watch: Watch
    notices: list[Notice] = field(default_factory=list)
    """To be told, once what they tell of is stored."""
    incidents: IncidentKeeper = field(init=False)
    responder: Responder = field(init=False)

    def __post_init__(self) -> None:
        """Put the two drivers together."""
        desk = self.desk
        self.incidents = IncidentKeeper(
            store=desk.store,
            clock=desk.clock,
            record=desk.record,
            notify=self._note_incident,
            day_left=self._day_left,
            past=self.watch.recent,
            alarm=desk.habits.alarm,
        )
        self.responder = Responder(
            store=desk.store,
            clock=desk.clock,
            record=desk.record,
            playbooks=playbooks(),
            hands=self._hands(),
            past=lambda owner: self.watch.past(owner, desk.clock.now()),
            known=self.watch.knows,
            changed=self._note_action,
        )

    async def start(self) -> None:
        """Settle what a hub before left under way."""
        for restraint in await self.responder.resume():
            await self._restrain(restraint)
        live = await self.incidents.live()
        self.desk.habits.alarm(frozenset(key for incident in live for key in incident.keys))

    async def take(self, turn: Turn) -> None:
        """Store and answer a turn; it returns when that is done, however long the disk takes."""
        answered = await self._stored(turn)
        prefixes = {one.id: one.prefix for one in turn.findings}
        for alert, incident in answered:
            await self._answer(alert, incident, prefixes)
        await self.tell()

    async def _stored(self, turn: Turn) -> Sequence[tuple[Alert, Incident]]:
        while True:
            try:
                return await self.incidents.take(turn.found())
            except (StoreError, JournalError) as fault:
                log.error("what was found cannot be stored", extra={"fault": str(fault)})  # noqa: TRY400 - told, not traced
                await asyncio.sleep(_PATIENCE)

    async def _answer(self, alert: Alert, incident: Incident, prefixes: Mapping[FindingId, str]) -> None:
        seen = dict.fromkeys(prefixes[one] for one in alert.findings if prefixes.get(one))
        situation = Situation(
            alert=alert,
            incident=incident.id,
            prefixes=tuple(seen),
            canary=self.watch.canary(alert.key),
        )
        try:
            await self.responder.answer(situation)
        except ChatelaineError as fault:
            # The alert stands, and a person sees that nothing was done about it.
            log.error("an alert was not answered", extra={"alert": alert.id, "fault": str(fault)})  # noqa: TRY400 - told, not traced

    async def tell(self) -> None:
        """Put what is to be told into the outbox."""
        notices, self.notices = self.notices, []
        if notices and await self.desk.courier.tell(notices):
            self.desk.ring()

    # What the drivers are handed.

    def _note_incident(self, before: Incident | None, after: Incident) -> None:
        self._add(of_incident(before, after))

    async def _note_action(self, action: Action) -> None:
        self._add(of_action(action))
        await self.incidents.note_action(action)

    def _add(self, notice: Notice | None) -> None:
        if notice is not None:
            self.notices.append(notice)

    def _day_left(self, keys: Sequence[KeyId]) -> NanoUsd | None:
        left = 0
        held = self.desk.held()
        for kid in keys:
            key = held.get(kid)
            if key is None or key.grant.spend_per_day is None:
                return None
            left += max(key.grant.spend_per_day - self.desk.spent_today(key.slot), 0)
        return NanoUsd(left)

    def _hands(self) -> Hands:
        keys = self.desk.keys

        async def suspend(kid: KeyId, reason: str) -> None:
            await keys.suspend(kid, by=_BY, reason=reason)

        async def resume(kid: KeyId, reason: str) -> None:
            await keys.resume(kid, by=_BY, reason=reason)

        async def revoke(kid: KeyId, reason: str) -> None:
            await keys.revoke(kid, by=_BY, reason=reason)

        return Hands(
            restrain=self._restrain,
            lift=self._lift,
            suspend=suspend,
            resume=resume,
            revoke=revoke,
            rotate=self._rotate,
            notify=self._notify,
        )

    async def _restrain(self, restraint: Restraint) -> None:
        await self.desk.restraints.restrain(
            restraint, by=_BY, reason=f"incident {restraint.incident}" if restraint.incident else ""
        )

    async def _lift(self, action: ActionId) -> None:
        if any(one.id == action for one in await self.desk.restraints.list()):
            await self.desk.restraints.lift(action, by=_BY, reason="taken back")

    async def _rotate(self, kid: KeyId, overlap: timedelta, reason: str) -> str:
        issued = await self.desk.keys.rotate(kid, overlap=overlap, by=_BY, reason=reason)
        place = self.desk.handover / f"{issued.key.id}.token"
        await asyncio.to_thread(_lay, place, issued.token)
        return f"its successor {issued.key.id} is issued; its token lies in {place} until somebody takes it"

    async def _notify(self, action: Action) -> None:
        told = of_action(action)
        if told is not None:
            self._add(told)


def _lay(place: Path, token: str) -> None:
    place.parent.mkdir(mode=0o700, exist_ok=True)
    with open(place, "x", encoding="ascii", opener=_private) as written:
        written.write(f"{token}\n")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)
