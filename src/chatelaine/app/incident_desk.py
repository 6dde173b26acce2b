"""Commands about incidents, carried out: by the hub while it runs, else by the command line itself."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from chatelaine.core.incident.timeline import summary
from chatelaine.model.desk import (
    ActionsTold,
    ChangeIncident,
    DecideAction,
    IncidentCommand,
    IncidentReply,
    IncidentsTold,
    IncidentTold,
    ListIncidents,
    ProposePlaybook,
    ShowIncident,
)
from chatelaine.model.error import KeyNotFound, TransitionRefused, UsageError
from chatelaine.model.incident import Incident, IncidentInput, Story, VerdictKind
from chatelaine.model.playbook import Action, ActionInput, Restraint, Situation
from chatelaine.model.words import ActionId, KeyId
from chatelaine.services.incident import IncidentKeeper
from chatelaine.services.key import KeyKeeper
from chatelaine.services.playbook import Hands, Responder

_ENGINE: Final = "chatelaine"
_MOST: Final = 1_000
_HARMLESS: Final = frozenset({VerdictKind.FALSE_POSITIVE, VerdictKind.BENIGN_TRUE_POSITIVE})


class TokenBox:
    """Holds tokens that a rotation issued until whoever approved it is told them, once."""

    def __init__(self) -> None:
        self._tokens: dict[KeyId, str] = {}

    def put(self, key: KeyId, token: str) -> None:
        """Hold the token of a key's successor."""
        self._tokens[key] = token

    def take(self, key: KeyId) -> tuple[str, ...]:
        """Return what is held for a key, and hold it no more."""
        token = self._tokens.pop(key, None)
        return () if token is None else (token,)


def hands(
    keys: KeyKeeper,
    tokens: TokenBox,
    *,
    restrain: Callable[[Restraint], Awaitable[None]],
    lift: Callable[[ActionId], Awaitable[None]],
    notify: Callable[[Action], Awaitable[None]],
) -> Hands:
    """Return what carries actions out: on keys by their keeper, on traffic and people as given."""

    async def suspend(key: KeyId, reason: str) -> None:
        await keys.suspend(key, by=_ENGINE, reason=reason)

    async def resume(key: KeyId, reason: str) -> None:
        # Somebody revoked it meanwhile, or resumed it: nothing of the suspension is left to end.
        with suppress(TransitionRefused, KeyNotFound):
            await keys.resume(key, by=_ENGINE, reason=reason)

    async def revoke(key: KeyId, reason: str) -> None:
        await keys.revoke(key, by=_ENGINE, reason=reason)

    async def rotate(key: KeyId, overlap: timedelta, reason: str) -> str:
        issued = await keys.rotate(key, overlap=overlap, by=_ENGINE, reason=reason)
        tokens.put(key, issued.token)
        return f"its successor is {issued.key.id}; its token was told to whoever approved it"

    return Hands(
        restrain=restrain,
        lift=lift,
        suspend=suspend,
        resume=resume,
        revoke=revoke,
        rotate=rotate,
        notify=notify,
    )


class IncidentDesk:
    """Carries commands about incidents out."""

    def __init__(self, keeper: IncidentKeeper, responder: Responder, tokens: TokenBox) -> None:
        self._keeper = keeper
        self._responder = responder
        self._tokens = tokens

    async def carry_out(self, command: IncidentCommand) -> IncidentReply:
        """Carry a command out.

        Raises:
            ChatelaineError: it cannot be.
        """
        if isinstance(command, ListIncidents):
            found = await self._keeper.incidents(command.states, limit=max(0, min(command.limit, _MOST)))
            return IncidentsTold(tuple(summary(one) for one in found))
        if isinstance(command, ShowIncident):
            return IncidentTold(await self._keeper.show(command.incident))
        if isinstance(command, ChangeIncident):
            return await self._change(command)
        if isinstance(command, ProposePlaybook):
            return await self._propose(command)
        return await self._decide(command)

    async def _change(self, command: ChangeIncident) -> IncidentReply:
        changed = await self._changes(command)
        judged = changed.verdicts[-1].kind if changed.verdicts else None
        if command.change is IncidentInput.CLOSE and judged in _HARMLESS:
            for name in (changed.id, *changed.absorbed):
                await self._responder.release(name, by=command.by, reason=f"it was {judged}")
        return IncidentTold(await self._keeper.show(changed.id))

    async def _changes(self, asked: ChangeIncident) -> Incident:
        keeper, name, by, text = self._keeper, asked.incident, asked.by, asked.text
        if asked.change is IncidentInput.ASSIGN:
            return await keeper.assign(name, to=text, by=by)
        if asked.change is IncidentInput.NOTE:
            return await keeper.note(name, text=text, by=by)
        if asked.change is IncidentInput.CLOSE:
            return await keeper.close(name, verdict=asked.verdict, reason=text, by=by)
        if asked.change is IncidentInput.REOPEN:
            return await keeper.reopen(name, reason=text, by=by)
        if asked.change is IncidentInput.VERDICT and asked.verdict is not None:
            return await keeper.verdict(name, asked.verdict, reason=text, by=by)
        raise UsageError(f"nobody does {asked.change} to an incident by command")

    async def _propose(self, command: ProposePlaybook) -> ActionsTold:
        story = await self._keeper.show(command.incident)
        taken: list[Action] = []
        for situation in situations(story):
            taken += await self._responder.propose(command.playbook, situation, by=command.by)
        return ActionsTold(tuple(taken))

    async def _decide(self, command: DecideAction) -> ActionsTold:
        decisions = {
            ActionInput.APPROVE: self._responder.approve,
            ActionInput.VETO: self._responder.refuse,
            ActionInput.UNDO: self._responder.undo,
        }
        decide = decisions.get(command.decision)
        if decide is None:
            raise UsageError(f"nobody does {command.decision} to an action by command")
        action = await decide(command.action, by=command.by, reason=command.reason)
        return ActionsTold((action,), self._tokens.take(action.wanted.key))


def situations(story: Story) -> tuple[Situation, ...]:
    """Return what a playbook plans for in an incident: the last alert of each of its keys."""
    last = {alert.key: alert for alert in story.alerts}
    return tuple(
        Situation(alert=alert, incident=story.incident.id, prefixes=story.incident.prefixes)
        for alert in last.values()
    )
