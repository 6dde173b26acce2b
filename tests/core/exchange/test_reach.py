"""Addresses an upstream may be reached at."""

import pytest

from chatelaine.core.exchange.reach import allowed, networks
from chatelaine.model.error import WireError


@pytest.mark.parametrize("ip", ["104.18.7.192", "2606:4700::6812:7c0", "8.8.8.8"])
def test_public_addresses_may_be_reached(ip: str) -> None:
    assert allowed(ip, ())


@pytest.mark.parametrize(
    "ip",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104 - a value, nothing is bound
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.2.1",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "ff02::1",
    ],
)
def test_inner_addresses_may_not_be_reached_in_any_disguise(ip: str) -> None:
    assert not allowed(ip, ())


def test_an_inner_address_may_be_reached_where_it_is_named() -> None:
    named = networks(("127.0.0.0/8", "fd00::/8"))
    assert allowed("127.0.0.1", named)
    assert allowed("::ffff:127.0.0.1", named)
    assert allowed("fd00::1", named)
    assert not allowed("10.0.0.1", named)


@pytest.mark.parametrize("ip", ["", "localhost", "2130706433", "0x7f.1", "127.1", "1.2.3.4.5"])
def test_what_is_no_address_is_an_error(ip: str) -> None:
    with pytest.raises(WireError):
        allowed(ip, ())
