"""The settings tree: frozen, read once by ``app/settings.py``, and every choice by its name."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from chatelaine.model.words import PepperId, ProviderId, UpstreamName


class Durability(StrEnum):
    """What "durable" means before a byte goes upstream: on the disk, or in the kernel's hands."""

    FSYNC = "fsync"
    FLUSH = "flush"


class UnknownRoute(StrEnum):
    """What happens to a path that no provider's card names."""

    REFUSE = "refuse"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is read from: ``env:NAME``, ``file:PATH``, ``command:…`` or ``vault:NAME``."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """Bytes at most; what is larger is refused before it is held."""

    head: int = 64 * 1024
    json_body: int = 32 * 1024 * 1024
    upload: int = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the gate waits for each part of an exchange."""

    handshake: timedelta = timedelta(seconds=10)
    head: timedelta = timedelta(seconds=15)
    body: timedelta = timedelta(seconds=60)
    keep_alive: timedelta = timedelta(seconds=75)
    upstream_connect: timedelta = timedelta(seconds=10)
    upstream_first_byte: timedelta = timedelta(seconds=600)
    stream_idle: timedelta = timedelta(seconds=120)
    drain: timedelta = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """The certificate the gate shows; without one it signs its own on the first start."""

    enabled: bool = True
    certificate: Path | None = None
    key: Path | None = None
    names: tuple[str, ...] = ("localhost",)
    """Names and addresses in a self-signed certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """The data plane: where it listens, whom it believes, how long it waits."""

    host: str = "127.0.0.1"
    port: int = 8443
    workers: int = 0
    """Gate workers; 0: one a core."""
    tls: TlsSettings = TlsSettings()
    plain_anywhere: bool = False
    """True allows plain HTTP on an address that is not loopback."""
    trusted_proxies: tuple[str, ...] = ()
    """CIDR blocks whose ``X-Forwarded-For``, ``Forwarded`` and PROXY headers are believed."""
    proxy_protocol: bool = False
    unknown_routes: UnknownRoute = UnknownRoute.REFUSE
    sizes: SizeLimits = SizeLimits()
    timeouts: Timeouts = Timeouts()
    connections: int = 20_000
    """Open connections a worker holds at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """The admin port: ``/livez``, ``/readyz``, ``/metrics``."""

    host: str = "127.0.0.1"
    port: int = 8444


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """The journal: how durable, how large its segments, how long they are kept open."""

    durability: Durability = Durability.FSYNC
    segment_bytes: int = 64 * 1024 * 1024
    segment_age: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where Chatelaine keeps its files."""

    directory: Path = Path("chatelaine-data")


@dataclass(frozen=True, slots=True, kw_only=True)
class PepperSettings:
    """One pepper: the first of the list digests new tokens, the others verify older ones."""

    id: PepperId
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """How virtual keys are issued and sealed; what is not set is made on the first start."""

    peppers: tuple[PepperSettings, ...] = ()
    kek: Secret | None = None
    lifetime: timedelta = timedelta(days=90)
    overlap: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """One model server or provider endpoint."""

    name: UpstreamName
    provider: ProviderId
    url: str
    """``https://host[:port][/prefix]``; the caller's path is appended."""
    credential: Secret | None = None
    models: tuple[str, ...] = ("*",)
    weight: int = 1
    allow_addresses: tuple[str, ...] = ()
    """CIDR blocks of loopback, link-local or private addresses this upstream may resolve to."""
    ca_file: Path | None = None
    connections: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSettings:
    """Tables of networks: MaxMind-format files the operator supplies beside the embedded one."""

    asn: Path | None = None
    country: Path | None = None
    classes: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSettings:
    """A price file whose rows override the embedded list's."""

    file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set, in one frozen tree."""

    gate: GateSettings = GateSettings()
    admin: AdminSettings = AdminSettings()
    journal: JournalSettings = JournalSettings()
    storage: StorageSettings = StorageSettings()
    keys: KeySettings = KeySettings()
    addresses: AddressSettings = AddressSettings()
    prices: PriceSettings = PriceSettings()
    upstreams: tuple[UpstreamSettings, ...] = ()
