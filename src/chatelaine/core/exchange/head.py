"""Request heads: read strictly, judged by the clause, and written anew for the upstream.

The tokeniser below us (llhttp, strict) refuses bare LF, folded lines, CL beside TE, duplicate and
non-decimal lengths. Here stands what is left: which headers may repeat, what a coding may be,
where a credential may stand, and what must never travel further.
"""

from collections.abc import Callable

from chatelaine.model.error import WireError

Pairs = list[tuple[bytes, bytes]]
"""Header names and values in the caller's order and case."""

METHODS = frozenset({b"GET", b"POST", b"DELETE", b"HEAD", b"OPTIONS", b"PUT", b"PATCH"})
MOST_HEADERS = 256
CREDENTIAL_CONFLICT = "credential_conflict"
"""The clause of our own that two different credentials break (they would confuse whom to charge)."""


class Head:
    """A request head as the gate uses it; nobody changes one."""

    __slots__ = (
        "chunked",
        "content_type",
        "credential",
        "expects_continue",
        "keep_alive",
        "length",
        "method",
        "pairs",
        "passed",
        "target",
        "upgrade",
        "version",
    )

    def __init__(self, method: bytes, target: bytes, version: str, pairs: Pairs) -> None:
        """Make a head that says no more than this: what can be recorded of a broken one."""
        self.method = method
        self.target = target
        """Origin form, with any ``key`` parameter taken out."""
        self.version = version
        self.pairs = pairs
        self.credential: bytes | None = None
        self.length: int | None = None
        """Bytes of the body as declared; None where it is chunked or there is none."""
        self.chunked = False
        self.keep_alive = False
        self.expects_continue = False
        self.upgrade = b""
        """The protocol to switch to, lower case; empty where none is asked for."""
        self.content_type = b""
        self.passed = b""
        """Header lines for the upstream."""

    def of_length(self, length: int, pairs: Pairs) -> "Head":
        """Return a head that differs in its body's length alone."""
        head = Head(self.method, self.target, self.version, pairs)
        head.credential = self.credential
        head.length = length
        head.keep_alive = self.keep_alive
        head.expects_continue = self.expects_continue
        head.upgrade = self.upgrade
        head.content_type = self.content_type
        head.passed = self.passed
        return head


class _Special:
    """The headers that mean something to us, as one pass over them gathers them."""

    __slots__ = (
        "chunked",
        "content_type",
        "credentials",
        "expects",
        "hosts",
        "length",
        "places",
        "tokens",
        "upgrade",
    )

    def __init__(self) -> None:
        self.credentials: list[bytes] = []
        self.places: list[bytes] = []
        self.hosts = 0
        self.length: int | None = None
        self.chunked = False
        self.expects = False
        self.upgrade = b""
        self.content_type = b""
        self.tokens = _NO_TOKENS


def _take_authorization(special: _Special, value: bytes) -> None:
    if b"authorization" in special.places:
        raise WireError("Authorization stands twice", clause="RFC 9110 §11.6.2")
    special.places.append(b"authorization")
    scheme, _, rest = value.partition(b" ")
    special.credentials.append(rest.strip() if scheme.lower() == b"bearer" else value.strip())


def _take_key(place: bytes) -> Callable[[_Special, bytes], None]:
    def take(special: _Special, value: bytes) -> None:
        if place in special.places:
            raise WireError("a credential header stands twice", clause="RFC 9110 §5.3")
        special.places.append(place)
        special.credentials.append(value.strip())

    return take


def _take_host(special: _Special, value: bytes) -> None:
    # RFC 9112 §3.2: one and not malformed; where it points is of no concern, it is never followed.
    if special.hosts or b"," in value or b" " in value.strip():
        raise WireError("exactly one Host header is needed", clause="RFC 9112 §3.2")
    special.hosts = 1


def _take_length(special: _Special, value: bytes) -> None:
    special.length = int(value)


def _take_coding(special: _Special, value: bytes) -> None:
    # RFC 9112 §6.1: a server that does not know a coding must not guess at the framing.
    if special.chunked or value.strip().lower() != b"chunked":
        raise WireError("only the chunked transfer coding is understood", clause="RFC 9112 §6.1")
    special.chunked = True


