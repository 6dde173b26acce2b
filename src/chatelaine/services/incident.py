"""The driver of the incident room: alerts open and join incidents, people work on them and judge them.

Each change is stored first, then recorded, then told. What one turn of the engine found is stored in one
transaction, and taken again changes nothing: so the engine may go back to where it last kept its place.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from chatelaine.core.incident import work
from chatelaine.core.incident.lifecycle import LIVE, alarmed, live
from chatelaine.core.incident.money import foreign
from chatelaine.core.incident.settle import Settled, settle
from chatelaine.core.incident.timeline import timeline
from chatelaine.core.incident.verdict import judge, records
from chatelaine.model.detection import Alert, Finding, Phase, Sighting
from chatelaine.model.error import IncidentNotFound, StoreConflict, UsageError
from chatelaine.model.event import Event, IncidentChanged, IncidentOpened
from chatelaine.model.incident import (
    Batch,
    Found,
    Incident,
    IncidentInput,
    IncidentState,
    RuleRecord,
    Step,
    Story,
    Verdict,
    VerdictKind,
)
from chatelaine.model.playbook import Action
from chatelaine.model.words import (
    AlertId,
    DetectionId,
    ExchangeId,
    FindingId,
    IncidentId,
    Instant,
    KeyId,
    NanoUsd,
)
from chatelaine.ports import Clock, IncidentStore

_EMPTY = Batch()
_MOST_SHOWN = 300
_T = TypeVar("_T")
_TRIES = 8
"""A change that meets another one is worked out anew from what the other left, at most so often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentKeeper:
    """Keeps the incidents of one installation."""

    store: IncidentStore
    clock: Clock
    record: Callable[[Event], None]
    """Appends an event to the hub's journal."""
    notify: Callable[[Incident | None, Incident], None]
    """Told of every incident that was opened or moved, as it was before (None: not at all) and is now."""
    day_left: Callable[[Sequence[KeyId]], NanoUsd | None]
    """Returns what is left of the day budgets of keys; None where one of them has no budget."""
    past: Callable[[KeyId, Instant], Iterable[Sighting]]
    """Returns what was seen of a key since an instant: for the money of what comes into an incident."""
    alarm: Callable[[frozenset[KeyId]], None]
    """Told of the keys on which a client is held back, whenever that changes: the gates are alarmed."""

    async def take(self, found: Found) -> Sequence[tuple[Alert, Incident]]:
        """Store what one turn of the engine found; return each alert with its incident, to be answered.

        What was stored before is passed over, so that a turn may be taken again after a crash; its alerts
        are returned again all the same, since nobody knows whether they were answered.

        Raises:
            StoreError: nothing of it was stored; the turn is to be taken again.
        """
        for _ in range(_TRIES):
            new = await self._unstored(found)
            held = tuple(await self.store.incidents(LIVE)) if _touches_incidents(found) else ()
            settled = settle(held, new.alerts, new.joined, await self._named(new))
            changed = self._counted(settled, new, {one.id: one for one in held})
            batch = Batch(findings=new.findings, alerts=new.alerts, incidents=tuple(changed))
            try:
                if batch != _EMPTY:
                    await self.store.commit(batch)
            except StoreConflict:
                continue
            if settled.steps:
                await self._announce(settled.steps)
            return _to_answer(found.alerts, [after for _, after in changed], held)
        raise _contended("an incident")

    async def live(self) -> Sequence[Incident]:
        """Return the incidents that are not over."""
        return await self.store.incidents(LIVE)

    async def incidents(
        self, states: Iterable[IncidentState] = (), *, limit: int | None = None
    ) -> Sequence[Incident]:
        """Return the incidents in these states (none: in any), what changed last first."""
        return await self.store.incidents(states, limit=limit)

    async def show(self, name: IncidentId) -> Story:
        """Return an incident with its story; of very many findings, alerts or actions the first and the last.

        Raises:
            IncidentNotFound: there is no such incident.
        """
        incident = await self._one(name)
        findings = tuple(await self.store.findings(_ends(incident.findings)))
        alerts = tuple(await self.store.alerts(_ends(incident.alerts)))
        names = (incident.id, *incident.absorbed)
        actions = [one for each in names for one in await self.store.actions(incident=each)]
        actions = sorted(_ends(actions), key=lambda one: (one.planned_at, one.id))
        told = timeline(incident, findings, alerts, actions)
        return Story(incident, told, findings, alerts, tuple(actions))

    async def records(self) -> dict[DetectionId, RuleRecord]:
        """Return how each detection fared in the incidents that were judged."""
        return records(await self.store.incidents())

    # What people do.

    async def assign(self, name: IncidentId, *, to: str, by: str) -> Incident:
        """Let somebody work on an incident.

        Raises:
            IncidentNotFound: there is no such incident; so for all below.
            TransitionRefused: its life cycle does not allow it; so for all below.
            UsageError: a text is missing or makes no sense; so for all below.
        """
        _require_text(to=to, by=by)
        return await self._change(
            name, IncidentInput.ASSIGN, lambda held, at: work.assign(held, to, at=at, by=by)
        )

    async def note(self, name: IncidentId, *, text: str, by: str) -> Incident:
        """Write something down about an incident."""
        _require_text(text=text, by=by)
        return await self._change(
            name, IncidentInput.NOTE, lambda held, at: work.note(held, text, at=at, by=by)
        )

    async def verdict(self, name: IncidentId, kind: VerdictKind, *, reason: str, by: str) -> Incident:
        """Say what an incident is: a human's word, by which detections are measured."""
        _require_text(reason=reason, by=by)
        return await self._change(
            name, IncidentInput.VERDICT, lambda held, at: judge(held, Verdict(kind, reason, by, at))
        )

    async def close(self, name: IncidentId, *, verdict: VerdictKind | None, reason: str, by: str) -> Incident:
        """Close an incident, with a verdict unless it has one."""
        _require_text(reason=reason, by=by)

        def step(held: Incident, at: Instant) -> Incident:
            judged = held if verdict is None else judge(held, Verdict(verdict, reason, by, at))
            return work.close(judged, at=at, by=by, reason=reason)

        return await self._change(name, IncidentInput.CLOSE, step)

    async def reopen(self, name: IncidentId, *, reason: str, by: str) -> Incident:
        """Open a closed incident again."""
        _require_text(reason=reason, by=by)
        return await self._change(
            name, IncidentInput.REOPEN, lambda held, at: work.reopen(held, at=at, by=by, reason=reason)
        )

    async def note_action(self, action: Action) -> Incident:
        """Take the news that an action of an incident moved; it may be contained by it, or no more."""
        by = action.changes[-1].by if action.changes else "chatelaine"
        return await self._change(
            action.incident, None, lambda held, _: work.with_action(held, action, by=by)
        )

    # How.

    async def _change(
        self,
        name: IncidentId,
        given: IncidentInput | None,
        step: Callable[[Incident, Instant], Incident],
    ) -> Incident:
        for _ in range(_TRIES):
            before = await self._current(name)
            after = step(before, self.clock.now())
            if after == before:
                return before
            try:
                await self.store.commit(Batch(incidents=((before, after),)))
            except StoreConflict:
                continue
            given = given or (after.changes[-1].given if after.changes != before.changes else None)
            if given is not None:
                await self._announce([Step(before, after, given, AlertId(""))])
            return after
        raise _contended(f"incident {name}")

    async def _one(self, name: IncidentId) -> Incident:
        incident = await self.store.incident(name) if name.isascii() else None
        if incident is None:
            raise IncidentNotFound(
                f"no incident has the id {name!r}", hint="chatelaine incidents list shows them"
            )
        return incident

    async def _current(self, name: IncidentId) -> Incident:
        """Return an incident, or that into which it was merged."""
        incident = await self._one(name)
        while incident.merged_into:
            incident = await self._one(incident.merged_into)
        return incident

    async def _named(self, found: Found) -> dict[FindingId, Finding]:
        at_hand = {one.id: one for one in found.findings}
        wanted = {name for alert in found.alerts for name in alert.findings} - at_hand.keys()
        if wanted:
            at_hand |= {one.id: one for one in await self.store.findings(wanted)}
        return at_hand

    async def _unstored(self, found: Found) -> Found:
        """Return what is not stored yet: what is, was settled in the same transaction."""
        names = [one.id for one in (*found.findings, *found.joined)]
        findings = {one.id for one in await self.store.findings(names)} if names else set()
        alerts = {one.id for one in await self.store.alerts(one.id for one in found.alerts)}
        return Found(
            findings=tuple(one for one in found.findings if one.id not in findings),
            alerts=tuple(one for one in found.alerts if one.id not in alerts),
            joined=tuple(one for one in found.joined if one.id not in findings),
            sightings=found.sightings,
        )

    def _counted(
        self, settled: Settled, found: Found, before: dict[IncidentId, Incident]
    ) -> list[tuple[Incident | None, Incident]]:
        """Return the incidents that changed with their money, that of what came into them included."""
        turn = {(one.exchange, one.phase) for one in found.sightings}
        changed: list[tuple[Incident | None, Incident]] = []
        for incident in settled.incidents:
            known = before.get(incident.id)
            after = incident
            if incident.state is not IncidentState.MERGED:
                seen = [one for one in found.sightings if one.key in incident.keys]
                earlier = self._earlier(known, incident, turn) if _grew(known, incident) else ()
                if seen or earlier:
                    left = self.day_left(incident.keys)
                    after = work.count(incident, seen, earlier, day_left=left)
            if after != known:
                changed.append((known, after))
        return changed

    def _earlier(
        self, before: Incident | None, after: Incident, turn: set[tuple[ExchangeId, Phase]]
    ) -> Sequence[Sighting]:
        return [
            seen
            for key in after.keys
            for seen in self.past(key, after.first_at)
            if foreign(after, seen)
            and not (before is not None and foreign(before, seen))
            and (seen.exchange, seen.phase) not in turn
        ]

    async def _announce(self, steps: Sequence[Step]) -> None:
        try:
            for step in steps:
                self.record(_event(step, self.clock.now()))
        finally:
            self.alarm(alarmed(await self.store.incidents(LIVE)))
            for step in steps:
                self.notify(step.before, step.after)


