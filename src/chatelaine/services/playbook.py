"""The driver of the playbook room: alerts become actions, which are rehearsed, let run, and taken back.

An action is stored as running before it is carried out, and with its outcome after: so that a crash in
between leaves something that says so. What the gates are told can be told again; what cannot be repeated
(a rotation, a message) is found at the next start, and left to a person.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from chatelaine.core.playbook.lifecycle import apply
from chatelaine.core.playbook.past import Spent
from chatelaine.core.playbook.plan import (
    LASTING,
    RESTRAINING,
    Playbook,
    answering,
    covered,
    following,
    judge,
    make_plan,
    restraint,
    told_already,
)
from chatelaine.core.playbook.rehearse import Known, Rehearsing
from chatelaine.core.playbook.work import approved, due, failed, finished, in_force, rehearsed
from chatelaine.model.error import ActionNotFound, ChatelaineError, UsageError
from chatelaine.model.event import ActionTaken, Event
from chatelaine.model.incident import Batch
from chatelaine.model.playbook import (
    Action,
    ActionChange,
    ActionInput,
    ActionKind,
    ActionState,
    Rehearsal,
    Restraint,
    Situation,
)
from chatelaine.model.words import ActionId, IncidentId, KeyId, NanoUsd, OwnerId, PlaybookId
from chatelaine.ports import Clock, IncidentStore

_DAYS: Final = 30
"""How far back a rehearsal looks (principle 6)."""
_PART: Final = 2_000
"""Sightings of the past that are looked at between two turns of the loop."""
_ENGINE: Final = "chatelaine"
_OVER: Final = "its time is over"
_GOING_ON: Final = (
    ActionState.PLANNED,
    ActionState.REHEARSED,
    ActionState.AWAITING_APPROVAL,
    ActionState.RUNNING,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What carries actions out; each raises a ``ChatelaineError`` where it cannot."""

    restrain: Callable[[Restraint], Awaitable[None]]
    """Tells every gate; telling the same restraint again changes nothing."""
    lift: Callable[[ActionId], Awaitable[None]]
    """Ends a restraint; one that is not there is none."""
    suspend: Callable[[KeyId, str], Awaitable[None]]
    """Key and reason; so for the next two."""
    resume: Callable[[KeyId, str], Awaitable[None]]
    revoke: Callable[[KeyId, str], Awaitable[None]]
    rotate: Callable[[KeyId, timedelta, str], Awaitable[str]]
    """Key, overlap and reason; returns how the successor's token reaches the owner, for the analyst."""
    notify: Callable[[Action], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Responder:
    """Answers alerts with actions."""

    store: IncidentStore
    clock: Clock
    record: Callable[[Event], None]
    """Appends an event to the hub's journal."""
    playbooks: Mapping[PlaybookId, Playbook]
    hands: Hands
    past: Callable[[OwnerId, int], Awaitable[Iterable[Spent]]]
    """Returns what was seen of an owner's keys in so many days, in order of time."""
    known: Known
    """Tells whether a client context is of a key's habit."""
    changed: Callable[[Action], Awaitable[object]]
    """Told of every action that moved: the incident may be contained by it."""

    async def answer(self, situation: Situation) -> Sequence[Action]:
        """Plan and rehearse what the alert's playbooks want, and carry out what needs nobody's approval.

        An alert that was answered before is not answered again, and what is done already is not planned.
        """
        taken: list[Action] = []
        for playbook in answering(situation.alert, self.playbooks):
            taken += await self._follow(playbook, situation)
        return taken

    async def follow_up(self, situation: Situation, spent: NanoUsd) -> Sequence[Action]:
        """Answer an alert with what follows its playbooks, where so much was spent that their fuses blow.

        It is for incidents that nothing holds back; what was planned before is not planned again.
        """
        taken: list[Action] = []
        for playbook in following(situation.alert, spent, self.playbooks):
            taken += await self._follow(playbook, situation)
        return taken

    async def propose(self, name: PlaybookId, situation: Situation, *, by: str) -> Sequence[Action]:
        """Plan and rehearse a playbook that a person chose; every action of it waits for approval.

        Raises:
            UsageError: there is no such playbook.
        """
        playbook = self.playbooks.get(name)
        if playbook is None:
            known = ", ".join(sorted(self.playbooks))
            raise UsageError(f"there is no playbook {name!r}", hint=f"one of {known}")
        _require_text(by=by)
        return await self._follow(playbook, situation, by=by)

    async def approve(self, name: ActionId, *, by: str, reason: str) -> Action:
        """Let an action run: one that waits for it, was vetoed, or failed.

        Raises:
            ActionNotFound: there is no such action; so for all below.
            TransitionRefused: its life cycle does not allow it; so for all below.
            UsageError: nobody is named; so for all below.
        """
        _require_text(by=by, reason=reason)
        before = await self.show(name)
        after = approved(before, at=self.clock.now(), by=by, reason=reason)
        return await self._carry_out(await self._store(before, after))

    async def refuse(self, name: ActionId, *, by: str, reason: str) -> Action:
        """Let an action that waits for approval not run."""
        _require_text(by=by, reason=reason)
        return await self._move(await self.show(name), ActionInput.VETO, by=by, reason=reason)

    async def undo(self, name: ActionId, *, by: str, reason: str) -> Action:
        """Take back an action that is in force."""
        _require_text(by=by, reason=reason)
        action = await self.show(name)
        after = apply(action, ActionInput.UNDO, at=self.clock.now(), by=by, reason=reason)
        await self._take_back(action, reason)
        return await self._store(action, after)

    async def release(self, incident: IncidentId, *, by: str, reason: str) -> Sequence[Action]:
        """Take back all that is in force for an incident, and withdraw what waits: it was harmless."""
        taken: list[Action] = []
        for action in await self.store.actions(incident=incident, states=_GOING_ON):
            if action.state is ActionState.RUNNING:
                taken.append(await self.undo(action.id, by=by, reason=reason))
            else:
                taken.append(await self._move(action, ActionInput.EXPIRE, by=by, reason=reason))
        return taken

    async def expire_due(self) -> Sequence[Action]:
        """End what has reached its time limit: in force, or waiting for an approval that did not come.

        Raises:
            ChatelaineError: some could not be ended, and will be tried again; all others were.
        """
        ended: list[Action] = []
        faults: list[ChatelaineError] = []
        for action in due(await self.store.actions(states=_GOING_ON), self.clock.now()):
            try:
                if action.state is ActionState.RUNNING:
                    await self._take_back(action, _OVER)
                ended.append(await self._move(action, ActionInput.EXPIRE, by="clock", reason=_OVER))
            except ChatelaineError as fault:
                faults.append(fault)
        if faults:
            raise faults[0]
        return ended

    async def resume(self) -> Sequence[Restraint]:
        """Settle at a start what was under way, and return the restraints that are in force for the gates."""
        await self.expire_due()
        held: list[Restraint] = []
        for action in await self.store.actions(states=(ActionState.RUNNING,)):
            if action.wanted.kind in RESTRAINING:
                held.append(restraint(action))
                if action.outcome is None:
                    told = f"the gates hold it on the lane {held[-1].lane}"
                    await self._store(action, in_force(action, told, at=self.clock.now()))
            elif action.wanted.kind not in LASTING:
                text = "the hub stopped while it was carried out; look whether it was, and approve it again"
                await self._store(action, failed(action, text, at=self.clock.now(), by=_ENGINE))
        for action in await self.store.actions(states=(ActionState.PLANNED, ActionState.REHEARSED)):
            await self._move(action, ActionInput.EXPIRE, by=_ENGINE, reason="the hub stopped before it ran")
        return held

    async def show(self, name: ActionId) -> Action:
        """Return one action.

        Raises:
            ActionNotFound: there is no such action.
        """
        action = await self.store.action(name) if name.isascii() else None
        if action is None:
            raise ActionNotFound(
                f"no action has the id {name!r}", hint="chatelaine incidents show INCIDENT names its actions"
            )
        return action

    # How.

    async def _follow(self, playbook: Playbook, situation: Situation, *, by: str = "") -> list[Action]:
        taken: list[Action] = []
        for action in make_plan(playbook, situation, self.clock.now(), by=by).actions:
            going_on = await self.store.actions(states=_GOING_ON)
            before = await self.store.actions(incident=situation.incident)
            known = await self.store.action(action.id) is not None
            if known or covered(action.wanted, going_on) or (not by and told_already(action, before)):
                continue
            taken.append(await self._begin(playbook, situation, action, by=by))
        return taken

    async def _begin(self, playbook: Playbook, situation: Situation, action: Action, *, by: str) -> Action:
        """Rehearse an action, and let it run where nothing speaks against it and no person must approve."""
        ready = rehearsed(action, await self._rehearse(action), at=self.clock.now(), by=_ENGINE)
        given, why = judge(ready, playbook.card, situation.alert)
        if by and given is ActionInput.START:
            given, why = ActionInput.ASK, f"proposed by {by}"
        after = await self._store(None, apply(ready, given, at=self.clock.now(), by=_ENGINE, reason=why))
        return await self._carry_out(after) if after.state is ActionState.RUNNING else after

    async def _rehearse(self, action: Action) -> Rehearsal:
        rehearsing = Rehearsing(action.wanted, self.known)
        for number, spent in enumerate(await self.past(action.owner, _DAYS), 1):
            rehearsing.see(spent.seen, spent.times)
            if number % _PART == 0:
                await asyncio.sleep(0)
        return rehearsing.told(days=_DAYS)

    async def _carry_out(self, action: Action) -> Action:
        try:
            done = await self._do(action)
        except ChatelaineError as error:
            return await self._store(action, failed(action, error.message, at=self.clock.now(), by=_ENGINE))
        now = self.clock.now()
        if action.wanted.kind in LASTING:
            return await self._store(action, in_force(action, done, at=now))
        return await self._store(action, finished(action, done, at=now, by=_ENGINE))

    async def _do(self, action: Action) -> str:
        """Carry an action out and return what was done, in words."""
        wanted, hands = action.wanted, self.hands
        reason = wanted.text or f"incident {action.incident}: {action.playbook}"
        if wanted.kind in RESTRAINING:
            held = restraint(action)
            await hands.restrain(held)
            return f"the gates hold it on the lane {held.lane}"
        if wanted.kind is ActionKind.SUSPEND:
            await hands.suspend(wanted.key, reason)
            return "the key is suspended"
        if wanted.kind is ActionKind.REVOKE:
            await hands.revoke(wanted.key, reason)
            return "the key is revoked"
        if wanted.kind is ActionKind.ROTATE:
            return await hands.rotate(wanted.key, timedelta(minutes=wanted.overlap_minutes), reason)
        await hands.notify(action)
        return "told"

    async def _take_back(self, action: Action, reason: str) -> None:
        if action.wanted.kind in RESTRAINING:
            await self.hands.lift(action.id)
        elif action.wanted.kind is ActionKind.SUSPEND:
            await self.hands.resume(action.wanted.key, reason)

    async def _move(self, before: Action, given: ActionInput, *, by: str, reason: str) -> Action:
        after = apply(before, given, at=self.clock.now(), by=by, reason=reason)
        return await self._store(before, after)

    async def _store(self, before: Action | None, after: Action) -> Action:
        """Store an action as it is now, record each step that it made, and tell of it.

        Raises:
            StoreConflict: somebody moved it meanwhile.
        """
        await self.store.commit(Batch(actions=((before, after),)))
        told = len(before.changes) if before is not None else 0
        try:
            for change in after.changes[told:]:
                self.record(_event(after, change))
        finally:
            await self.changed(after)
        return after


def _event(action: Action, change: ActionChange) -> Event:
    rehearsal = action.rehearsal
    return ActionTaken(
        at=change.at,
        action=action.id,
        incident=action.incident,
        alert=action.alert,
        playbook=action.playbook,
        wanted=action.wanted,
        given=change.given,
        before=change.before,
        after=change.after,
        by=change.by,
        reason=change.reason,
        until=action.until,
        own=rehearsal.own if rehearsal is not None else 0,
        own_stopped=rehearsal.own_stopped if rehearsal is not None else 0,
    )


def _require_text(**given: str) -> None:
    """Refuse an action of nobody, and what no store or journal can write: surrogates."""
    for name, text in given.items():
        if name == "by" and not text.strip():
            raise UsageError("nobody is named who does this", hint="--by NAME")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise UsageError(f"{name} is not text: {text!r}", hint="write it in UTF-8")
