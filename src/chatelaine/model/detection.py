"""Nouns of the detection room: what is seen of traffic, what looks wrong in it, and who says so."""

from enum import IntEnum, IntFlag, StrEnum, auto

from msgspec import Struct

from chatelaine.model.exchange import Modality, NetworkClass, Operation
from chatelaine.model.words import (
    NOTHING,
    AlertId,
    ContextId,
    DetectionId,
    ExchangeId,
    FindingId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
)


class Family(StrEnum):
    """The five kinds of evidence; two of them must agree before anything acts by itself (principle 2).

    One of the two tells what is done: who a client is, network and program, is new with every machine.
    """

    NETWORK = "network"
    CLIENT = "client"
    BEHAVIOUR = "behaviour"
    ECONOMICS = "economics"
    CONTENT = "content"


class Severity(IntEnum):
    """How much a finding, an alert or an incident matters; they compare as numbers do."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Phase(IntEnum):
    """How much of an exchange a sighting shows."""

    OPENED = 0
    """It was decided and begins: no status, tokens as estimated, cost as reserved."""
    ENDED = 1
    """It is over; its opening was sighted before."""
    WHOLE = 2
    """All at once: it was refused, or comes from a log that holds one line an exchange."""
    ADMIN = 3
    """No exchange: somebody changed a key or the service; ``action`` says what."""


class Sighting(Struct, frozen=True, gc=False, omit_defaults=True):
    """One event as detections see it, from a gate's journal or from somebody else's log.

    What a source does not know is empty: "" for a text, 0 or NOTHING for a number, None where said.
    """

    at: Instant
    phase: Phase
    exchange: ExchangeId
    key: KeyId = KeyId("")
    """The key that was used, or merely named: then ``reason`` says that it was refused."""
    owner: OwnerId = OwnerId("")
    app: str = ""
    # The client context.
    context: ContextId = ContextId("")
    ip: str = ""
    prefix: str = ""
    """The /24 or /48 of the address, as ``192.0.2.0/24``."""
    asn: int = 0
    country: str = ""
    network: NetworkClass = NetworkClass.NONE
    ja4: str = ""
    alpn: str = ""
    http_version: str = ""
    header_names: str = ""
    header_hash: str = ""
    agent: str = ""
    """The whole User-Agent."""
    agent_family: str = ""
    """Its program without versions: ``openai-python``, ``axios``, ``mozilla`` …; "" where there is none."""
    sdk: tuple[tuple[str, str], ...] = ()
    forwarded: int = 0
    """Hops that the request claims to have come over."""
    believed: int = 0
    """How many of them came from proxies that are trusted."""
    # What was asked.
    provider: str = ""
    route: str = ""
    operation: Operation = Operation.OTHER
    model: str = ""
    api_version: str = ""
    stream: bool = False
    modalities: tuple[Modality, ...] = ()
    numbers: tuple[tuple[str, float], ...] = ()
    tools: int = 0
    messages: int = 0
    empty: bool = False
    """Whether the caller's own text is empty."""
    cap: int | None = None
    """The output tokens asked for at most; None where not said; zero and less where impossible."""
    end_user: str = ""
    body_hash: str = ""
    system_hash: str = ""
    chain: str = ""
    parent_chain: str = ""
    turn: int = 0
    """The position in its conversation where the source tells it; 0: not told, or the first."""
    # What came of it.
    status: int = 0
    """What the caller was answered; 0 while it is open."""
    reason: str = ""
    """Why it was refused, or how it ended: values of ``RefusalReason`` and ``EndReason``."""
    error_code: str = ""
    blocked: bool = False
    """Whether a content filter, the provider's or our own, stopped it."""
    input_tokens: int = 0
    output_tokens: int = 0
    images: int = 0
    cost: NanoUsd = NOTHING
    duration_us: int = 0
    # What was done, where ``phase`` is ADMIN.
    action: str = ""
    by: str = ""
    outcome: str = ""
    detail: str = ""


class Trait(IntFlag):
    """What can be told of a sighting at a glance; a card names those its detection looks at.

    The ``NEW_`` traits hold only for keys whose habit is settled.
    """

    ANY = 0
    OPENED = auto()
    """It begins, or is seen whole: looked at before or while anything is served."""
    CLOSED = auto()
    """It is over, or is seen whole."""
    FAILED = auto()
    """It was answered with 4xx or 5xx, or refused."""
    REFUSED = auto()
    """The gate refused it."""
    UNPROVEN = auto()
    """Its credential is that of no key, or merely names one."""
    DEAD_KEY = auto()
    """Its key was revoked, compromised or has expired."""
    CANARY = auto()
    """Its key is a canary."""
    PROBE = auto()
    """Its shape is that of a test whether a key works: an impossible cap, or empty or tiny text."""
    LISTING = auto()
    BLOCKED = auto()
    SPOOFED = auto()
    """It claims hops that no trusted proxy vouches for."""
    IMAGE = auto()
    NEW_PREFIX = auto()
    NEW_ASN = auto()
    NEW_COUNTRY = auto()
    NEW_NETWORK_CLASS = auto()
    NEW_CONTEXT = auto()
    NEW_CLIENT = auto()
    """JA4 or header order were never seen on this key."""
    NEW_AGENT = auto()
    NEW_MODEL = auto()
    NEW_OPERATION = auto()
    NEW_MODALITY = auto()
    NEW_SYSTEM = auto()
    NEW_CAP = auto()
    NEW_API_VERSION = auto()
    DORMANT = auto()
    """The key was idle for thirty days before."""
    ADMIN = auto()
    WEIGHED = auto()
    """The evidence on its client was weighed anew."""
    LINKED = auto()
    """Something fresh of it was seen under a key of another owner (``core/detection/links.py``)."""
    REPEATED = auto()
    """Its key was served the very same body ten times or more in five minutes."""
    TOOLS = auto()
    """It brings tools."""
    NEW_HOUR = auto()
    """Its key is not used in this hour of the day."""
    YOUNG = auto()
    """Its key has shown its context, model, system prompt or cap fewer than fifty times."""
    ANONYMOUS = auto()
    """It comes over Tor, a VPN or a public proxy."""
    BROWSER = auto()
    """It names itself as a browser does."""
    RESIDUE = auto()
    """``origin`` and ``referer`` are there and empty, as a known resale proxy sends them."""