def _ends(names: Sequence[_T]) -> Sequence[_T]:
    """Return the first and the last of very many: a story is to fit one frame between our processes."""
    half = _MOST_SHOWN // 2
    return names if len(names) <= _MOST_SHOWN else (*names[:half], *names[-half:])


def _to_answer(
    alerts: Sequence[Alert], changed: Sequence[Incident], held: Sequence[Incident]
) -> list[tuple[Alert, Incident]]:
    live_now = {one.id: one for one in (*held, *changed)}.values()
    return [
        (alert, incident)
        for alert in alerts
        for incident in live_now
        if alert.id in incident.alerts and live(incident)
    ]


def _touches_incidents(found: Found) -> bool:
    return bool(found.alerts or found.joined or found.sightings)


def _grew(before: Incident | None, after: Incident) -> bool:
    return before is None or (
        (before.keys, before.contexts, before.first_at) != (after.keys, after.contexts, after.first_at)
    )


def _event(step: Step, at: Instant) -> Event:
    after = step.after
    if step.before is None:
        return IncidentOpened(
            at=at,
            incident=after.id,
            alert=step.alert,
            title=after.title,
            severity=after.severity,
            keys=after.keys,
            owners=after.owners,
            contexts=after.contexts,
            families=after.families,
            findings=after.findings,
        )
    change = after.changes[-1] if after.changes != step.before.changes else None
    judged = after.verdicts[-1] if after.verdicts != step.before.verdicts else None
    noted = after.notes[-1] if after.notes != step.before.notes else None
    said = change or judged or noted
    return IncidentChanged(
        at=at,
        incident=after.id,
        given=step.given,
        before=step.before.state,
        after=after.state,
        severity=after.severity,
        by=said.by if said is not None else "chatelaine",
        reason=judged.reason if judged is not None else change.reason if change is not None else "",
        verdict=judged.kind if judged is not None else None,
        alert=step.alert,
        merged_into=after.merged_into,
    )


def _require_text(**given: str) -> None:
    """Refuse what no store or journal can write: nothing, and surrogates from undecodable arguments."""
    for name, text in given.items():
        if not text.strip():
            raise UsageError(f"{name} is missing", hint=f"--{name} '…'")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise UsageError(f"{name} is not text: {text!r}", hint="write it in UTF-8")


def _contended(name: str) -> StoreConflict:
    return StoreConflict(f"{name} keeps changing", hint="several programs change it at once; try again")
