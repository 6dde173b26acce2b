"""Which addresses an upstream may be reached at: the guard against request forgery (OWASP API7)."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from chatelaine.model.error import WireError

Address: TypeAlias = IPv4Address | IPv6Address

_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_SIX_TO_FOUR = IPv6Network("2002::/16")


def networks(blocks: Iterable[str]) -> tuple[str, ...]:
    """Return CIDR blocks in one spelling, checked.

    Raises:
        ValueError: a block is not a network.
    """
    return tuple(str(ip_network(block, strict=False)) for block in blocks)


def allowed(ip: str, permitted: tuple[str, ...]) -> bool:
    """Tell whether an upstream may be reached at an address.

    Public unicast addresses may always; loopback, link-local, private, shared, documentation and
    multicast ones only where ``permitted`` names them. An IPv6 address that carries an IPv4 one
    (mapped, NAT64, 6to4) is judged by what it carries.
    """
    try:
        address = carried(ip_address(ip.partition("%")[0]))
    except ValueError as error:
        raise WireError(f"{ip!r} is not an address") from error
    if any(address in ip_network(block) for block in permitted):
        return True
    return address.is_global and not address.is_multicast and not address.is_reserved


def carried(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address carries, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if any(address in block for block in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR and address.sixtofour is not None:
        return address.sixtofour
    return address
