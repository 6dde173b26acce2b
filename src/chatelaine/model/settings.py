"""The settings tree: frozen, read once by ``app/settings.py``, and every choice by its name."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from chatelaine.model.playbook import UnknownClient
from chatelaine.model.words import KeyId, PepperId, ProviderId, UpstreamName

Port = Annotated[int, "port"]
"""A TCP port."""

Size = Annotated[int, "size"]
"""Bytes; in a file also ``64KiB``, ``32MiB``."""

Delay = Annotated[timedelta, "delay"]
"""A duration that may also be nothing."""

Host = Annotated[str, "host"]
"""A host's name or address, without scheme and port."""

Block = Annotated[str, "block"]
"""Addresses in CIDR form, IPv4 or IPv6."""

Url = Annotated[str, "url"]
"""``http://`` or ``https://``, a host, perhaps a port and a path."""


class Durability(StrEnum):
    """What "durable" means before a byte goes upstream: on the disk, or in the kernel's hands."""

    FSYNC = "fsync"
    FLUSH = "flush"


class UnknownRoute(StrEnum):
    """What happens to a path that no provider's card names."""

    REFUSE = "refuse"
    ALLOW = "allow"


class SafetyIdentifier(StrEnum):
    """Whom a provider is told of, by a keyed hash, where the caller tells it nobody."""

    OFF = "off"
    CLIENT = "client"
    """Each client context of a key."""
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a secret is read from: ``env:NAME``, ``file:PATH``, ``command:…`` or ``vault:NAME``."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLimits:
    """Bytes at most; what is larger is refused before it is held. One is a rate: bytes a second at least."""

    head: Size = 64 * 1024
    """The request line and all header fields."""
    json_body: Size = 32 * 1024 * 1024
    """A body that is read before it is sent on."""
    upload: Size = 512 * 1024 * 1024
    """A body that streams through: audio, files, images."""
    body_rate: Size = 1024
    """Bytes a second at which a body must come, over any span of ``timeouts.body``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long the gate waits for each part of an exchange."""

    handshake: timedelta = timedelta(seconds=10)
    """From the connection to the end of the TLS handshake."""
    head: timedelta = timedelta(seconds=15)
    """From a request's first byte to the end of its head."""
    body: timedelta = timedelta(seconds=60)
    """For the next bytes of a request's body; also the span over which ``sizes.body_rate`` is measured."""
    keep_alive: timedelta = timedelta(seconds=75)
    """For the next request on an idle connection."""
    upstream_connect: timedelta = timedelta(seconds=10)
    """For a connection to an upstream, handshake included."""
    upstream_first_byte: timedelta = timedelta(seconds=600)
    """For the first byte of an upstream's reply."""
    stream_idle: timedelta = timedelta(seconds=120)
    """For the next bytes of a reply that has begun."""
    drain: Delay = timedelta(seconds=60)
    """For exchanges under way when the gate stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """The certificate the gate shows; without one it signs its own on the first start."""

    enabled: bool = True
    """False serves plain HTTP."""
    certificate: Path | None = None
    """A PEM file: the certificate and those between it and its root."""
    key: Path | None = None
    """A PEM file: the certificate's private key."""
    names: tuple[Host, ...] = ("localhost",)
    """Names and addresses in a self-signed certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSettings:
    """The data plane: where it listens, whom it believes, how long it waits."""

    host: Host = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8443
    """TCP port to listen on."""
    workers: int = 0
    """Gate workers; 0: one a core."""
    tls: TlsSettings = TlsSettings()
    plain_anywhere: bool = False
    """True allows plain HTTP on an address that is not loopback."""
    trusted_proxies: tuple[Block, ...] = ()
    """CIDR blocks whose ``X-Forwarded-For``, ``Forwarded`` and PROXY headers are believed."""
    proxy_protocol: bool = False
    """True reads a PROXY header of version 2 from trusted proxies."""
    unknown_routes: UnknownRoute = UnknownRoute.REFUSE
    """What happens to a path that no provider's card names."""
    sizes: SizeLimits = SizeLimits()
    timeouts: Timeouts = Timeouts()
    connections: int = 20_000
    """Open connections a worker holds at most."""
    safety_identifier: SafetyIdentifier = SafetyIdentifier.OFF
    """Whom the provider is told of where the caller tells it nobody: nobody, the client, or the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminSettings:
    """The admin port: ``/livez``, ``/readyz``, ``/metrics``."""

    host: Host = "127.0.0.1"
    """Address to listen on; whoever reaches it reads the metrics."""
    port: Port = 8444
    """TCP port to listen on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """The journal: how durable, how large its segments, how long they are kept open."""

    durability: Durability = Durability.FSYNC
    """What must have happened to a record before its request goes upstream."""
    segment_bytes: Size = 64 * 1024 * 1024
    """A segment that has grown to this size is closed and compressed."""
    segment_age: timedelta = timedelta(hours=1)
    """A segment that is older than this is closed and compressed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where Chatelaine keeps its files."""

    directory: Path = Path("chatelaine-data")
    """Journal, keys, meter and secrets made on the first start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """Content capture: what is asked and answered is kept, encrypted; off unless it is switched on."""

    enabled: bool = False
    """True keeps the content of those named below; docs/explain/capture.md says what that means for them."""
    everyone: bool = False
    """True keeps the content of all keys."""
    owners: tuple[str, ...] = ()
    """Owners whose content is kept."""
    apps: tuple[str, ...] = ()
    """Applications whose content is kept, each as ``owner/app``."""
    keys: tuple[KeyId, ...] = ()
    """Keys whose content is kept, by their ids."""
    directory: Path | None = None
    """Where the content is kept; without one, ``capture`` in the storage directory."""
    retention: timedelta = timedelta(days=30)
    """Content older than this is deleted, also while capture is off."""
    record_bytes: Size = 1024 * 1024
    """What a request or a reply has beyond this is not kept."""
    store_bytes: Size = 10 * 1024 * 1024 * 1024
    """All kept content of all workers; the oldest goes first."""
    segment_bytes: Size = 64 * 1024 * 1024
    """A segment that has grown to this size is closed."""
    segment_age: timedelta = timedelta(hours=1)
    """A segment that is older than this is closed; content is deleted by segments."""
    memory_bytes: Size = 32 * 1024 * 1024
    """Content that waits in a worker's memory to be written; what does not fit is lost and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PepperSettings:
    """One pepper: the first of the list digests new tokens, the others verify older ones."""

    id: PepperId
    """Names the pepper; recorded with each digest."""
    secret: Secret
    """Where its 32 bytes or more are read from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySettings:
    """How virtual keys are issued and sealed; what is not set is made on the first start."""

    peppers: tuple[PepperSettings, ...] = ()
    """The first digests new tokens, the others verify older ones."""
    kek: Secret | None = None
    """The key-encryption key that seals provider keys: 32 bytes."""
    lifetime: timedelta = timedelta(days=90)
    """How long an issued key lives that is given no other expiry."""
    overlap: Delay = timedelta(hours=24)
    """How long the predecessor of a rotated key still works."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedModel:
    """A model that the quarantine lane serves another one for."""

    asked: str
    """What the caller asks for; a trailing ``*`` stands for any ending."""
    served: str
    """What goes upstream in its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineSettings:
    """What the quarantine lane lets through: text, without tools; the rest is refused as not granted."""

    models: tuple[str, ...] = ()
    """Models it serves; a trailing ``*`` stands for any ending; none listed: those of the key's grant."""
    mapped: tuple[MappedModel, ...] = ()
    """Models served by others, where the request's body names the model."""
    requests_per_minute: int = 10
    """Requests in any minute, for each restraint or each key's unknown clients together."""
    output_tokens: int = 512
    """Tokens of an answer at most."""
    preamble: str | None = None
    """A text put before the caller's own, as the system's; the caller is not told of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainmentSettings:
    """How clients that are held back are answered."""

    unknown_client: UnknownClient = UnknownClient.OBSERVE
    """What is done at the first request of a client that a key's settled habit never had."""
    quarantine: QuarantineSettings = QuarantineSettings()
    throttle_requests_per_minute: int = 10
    """Of the throttle lane, in any minute, where its restraint says nothing else."""
    tarpit_delay: timedelta = timedelta(seconds=10)
    """Of the tarpit lane, where its restraint says nothing else."""
    tarpit_waiting: int = 64
    """Exchanges of a worker that wait in the tarpit at most; more are answered as an unknown key is."""
    decoy_text: str = "I can't help with that."
    """What the decoy lane answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """One model server or provider endpoint."""

    name: UpstreamName
    """Names the upstream in grants, metrics and records."""
    provider: ProviderId
    """The dialect it speaks."""
    url: Url
    """``https://host[:port][/prefix]``; the caller's path is appended."""
    credential: Secret | None = None
    """The provider key; without one, none is sent."""
    models: tuple[str, ...] = ("*",)
    """Models it serves; a trailing ``*`` stands for any ending."""
    weight: int = 1
    """Its share of the requests for a model that several upstreams serve."""
    allow_addresses: tuple[Block, ...] = ()
    """CIDR blocks of loopback, link-local or private addresses this upstream may resolve to."""
    ca_file: Path | None = None
    """A PEM file of the authorities that may sign its certificate, in place of the system's."""
    connections: int = 1024
    """Connections a worker keeps to it at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressSettings:
    """Tables of networks: MaxMind-format files the operator supplies beside the embedded one."""

    asn: Path | None = None
    """Autonomous systems."""
    country: Path | None = None
    """Countries."""
    classes: Path | None = None
    """Hosting, VPN and Tor networks."""
    look_every: timedelta = timedelta(minutes=1)
    """How often the files are looked at, and read again where they changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceSettings:
    """A price file whose rows override the embedded list's."""

    file: Path | None = None
    """A TOML file; docs/how-to/prices.md shows its rows."""


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
    capture: CaptureSettings = CaptureSettings()
    containment: ContainmentSettings = ContainmentSettings()
    upstreams: tuple[UpstreamSettings, ...] = ()
