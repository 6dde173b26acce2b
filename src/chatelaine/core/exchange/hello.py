"""The TLS ClientHello, read from raw record bytes before the handshake takes them.

Only what tells one client from another is read; whether the hello is acceptable is for the
TLS library, which sees the same bytes afterwards.
"""

from dataclasses import dataclass
from struct import unpack

from chatelaine.model.error import WireError

HELLO_MAX = 16 * 1024
"""Bytes a ClientHello may have; real clients, with post-quantum key shares, send up to 2 KiB."""

RECORDS_MAX = 32
"""Records a ClientHello may be spread over; real clients use one, a few cut it in two or three."""

PEEK_MAX = HELLO_MAX + 4 + 5 * RECORDS_MAX
"""Bytes after which a ClientHello is complete or refused."""

_RECORD_HEADER = 5
_HANDSHAKE_HEADER = 4
_FRAGMENT_MAX = 2**14
_HANDSHAKE = 22
_CLIENT_HELLO = 1
_HOST_NAME = 0
_SESSION_ID_MAX = 32
_SERVER_NAME_MAX = 255
_PLAIN_HINT = "plain HTTP on a TLS port? use https:// in the base URL"

SERVER_NAME = 0
SIGNATURE_ALGORITHMS = 13
ALPN = 16
SUPPORTED_VERSIONS = 43


@dataclass(frozen=True, slots=True)
class Hello:
    """A ClientHello, in the client's own order, GREASE values included."""

    legacy_version: int
    cipher_suites: tuple[int, ...]
    extensions: tuple[tuple[int, bytes], ...] = ()
    """Type and raw data of each extension."""
    alpn: tuple[bytes, ...] = ()
    supported_versions: tuple[int, ...] = ()
    signature_algorithms: tuple[int, ...] = ()
    server_name: str = ""
    """Host name asked for, 255 characters at most; bytes that are not ASCII are escaped."""


class _Cursor:
    """Reads forward over bytes; what is not there breaks the clause it was opened with."""

    __slots__ = ("_at", "_clause", "_data", "_what")

    def __init__(self, data: bytes, what: str, clause: str) -> None:
        self._data = data
        self._at = 0
        self._what = what
        self._clause = clause

    @property
    def ended(self) -> bool:
        return self._at == len(self._data)

    def fail(self, why: str) -> WireError:
        return WireError(f"{self._what} {why}", clause=self._clause)

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise self.fail("ends before its time")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, length_size: int, least: int = 0) -> bytes:
        """Take a vector (RFC 8446 §3.4): its length in ``length_size`` bytes, then its content."""
        taken = self.take(self.number(length_size))
        if len(taken) < least:
            raise self.fail("holds a vector that is shorter than allowed")
        return taken

    def finish(self) -> None:
        if not self.ended:
            raise self.fail("has bytes after its end")


def lacking(data: bytes) -> int:
    """Return how many further bytes are surely needed before ``data`` can hold a whole ClientHello.

    0 means that it is complete. Called again and again on a growing prefix, it does at most
    ``RECORDS_MAX`` steps each time.

    Raises:
        WireError: no continuation of these bytes is a ClientHello that we read.
    """
    return _gather(data)[1]


def parse(data: bytes) -> Hello | None:
    """Read a ClientHello from TLS records; None where more bytes are needed. What follows it is not read.

    Raises:
        WireError: the bytes are no ClientHello (RFC 8446 §4.1.2, §5.1) or break the rules of an
            extension that is read here.
    """
    message, missing = _gather(data)
    if missing:
        return None
    size = int.from_bytes(message[1:_HANDSHAKE_HEADER], "big")
    return _read_hello(bytes(message[_HANDSHAKE_HEADER : _HANDSHAKE_HEADER + size]))


def _gather(data: bytes) -> tuple[bytearray, int]:
    message = bytearray()
    start = 0
    for _ in range(RECORDS_MAX):
        length = _record_length(data[start : start + _RECORD_HEADER])
        if length is None:
            return message, start + _RECORD_HEADER - len(data)
        end = start + _RECORD_HEADER + length
        message += data[start + _RECORD_HEADER : end]
        missing = _missing(message)
        if not missing:
            return message, 0
        if end > len(data):
            return message, min(end - len(data), missing)
        start = end
    raise WireError(f"ClientHello is spread over more than {RECORDS_MAX} records", clause="RFC 8446 §5.1")


