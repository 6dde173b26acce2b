import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.exchange.proxy_protocol import HEADER_MAX, ProxyHeader, lacking, parse
from chatelaine.model.error import WireError

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")


def header(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(block).to_bytes(2, "big") + block


def addresses(source: str, target: str, port: int) -> bytes:
    ips = b"".join(ipaddress.ip_address(ip).packed for ip in (source, target))
    return ips + port.to_bytes(2, "big") + (443).to_bytes(2, "big")


V4 = header(0x21, 0x11, addresses("203.0.113.9", "10.0.0.1", 4711))
V6 = header(0x21, 0x21, addresses("2001:db8::9", "fd00::1", 4712))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (V4, ProxyHeader(28, "203.0.113.9", 4711)),
        (V6, ProxyHeader(52, "2001:db8::9", 4712)),
        (
            header(0x21, 0x21, addresses("::ffff:203.0.113.9", "::ffff:10.0.0.1", 7)),
            ProxyHeader(52, "203.0.113.9", 7),
        ),
        (header(0x20, 0x00, b""), ProxyHeader(16)),
        (header(0x20, 0x11, addresses("203.0.113.9", "10.0.0.1", 1)), ProxyHeader(28)),
        (header(0x21, 0x00, b"tlv"), ProxyHeader(19)),
    ],
)
def test_a_header_tells_source_and_size(data: bytes, expected: ProxyHeader) -> None:
    assert parse(data + b"\x16\x03\x01") == expected


def test_what_follows_the_addresses_is_skipped() -> None:
    data = header(0x21, 0x11, addresses("203.0.113.9", "10.0.0.1", 4711) + b"\x04\x00\x10" + b"t" * 16)
    assert parse(data) == ProxyHeader(47, "203.0.113.9", 4711)


@pytest.mark.parametrize("data", [V4, V6])
def test_each_prefix_lacks_bytes(data: bytes) -> None:
    for size in range(len(data)):
        assert 0 < lacking(data[:size]) <= len(data) - size
        assert parse(data[:size]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01",
        b"GET / HTTP/1.1",
        SIGNATURE[:-1] + b"X",
        header(0x11, 0x11, bytes(12)),
        header(0x22, 0x11, bytes(12)),
        header(0x21, 0x12, bytes(12)),
        header(0x21, 0x31, bytes(216)),
        header(0x21, 0x11, bytes(11)),
        header(0x21, 0x21, bytes(35)),
        header(0x21, 0x11, bytes(HEADER_MAX)),
    ],
)
def test_what_is_no_header_of_version_2_over_tcp_is_refused(data: bytes) -> None:
    with pytest.raises(WireError) as caught:
        parse(data)
    assert caught.value.clause


def test_version_1_is_refused_by_name() -> None:
    with pytest.raises(WireError, match="version 1"):
        parse(b"PROXY TCP4 203.0.113.9 10.0.0.1 4711 443\r\n")


@given(st.binary(max_size=60), st.sampled_from([b"", SIGNATURE]))
def test_no_bytes_raise_anything_but_a_wire_error(data: bytes, start: bytes) -> None:
    try:
        found = parse(start + data)
    except WireError:
        return
    assert found is None or found.consumed <= len(start + data)
