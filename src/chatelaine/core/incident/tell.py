"""What people are told of an incident: one notice for each thing they may have to do something about."""

from typing import Final

from chatelaine.core.incident.lifecycle import live
from chatelaine.core.notice.delivery import notice_id
from chatelaine.model.detection import Severity
from chatelaine.model.incident import Incident, IncidentState
from chatelaine.model.notice import Notice, NoticeKind
from chatelaine.model.playbook import Action, ActionState
from chatelaine.model.words import KeyId, NanoUsd, OwnerId

_DOLLAR: Final = 1_000_000_000


def of_incident(before: Incident | None, after: Incident) -> Notice | None:
    """Return what is told of a step of an incident; None where nobody need know."""
    kind = _kind(before, after)
    if kind is None:
        return None
    steps = str(len(after.changes))
    return Notice(
        id=notice_id(after.id, kind.value, steps),
        at=after.updated_at,
        kind=kind,
        severity=after.severity,
        title=after.title,
        summary=_summary(after, kind),
        incident=after.id,
        key=next(iter(after.keys), KeyId("")),
        owner=next(iter(after.owners), OwnerId("")),
        facts=_facts(after),
    )


def _kind(before: Incident | None, after: Incident) -> NoticeKind | None:
    if before is None:
        return NoticeKind.INCIDENT_OPENED
    if after.state is IncidentState.CONTAINED and before.state is not IncidentState.CONTAINED:
        return NoticeKind.CONTAINED
    if live(before) and not live(after):
        return NoticeKind.CLOSED
    if after.severity > before.severity or (after.keys != before.keys and after.severity >= Severity.HIGH):
        return NoticeKind.INCIDENT_OPENED
    return None


def _summary(incident: Incident, kind: NoticeKind) -> str:
    keys, clients = len(incident.keys), len(incident.contexts)
    about = f"{keys} key{'s' * (keys != 1)}, {clients} foreign client{'s' * (clients != 1)}"
    if kind is NoticeKind.CONTAINED:
        return f"The foreign client is held back; the owner's traffic passes ({about})."
    if kind is NoticeKind.CLOSED:
        said = incident.verdicts[-1].kind.value.replace("_", " ") if incident.verdicts else "no verdict"
        return f"Closed: {said} ({about})."
    return f"{incident.found} findings agree ({about})."


def _facts(incident: Incident) -> tuple[tuple[str, str], ...]:
    told = (
        ("state", incident.state.value),
        ("keys", ", ".join(incident.keys)),
        ("owners", ", ".join(incident.owners)),
        ("networks", ", ".join(incident.prefixes)),
        ("evidence", ", ".join(family.value for family in incident.families)),
        ("detections", ", ".join(incident.detections)),
        ("spent", dollars(incident.money.spent)),
        ("at risk", dollars(incident.money.at_risk)),
        ("avoided", dollars(incident.money.avoided)),
    )
    return tuple((name, value) for name, value in told if value)


def of_action(action: Action, *, told: bool = False) -> Notice | None:
    """Return what is told of an action that waits for a person or failed, or that is itself a message."""
    if not told and action.state not in {ActionState.AWAITING_APPROVAL, ActionState.FAILED}:
        return None
    last = action.changes[-1] if action.changes else None
    return Notice(
        id=notice_id(action.id, action.state.value, str(len(action.changes))),
        at=last.at if last is not None else action.planned_at,
        kind=NoticeKind.INCIDENT_OPENED if told else NoticeKind.ACTION_NEEDED,
        severity=Severity.HIGH,
        title=_action_title(action, told=told),
        summary=action.wanted.text if told else last.reason if last is not None else "",
        incident=action.incident,
        key=action.wanted.key,
        owner=action.owner,
        facts=_action_facts(action, told=told),
    )


def _action_title(action: Action, *, told: bool) -> str:
    if told:
        return f"Key {action.wanted.key}: somebody else may be using it"
    failed = action.state is ActionState.FAILED
    return f"{action.playbook} {'failed' if failed else 'waits for approval'}"


def _action_facts(action: Action, *, told: bool) -> tuple[tuple[str, str], ...]:
    shown = ("look", f"chatelaine incidents show {action.incident}")
    if told:
        return (("for", action.wanted.audience.value), shown)
    return (
        ("action", action.id),
        shown,
        ("approve", f"chatelaine incidents approve {action.id} --by NAME --reason '…'"),
    )


def dollars(amount: NanoUsd) -> str:
    """Return money for people: ``$12.30``, and what is less than a cent with what it has."""
    whole = amount / _DOLLAR
    return f"${whole:,.2f}" if not whole or whole >= 1 / 100 else f"${whole:.6f}"
