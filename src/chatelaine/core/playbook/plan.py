"""Alerts become plans: which playbooks answer, what they want done, and who lets each action run."""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from chatelaine.core.playbook.rehearse import objection
from chatelaine.model.detection import Alert
from chatelaine.model.playbook import (
    Action,
    ActionInput,
    ActionKind,
    ActionState,
    Approval,
    BlastRadius,
    Lane,
    Plan,
    PlaybookCard,
    Restraint,
    Situation,
    Wanted,
)
from chatelaine.model.words import SECOND, ActionId, Instant, NanoUsd, PlaybookId

MakePlan = Callable[[Situation, PlaybookCard], tuple[Wanted, ...]]
"""What a playbook is: situation and card in, what it wants done out, in order."""

RESTRAINING: Final = frozenset({ActionKind.RESTRAIN, ActionKind.STEP_UP, ActionKind.DECOY})
"""Kinds that the gate carries out."""

LASTING: Final = RESTRAINING | {ActionKind.SUSPEND}
"""Kinds that are in force for a time, and can be taken back."""

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = 12
_NANO: Final = 1_000_000_000
_STRICT: Final = {
    lane: place
    for place, lane in enumerate((Lane.TARPIT, Lane.THROTTLE, Lane.QUARANTINE, Lane.DECOY, Lane.REFUSE))
}
_GOING_ON: Final = frozenset(
    {ActionState.PLANNED, ActionState.REHEARSED, ActionState.AWAITING_APPROVAL, ActionState.RUNNING}
)


class Playbook(NamedTuple):
    """An item of the shelf: its card and its verb."""

    card: PlaybookCard
    plan: MakePlan


def answering(alert: Alert, playbooks: Mapping[PlaybookId, Playbook]) -> tuple[Playbook, ...]:
    """Return the playbooks that an alert's detections name and that are switched on, in their order."""
    named = (playbooks.get(PlaybookId(name)) for name in alert.playbooks)
    return tuple(one for one in named if one is not None and one.card.enabled)


def following(alert: Alert, spent: NanoUsd, playbooks: Mapping[PlaybookId, Playbook]) -> tuple[Playbook, ...]:
    """Return the playbooks that follow those that answered an alert: more was spent than their fuses hold."""
    cards = (one.card for one in answering(alert, playbooks))
    blown = (card.then for card in cards if card.then and spent >= card.fuse_usd * _NANO)
    return tuple(
        playbooks[name] for name in dict.fromkeys(blown) if name in playbooks and playbooks[name].card.enabled
    )


def make_plan(playbook: Playbook, situation: Situation, now: Instant, *, by: str = "") -> Plan:
    """Return the actions by which a playbook answers an alert.

    The same alert always gives the same ids, unless a person asks for it (``by``): then it is another plan.
    """
    asked = f"{by}|{now}" if by else ""
    alert, card = situation.alert, playbook.card
    until = Instant(now + card.time_limit_minutes * 60 * SECOND)
    actions = tuple(
        Action(
            id=action_id(situation, card.id, place, asked=asked),
            incident=situation.incident,
            alert=alert.id,
            playbook=card.id,
            owner=alert.owner,
            wanted=wanted,
            state=ActionState.PLANNED,
            planned_at=now,
            changed_at=now,
            until=until,
        )
        for place, wanted in enumerate(playbook.plan(situation, card))
    )
    return Plan(card.id, situation.incident, alert.id, actions)


def action_id(situation: Situation, playbook: PlaybookId, place: int, *, asked: str = "") -> ActionId:
    """Return the id of an action: of its alert, its playbook and its place in the plan.

    Not of its incident, which may have been merged into another one before the alert is answered again.
    """
    told = f"action|{situation.alert.id}|{playbook}|{place}{asked}"
    number = int.from_bytes(sha256(told.encode()).digest()[:12], "big")
    digits = ""
    for _ in range(_DIGITS):
        number, digit = divmod(number, len(_BASE62))
        digits += _BASE62[digit]
    return ActionId(f"act_{digits}")


def judge(action: Action, card: PlaybookCard, alert: Alert) -> tuple[ActionInput, str]:
    """Return what becomes of a rehearsed action, and why: it runs, a person is asked, or it is vetoed."""
    against = objection(action, card)
    if against:
        return ActionInput.VETO, against
    doubt = _doubt(action, card, alert)
    return (ActionInput.ASK, doubt) if doubt else (ActionInput.START, "the rehearsal speaks for it")


def _doubt(action: Action, card: PlaybookCard, alert: Alert) -> str:
    if action.wanted.kind is ActionKind.NOTIFY:
        return ""
    if card.approval is Approval.PERSON:
        return f"{card.id} runs with a person's approval"
    if not alert.actionable:
        return "the alert is not certain, and no two families agree"
    if alert.severity < card.least_severity:
        return f"the alert is only {alert.severity.name.lower()}"
    blind = action.rehearsal is None or not action.rehearsal.own
    if blind and card.blast_radius >= BlastRadius.KEY:
        return "none of the owner's past traffic is known, and it reaches the whole key"
    return ""


def covered(wanted: Wanted, actions: Iterable[Action]) -> bool:
    """Tell whether an action that is going on does already, or more strictly, what is wanted."""
    return any(one.state in _GOING_ON and _covers(one.wanted, wanted) for one in actions)


def told_already(action: Action, taken: Iterable[Action]) -> bool:
    """Tell whether another playbook has told the same people of the same alert."""
    return action.wanted.kind is ActionKind.NOTIFY and any(
        one.alert == action.alert
        and one.wanted.kind is ActionKind.NOTIFY
        and one.wanted.audience is action.wanted.audience
        for one in taken
    )


def _covers(held: Wanted, wanted: Wanted) -> bool:
    if held.key != wanted.key:
        return False
    if held.kind not in RESTRAINING or wanted.kind not in RESTRAINING:
        return held.kind is wanted.kind and held.text == wanted.text
    wide = (
        (not held.contexts or (bool(wanted.contexts) and set(wanted.contexts) <= set(held.contexts)))
        and (not held.prefixes or (bool(wanted.prefixes) and set(wanted.prefixes) <= set(held.prefixes)))
        and (not held.foreign or wanted.foreign)
    )
    return wide and _STRICT[lane_of(held)] >= _STRICT[lane_of(wanted)]


def lane_of(wanted: Wanted) -> Lane:
    """Return the lane that a restraining action puts traffic on."""
    return Lane.DECOY if wanted.kind is ActionKind.DECOY else wanted.lane


def restraint(action: Action) -> Restraint:
    """Return what the gate is told of a restraining action."""
    wanted = action.wanted
    return Restraint(
        id=action.id,
        key=wanted.key,
        lane=lane_of(wanted),
        until=action.until,
        contexts=wanted.contexts,
        prefixes=wanted.prefixes,
        foreign=wanted.foreign,
        incident=action.incident,
        requests_per_minute=wanted.requests_per_minute,
        delay_ms=wanted.delay_ms,
    )
