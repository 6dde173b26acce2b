"""Places of the play: addresses that documentation is given, so that no simulated thief lives anywhere.

IPv6 is 2001:db8::/32 (RFC 3849), cut into sixteen autonomous systems by its next four bits; a customer
of one has a /48. IPv4 is the three blocks of RFC 5737, each a network that many owners share. Numbers of
systems are those of RFC 5398, and countries are codes that ISO 3166 leaves to its users.
"""

from ipaddress import IPv4Address, IPv6Address
from typing import Final

from chatelaine.core.play.chance import Chance, mix
from chatelaine.model.exchange import Network, NetworkClass
from chatelaine.model.play import Range
from chatelaine.model.words import SECOND

FIRST_SYSTEM: Final = 64_496
SYSTEMS: Final = 16
_DOCUMENTED: Final = int(IPv6Address("2001:db8::"))
_COUNTRIES: Final = tuple(f"X{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_CUSTOMERS: Final = 4096
"""Customers of a system: 12 bits of the address."""
_HOST_BITS: Final = 80
_SITE_BITS: Final = 16

CLOUDS: Final = (0, 1, 2, 3)
HOSTERS: Final = (4, 5, 6)
TUNNELS: Final = (7, 8)
"""Commercial VPNs."""
RELAYS: Final = (9,)
"""Exits of an anonymity network."""
ACCESS: Final = (10, 11, 12, 13, 14, 15)
"""Systems that people and offices are customers of."""

_CLASSES: Final = (
    *((NetworkClass.BIG_CLOUD | NetworkClass.HOSTING,) * len(CLOUDS)),
    *((NetworkClass.HOSTING,) * len(HOSTERS)),
    *((NetworkClass.VPN | NetworkClass.HOSTING,) * len(TUNNELS)),
    *((NetworkClass.TOR,) * len(RELAYS)),
    *((NetworkClass.NONE,) * len(ACCESS)),
)

MINUTE: Final = 60 * SECOND
_CHURN: Final = 10 * MINUTE
_LEASE: Final = 3 * 86_400 * SECOND


def network(system: int, customer: int, host: int) -> Network:
    """Return an address of a customer: ``system`` from 0 to 15, ``customer`` below 4096."""
    site = system << _SITE_BITS - 4 | customer
    ip = str(IPv6Address(_DOCUMENTED | site << _HOST_BITS | host))
    country = _COUNTRIES[mix(site) % len(_COUNTRIES)]
    return Network(ip, FIRST_SYSTEM + system, country, _CLASSES[system])


def fixed(chance: Chance, systems: tuple[int, ...], hosts: int = 1) -> Range:
    """Return some addresses of one customer: servers that stay where they are."""
    system, customer = chance.pick(systems), chance.below(_CUSTOMERS)
    return Range(tuple(network(system, customer, chance.below(1 << 16) + 1) for _ in range(hosts)))


def elastic(chance: Chance, systems: tuple[int, ...], customers: int = 6) -> Range:
    """Return addresses of many customers of one system, another every ten minutes: functions in a cloud."""
    system = chance.pick(systems)
    drawn = [(chance.below(_CUSTOMERS), chance.below(1 << 16) + 1) for _ in range(customers)]
    return Range(tuple(network(system, customer, host) for customer, host in drawn), kept_for=_CHURN)


def dynamic(chance: Chance) -> Range:
    """Return addresses of one access customer, another every three days: a home or a laptop."""
    system, customer = chance.pick(ACCESS), chance.below(_CUSTOMERS)
    return Range(
        tuple(network(system, customer, chance.below(1 << 32) + 1) for _ in range(20)), kept_for=_LEASE
    )


def _block(first: str, system: int, kind: NetworkClass) -> Range:
    start = int(IPv4Address(first))
    return Range(
        tuple(
            Network(str(IPv4Address(start + host)), FIRST_SYSTEM + system, "XA", kind)
            for host in range(1, 255)
        )
    )


EDGE: Final = _block("192.0.2.0", 0, _CLASSES[0])
"""The addresses from which an edge network forwards for all its customers."""
BUILDERS: Final = _block("198.51.100.0", 1, _CLASSES[1])
"""The machines on which a build service runs everybody's tests."""
VENDOR: Final = _block("203.0.113.0", 2, _CLASSES[2])
"""The addresses of a service that works with its customers' keys."""


def address(place: Range, at: int, roll: int) -> Network:
    """Return the address a client has at an instant; ``roll``: bits for those that keep none."""
    networks = place.networks
    turn = mix(at // place.kept_for) if place.kept_for else roll
    return networks[turn % len(networks)]
