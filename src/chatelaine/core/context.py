"""Client contexts told apart: the network prefix, the program's family, and the id of the whole."""

import ipaddress
from functools import lru_cache
from hashlib import sha256
from typing import Final
from zlib import crc32

from chatelaine.model.detection import Dimension
from chatelaine.model.words import ContextId

_REMEMBERED: Final = 65_536
_V4_BITS: Final = 24
_V6_BITS: Final = 48
"""What one customer is commonly given (RFC 6177)."""
_DIGITS: Final = 16
_MARK_BITS: Final = 27
_MARK_MASK: Final = (1 << _MARK_BITS) - 1
_MOST_FAMILY: Final = 48
_PLACES: Final = {dimension: place for place, dimension in enumerate(Dimension)}
_MARKS: Final[dict[Dimension, dict[str, int]]] = {dimension: {} for dimension in Dimension}
_SEEDS: Final = {dimension: crc32(dimension.value.encode()) for dimension in Dimension}


@lru_cache(maxsize=_REMEMBERED)
def prefix_of(ip: str) -> str:
    """Return the /24 of an IPv4 or the /48 of an IPv6 address; "" for what is no address."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    bits = _V4_BITS if isinstance(address, ipaddress.IPv4Address) else _V6_BITS
    return str(ipaddress.ip_network((address, bits), strict=False))


@lru_cache(maxsize=_REMEMBERED)
def agent_family(agent: str) -> str:
    """Return the program a User-Agent names first, in lower case and without its version."""
    name, _, version = agent.split(" ", 1)[0].partition("/")
    named = f"{name}/{version}" if version and not version[:1].isdigit() else name
    return named.lower()[:_MOST_FAMILY]


@lru_cache(maxsize=_REMEMBERED)
def context_id(prefix: str, ja4: str, header_hash: str) -> ContextId:
    """Return the id of a client context: where it comes from, its TLS client, its header order."""
    return ContextId(sha256(f"{prefix}|{ja4}|{header_hash}".encode()).hexdigest()[:_DIGITS])


def mark(dimension: Dimension, value: str) -> int:
    """Return 32 bits that stand for a value: five for its dimension, so that those of one sort together.

    Two of a key's values share a mark with a chance of 10^-6: then a new one is taken for known.
    """
    # Asked twenty times a sighting: a dictionary for each dimension needs no tuple to look into.
    known = _MARKS[dimension]
    found = known.get(value)
    if found is None:
        if len(known) >= _REMEMBERED:
            known.clear()
        found = known[value] = _mark(dimension, value)
    return found


def _mark(dimension: Dimension, value: str) -> int:
    return (
        _PLACES[dimension] << _MARK_BITS
        | crc32(value.encode("utf-8", "replace"), _SEEDS[dimension]) & _MARK_MASK
    )


def first_mark(dimension: Dimension) -> int:
    """Return the least mark a value of a dimension can have."""
    return _PLACES[dimension] << _MARK_BITS
