import io
import ipaddress
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.adapters.geo import AddressTables
from chatelaine.adapters.geo.book import Ipv4Table, embedded
from chatelaine.adapters.geo.file import ClassList, MmdbFile, open_table
from chatelaine.model.error import TableError
from chatelaine.model.exchange import Network, NetworkClass
from chatelaine.model.settings import AddressSettings

Value = str | int | bool | Mapping[str, "Value"] | list["Value"]
MARK = b"\xab\xcd\xefMaxMind.com"


def control(kind: int, size: int) -> bytes:
    """Write a control byte, of an extended type where need be (format 2.0, "Data Field Format")."""
    return bytes([kind << 5 | size]) if kind <= 7 else bytes([size, kind - 7])


def number(kind: int, value: int) -> bytes:
    data = value.to_bytes(8, "big").lstrip(b"\0")
    return control(kind, len(data)) + data


def encode(value: Value) -> bytes:
    if isinstance(value, bool):
        return control(14, int(value))
    if isinstance(value, int):
        return number(6, value)
    if isinstance(value, str):
        return control(2, len(value)) + value.encode()
    if isinstance(value, list):
        return control(11, len(value)) + b"".join(map(encode, value))
    return control(7, len(value)) + b"".join(encode(name) + encode(held) for name, held in value.items())


def mmdb(networks: Mapping[str, Value], *, version: int = 6) -> bytes:
    """Write a file in MaxMind's format, with records of 24 bits."""
    nodes: list[list[int | None]] = [[None, None]]
    data = b""
    leaves: dict[tuple[int, int], int] = {}
    for block, value in networks.items():
        network = ipaddress.ip_network(block)
        bits = f"{int(network.network_address):0{network.max_prefixlen}b}"[: network.prefixlen]
        if version == 6 and network.version == 4:
            bits = "0" * 96 + bits
        at = 0
        for bit in map(int, bits[:-1]):
            below = nodes[at][bit]
            if below is None:
                below = len(nodes)
                nodes[at][bit] = below
                nodes.append([None, None])
            at = below
        leaves[at, int(bits[-1])] = len(data)
        data += encode(value)
    tree = b""
    for place, node in enumerate(nodes):
        for bit in (0, 1):
            below = node[bit]
            if (place, bit) in leaves:
                below = len(nodes) + 16 + leaves[place, bit]
            tree += (len(nodes) if below is None else below).to_bytes(3, "big")
    about = {
        "binary_format_major_version": number(5, 2),
        "binary_format_minor_version": number(5, 0),
        "build_epoch": number(9, 1_780_000_000),
        "database_type": encode("Test"),
        "description": encode({"en": "made by a test"}),
        "ip_version": number(5, version),
        "languages": encode(["en"]),
        "node_count": number(6, len(nodes)),
        "record_size": number(5, 24),
    }
    told = b"".join(encode(name) + held for name, held in about.items())
    return tree + bytes(16) + data + MARK + control(7, len(about)) + told


ASN = mmdb({"203.0.113.0/24": {"autonomous_system_number": 64496}, "2001:db8::/32": {"asn": "AS64497"}})
COUNTRY = mmdb({"203.0.113.0/24": {"country": {"iso_code": "NZ"}}, "2001:db8::/32": {"country_code": "CH"}})
CLASSES = mmdb(
    {
        "203.0.113.0/25": {"is_anonymous_vpn": True, "is_hosting_provider": False},
        "8.8.8.0/24": {"is_residential_proxy": True},
    }
)


def settings(folder: Path, **contents: bytes) -> AddressSettings:
    paths = {}
    for name, data in contents.items():
        paths[name] = folder / f"{name}.mmdb"
        paths[name].write_bytes(data)
    return AddressSettings(**paths)


@pytest.mark.parametrize(
    ("ip", "asn", "country"),
    [
        ("1.1.1.1", 13335, "AU"),
        ("193.0.0.1", 3333, "NL"),
        ("133.11.0.1", 2501, "JP"),
        ("129.132.1.1", 559, "CH"),
        ("46.4.0.1", 24940, "DE"),
        ("90.0.0.1", 3215, "FR"),
        ("41.0.0.1", 36994, "ZA"),
        ("200.160.2.3", 22548, "BR"),
        ("81.2.69.142", 20712, "GB"),
        ("151.1.1.1", 3242, "IT"),
        ("14.160.0.1", 45899, "VN"),
        ("77.88.8.8", 13238, "RU"),
    ],
)
def test_well_known_networks_are_where_they_are(ip: str, asn: int, country: str) -> None:
    found = AddressTables(AddressSettings()).find(ip)
    assert (found.asn, found.country) == (asn, country)


def test_a_tor_exit_at_a_hoster_is_both() -> None:
    found = AddressTables(AddressSettings()).find("185.220.101.1")
    assert found.kind & NetworkClass.TOR
    assert found.kind & NetworkClass.HOSTING


