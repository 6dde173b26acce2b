"""Nouns of the exchange room: who asked, what was asked, what came back, what it used."""

from dataclasses import dataclass, field
from enum import IntFlag, StrEnum

from msgspec import Struct

from chatelaine.model.words import (
    NOTHING,
    ExchangeId,
    KeyedHash,
    KeyId,
    NanoUsd,
    OwnerId,
    ProviderId,
    UpstreamName,
)


class Operation(StrEnum):
    """What a route does; grants and prices speak of operations, never of paths."""

    CHAT = "chat"
    COMPLETION = "completion"
    RESPONSE = "response"
    EMBEDDING = "embedding"
    IMAGE = "image"
    SPEECH = "speech"
    TRANSCRIPTION = "transcription"
    MODERATION = "moderation"
    COUNT = "count"
    REALTIME = "realtime"
    FILE = "file"
    BATCH = "batch"
    LIST = "list"
    OTHER = "other"


class Modality(StrEnum):
    """A kind of content that goes in or comes out."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    VECTOR = "vector"


class NetworkClass(IntFlag):
    """What an address is known to be; the bits are those of the embedded address table."""

    NONE = 0
    HOSTING = 1
    VPN = 2
    TOR = 4
    BIG_CLOUD = 8
    PROXY = 16
    """A public or residential proxy: only the operator's own tables know these."""


class Network(Struct, frozen=True):
    """Where a caller's address stands: AS number 0 and country "" mean not known."""

    ip: str
    asn: int = 0
    country: str = ""
    kind: NetworkClass = NetworkClass.NONE


class Greeting(Struct, frozen=True):
    """What a TLS client showed of itself in its ClientHello; all empty on plain HTTP."""

    ja4: str = ""
    tls_version: str = ""
    alpn: str = ""
    server_name: str = ""


class Client(Struct, frozen=True):
    """The client context: what tells one program on one network from another."""

    network: Network
    greeting: Greeting
    http_version: str
    header_names: str
    """The header names in the caller's order and case, joined by commas."""
    header_hash: str
    """12 hexadecimal digits over ``header_names``."""
    user_agent: str = ""
    sdk: tuple[tuple[str, str], ...] = ()
    """Headers by which SDKs name themselves (``x-stainless-*`` …), lower-case name and value."""
    forwarded: tuple[str, ...] = ()
    """The address chain the caller's hops claimed, right to left, believed part first."""
    believed: int = 0
    """How many of ``forwarded`` came from trusted hops."""


class Shape(Struct, frozen=True):
    """A request body as far as its grammar reads it; texts are kept raw and never recorded."""

    model: str = ""
    stream: bool = False
    output_cap: int | None = None
    """The most output tokens of one choice; None where the caller sets none, or one that caps nothing."""
    choices: int = 1
    numbers: tuple[tuple[str, float], ...] = ()
    """Every numeric or boolean parameter by its wire name."""
    modalities: tuple[Modality, ...] = (Modality.TEXT,)
    """What goes in and what is asked to come out, sorted, without repeats."""
    tools: int = 0
    images: int = 0
    """Images to be generated, not images shown to the model."""
    seconds: int = 0
    """Audio seconds declared in the request; 0 where it says none."""
    end_user: str = ""
    system: bytes = b""
    """The raw JSON of the system prompt."""
    messages: tuple[bytes, ...] = ()
    """The raw JSON of each message or input item, in order."""
    last_assistant: int = -1
    """Index of the last message that is the model's own; -1 where there is none."""
    empty: bool = False
    """True where the caller's own text is empty: the shape of a liveness probe (D02)."""


class Asked(Struct, frozen=True):
    """What was asked, in the form that is recorded: shapes, counts and keyed hashes, no text."""

    provider: ProviderId | None = None
    route: str = ""
    """The route's template, never the path itself."""
    operation: Operation = Operation.OTHER
    model: str = ""
    api_version: str = ""
    stream: bool = False
    modalities: tuple[Modality, ...] = ()
    numbers: tuple[tuple[str, float], ...] = ()
    tools: int = 0
    messages: int = 0
    empty: bool = False
    body_bytes: int = 0
    input_estimate: int = 0
    output_cap: int | None = None
    end_user: KeyedHash | None = None
    body_hash: KeyedHash | None = None
    system_hash: KeyedHash | None = None
    chain: KeyedHash | None = None
    """Keyed hash over all messages: the identity of this turn."""
    parent_chain: KeyedHash | None = None
    """The ``chain`` of the turn before: over the messages up to the model's last reply."""


class UsageSource(StrEnum):
    """Who counted the tokens."""

    REPORTED = "reported"
    ESTIMATED = "estimated"
    RESERVED = "reserved"


