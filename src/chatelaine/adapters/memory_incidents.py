"""A store of incidents in memory: for tests and demonstrations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from chatelaine.model.detection import Alert, Finding
from chatelaine.model.error import StoreConflict
from chatelaine.model.incident import Batch, Incident, IncidentState
from chatelaine.model.playbook import Action, ActionState
from chatelaine.model.words import ActionId, AlertId, FindingId, IncidentId, Instant, KeyId

_I = TypeVar("_I", IncidentId, ActionId)
_V = TypeVar("_V", Incident, Action)


class MemoryIncidentStore:
    """Holds incidents as long as it lives."""

    def __init__(self) -> None:
        self._findings: dict[FindingId, Finding] = {}
        self._alerts: dict[AlertId, Alert] = {}
        self._incidents: dict[IncidentId, Incident] = {}
        self._actions: dict[ActionId, Action] = {}

    async def commit(self, batch: Batch) -> None:
        """Store a batch, all or nothing; a finding or an alert that is held already is passed over.

        Raises:
            StoreConflict: an incident or an action is no longer as ``before`` says.
        """
        incidents = _replaced(
            self._incidents, [(after.id, before, after) for before, after in batch.incidents]
        )
        actions = _replaced(self._actions, [(after.id, before, after) for before, after in batch.actions])
        for finding in batch.findings:
            self._findings.setdefault(finding.id, finding)
        for alert in batch.alerts:
            self._alerts.setdefault(alert.id, alert)
        self._incidents, self._actions = incidents, actions

    async def incident(self, incident: IncidentId) -> Incident | None:
        """Return one incident, or None."""
        return self._incidents.get(incident)

    async def incidents(
        self, states: Iterable[IncidentState] = (), *, limit: int | None = None
    ) -> Sequence[Incident]:
        """Return the incidents in these states (none: in any), what changed last first."""
        wanted = frozenset(states)
        found = [one for one in self._incidents.values() if not wanted or one.state in wanted]
        return sorted(found, key=lambda one: (-one.updated_at, one.id))[:limit]

    async def findings(self, wanted: Iterable[FindingId]) -> Sequence[Finding]:
        """Return the findings of these ids that are held, in order of time."""
        found = [self._findings[one] for one in dict.fromkeys(wanted) if one in self._findings]
        return sorted(found, key=lambda one: (one.at, one.id))

    async def findings_since(self, at: Instant, *, key: KeyId | None = None) -> Sequence[Finding]:
        """Return all findings since an instant, of one key or of all, in order of time."""
        found = [one for one in self._findings.values() if one.at >= at and key in {None, one.key}]
        return sorted(found, key=lambda one: (one.at, one.id))

    async def alerts(self, wanted: Iterable[AlertId]) -> Sequence[Alert]:
        """Return the alerts of these ids that are held, in order of time."""
        found = [self._alerts[one] for one in dict.fromkeys(wanted) if one in self._alerts]
        return sorted(found, key=lambda one: (one.at, one.id))

    async def action(self, action: ActionId) -> Action | None:
        """Return one action, or None."""
        return self._actions.get(action)

    async def actions(
        self, *, incident: IncidentId | None = None, states: Iterable[ActionState] = ()
    ) -> Sequence[Action]:
        """Return the actions of an incident (None: of all) in these states (none: in any), as planned."""
        wanted = frozenset(states)
        return [
            one
            for one in self._actions.values()
            if incident in {None, one.incident} and (not wanted or one.state in wanted)
        ]


def _replaced(held: Mapping[_I, _V], changes: Iterable[tuple[_I, _V | None, _V]]) -> dict[_I, _V]:
    after = dict(held)
    for name, before, new in changes:
        if after.get(name) != before:
            what = "changed meanwhile" if before is not None else "exists"
            raise StoreConflict(f"{name} {what}", hint="look at it and try again")
        after[name] = new
    return after
