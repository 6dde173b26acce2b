"""Nouns of the key room: virtual keys, what they grant, and the provider keys they stand for."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from msgspec import Struct

from chatelaine.model.exchange import Modality, Operation
from chatelaine.model.playbook import UnknownClient
from chatelaine.model.words import (
    NEVER,
    AppName,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
    PepperId,
    ProviderKeyName,
    UpstreamName,
)


class KeyState(StrEnum):
    """Where a virtual key stands in its life cycle (the table is ``core/key/lifecycle.py``)."""

    ISSUED = "issued"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    COMPROMISED = "compromised"
    ROTATED = "rotated"
    REVOKED = "revoked"
    EXPIRED = "expired"


class KeyInput(StrEnum):
    """What can happen to a virtual key."""

    USED = "used"
    SUSPEND = "suspend"
    RESUME = "resume"
    EXPOSE = "expose"
    ROTATE = "rotate"
    OVERLAP_OVER = "overlap_over"
    REVOKE = "revoke"
    EXPIRE = "expire"


@dataclass(frozen=True, slots=True)
class HourSpan:
    """Hours of the week a key may be used: weekdays 0 (Monday) to 6, minutes of the day, in UTC."""

    weekdays: tuple[int, ...]
    from_minute: int
    to_minute: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key may do; an empty tuple or None means not limited."""

    upstreams: tuple[UpstreamName, ...] = ()
    models: tuple[str, ...] = ()
    """Model names; a trailing ``*`` stands for any ending."""
    operations: tuple[Operation, ...] = ()
    modalities: tuple[Modality, ...] = ()
    networks: tuple[str, ...] = ()
    """CIDR blocks, IPv4 or IPv6."""
    hours: tuple[HourSpan, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    parallel: int | None = None
    spend_per_day: NanoUsd | None = None
    spend_per_month: NanoUsd | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualKey:
    """A key as it is held: everything but the secret, of which only a keyed digest remains."""

    id: KeyId
    env: str
    """The ``<env>`` part of the token: live, test …"""
    owner: OwnerId
    app: AppName
    contact: str
    grant: Grant
    state: KeyState
    digest: bytes
    """``HMAC-SHA256(pepper, token)``, 32 bytes."""
    pepper: PepperId
    slot: int
    """Row in the meter that counts this key's limits; shared by the versions of a rotated key."""
    issued_at: Instant
    expires_at: Instant | None
    retires_at: Instant | None = None
    """End of the overlap of a rotated key."""
    successor: KeyId | None = None
    changed_at: Instant = NEVER
    reason: str = ""
    """Why the last change was made, in the words of who made it."""
    canary: bool = False
    """Whether it is bait: nobody uses it rightly, and its use is answered by the decoy lane."""
    unknown_client: UnknownClient | None = None
    """What is done at a client its settled habit never had; None: as the settings say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKey:
    """A provider's key as it is held: sealed with AES-256-GCM, AAD ``owner|name|version``."""

    name: ProviderKeyName
    owner: OwnerId
    version: int
    nonce: bytes
    sealed: bytes
    kek: str
    """Names the key-encryption key."""
    created_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderKeySummary:
    """What may be shown of a provider key: everything but its value, sealed or open."""

    name: ProviderKeyName
    owner: OwnerId
    version: int
    kek: str
    created_at: Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """What is asked for when a virtual key is to be issued."""

    owner: OwnerId
    app: AppName
    contact: str
    env: str = "live"
    grant: Grant
    lifetime: timedelta | None
    """None: the key does not expire."""
    canary: bool = False
    unknown_client: UnknownClient | None = None


@dataclass(frozen=True, slots=True)
class TokenParts:
    """The public parts of a token; its secret is in neither."""

    env: str
    kid: KeyId


@dataclass(frozen=True, slots=True)
class Issued:
    """A key just issued: the only time its token exists outside the caller's hands."""

    key: VirtualKey
    token: str = field(repr=False)


class Standing(StrEnum):
    """What a presented token turned out to be."""

    GOOD = "good"
    MISSING = "missing"
    UNPROVEN = "unproven"
    REVOKED = "revoked"
    EXPIRED = "expired"
    SUSPENDED = "suspended"


class Identity(Struct, frozen=True):
    """The outcome of authentication: the key it names, where there is one, and how it stands."""

    standing: Standing
    key: VirtualKey | None = None
    claimed: KeyId | None = None
    """The kid the token named, also where no such key exists; None where it names none."""