def _take_connection(special: _Special, value: bytes) -> None:
    value = value.lower()
    if value in _PLAIN_CONNECTION:
        special.tokens = special.tokens | _PLAIN_CONNECTION[value]
    else:
        special.tokens = special.tokens | (frozenset(token.strip() for token in value.split(b",")) - {b""})


def _take_expect(special: _Special, value: bytes) -> None:
    if value.strip().lower() != b"100-continue":
        raise WireError("this expectation cannot be met", clause="RFC 9110 §10.1.1")
    special.expects = True


def _take_upgrade(special: _Special, value: bytes) -> None:
    special.upgrade = value.strip().lower()


def _take_content_type(special: _Special, value: bytes) -> None:
    special.content_type = value


def _drop(_special: _Special, _value: bytes) -> None:
    """Leave out a header that is hop-by-hop or tells where the caller came from."""


_NO_TOKENS: frozenset[bytes] = frozenset()
_PLAIN_CONNECTION = {b"keep-alive": frozenset({b"keep-alive"}), b"close": frozenset({b"close"})}

_CREDENTIALS: dict[bytes, Callable[[_Special, bytes], None]] = {
    b"authorization": _take_authorization,
    b"api-key": _take_key(b"api-key"),
    b"x-api-key": _take_key(b"x-api-key"),
    b"x-goog-api-key": _take_key(b"x-goog-api-key"),
}

_SPECIAL: dict[bytes, Callable[[_Special, bytes], None]] = _CREDENTIALS | {
    b"host": _take_host,
    b"content-length": _take_length,
    b"transfer-encoding": _take_coding,
    b"connection": _take_connection,
    b"expect": _take_expect,
    b"upgrade": _take_upgrade,
    b"content-type": _take_content_type,
    # RFC 9110 §7.6.1: hop-by-hop.
    b"keep-alive": _drop,
    b"proxy-connection": _drop,
    b"proxy-authorization": _drop,
    b"proxy-authenticate": _drop,
    b"te": _drop,
    b"trailer": _drop,
    b"http2-settings": _drop,
    # Replies and frames are read for their usage, so both must come uncompressed.
    b"accept-encoding": _drop,
    b"sec-websocket-extensions": _drop,
    # Whom we serve is nobody else's business.
    b"x-forwarded-for": _drop,
    b"x-forwarded-host": _drop,
    b"x-forwarded-proto": _drop,
    b"x-forwarded-port": _drop,
    b"x-real-ip": _drop,
    b"forwarded": _drop,
    b"via": _drop,
    b"true-client-ip": _drop,
    b"cf-connecting-ip": _drop,
}

_NEVER_NOMINATED = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"content-type", *_CREDENTIALS}
)


def read_head(method: bytes, target: bytes, version: str, pairs: Pairs) -> Head:
    """Read a request head.

    Raises:
        WireError: a clause of RFC 9110 or 9112 is broken, or two different credentials are given.
    """
    if version not in _VERSIONS:
        raise WireError("this version of HTTP is not spoken here", clause="RFC 9110 §15.6.6")
    if method not in METHODS:
        raise WireError("this method is not known here", clause="RFC 9110 §15.6.2")
    if len(pairs) > MOST_HEADERS:
        raise WireError("too many headers", clause="RFC 6585 §5")
    special = _Special()
    passed: list[bytes] = []
    for name, value in pairs:
        take = _SPECIAL.get(name.lower())
        if take is None:
            passed += (name, b": ", value, b"\r\n")
        else:
            take(special, value)
    if not target.startswith(b"/"):
        target = _origin_form(target)
    if target.find(b"?") >= 0:
        target = _take_parameter(special, target)
    _judge(special, version)
    tokens = special.tokens
    upgrade = special.upgrade if b"upgrade" in tokens else b""
    nominated = tokens - _HOP_TOKENS if tokens else tokens
    head = Head(method, target, version, pairs)
    head.credential = special.credentials[0] if special.credentials else None
    head.length = special.length
    head.chunked = special.chunked
    # A connection that was to speak another protocol serves no further request, switched or not.
    head.keep_alive = not upgrade and b"close" not in tokens and (version == "1.1" or b"keep-alive" in tokens)
    head.expects_continue = special.expects and version == "1.1"
    head.upgrade = upgrade
    head.content_type = special.content_type
    head.passed = b"".join(_without(passed, nominated) if nominated else passed)
    return head


