"""JA4, the TLS client fingerprint, after FoxIO's public description of it.

Only JA4 itself, whose licence is BSD; none of its siblings. What the description leaves to
programs is decided so: GREASE (RFC 8701) is passed over wherever it stands, in ALPN too; a first
or last ALPN byte that is no ASCII letter or digit is told in hexadecimal, as the text says.
"""

from collections.abc import Iterable
from hashlib import sha256

from chatelaine.core.exchange.hello import ALPN, SERVER_NAME, Hello
from chatelaine.model.exchange import Greeting

_VERSIONS = {
    0x0304: ("13", "1.3"),
    0x0303: ("12", "1.2"),
    0x0302: ("11", "1.1"),
    0x0301: ("10", "1.0"),
    0x0300: ("s3", "SSL 3.0"),
    0x0002: ("s2", "SSL 2.0"),
}
_GREASE = frozenset(0x0A0A + 0x1010 * step for step in range(16))
_GREASE_NAMES = frozenset(value.to_bytes(2, "big") for value in _GREASE)
_UNKNOWN_VERSION = ("00", "")
_COUNT_MAX = 99
_EMPTY = "000000000000"
_ALPN_TEXT_MAX = 128


def fingerprint(hello: Hello, *, transport: str = "t") -> str:
    """Return the JA4 of a ClientHello; ``transport`` is ``t`` over TCP and ``q`` over QUIC."""
    suites = _real(hello.cipher_suites)
    kinds = _real(kind for kind, _ in hello.extensions)
    named = "d" if SERVER_NAME in kinds else "i"
    counts = f"{min(len(suites), _COUNT_MAX):02d}{min(len(kinds), _COUNT_MAX):02d}"
    about = f"{transport}{_version(hello)[0]}{named}{counts}{_alpn_ends(hello.alpn)}"
    return f"{about}_{_digest(_listed(sorted(suites)))}_{_extension_digest(kinds, hello)}"


def greet(hello: Hello) -> Greeting:
    """Return what a ClientHello shows of its client: JA4, highest version offered, ALPN, server name."""
    offered = b",".join(hello.alpn).decode("ascii", "backslashreplace")
    return Greeting(
        ja4=fingerprint(hello),
        tls_version=_version(hello)[1],
        alpn=offered[:_ALPN_TEXT_MAX],
        server_name=hello.server_name,
    )


def _real(values: Iterable[int]) -> list[int]:
    return [value for value in values if value not in _GREASE]


def _version(hello: Hello) -> tuple[str, str]:
    offered = _real(hello.supported_versions)
    return _VERSIONS.get(max(offered) if offered else hello.legacy_version, _UNKNOWN_VERSION)


def _alpn_ends(names: Iterable[bytes]) -> str:
    for name in names:
        if name in _GREASE_NAMES:
            continue
        ends = name[:1] + name[-1:]
        return ends.decode("ascii") if ends.isalnum() else ends.hex()[0] + ends.hex()[-1]
    return "00"


def _extension_digest(kinds: list[int], hello: Hello) -> str:
    kept = _listed(sorted(kind for kind in kinds if kind not in (SERVER_NAME, ALPN)))
    algorithms = _listed(_real(hello.signature_algorithms))
    return _digest(f"{kept}_{algorithms}" if kept and algorithms else kept)


def _listed(values: Iterable[int]) -> str:
    return ",".join([f"{value:04x}" for value in values])


def _digest(listed: str) -> str:
    return sha256(listed.encode("ascii")).hexdigest()[:12] if listed else _EMPTY
