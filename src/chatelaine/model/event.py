"""Nouns of the event room: everything that happened, one class a kind, in the past tense."""

from typing import ClassVar

from msgspec import Struct

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
from chatelaine.model.key import Grant, KeyState
from chatelaine.model.playbook import Lane, UnknownClient
from chatelaine.model.policy import Disposition
from chatelaine.model.words import (
    ActionId,
    AppName,
    ExchangeId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
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
    disposition: Disposition = Disposition.ALLOWED
    lane: Lane | None = None
    """How it was held back; None where nothing held it."""
    restraint: ActionId = ActionId("")
    """The restraint that held it; "" where the key's habit did."""


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
    disposition: Disposition = Disposition.BLOCKED
    lane: Lane | None = None
    restraint: ActionId = ActionId("")


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
    canary: bool = False
    unknown_client: UnknownClient | None = None


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
)
