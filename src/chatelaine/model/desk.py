"""Nouns of the incident desk: what people ask of incidents, and what they are told."""

from dataclasses import dataclass

from chatelaine.model.incident import IncidentInput, IncidentState, Story, Summary, VerdictKind
from chatelaine.model.playbook import Action, ActionInput
from chatelaine.model.words import ActionId, IncidentId, PlaybookId


@dataclass(frozen=True, slots=True)
class ListIncidents:
    """Tell of the incidents in these states, what changed last first; no state: of all."""

    states: tuple[IncidentState, ...]
    limit: int


@dataclass(frozen=True, slots=True)
class ShowIncident:
    """Tell all that is known of one incident."""

    incident: IncidentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeIncident:
    """Do what people do to an incident: assign, note, verdict, close, reopen."""

    incident: IncidentId
    change: IncidentInput
    by: str
    text: str
    """Whom it is assigned to, the note, or the reason."""
    verdict: VerdictKind | None = None
    """Of a verdict; and of a close, where there is none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposePlaybook:
    """Plan and rehearse a playbook for an incident; its actions wait for approval."""

    incident: IncidentId
    playbook: PlaybookId
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideAction:
    """Approve, veto or undo an action."""

    action: ActionId
    decision: ActionInput
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class IncidentsTold:
    """Incidents, one line each."""

    incidents: tuple[Summary, ...]


@dataclass(frozen=True, slots=True)
class IncidentTold:
    """All that is known of one incident."""

    story: Story


@dataclass(frozen=True, slots=True)
class ActionsTold:
    """Actions as they are now; and the tokens that a rotation issued, told this once."""

    actions: tuple[Action, ...]
    tokens: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"ActionsTold(actions={[one.id for one in self.actions]!r})"


IncidentCommand = ListIncidents | ShowIncident | ChangeIncident | ProposePlaybook | DecideAction
IncidentReply = IncidentsTold | IncidentTold | ActionsTold
