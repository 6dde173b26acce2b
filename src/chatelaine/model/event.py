"""Nouns of the event room: everything that happened, one class a kind, in the past tense."""

from typing import ClassVar

from msgspec import Struct

from chatelaine.model.detection import Family, Severity
from chatelaine.model.exchange import (
    Asked,
    Caller,
    Client,
    EndReason,
    RefusalReason,
    Reservation,
    Served,
    Target,
    Usage,
)
from chatelaine.model.incident import IncidentInput, IncidentState, VerdictKind
from chatelaine.model.key import Grant, KeyState
from chatelaine.model.playbook import ActionInput, ActionState, Wanted
from chatelaine.model.words import (
    NEVER,
    ActionId,
    AlertId,
    AppName,
    ContextId,
    ExchangeId,
    FindingId,
    IncidentId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
    PlaybookId,
    ProviderKeyName,
    WorkerNumber,
)


class ExchangeOpened(Struct, frozen=True):
    """An exchange was decided and its worst case reserved; durable before a byte goes upstream."""

    kind: ClassVar[str] = "exchange.opened"
    version: ClassVar[int] = 1
    at: Instant
    exchange: ExchangeId
    worker: WorkerNumber
    caller: Caller
    client: Client
    asked: Asked
    target: Target
    reserved: Reservation
    slot: int
    policy: str
    """Version of the policy the decision was made under."""


class ExchangeEnded(Struct, frozen=True):
    """An opened exchange is over; there is exactly one end for each opening."""

    kind: ClassVar[str] = "exchange.ended"
    version: ClassVar[int] = 1
    at: Instant
    exchange: ExchangeId
    worker: WorkerNumber
    caller: Caller
    target: Target
    reason: EndReason
    status: int
    """What the caller was answered; 0 where it left before an answer."""
    served: Served
    usage: Usage
    cost: NanoUsd
    first_byte_us: int
    """Microseconds from the head's arrival to the first byte of the reply; -1 where none came."""
    duration_us: int
    request_bytes: int
    reply_bytes: int
    upstream_id: str = ""
    """The upstream's own request id."""
    retries: int = 0
    slot: int = -1
    """The meter's row that was charged, so that a lost meter can be counted anew; -1: as its opening says."""


class ExchangeInterrupted(Struct, frozen=True):
    """An opened exchange whose worker died: found when its journal was recovered."""

    kind: ClassVar[str] = "exchange.interrupted"
    version: ClassVar[int] = 1
    at: Instant
    exchange: ExchangeId
    worker: WorkerNumber
    caller: Caller
    charged: NanoUsd
    """The worst case, since nobody knows what the upstream billed."""
    slot: int = -1
    """The meter's row that was charged; -1: as its opening says."""


class ExchangeRefused(Struct, frozen=True):
    """An exchange that never went upstream, with all that could be seen of it."""

    kind: ClassVar[str] = "exchange.refused"
    version: ClassVar[int] = 1
    at: Instant
    exchange: ExchangeId
    worker: WorkerNumber
    caller: Caller
    client: Client
    asked: Asked
    status: int
    reason: RefusalReason
    detail: str = ""
    """For the analyst: the clause that was broken, the limit that was reached; no secrets."""


class KeyIssued(Struct, frozen=True):
    """A virtual key was issued."""

    kind: ClassVar[str] = "key.issued"
    version: ClassVar[int] = 1
    at: Instant
    key: KeyId
    owner: OwnerId
    app: AppName
    by: str
    grant: Grant
    expires_at: Instant | None
    predecessor: KeyId | None = None


class KeyChanged(Struct, frozen=True):
    """A virtual key moved to another state of its life cycle."""

    kind: ClassVar[str] = "key.changed"
    version: ClassVar[int] = 1
    at: Instant
    key: KeyId
    owner: OwnerId
    before: KeyState
    after: KeyState
    by: str
    reason: str = ""


class ProviderKeyStored(Struct, frozen=True):
    """A provider key was stored or replaced by a new version."""

    kind: ClassVar[str] = "provider_key.stored"
    version: ClassVar[int] = 1
    at: Instant
    name: ProviderKeyName
    owner: OwnerId
    key_version: int
    by: str


class ProviderKeyRemoved(Struct, frozen=True):
    """A provider key was removed with all its versions."""

    kind: ClassVar[str] = "provider_key.removed"
    version: ClassVar[int] = 1
    at: Instant
    name: ProviderKeyName
    owner: OwnerId
    by: str


class AdminActed(Struct, frozen=True):
    """Somebody changed the service itself: settings reloaded, worker restarted, clock jumped."""

    kind: ClassVar[str] = "admin.acted"
    version: ClassVar[int] = 1
    at: Instant
    action: str
    by: str
    outcome: str
    detail: str = ""


class IncidentOpened(Struct, frozen=True):
    """An alert opened an incident."""

    kind: ClassVar[str] = "incident.opened"
    version: ClassVar[int] = 1
    at: Instant
    incident: IncidentId
    alert: AlertId
    title: str
    severity: Severity
    keys: tuple[KeyId, ...]
    owners: tuple[OwnerId, ...]
    contexts: tuple[ContextId, ...]
    families: tuple[Family, ...]
    findings: tuple[FindingId, ...]


class IncidentChanged(Struct, frozen=True):
    """An incident moved, grew, was judged or was written about."""

    kind: ClassVar[str] = "incident.changed"
    version: ClassVar[int] = 1
    at: Instant
    incident: IncidentId
    given: IncidentInput
    before: IncidentState
    after: IncidentState
    severity: Severity
    by: str
    reason: str = ""
    verdict: VerdictKind | None = None
    alert: AlertId = AlertId("")
    """The alert that joined, where one did."""
    merged_into: IncidentId = IncidentId("")


class ActionTaken(Struct, frozen=True):
    """An action of a playbook moved: it was rehearsed, asked for, carried out, vetoed, undone or is over."""

    kind: ClassVar[str] = "action.taken"
    version: ClassVar[int] = 1
    at: Instant
    action: ActionId
    incident: IncidentId
    alert: AlertId
    playbook: PlaybookId
    wanted: Wanted
    given: ActionInput
    before: ActionState
    after: ActionState
    by: str
    reason: str = ""
    until: Instant = NEVER
    own: int = 0
    """Of the rehearsal: the owner's own exchanges that were looked at."""
    own_stopped: int = 0
    """Those of them that it would have stopped."""


Event = (
    ExchangeOpened
    | ExchangeEnded
    | ExchangeInterrupted
    | ExchangeRefused
    | KeyIssued
    | KeyChanged
    | ProviderKeyStored
    | ProviderKeyRemoved
    | AdminActed
    | IncidentOpened
    | IncidentChanged
    | ActionTaken
)