def test_an_ipv4_address_carried_by_ipv6_is_found() -> None:
    found = AddressTables(AddressSettings()).find("::ffff:8.8.8.8")
    assert (found.ip, found.asn) == ("::ffff:8.8.8.8", 15169)


@given(st.integers(0, 2**32 - 1))
def test_every_ipv4_address_is_in_the_table(number: int) -> None:
    asn, country, kind = embedded().find(number)
    assert asn >= 0
    assert len(country) in (0, 2)
    assert kind < 16


def test_the_operators_files_come_before_the_embedded_table(tmp_path: Path) -> None:
    book = AddressTables(settings(tmp_path, asn=ASN, country=COUNTRY, classes=CLASSES))
    assert book.find("203.0.113.5") == Network("203.0.113.5", 64496, "NZ", NetworkClass.VPN)
    assert book.find("2001:db8::5") == Network("2001:db8::5", 64497, "CH")


def test_a_record_of_classes_replaces_the_embedded_ones_and_the_rest_stays(tmp_path: Path) -> None:
    book = AddressTables(settings(tmp_path, classes=CLASSES))
    assert book.find("8.8.8.8") == Network("8.8.8.8", 15169, "US", NetworkClass.PROXY)
    assert book.find("8.8.4.4").kind == NetworkClass.HOSTING | NetworkClass.BIG_CLOUD


def test_an_ipv4_file_is_not_asked_for_ipv6(tmp_path: Path) -> None:
    book = AddressTables(settings(tmp_path, asn=mmdb({"203.0.113.0/24": {"asn": 64496}}, version=4)))
    assert book.find("203.0.113.5").asn == 64496
    assert book.find("2001:db8::5").asn == 0
    assert not book.reload()


def test_records_of_other_shapes_say_nothing(tmp_path: Path) -> None:
    odd = mmdb({"8.8.8.0/24": {"asn": "none", "country": "Austria"}, "8.8.4.0/24": "text"})
    book = AddressTables(settings(tmp_path, asn=odd, country=odd, classes=odd))
    assert (book.find("8.8.8.8").asn, book.find("8.8.8.8").country) == (15169, "US")
    assert book.find("8.8.4.4").kind == NetworkClass.HOSTING | NetworkClass.BIG_CLOUD


def test_a_list_of_blocks_serves_as_classes_and_the_narrowest_rules(tmp_path: Path) -> None:
    text = b"# ours\n8.8.8.0/24 none # cleared\n203.0.113.0/24 hosting, vpn\n203.0.113.7/32 tor\n"
    text += b"2001:db8::/32 proxy\n"
    book = AddressTables(settings(tmp_path, classes=text))
    kinds = [book.find(ip).kind for ip in ("8.8.8.8", "203.0.113.5", "203.0.113.7", "2001:db8::1", "8.8.4.4")]
    assert kinds == [
        NetworkClass.NONE,
        NetworkClass.HOSTING | NetworkClass.VPN,
        NetworkClass.TOR,
        NetworkClass.PROXY,
        NetworkClass.HOSTING | NetworkClass.BIG_CLOUD,
    ]


