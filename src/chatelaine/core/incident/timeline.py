"""The story of an incident: findings, alerts, changes, actions, notes and verdicts in order of time."""

from collections.abc import Iterable, Iterator
from typing import Final

from chatelaine.model.detection import Alert, Finding
from chatelaine.model.incident import Incident, Summary, TimelineEntry, TimelineKind
from chatelaine.model.playbook import Action
from chatelaine.model.words import ContextId

_FEW: Final = 8
_ORDER: Final = {kind: place for place, kind in enumerate(TimelineKind)}
"""What happens at one instant is told in this order: a finding before the alert that it makes."""


def timeline(
    incident: Incident, findings: Iterable[Finding], alerts: Iterable[Alert], actions: Iterable[Action]
) -> tuple[TimelineEntry, ...]:
    """Return an incident's story, each fact once."""
    facts = {
        *map(_found, findings),
        *map(_alerted, alerts),
        *(entry for action in actions for entry in _acted(action)),
        *_own(incident),
    }
    return tuple(sorted(facts, key=lambda one: (one.at, _ORDER[one.kind], one.about, one.text)))


def summary(incident: Incident) -> Summary:
    """Return an incident in one line."""
    return Summary(
        id=incident.id,
        state=incident.state,
        severity=incident.severity,
        title=incident.title,
        opened_at=incident.opened_at,
        updated_at=incident.updated_at,
        keys=incident.keys[:_FEW],
        key_count=len(incident.keys),
        owners=incident.owners[:_FEW],
        found=incident.found,
        money=incident.money,
        assignee=incident.assignee,
        verdict=incident.verdicts[-1].kind if incident.verdicts else None,
    )


def _found(finding: Finding) -> TimelineEntry:
    return TimelineEntry(
        at=finding.at,
        kind=TimelineKind.FINDING,
        text=finding.said.seen,
        by=finding.detection,
        exchange=finding.exchange,
        key=finding.key,
        context=finding.context,
        about=finding.id,
    )


def _alerted(alert: Alert) -> TimelineEntry:
    families = ", ".join(alert.families)
    why = "near certain by itself" if alert.certain else f"{len(alert.families)} families agree"
    return TimelineEntry(
        at=alert.at,
        kind=TimelineKind.ALERT,
        text=f"{alert.severity.name.lower()}: {why} ({families})",
        key=alert.key,
        context=alert.contexts[0] if alert.contexts else ContextId(""),
        about=alert.id,
    )


def _acted(action: Action) -> Iterator[TimelineEntry]:
    for change in action.changes:
        yield TimelineEntry(
            at=change.at,
            kind=TimelineKind.ACTION,
            text=f"{action.playbook}: {action.wanted.kind} is {change.after}{_because(change.reason)}",
            by=change.by,
            key=action.wanted.key,
            about=action.id,
        )


def _own(incident: Incident) -> Iterator[TimelineEntry]:
    for change in incident.changes:
        text = f"{change.before} → {change.after} ({change.given}){_because(change.reason)}"
        yield TimelineEntry(change.at, TimelineKind.CHANGE, text, change.by)
    for note in incident.notes:
        yield TimelineEntry(note.at, TimelineKind.NOTE, note.text, note.by)
    for verdict in incident.verdicts:
        text = f"{verdict.kind}{_because(verdict.reason)}"
        yield TimelineEntry(verdict.at, TimelineKind.VERDICT, text, verdict.by)


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""