class Usage(Struct, frozen=True, omit_defaults=True):
    """What an exchange used; cached and reasoning tokens are contained in input and output."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    images: int = 0
    seconds: int = 0
    source: UsageSource = UsageSource.REPORTED


class Served(Struct, frozen=True, omit_defaults=True):
    """What a reply, or one event of a streamed reply, says of itself; empty where it says nothing."""

    usage: Usage | None = None
    model: str = ""
    reply_id: str = ""
    finish: str = ""
    error_code: str = ""
    filters: tuple[tuple[str, str], ...] = ()
    """Content-filter category → severity or ``filtered``, as the provider names them."""
    output_bytes: int = 0
    """Bytes of generated text seen, from which tokens are estimated when no usage is reported."""


class RefusalReason(StrEnum):
    """Why an exchange was refused; the value is the metric label and the recorded reason."""

    MALFORMED_REQUEST = "malformed_request"
    CREDENTIAL_CONFLICT = "credential_conflict"
    CREDENTIAL_IN_PLAIN = "credential_in_plain"
    KEY_MISSING = "key_missing"
    KEY_UNPROVEN = "key_unproven"
    KEY_REVOKED = "key_revoked"
    KEY_EXPIRED = "key_expired"
    KEY_SUSPENDED = "key_suspended"
    RESTRAINED = "restrained"
    """Held back by a restraint, or as a client the key's owner never had; told as an unknown key is."""
    DECOY = "decoy"
    """Answered with a fixed text; nothing went upstream."""
    ROUTE_UNKNOWN = "route_unknown"
    ADDRESS_NOT_GRANTED = "address_not_granted"
    HOUR_NOT_GRANTED = "hour_not_granted"
    UPSTREAM_NOT_GRANTED = "upstream_not_granted"
    MODEL_NOT_GRANTED = "model_not_granted"
    OPERATION_NOT_GRANTED = "operation_not_granted"
    MODALITY_NOT_GRANTED = "modality_not_granted"
    TOOLS_NOT_GRANTED = "tools_not_granted"
    REQUEST_RATE = "request_rate"
    TOKEN_RATE = "token_rate"
    PARALLEL_LIMIT = "parallel_limit"
    BUDGET_DAY = "budget_day"
    BUDGET_MONTH = "budget_month"
    HEAD_TOO_LARGE = "head_too_large"
    BODY_TOO_LARGE = "body_too_large"
    HEAD_TIMEOUT = "head_timeout"
    BODY_TIMEOUT = "body_timeout"
    EXPECTATION = "expectation"
    NO_UPSTREAM = "no_upstream"
    UPSTREAM_CONNECT = "upstream_connect"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_BROKEN = "upstream_broken"
    JOURNAL_UNAVAILABLE = "journal_unavailable"
    METER_UNAVAILABLE = "meter_unavailable"
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    CALLER_LEFT = "caller_left"
    UPGRADE_REFUSED = "upgrade_refused"
    UPGRADE_NEEDED = "upgrade_needed"
    MEDIA_TYPE = "media_type"
    METHOD_UNKNOWN = "method_unknown"
    VERSION_UNKNOWN = "version_unknown"
    INTERNAL = "internal"


class Refusal(Struct, frozen=True):
    """A refusal as the caller may see it; ``reason`` itself is recorded, not always told."""

    reason: RefusalReason
    status: int
    code: str
    """The code told in the dialect's error body; the same for all credential failures."""
    message: str
    retry_after: int | None = None
    """Seconds."""


class EndReason(StrEnum):
    """How an opened exchange ended."""

    COMPLETED = "completed"
    CLIENT_LEFT = "client_left"
    KEY_CUT = "key_cut"
    RESTRAINED = "restrained"
    """A restraint was put on its client while it was under way."""
    BUDGET_CUT = "budget_cut"
    UPSTREAM_CONNECT = "upstream_connect"
    UPSTREAM_BROKEN = "upstream_broken"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    DRAINED = "drained"
    UNDURABLE = "undurable"
    """The opening could not be made durable, so nothing was sent."""


class Reservation(Struct, frozen=True):
    """The worst case an exchange may cost, taken from the budgets before a byte is forwarded."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost: NanoUsd = NOTHING


class Caller(Struct, frozen=True):
    """The key an exchange is charged to; ``key`` alone is set where a key was named but refused."""

    key: KeyId | None = None
    owner: OwnerId | None = None
    app: str = ""


class Target(Struct, frozen=True):
    """The upstream an exchange was sent to."""

    upstream: UpstreamName
    provider: ProviderId


class RouteMatch(Struct, frozen=True):
    """A request path recognised: the route of its card, and what the path itself says."""

    provider: ProviderId
    template: str
    operation: Operation
    grammar: str
    """Name of a module in ``core/grammar``; "" where the body is not read (uploads, lists)."""
    model: str = ""
    """The model or deployment named by the path, percent-decoded; "" where the body names it."""
    stream: bool | None = None
    """Whether the path says that the reply streams; None where the body says it."""
    upload: bool = False
    """True where the body streams through without being held: a form, read as it passes."""
    websocket: bool = False
    query: tuple[tuple[str, str], ...] = ()
    anything: bool = False
    """True where no card names the path: its body may be of any kind, and streams through."""


class ExchangeRef(Struct, frozen=True):
    """An exchange by id and key, as tables of live exchanges hold it."""

    exchange: ExchangeId
    key: KeyId


class ReplyHead(Struct, frozen=True):
    """The head of an upstream's reply."""

    status: int
    pairs: tuple[tuple[bytes, bytes], ...]
    """Names and values in the upstream's order and case."""
    length: int | None
    """Bytes of the body; None where it is chunked or lasts until the connection closes."""


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """What a request head to an upstream needs."""

    path: bytes
    """Prefix before the caller's path, without a trailing slash."""
    host: bytes
    credential: bytes = field(repr=False)
    """The provider key's header line with CRLF; empty where the upstream needs none."""
    secret: bytes = field(repr=False)
    """The provider key itself, so that no reply can carry it back; empty where there is none."""