class HeadReader:
    """Reads the heads of one connection; one that differs from the last in its length alone is known."""

    __slots__ = ("_last", "_length_at", "_target")

    def __init__(self) -> None:
        self._last: Head | None = None
        self._target = b""
        self._length_at = -1

    def read(self, method: bytes, target: bytes, version: str, pairs: Pairs) -> Head:
        """Read a request head.

        Raises:
            WireError: a clause of RFC 9110 or 9112 is broken, or two different credentials are given.
        """
        last = self._last
        if last is not None and target == self._target and method == last.method and version == last.version:
            if pairs == last.pairs:
                return last
            if self._differs_in_length(pairs, last.pairs):
                head = last.of_length(int(pairs[self._length_at][1]), pairs)
                self._last = head
                return head
        self._last = None
        self._last = head = read_head(method, target, version, pairs)
        self._target = target
        self._length_at = _find_length(pairs)
        return head

    def _differs_in_length(self, pairs: Pairs, last: Pairs) -> bool:
        at = self._length_at
        return (
            at >= 0
            and len(pairs) == len(last)
            and pairs[at][0] == last[at][0]
            and pairs[:at] == last[:at]
            and pairs[at + 1 :] == last[at + 1 :]
        )


def _find_length(pairs: Pairs) -> int:
    for place, (name, _) in enumerate(pairs):
        if name.lower() == b"content-length":
            return place
    return -1


_VERSIONS = frozenset({"1.1", "1.0"})
_HOP_TOKENS = frozenset({b"close", b"keep-alive", b"upgrade"})


def _judge(special: _Special, version: str) -> None:
    if version == "1.1":
        if not special.hosts:
            raise WireError("exactly one Host header is needed", clause="RFC 9112 §3.2")
    elif special.chunked:
        raise WireError("HTTP/1.0 has no transfer codings", clause="RFC 9112 §6.1")
    if len(special.credentials) > 1 and len(set(special.credentials)) > 1:
        raise WireError("two different credentials are given", clause=CREDENTIAL_CONFLICT)
    if special.tokens and special.tokens & _NEVER_NOMINATED:
        # RFC 9110 §7.6.1: a sender must not nominate fields meant for all recipients.
        raise WireError("Connection names a header that is not hop-by-hop", clause="RFC 9110 §7.6.1")


def _without(passed: list[bytes], names: frozenset[bytes]) -> list[bytes]:
    return [
        piece
        for start in range(0, len(passed), 4)
        if passed[start].lower() not in names
        for piece in passed[start : start + 4]
    ]


def _origin_form(target: bytes) -> bytes:
    # RFC 9112 §3.2.2: a server must accept the absolute form.
    scheme, found, rest = target.partition(b"://")
    if not found or scheme.lower() not in {b"http", b"https"}:
        raise WireError("the request target is not a path", clause="RFC 9112 §3.2")
    slash = rest.find(b"/")
    return rest[slash:] if slash >= 0 else b"/"


def _take_parameter(special: _Special, target: bytes) -> bytes:
    """Take the ``key`` parameter out of a target, so that it is neither sent on nor recorded."""
    path, _, query = target.partition(b"?")
    if b"key=" not in query:
        return target
    fields = query.split(b"&")
    keys = [field for field in fields if field.startswith(b"key=")]
    if len(keys) > 1:
        raise WireError("a credential parameter stands twice", clause=CREDENTIAL_CONFLICT)
    special.credentials += [key.removeprefix(b"key=") for key in keys]
    kept = [field for field in fields if not field.startswith(b"key=")]
    return path + b"?" + b"&".join(kept) if kept else path


def write_head(head: Head, *, path: bytes, host: bytes, credential: bytes, body: bytes) -> bytes:
    """Return the head that goes upstream.

    Args:
        head: what the caller sent.
        path: prefix of the upstream's address, without a trailing slash.
        host: value of the Host header.
        credential: the provider key's whole header line with CRLF; empty where it has none.
        body: the header lines that say what the body is and frame it, each with CRLF.
    """
    return b"".join(
        (
            head.method,
            b" ",
            path,
            head.target,
            b" HTTP/1.1\r\nhost: ",
            host,
            b"\r\naccept-encoding: identity\r\n",
            credential,
            head.passed,
            body,
            b"\r\n",
        )
    )
