"""One turn of the engine settled: each alert opens, joins or merges incidents, and findings follow."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from chatelaine.core.incident.join import add_findings, join, matching, merge, open_incident
from chatelaine.core.incident.lifecycle import live
from chatelaine.model.detection import Alert, Finding
from chatelaine.model.incident import Incident, IncidentInput, Step
from chatelaine.model.words import FindingId, IncidentId


class Settled(NamedTuple):
    """What became of the incidents."""

    incidents: tuple[Incident, ...]
    """Those that were live or were opened, as they are now; merged ones included."""
    steps: tuple[Step, ...]
    """What each alert did, in order."""


def settle(
    held: Iterable[Incident],
    alerts: Sequence[Alert],
    joined: Iterable[Finding],
    findings: dict[FindingId, Finding],
) -> Settled:
    """Return the incidents after the alerts of a turn.

    Args:
        held: the incidents that are not over.
        alerts: in order of time.
        joined: findings that belong to earlier alerts.
        findings: those that the alerts name, as far as they are at hand.
    """
    now = {one.id: one for one in held}
    steps: list[Step] = []
    for alert in alerts:
        named = [findings[one] for one in alert.findings if one in findings]
        for step in _settle_one(now, alert, named):
            now[step.after.id] = step.after
            steps.append(step)
    for finding in joined:
        for incident in [one for one in now.values() if live(one) and _is_about(one, finding)]:
            now[incident.id] = add_findings(incident, [finding])
    return Settled(tuple(now.values()), tuple(steps))


def _settle_one(now: dict[IncidentId, Incident], alert: Alert, named: Sequence[Finding]) -> list[Step]:
    found = matching(alert, now.values())
    if not found:
        opened = open_incident(alert, named)
        if opened.id in now:
            # The very alert that opened it, once more, after it was merged or closed.
            return []
        return [Step(None, opened, IncidentInput.ALERT, alert.id)]
    first, *others = found
    after = join(first, alert, named)
    spread = after.keys != first.keys or after.contexts != first.contexts
    steps = [Step(first, after, IncidentInput.SPREAD if spread else IncidentInput.ALERT, alert.id)]
    for other in others:
        grown, gone = merge(after, other, at=alert.at)
        steps += [
            Step(other, gone, IncidentInput.MERGE, alert.id),
            Step(after, grown, IncidentInput.SPREAD, alert.id),
        ]
        after = grown
    return [step for step in steps if step.before != step.after]


def _is_about(incident: Incident, finding: Finding) -> bool:
    if finding.key not in incident.keys:
        return not finding.key and finding.context in incident.contexts
    return not finding.context or not incident.contexts or finding.context in incident.contexts
