"""Alerts join incidents: that of the same key, or of keys that the same client uses; else they open one."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, TypeVar

from msgspec.structs import replace

from chatelaine.core.incident.lifecycle import apply, live
from chatelaine.model.detection import Alert, Finding
from chatelaine.model.incident import Incident, IncidentInput, IncidentState, Reckoning
from chatelaine.model.words import IncidentId, Instant, NanoUsd

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = 12
_MOST: Final = 1_000
"""Findings and alerts that an incident names: the first half, and the latest."""
_MOST_NAMED: Final = 1_000
"""Keys, contexts and networks that an incident names."""
_ENGINE: Final = "chatelaine"

_T = TypeVar("_T")


def matching(alert: Alert, incidents: Iterable[Incident]) -> tuple[Incident, ...]:
    """Return the incidents that an alert belongs to and that are not over, the oldest first."""
    found = [one for one in incidents if live(one) and _about_the_same(alert, one)]
    return tuple(sorted(found, key=lambda one: (one.opened_at, one.id)))


def _about_the_same(alert: Alert, incident: Incident) -> bool:
    if alert.id in incident.alerts or (alert.key and alert.key in incident.keys):
        return True
    if not set(alert.contexts).isdisjoint(incident.contexts):
        return True
    nameless = not (alert.key or alert.contexts or incident.keys or incident.contexts)
    return nameless and alert.owner in (incident.owners or ("",))


def open_incident(alert: Alert, findings: Sequence[Finding]) -> Incident:
    """Return the incident that an alert opens."""
    incident = Incident(
        id=incident_id(alert),
        state=IncidentState.OPEN,
        severity=alert.severity,
        title="",
        opened_at=alert.at,
        updated_at=alert.at,
        first_at=min((one.at for one in findings), default=alert.at),
    )
    return _with(incident, alert, findings)


def join(incident: Incident, alert: Alert, findings: Sequence[Finding]) -> Incident:
    """Return an incident with one more alert; one that it has already changes nothing.

    Raises:
        TransitionRefused: the incident is over.
    """
    if alert.id in incident.alerts:
        return incident
    known = (not alert.key or alert.key in incident.keys) and set(alert.contexts) <= set(incident.contexts)
    given = IncidentInput.ALERT if known else IncidentInput.SPREAD
    reason = f"alert {alert.id} of key {alert.key or '(none)'}"
    moved = apply(incident, given, at=alert.at, by=_ENGINE, reason=reason)
    return _with(moved, alert, findings)


def add_findings(incident: Incident, findings: Sequence[Finding]) -> Incident:
    """Return an incident with findings that belong to its alerts and need no alert of their own."""
    new = [one for one in findings if one.id not in incident.findings]
    if not new:
        return incident
    return replace(
        incident,
        first_at=min(incident.first_at, *(one.at for one in new)),
        updated_at=max(incident.updated_at, *(one.at for one in new)),
        findings=_most(incident.findings, (one.id for one in new)),
        found=incident.found + len(new),
        prefixes=_named(incident.prefixes, (one.prefix for one in new if one.context in incident.contexts)),
        detections=_named(incident.detections, (one.detection for one in new)),
    )


def merge(into: Incident, other: Incident, *, at: Instant) -> tuple[Incident, Incident]:
    """Return an incident with all of another one, and the other as merged into it.

    Raises:
        TransitionRefused: the other is over.
    """
    gone = apply(other, IncidentInput.MERGE, at=at, by=_ENGINE, reason=f"it goes on in {into.id}")
    both = replace(
        into,
        severity=max(into.severity, other.severity),
        updated_at=max(into.updated_at, at),
        first_at=min(into.first_at, other.first_at),
        keys=_named(into.keys, other.keys),
        owners=_named(into.owners, other.owners),
        contexts=_named(into.contexts, other.contexts),
        prefixes=_named(into.prefixes, other.prefixes),
        families=_named(into.families, other.families),
        detections=_named(into.detections, other.detections),
        alerts=_most(into.alerts, other.alerts),
        findings=_most(into.findings, other.findings),
        found=into.found + other.found,
        actions=_most(into.actions, other.actions),
        holding=_most(into.holding, other.holding),
        reckoning=_sum(into.reckoning, other.reckoning),
        verdicts=tuple(sorted((*into.verdicts, *other.verdicts), key=lambda one: one.at)),
        notes=tuple(sorted((*into.notes, *other.notes), key=lambda one: one.at)),
        changes=tuple(sorted((*into.changes, *other.changes), key=lambda one: one.at)),
        assignee=into.assignee or other.assignee,
        absorbed=_most(into.absorbed, (other.id, *other.absorbed)),
    )
    return replace(both, title=title(both)), replace(gone, merged_into=into.id, holding=())


def title(incident: Incident) -> str:
    """Return an incident's title: what is probably so, as the analyst's first sentence."""
    where = f" from {incident.prefixes[0]}" if incident.prefixes else ""
    more = f" and {len(incident.prefixes) - 1} more networks" if len(incident.prefixes) > 1 else ""
    if not incident.keys:
        return f"A client without a key behaves as thieves do{where}{more}"
    if len(incident.keys) == 1:
        return f"Key {incident.keys[0]} is being used by somebody else{where}{more}"
    owners = f" of {len(incident.owners)} owners" if len(incident.owners) > 1 else ""
    return f"{len(incident.keys)} keys{owners} are being used by somebody else{where}{more}"


def incident_id(alert: Alert) -> IncidentId:
    """Return the id of the incident that an alert opens; the same alert always gives the same."""
    number = int.from_bytes(sha256(f"incident|{alert.id}".encode()).digest()[:12], "big")
    digits = ""
    for _ in range(_DIGITS):
        number, digit = divmod(number, len(_BASE62))
        digits += _BASE62[digit]
    return IncidentId(f"inc_{digits}")


def _with(incident: Incident, alert: Alert, findings: Sequence[Finding]) -> Incident:
    told = replace(
        incident,
        severity=max(incident.severity, alert.severity),
        keys=_named(incident.keys, (alert.key,)),
        owners=_named(incident.owners, (alert.owner,)),
        contexts=_named(incident.contexts, alert.contexts),
        families=_named(incident.families, alert.families),
        alerts=_most(incident.alerts, (alert.id,)),
    )
    filled = add_findings(told, findings)
    return replace(filled, title=title(filled))


def _named(held: tuple[_T, ...], more: Iterable[_T]) -> tuple[_T, ...]:
    """Return what is named, each once and in the order in which it came; nothing empty, and not endless."""
    return tuple(dict.fromkeys(one for one in (*held, *more) if one))[:_MOST_NAMED]


def _most(held: tuple[_T, ...], more: Iterable[_T]) -> tuple[_T, ...]:
    both = tuple(dict.fromkeys((*held, *more)))
    half = _MOST // 2
    return both if len(both) <= _MOST else (*both[:half], *both[-half:])


def _sum(one: Reckoning, other: Reckoning) -> Reckoning:
    begun = [each.first_at for each in (one, other) if each.first_at]
    return Reckoning(
        served=one.served + other.served,
        refused=one.refused + other.refused,
        spent=NanoUsd(one.spent + other.spent),
        first_at=min(begun) if begun else one.first_at,
        last_at=max(one.last_at, other.last_at),
        until=max(one.until, other.until),
    )