def _record_length(header: bytes) -> int | None:
    if header and header[0] != _HANDSHAKE:
        raise WireError("first record is no TLS handshake", clause="RFC 8446 §5.1", hint=_PLAIN_HINT)
    if len(header) < _RECORD_HEADER:
        return None
    length = int.from_bytes(header[3:], "big")
    if not 0 < length <= _FRAGMENT_MAX:
        raise WireError(f"handshake record has {length} bytes", clause="RFC 8446 §5.1")
    return length


def _missing(message: bytearray) -> int:
    if message and message[0] != _CLIENT_HELLO:
        raise WireError("first handshake message is no ClientHello", clause="RFC 8446 §4.1.2")
    if len(message) < _HANDSHAKE_HEADER:
        return _HANDSHAKE_HEADER - len(message)
    size = int.from_bytes(message[1:_HANDSHAKE_HEADER], "big")
    if size > HELLO_MAX:
        raise WireError(f"ClientHello claims {size} bytes; {HELLO_MAX} are read", clause="RFC 8446 §4.1.2")
    return max(0, _HANDSHAKE_HEADER + size - len(message))


def _read_hello(body: bytes) -> Hello:
    cursor = _Cursor(body, "ClientHello", "RFC 8446 §4.1.2")
    legacy_version = cursor.number(2)
    cursor.take(32)
    if len(cursor.vector(1)) > _SESSION_ID_MAX:
        raise cursor.fail("has a session id of more than 32 bytes")
    suites = cursor.vector(2, least=2)
    if len(suites) % 2:
        raise cursor.fail("has half a cipher suite")
    cursor.vector(1, least=1)
    # A hello that ends here has no extensions: TLS 1.2 and older (RFC 5246 §7.4.1.2).
    extensions = {} if cursor.ended else _read_extensions(cursor.vector(2))
    cursor.finish()
    return Hello(
        legacy_version=legacy_version,
        cipher_suites=_numbers(suites),
        extensions=tuple(extensions.items()),
        alpn=_read_alpn(extensions),
        supported_versions=_read_versions(extensions),
        signature_algorithms=_read_algorithms(extensions),
        server_name=_read_server_name(extensions),
    )


def _read_extensions(data: bytes) -> dict[int, bytes]:
    cursor = _Cursor(data, "list of extensions", "RFC 8446 §4.2")
    found: dict[int, bytes] = {}
    while not cursor.ended:
        kind = cursor.number(2)
        if kind in found:
            raise cursor.fail(f"names extension {kind} twice")
        found[kind] = cursor.vector(2)
    return found


def _read_alpn(extensions: dict[int, bytes]) -> tuple[bytes, ...]:
    if ALPN not in extensions:
        return ()
    outer = _Cursor(extensions[ALPN], "ALPN extension", "RFC 7301 §3.1")
    names = _Cursor(outer.vector(2, least=2), "ALPN extension", "RFC 7301 §3.1")
    outer.finish()
    found = []
    while not names.ended:
        found.append(names.vector(1, least=1))
    return tuple(found)


def _read_versions(extensions: dict[int, bytes]) -> tuple[int, ...]:
    if SUPPORTED_VERSIONS not in extensions:
        return ()
    cursor = _Cursor(extensions[SUPPORTED_VERSIONS], "supported_versions", "RFC 8446 §4.2.1")
    return _read_numbers(cursor, cursor.vector(1, least=2))


def _read_algorithms(extensions: dict[int, bytes]) -> tuple[int, ...]:
    if SIGNATURE_ALGORITHMS not in extensions:
        return ()
    cursor = _Cursor(extensions[SIGNATURE_ALGORITHMS], "signature_algorithms", "RFC 8446 §4.2.3")
    return _read_numbers(cursor, cursor.vector(2, least=2))


def _read_server_name(extensions: dict[int, bytes]) -> str:
    if not extensions.get(SERVER_NAME):
        return ""
    outer = _Cursor(extensions[SERVER_NAME], "server_name", "RFC 6066 §3")
    names = _Cursor(outer.vector(2, least=1), "server_name", "RFC 6066 §3")
    outer.finish()
    while not names.ended:
        kind = names.number(1)
        name = names.vector(2, least=1)
        if kind == _HOST_NAME:
            return name[:_SERVER_NAME_MAX].decode("ascii", "backslashreplace")[:_SERVER_NAME_MAX]
    return ""


def _read_numbers(cursor: _Cursor, data: bytes) -> tuple[int, ...]:
    cursor.finish()
    if len(data) % 2:
        raise cursor.fail("has half a value")
    return _numbers(data)


def _numbers(data: bytes) -> tuple[int, ...]:
    return unpack(f">{len(data) // 2}H", data)
