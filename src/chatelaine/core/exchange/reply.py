"""Reply heads: what of an upstream's head may reach the caller, and how our own answers read."""

from http import HTTPStatus

from chatelaine.model.error import WireError
from chatelaine.model.exchange import ReplyHead
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import ExchangeId

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
FIRST_ERROR = 400
REQUEST_ID = b"x-chatelaine-request-id"

_BODILESS = frozenset({204, 304})
_DROPPED = frozenset(
    {
        # RFC 9110 §7.6.1: hop-by-hop.
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        # Written anew, or not at all.
        b"content-length",
        REQUEST_ID,
        # It would lead the caller round the gate.
        b"alt-svc",
    }
)
_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_UPSTREAM_IDS = frozenset({b"x-request-id", b"apim-request-id", b"request-id", b"x-amzn-requestid"})
_TIER_MARKS = (
    *(b"x-ratelimit-", b"anthropic-ratelimit-", b"anthropic-priority-", b"ratelimit-"),
    *(b"openai-organization", b"openai-project", b"anthropic-organization-id"),
    *(b"x-ms-ratelimit-", b"x-ms-region", b"azureml-model-"),
)
"""Headers in which key checkers read a key's tier, and whose it is (threats.md §1.3)."""


def status_line(status: int) -> bytes:
    """Return a status line with CRLF."""
    return _LINES.get(status) or f"HTTP/1.1 {status} \r\n".encode()


def relay_head(head: ReplyHead, *, exchange: ExchangeId, secret: bytes, framing: bytes, known: bool) -> bytes:
    """Return an upstream's head as the caller gets it.

    Args:
        head: the upstream's.
        exchange: told as the request id.
        secret: the provider key; a header that carries it is dropped.
        framing: the lines that frame the body and close the connection, each with CRLF.
        known: whether the client is of the key's habit; an error tells no other where the limits stand.
    """
    secretive = head.status >= FIRST_ERROR and not known
    pieces = [status_line(head.status)]
    for name, value in head.pairs:
        lowered = name.lower()
        if lowered in _DROPPED or (secretive and lowered.startswith(_TIER_MARKS)):
            continue
        if secret and value.find(secret) >= 0:
            continue
        pieces += (name, b": ", value, b"\r\n")
    pieces += (REQUEST_ID, b": ", exchange.encode(), b"\r\n", framing, b"\r\n")
    return b"".join(pieces)


def bodiless(status: int, method: bytes) -> bool:
    """Tell whether a reply has no body whatever its head says (RFC 9112 §6.3)."""
    return status in _BODILESS or method == b"HEAD"


def upstream_id(head: ReplyHead) -> str:
    """Return the upstream's own request id as it stands, at most 1024 characters; "" where it gives none."""
    for name, value in head.pairs:
        if name.lower() in _UPSTREAM_IDS:
            return value[:1024].decode("latin-1")
    return ""


def read_framing(pairs: list[tuple[bytes, bytes]]) -> tuple[int | None, bool]:
    """Return the length that a reply's head declares, None where it declares none, and whether it is chunked.

    Raises:
        WireError: it has a transfer coding that is not understood.
    """
    length, chunked = None, False
    for name, value in pairs:
        lowered = name.lower()
        if lowered == b"content-length":
            length = int(value)
        elif lowered == b"transfer-encoding":
            if chunked or value.strip().lower() != b"chunked":
                # Whoever does not know a coding must not guess at the framing.
                raise WireError("only the chunked transfer coding is understood", clause="RFC 9112 §6.1")
            chunked = True
    return (None if chunked else length), chunked


def find_header(head: ReplyHead, wanted: bytes) -> bytes:
    """Return the first value of a header (lower case); empty where it is absent."""
    for name, value in head.pairs:
        if name.lower() == wanted:
            return value
    return b""


def write_answer(
    status: int, told: RefusedReply, *, exchange: ExchangeId, retry_after: int | None, close: bool
) -> bytes:
    """Return a whole answer of our own."""
    pieces = [status_line(status)]
    for name, value in told.headers:
        pieces += (name.encode("latin-1"), b": ", value.encode("latin-1"), b"\r\n")
    if retry_after is not None:
        pieces.append(b"retry-after: %d\r\n" % retry_after)
    if close:
        pieces.append(b"connection: close\r\n")
    pieces += (REQUEST_ID, b": ", exchange.encode(), b"\r\n")
    pieces.append(b"content-length: %d\r\n\r\n" % len(told.body))
    pieces.append(told.body)
    return b"".join(pieces)