@given(
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)), max_size=8),
    st.integers(0, 2**32 - 1),
)
def test_a_list_says_what_a_search_of_every_block_says(blocks: list[tuple[int, int]], asked: int) -> None:
    networks = [ipaddress.ip_network((base, width), strict=False) for base, width in blocks]
    address = ipaddress.IPv4Address(asked)
    found = ClassList("\n".join(f"{network} vpn" for network in networks)).get(address)
    assert (found == NetworkClass.VPN) == any(address in network for network in networks)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"203.0.113.0/24 vpn\nnonsense vpn\n", "line 2"),
        (b"203.0.113.0/24\n", "line 1"),
        (b"203.0.113.1/24 vpn\n", "host bits"),
        (b"203.0.113.0/24 evil\n", "evil"),
        (b"\xff\xfe", "neither"),
    ],
)
def test_a_broken_list_is_told_by_line(tmp_path: Path, text: bytes, told: str) -> None:
    with pytest.raises(TableError, match=told) as caught:
        AddressTables(settings(tmp_path, classes=text))
    assert "classes.mmdb" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "data", [b"", ASN[: len(ASN) // 2], ASN[:-20], MARK, b"x" * 1000 + MARK + b"\xff" * 40]
)
def test_a_file_that_is_cut_short_or_none_is_told_by_name(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(TableError, match=r"asn\.mmdb") as caught:
        AddressTables(settings(tmp_path, asn=data))
    assert "mmdb" in caught.value.hint


def test_a_missing_file_is_told_by_name(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"gone\.mmdb"):
        AddressTables(AddressSettings(country=tmp_path / "gone.mmdb"))


def test_a_changed_file_is_taken_over_without_a_new_book(tmp_path: Path) -> None:
    paths = settings(tmp_path, asn=ASN)
    find = (book := AddressTables(paths)).find
    assert find("203.0.113.5").asn == 64496
    assert not book.reload()
    settings(tmp_path, asn=mmdb({"203.0.113.0/24": {"asn": 7, "more": "x"}}))
    assert book.reload()
    assert find("203.0.113.5").asn == 7


def test_a_file_overwritten_in_place_does_not_disturb_what_is_in_use(tmp_path: Path) -> None:
    paths = settings(tmp_path, asn=ASN)
    book = AddressTables(paths)
    assert paths.asn is not None
    with paths.asn.open("r+b") as file:
        file.truncate(0)
    assert book.find("203.0.113.5").asn == 64496


def test_a_file_that_becomes_broken_keeps_the_old_in_use_and_is_told_of_once(tmp_path: Path) -> None:
    book = AddressTables(settings(tmp_path, asn=ASN, country=COUNTRY))
    settings(tmp_path, asn=b"broken", country=mmdb({"203.0.113.0/24": {"country_code": "AT", "x": 1}}))
    with pytest.raises(TableError, match=r"asn\.mmdb"):
        book.reload()
    assert (book.find("203.0.113.5").asn, book.find("203.0.113.5").country) == (64496, "AT")
    assert not book.reload()
    settings(tmp_path, asn=ASN)
    assert book.reload()


def test_a_file_that_vanishes_is_told_of_once_and_stays_in_use(tmp_path: Path) -> None:
    paths = settings(tmp_path, asn=ASN)
    book = AddressTables(paths)
    assert paths.asn is not None
    paths.asn.unlink()
    with pytest.raises(TableError, match=r"asn\.mmdb"):
        book.reload()
    assert not book.reload()
    assert book.find("203.0.113.5").asn == 64496


def test_damage_found_while_reading_is_told_at_the_next_look_and_the_embedded_table_serves(
    tmp_path: Path,
) -> None:
    # A record that says "map of 31 pairs" and is followed by nothing of the kind.
    data = mmdb({"8.8.8.0/24": {"asn": 64496, "name": "example"}})
    start = data.index(encode({"asn": 64496, "name": "example"}))
    damaged = data[:start] + b"\xff" * 10 + data[start + 10 :]
    book = AddressTables(settings(tmp_path, asn=damaged))
    assert book.find("8.8.8.8").asn == 15169
    with pytest.raises(TableError, match="damaged"):
        book.reload()
    assert not book.reload()
    settings(tmp_path, asn=data + b" ")
    assert book.reload()
    assert book.find("8.8.8.8").asn == 64496


@given(st.data())
def test_bytes_flipped_in_a_file_break_nothing(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    flipped = bytearray(ASN)
    for _ in range(data.draw(st.integers(1, 5))):
        flipped[data.draw(st.integers(0, len(ASN) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("flipped")
    try:
        book = AddressTables(settings(folder, asn=bytes(flipped)))
    except TableError:
        return
    for ip in ("203.0.113.5", "2001:db8::5", "8.8.8.8"):
        assert book.find(ip).ip == ip


def test_what_is_found_is_held_within_bounds() -> None:
    book = AddressTables(AddressSettings())
    for number in range(20_000):
        book.find(str(ipaddress.IPv4Address(number * 65_537)))
    assert len(book._edition._found) <= 8192


def test_a_file_is_opened_where_no_private_copy_can_be_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create")
    assert MmdbFile(ASN).get(ipaddress.IPv4Address("203.0.113.5")) == {"autonomous_system_number": 64496}


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="directory"):
        open_table(tmp_path, listable=True)


def archive(**columns: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in columns.items():
            made.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 1) + b"\n" + data)
    return out.getvalue()


ROW = bytes(4)


@pytest.mark.parametrize(
    "data",
    [
        archive(B=ROW, asn=ROW, cc=b"\x01", fl=b"\x00\x00"),
        archive(B=b"", asn=b"", cc=b"", fl=b""),
        archive(B=b"\x01\x00\x00\x00", asn=ROW, cc=b"\x01", fl=b"\x00"),
        archive(B=ROW, asn=ROW, cc=b"\x02", fl=b"\x00"),
        archive(B=ROW[:3], asn=ROW, cc=b"\x01", fl=b"\x00"),
    ],
)
def test_an_archive_that_does_not_cover_the_space_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"columns|countries|bytes"):
        Ipv4Table(data, "US")


def test_a_whole_archive_is_read() -> None:
    found = Ipv4Table(archive(B=ROW, asn=b"\x07\x00\x00\x00", cc=b"\x01", fl=b"\x04"), "US").find(2**32 - 1)
    assert found == (7, "US", NetworkClass.TOR)
