"""The PROXY protocol, version 2 (haproxy.org, "The PROXY protocol", §2.2): where a connection comes from.

Believed only from trusted hops, and then required of them: the specification forbids guessing
whether a header is there.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from chatelaine.core.exchange.hop import read_address
from chatelaine.model.error import WireError

HEADER_MAX = 4096
"""Bytes of a header that is accepted; addresses take 52, the rest are TLVs, which are skipped."""

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = 16
_VERSION = 2
_LOCAL = 0
_PROXY = 1
_UNSPECIFIED = 0x00
_TCP_IPV4 = 0x11
_TCP_IPV6 = 0x21
_ADDRESS_SIZES = {_TCP_IPV4: 12, _TCP_IPV6: 36}
_CLAUSE = "PROXY protocol §2.2"
_HINT = "does the hop in front send PROXY v2, and is gate.proxy_protocol meant to be on?"


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A header, and how many bytes it takes off the connection."""

    consumed: int
    ip: str = ""
    """The source's address; empty where the hop speaks for itself (LOCAL) or does not know."""
    port: int = 0


def parse(data: bytes) -> ProxyHeader | None:
    """Read a header from the first bytes of a connection; None where more bytes are needed.

    Raises:
        WireError: the bytes are no PROXY v2 header over TCP, or one that is larger than allowed.
    """
    if lacking(data):
        return None
    consumed = _FIXED + int.from_bytes(data[14:16], "big")
    family = data[13]
    if data[12] & 0x0F == _LOCAL or family == _UNSPECIFIED:
        return ProxyHeader(consumed)
    size = _ADDRESS_SIZES[family]
    half = (size - 4) // 2
    block = data[_FIXED : _FIXED + size]
    source = IPv4Address(block[:half]) if family == _TCP_IPV4 else IPv6Address(block[:half])
    return ProxyHeader(
        consumed, read_address(str(source)), int.from_bytes(block[2 * half : 2 * half + 2], "big")
    )


def lacking(data: bytes) -> int:
    """Return how many further bytes are surely needed before ``data`` holds a whole header.

    Raises:
        WireError: as ``parse``, as soon as it is certain.
    """
    _check_signature(data)
    if len(data) < _FIXED:
        return _FIXED - len(data)
    size = int.from_bytes(data[14:16], "big")
    _check_command(data[12], data[13], size)
    return max(0, _FIXED + size - len(data))


def _check_signature(data: bytes) -> None:
    if data.startswith(b"PROXY"):
        raise WireError("PROXY protocol version 1 is not read, only version 2", clause=_CLAUSE, hint=_HINT)
    if data[: len(_SIGNATURE)] != _SIGNATURE[: len(data)]:
        raise WireError("connection does not begin with a PROXY v2 header", clause=_CLAUSE, hint=_HINT)


def _check_command(command: int, family: int, size: int) -> None:
    if command >> 4 != _VERSION:
        raise WireError(f"PROXY header has version {command >> 4}", clause=_CLAUSE, hint=_HINT)
    if command & 0x0F not in (_LOCAL, _PROXY):
        raise WireError(f"PROXY header has command {command & 0x0F}", clause=_CLAUSE)
    if size > HEADER_MAX - _FIXED:
        raise WireError(f"PROXY header claims {size} bytes", clause=_CLAUSE)
    if command & 0x0F == _LOCAL or family == _UNSPECIFIED:
        return
    if family not in _ADDRESS_SIZES:
        raise WireError(f"PROXY header is of family {family:#04x}, not TCP over IP", clause=_CLAUSE)
    if size < _ADDRESS_SIZES[family]:
        raise WireError("PROXY header is too short for its addresses", clause=_CLAUSE)