class Group(StrEnum):
    """Over what a detection keeps state."""

    KEY = "key"
    KEY_CONTEXT = "key_context"
    CONTEXT = "context"
    """One client context over all keys."""
    ORIGIN = "origin"
    """One TLS client on one network prefix over all keys, whatever headers it sends."""
    OWNER = "owner"
    ALL = "all"


class Card(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The card of a detection: what a human governs about it."""

    id: DetectionId
    title: str
    version: int
    covers: tuple[str, ...]
    """Rows of the threat catalogue it answers: ``D01`` …"""
    family: Family
    severity: Severity
    certain: bool = False
    """Whether it may act alone; all others need a finding of a second family."""
    budgeted: bool = False
    """Whether its score says how many false alarms it means, so that it makes an alert by itself."""
    group: Group
    on: tuple[str, ...]
    """Names of traits in lower case; it looks at sightings that have one of them. ``any``: at all."""
    thresholds: dict[str, float] = {}
    origin: str
    """Where the thresholds come from: literature, a tool's source, a victim, or our own design."""
    tactics: tuple[str, ...] = ()
    """Ids of ATLAS and ATT&CK techniques."""
    false_positives: tuple[str, ...]
    playbook: str
    """The playbook that answers it."""
    enabled: bool = True


class Said(Struct, frozen=True):
    """What a detection says of a sighting, in sentences for the analyst."""

    seen: str
    usual: str
    against: str
    """The strongest reason that it is harmless."""
    severity: Severity | None = None
    """Where it is another than the card's."""
    score: float = 0.0
    """Decimal logarithm of the evidence, where the detection weighs any."""
    facts: tuple[tuple[str, str], ...] = ()
    families: tuple[Family, ...] = ()
    """Where it speaks for several families at once, each a finding of its own; else the card's."""
    certain: bool = True
    """False where it is not near certain this time, whatever the card says."""


class Finding(Struct, frozen=True):
    """One detection's word on one exchange, with its reason and the strongest reason against."""

    id: FindingId
    """Derived from detection, exchange and phase, so that a replay finds the same finding."""
    detection: DetectionId
    version: int
    at: Instant
    exchange: ExchangeId
    key: KeyId
    owner: OwnerId
    context: ContextId
    prefix: str
    family: Family
    severity: Severity
    certain: bool
    said: Said
    budgeted: bool = False


class Alert(Struct, frozen=True):
    """Findings that belong together and are enough to look at: one certain, or two families."""

    id: AlertId
    at: Instant
    key: KeyId
    owner: OwnerId
    contexts: tuple[ContextId, ...]
    severity: Severity
    families: tuple[Family, ...]
    certain: bool
    """Whether a detection that may act alone is among them."""
    actionable: bool
    """Whether a playbook may act by itself: it is certain, or two families agree."""
    findings: tuple[FindingId, ...]
    playbooks: tuple[str, ...]
    """Playbooks that the cards name, the most severe finding's first."""


class Dimension(StrEnum):
    """A categorical habit: what a key normally shows."""

    PREFIX = "prefix"
    ASN = "asn"
    COUNTRY = "country"
    NETWORK_CLASS = "network_class"
    CONTEXT = "context"
    JA4 = "ja4"
    HEADERS = "headers"
    AGENT = "agent"
    """Agent families."""
    MODEL = "model"
    OPERATION = "operation"
    MODALITY = "modality"
    API_VERSION = "api_version"
    HOUR = "hour"
    """The hour of the day in UTC, "00" to "23"."""
    CAP = "cap"
    SYSTEM = "system"
    STREAM = "stream"
    """"yes" or "no"; so are ``TOOLS`` and ``END_USER``."""
    TOOLS = "tools"
    END_USER = "end_user"


class Measure(StrEnum):
    """A quantity a key normally stays within."""

    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    COST = "cost"
    """NanoUsd an exchange."""
    REQUESTS_AN_HOUR = "requests_an_hour"
    COST_A_DAY = "cost_a_day"
