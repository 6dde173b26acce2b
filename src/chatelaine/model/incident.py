"""Nouns of the incident room: alerts that people handle, what they say of them, and what it cost."""

from enum import StrEnum

from msgspec import Struct

from chatelaine.model.detection import Alert, Family, Finding, Severity, Sighting
from chatelaine.model.playbook import Action
from chatelaine.model.words import (
    NEVER,
    NOTHING,
    ActionId,
    AlertId,
    ContextId,
    DetectionId,
    ExchangeId,
    FindingId,
    IncidentId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
)


class IncidentState(StrEnum):
    """Where an incident stands in its life cycle (``core/incident/lifecycle.py``)."""

    OPEN = "open"
    """It waits for somebody."""
    WORKING = "working"
    """Somebody is at it."""
    CONTAINED = "contained"
    """What it is about is held back."""
    REOPENED = "reopened"
    """It was closed, and waits for somebody again."""
    CLOSED = "closed"
    MERGED = "merged"
    """It was found to be part of another incident, which goes on for it."""


class IncidentInput(StrEnum):
    """What can happen to an incident."""

    ALERT = "alert"
    """An alert of what is known already."""
    SPREAD = "spread"
    """An alert of a key or a client context that was not in it."""
    ASSIGN = "assign"
    CONTAIN = "contain"
    """An action holds back what it is about."""
    LIFT = "lift"
    """The last action that held anything back has ended."""
    NOTE = "note"
    VERDICT = "verdict"
    CLOSE = "close"
    REOPEN = "reopen"
    MERGE = "merge"


class VerdictKind(StrEnum):
    """What a human found an incident to be."""

    TRUE_POSITIVE = "true_positive"
    """Somebody used a key that was not theirs."""
    FALSE_POSITIVE = "false_positive"
    """Nothing of what was found was so."""
    BENIGN_TRUE_POSITIVE = "benign_true_positive"
    """It was as found, and its owner's own doing: a test, a move, a new version."""


class Verdict(Struct, frozen=True):
    """What a human says an incident is; detections are measured by it."""

    kind: VerdictKind
    reason: str
    by: str
    at: Instant


class Note(Struct, frozen=True):
    """What somebody wrote down about an incident."""

    at: Instant
    by: str
    text: str


class Change(Struct, frozen=True):
    """A step of an incident's life cycle."""

    at: Instant
    given: IncidentInput
    before: IncidentState
    after: IncidentState
    by: str
    reason: str = ""


class Money(Struct, frozen=True):
    """What an incident costs, in NanoUsd."""

    spent: NanoUsd = NOTHING
    """By the foreign client since the first finding."""
    at_risk: NanoUsd = NOTHING
    """What it can still spend in a day: what is left of the day's budget, or a day at its rate."""
    avoided: NanoUsd = NOTHING
    """What the requests that were refused would have cost, at the mean of those that were served."""


class Reckoning(Struct, frozen=True):
    """What was counted of the foreign client of an incident, from which its money is told."""

    served: int = 0
    refused: int = 0
    spent: NanoUsd = NOTHING
    first_at: Instant = NEVER
    last_at: Instant = NEVER
    until: Instant = NEVER
    """What happened up to here is counted: seen again after a crash, it is not counted again."""


class Incident(Struct, frozen=True, kw_only=True):
    """Alerts about one theft, as people handle them; one incident may be about many keys of many owners."""

    id: IncidentId
    """Derived from its first alert, so that a replay opens the same incident."""
    state: IncidentState
    severity: Severity
    title: str
    opened_at: Instant
    updated_at: Instant
    first_at: Instant
    """When the earliest of its findings happened."""
    keys: tuple[KeyId, ...] = ()
    owners: tuple[OwnerId, ...] = ()
    contexts: tuple[ContextId, ...] = ()
    prefixes: tuple[str, ...] = ()
    families: tuple[Family, ...] = ()
    detections: tuple[DetectionId, ...] = ()
    alerts: tuple[AlertId, ...] = ()
    findings: tuple[FindingId, ...] = ()
    """The first and the latest; ``found`` says how many there were."""
    found: int = 0
    actions: tuple[ActionId, ...] = ()
    holding: tuple[ActionId, ...] = ()
    """Actions that hold something back at present."""
    money: Money = Money()
    reckoning: Reckoning = Reckoning()
    verdicts: tuple[Verdict, ...] = ()
    """The last one holds."""
    notes: tuple[Note, ...] = ()
    changes: tuple[Change, ...] = ()
    assignee: str = ""
    merged_into: IncidentId = IncidentId("")
    absorbed: tuple[IncidentId, ...] = ()
    """Those that were merged into it: their actions go on under their ids."""


class TimelineKind(StrEnum):
    """What an entry of a timeline tells of."""

    FINDING = "finding"
    ALERT = "alert"
    CHANGE = "change"
    ACTION = "action"
    NOTE = "note"
    VERDICT = "verdict"


class TimelineEntry(Struct, frozen=True):
    """One fact of an incident's story."""

    at: Instant
    kind: TimelineKind
    text: str
    by: str = ""
    """Who did it, or the detection that found it."""
    exchange: ExchangeId = ExchangeId("")
    """The exchange that shows it, where there is one."""
    key: KeyId = KeyId("")
    context: ContextId = ContextId("")
    about: str = ""
    """The id of the finding, alert or action."""


class Story(Struct, frozen=True):
    """All that is known of one incident."""

    incident: Incident
    timeline: tuple[TimelineEntry, ...]
    findings: tuple[Finding, ...]
    alerts: tuple[Alert, ...]
    actions: tuple[Action, ...]


class Summary(Struct, frozen=True):
    """An incident in one line."""

    id: IncidentId
    state: IncidentState
    severity: Severity
    title: str
    opened_at: Instant
    updated_at: Instant
    keys: tuple[KeyId, ...]
    """The first of them."""
    key_count: int
    owners: tuple[OwnerId, ...]
    found: int
    money: Money
    assignee: str
    verdict: VerdictKind | None


class RuleRecord(Struct, frozen=True):
    """How a detection fared in incidents that humans judged."""

    detection: DetectionId
    true_positives: int = 0
    false_positives: int = 0
    benign: int = 0

    @property
    def precision(self) -> float | None:
        """The share of true positives; None where nothing was judged. What was benign counts for neither."""
        judged = self.true_positives + self.false_positives
        return self.true_positives / judged if judged else None


class Found(Struct, frozen=True, kw_only=True):
    """What one turn of the engine found, to be stored at once."""

    findings: tuple[Finding, ...] = ()
    """All of them, repetitions included."""
    alerts: tuple[Alert, ...] = ()
    joined: tuple[Finding, ...] = ()
    """Findings that belong to earlier alerts and made none."""
    sightings: tuple[Sighting, ...] = ()
    """What the turn looked at, as far as it is of keys with an incident or an alert: for the money."""


class Step(Struct, frozen=True):
    """What one alert did to one incident."""

    before: Incident | None
    after: Incident
    given: IncidentInput
    alert: AlertId


class Batch(Struct, frozen=True, kw_only=True):
    """What is stored at once, or not at all."""

    findings: tuple[Finding, ...] = ()
    alerts: tuple[Alert, ...] = ()
    incidents: tuple[tuple[Incident | None, Incident], ...] = ()
    """(before, after); before is None where it is new."""
    actions: tuple[tuple[Action | None, Action], ...] = ()
