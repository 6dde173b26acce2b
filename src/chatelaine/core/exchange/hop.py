"""Which address a request really comes from, where it passed through proxies.

The chain a request claims is read right to left, and each hop is believed only while the one
that told of it is trusted. So what a client writes itself stands to the left of its own address,
which the first trusted hop wrote, and is never reached.

``X-Forwarded-For`` and ``Forwarded`` (RFC 7239) may both be there: then they must tell the same.
Proxies write one and pass the other through as the client sent it, and nothing tells which. Where
they part within the trusted hops, or one ends before the other, the address is unknown: taking
either side, or the last hop agreed on, would let a client choose. The chain shows where they part.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import zip_longest
from typing import NamedTuple

from chatelaine.model.error import Fault, SettingsError

UNKNOWN = ""
"""The address of a caller whose hops contradict each other; no grant and no trusted block holds it."""

HOPS_MAX = 16
"""Hops of a chain that are read, from its right end."""

_SHOWN_MAX = 64
_HELD_MAX = 4096


class Claims(NamedTuple):
    """What a request's headers claim of its hops: the lines of each header joined by commas."""

    x_forwarded_for: bytes = b""
    forwarded: bytes = b""


class _Hop(NamedTuple):
    address: str
    """Canonical; empty where it is hidden, unknown or no address."""
    shown: str
    agreed: bool = True


@dataclass(frozen=True, slots=True)
class Resolution:
    """The address a request is charged to, and the chain it was read from."""

    ip: str
    chain: tuple[str, ...] = ()
    """What the hops claimed, right to left; ``a|b`` where the two headers part."""
    believed: int = 0
    """How many of ``chain``, from its start, were told by trusted hops."""


class TrustedHops:
    """The address blocks whose word on other addresses is taken."""

    __slots__ = ("_blocks", "_held")

    def __init__(self, blocks: Iterable[str]) -> None:
        """Read the blocks.

        Raises:
            SettingsError: some are no CIDR blocks; all of them are named.
        """
        compiled, faults = [], []
        for block in blocks:
            try:
                network = ip_network(block)
            except ValueError as error:
                faults.append(
                    Fault("gate.trusted_proxies", f"{block!r} is no CIDR block: {error}", "e.g. 10.0.0.0/8")
                )
            else:
                compiled.append((network.version, int(network.network_address), int(network.netmask)))
        if faults:
            raise SettingsError(faults)
        self._blocks = tuple(compiled)
        self._held: dict[str, bool] = {}

    def hold(self, ip: str) -> bool:
        """Tell whether an address lies in a trusted block; what is no address lies in none."""
        if not self._blocks:
            return False
        known = self._held.get(ip)
        if known is None:
            known = self._check(ip)
            if len(self._held) >= _HELD_MAX:
                self._held.clear()
            self._held[ip] = known
        return known

    def _check(self, ip: str) -> bool:
        plain = read_address(ip)
        if not plain:
            return False
        address = ip_address(plain)
        return any(
            version == address.version and int(address) & mask == base for version, base, mask in self._blocks
        )


def resolve(peer: str, claims: Claims, trusted: TrustedHops) -> Resolution:
    """Return the address of whoever sent a request, as far as trusted hops tell it.

    ``peer`` is the socket's other end, or what a trusted hop's PROXY header told of it.
    """
    ip = read_address(peer) or peer
    if not (claims.x_forwarded_for or claims.forwarded):
        return Resolution(ip)
    hops = _merge(_read_list(claims.x_forwarded_for), _read_forwarded(claims.forwarded))
    chain = tuple(hop.shown for hop in hops)
    believed = 0
    for hop in hops:
        if not trusted.hold(ip):
            break
        if not hop.agreed:
            return Resolution(UNKNOWN, chain, believed)
        if not hop.address:
            break
        ip = hop.address
        believed += 1
    return Resolution(ip, chain, believed)


@lru_cache(maxsize=_HELD_MAX)
def read_address(text: str) -> str:
    """Return an IP address in canonical form, IPv4 where IPv6 merely carries it; "" where it is none.

    A zone (``fe80::1%eth0``, RFC 4007 §11) is left out: it says where the reader stands, not who calls.
    """
    if len(text) > _SHOWN_MAX:
        return ""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(address)


def _read_list(header: bytes) -> list[_Hop]:
    if not header:
        return []
    return [_read_node(part.strip()) for part in _split(header)]


def _read_forwarded(header: bytes) -> list[_Hop]:
    if not header:
        return []
    return [_read_element(part.strip()) for part in _split(header)]


def _split(header: bytes) -> list[str]:
    # At every comma, in quotes or not: a quote that a client leaves open to the left must not
    # swallow what a trusted hop wrote to the right. No address holds a comma.
    parts = header.decode("latin-1").rsplit(",", HOPS_MAX)
    return parts[::-1][:HOPS_MAX]


def _read_element(text: str) -> _Hop:
    """Read one element of ``Forwarded`` (RFC 7239 §4)."""
    nodes = []
    for pair in text.split(";"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "for":
            nodes.append(value.strip())
    if len(nodes) != 1:
        return _Hop("", text[:_SHOWN_MAX])
    node = nodes[0]
    if len(node) > 1 and node[0] == node[-1] == '"':
        node = node[1:-1]
    return _read_node(node)


def _read_node(text: str) -> _Hop:
    """Read a node (RFC 7239 §6): an address, with or without port; ``unknown`` and ``_hidden`` are none."""
    host = text
    if text.startswith("["):
        host, closed, port = text[1:].partition("]")
        if not closed or (port and not _is_port(port)) or ":" not in host:
            return _Hop("", text[:_SHOWN_MAX])
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
        if not _is_port(":" + port) or "." not in host:
            return _Hop("", text[:_SHOWN_MAX])
    address = "" if "%" in host else read_address(host)
    return _Hop(address, address or text[:_SHOWN_MAX])


def _is_port(text: str) -> bool:
    """Tell whether this is ``:`` and a port or an obfuscated one (RFC 7239 §6.2)."""
    port = text[1:]
    return text[0] == ":" and (port.isdecimal() or port.startswith("_"))


def _merge(listed: list[_Hop], forwarded: list[_Hop]) -> list[_Hop]:
    if not listed or not forwarded:
        return listed or forwarded
    return [_agree(left, right) for left, right in zip_longest(listed, forwarded)]


def _agree(left: _Hop | None, right: _Hop | None) -> _Hop:
    if left is not None and left == right:
        return left
    shown = "|".join(hop.shown if hop is not None else "-" for hop in (left, right))
    return _Hop("", shown, agreed=False)
