"""Places: every address is one that documentation is given, and every system a documented one."""

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.context import prefix_of
from chatelaine.core.play import place
from chatelaine.core.play.chance import Chance
from chatelaine.model.exchange import NetworkClass

DOCUMENTED = [
    ip_network(block) for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
]
SEEDS = st.integers(0, 2**64 - 1)


def documented(ip: str) -> bool:
    return any(ip_address(ip) in block for block in DOCUMENTED)


@given(st.integers(0, 15), st.integers(0, 4095), st.integers(1, 2**40))
def test_every_customer_has_a_documented_prefix_of_its_own(system: int, customer: int, host: int) -> None:
    found = place.network(system, customer, host)
    assert documented(found.ip)
    assert found.ip == str(ip_address(found.ip)), "spelt as a gate spells it"
    assert prefix_of(found.ip) == prefix_of(place.network(system, customer, host + 1).ip)
    assert prefix_of(found.ip) != prefix_of(place.network(system, (customer + 1) % 4096, host).ip)
    assert 64_496 <= found.asn <= 64_511
    assert found.country[0] == "X"


@given(SEEDS)
def test_all_ranges_are_documented_addresses(seed: int) -> None:
    chance = Chance(seed)
    ranges = (
        place.fixed(chance, place.HOSTERS, 3),
        place.elastic(chance, place.CLOUDS),
        place.dynamic(chance),
        place.EDGE,
        place.BUILDERS,
        place.VENDOR,
    )
    assert all(documented(one.ip) for some in ranges for one in some.networks)


@given(SEEDS, st.integers(0, 2**62))
def test_a_kept_address_is_kept_and_then_given_up(seed: int, at: int) -> None:
    lease = place.dynamic(Chance(seed))
    begin = at // lease.kept_for * lease.kept_for
    during = {place.address(lease, begin + share * lease.kept_for // 4, share).ip for share in range(4)}
    assert len(during) == 1
    later = {place.address(lease, begin + turn * lease.kept_for, 0).ip for turn in range(40)}
    assert len(later) > 3


def test_systems_are_of_the_class_that_their_name_says() -> None:
    kinds = {
        name: {place.network(system, 1, 1).kind for system in getattr(place, name)}
        for name in ("CLOUDS", "HOSTERS", "TUNNELS", "RELAYS", "ACCESS")
    }
    assert kinds == {
        "CLOUDS": {NetworkClass.BIG_CLOUD | NetworkClass.HOSTING},
        "HOSTERS": {NetworkClass.HOSTING},
        "TUNNELS": {NetworkClass.VPN | NetworkClass.HOSTING},
        "RELAYS": {NetworkClass.TOR},
        "ACCESS": {NetworkClass.NONE},
    }
