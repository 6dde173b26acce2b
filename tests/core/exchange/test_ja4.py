from hashlib import sha256
from pathlib import Path

import pytest

from chatelaine.core.exchange.hello import Hello, parse
from chatelaine.core.exchange.ja4 import fingerprint, greet

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "hello"
GREASE = [value * 0x1010 + 0x0A0A for value in range(16)]


def listed(text: str) -> tuple[int, ...]:
    return tuple(int(value, 16) for value in text.split(",")) if text else ()


def offer(raw: str, *, version: int, alpn: tuple[bytes, ...] = (b"h2",)) -> Hello:
    """Build the hello that a published raw fingerprint (its lists in the client's order) tells of."""
    _, suites, extensions, *algorithms = raw.split("_")
    return Hello(
        legacy_version=min(version, 0x0303),
        cipher_suites=listed(suites),
        extensions=tuple((kind, b"") for kind in listed(extensions)),
        alpn=alpn if 16 in listed(extensions) else (),
        supported_versions=(version, 0x0303) if 43 in listed(extensions) else (),
        signature_algorithms=listed(algorithms[0]) if algorithms else (),
    )


CHROME = (
    "t13d1516h2_1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
    "_001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
    "_0403,0804,0401,0503,0805,0501,0806,0601"
)

# Raw lists and fingerprints as published by FoxIO: the worked example of its description, then
# the expected outputs of its captures sigalg-grease, latest, badcurveball and socks-https-example.
PUBLISHED = [
    (0x0304, "t13d1516h2_8daaf6152771_e5627efa2ab1", CHROME),
    (
        0x0304,
        "t13d1517h2_8daaf6152771_cb7bf5808d99",
        (
            "t13d1517h2_1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
            "_fe0d,0010,0017,0033,44cd,ff01,000a,000d,0023,002b,000b,ca34,002d,0000,0005,001b,0012"
            "_0904,0905,0906,0403,0804,0401,0503,0805,0501,0806,0601"
        ),
    ),
    (
        0x0303,
        "t12d190800_d83cc789557e_7af1ed941c26",
        (
            "t12d190800_c02c,c02b,c030,c02f,c024,c023,c028,c027,c00a,c009,c014,c013,009d,009c,003d,003c,0035,"
            "002f,000a_0000,0005,000a,000b,000d,0023,0017,ff01"
            "_0804,0805,0806,0401,0501,0201,0403,0503,0203,0202,0601,0603"
        ),
    ),
    (
        0x0304,
        "t13d1516h2_8daaf6152771_9b887d9acb53",
        (
            "t13d1516h2_1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
            "_000d,0010,0000,000b,0023,4469,ff01,0033,000a,002d,002b,0005,0017,0012,001b,0029"
            "_0403,0804,0401,0503,0805,0501,0806,0601"
        ),
    ),
    (
        0x0304,
        "t13d1615h2_46e7e9700bed_45f260be83e2",
        (
            "t13d1615h2_1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035,000a"
            "_0000,0017,ff01,000a,000b,0023,0010,0005,000d,0012,0033,002d,002b,001b,0015"
            "_0403,0804,0401,0503,0805,0501,0806,0601,0201"
        ),
    ),
    (
        0x0301,
        "t10d230100_6a57a6f57151_000000000000",
        (
            "t10d230100_0039,0038,0035,0016,0013,000a,0033,0032,002f,009a,0099,0096,0005,0004,0015,0012,0009,"
            "0014,0011,0008,0006,0003,00ff_0000"
        ),
    ),
]


@pytest.mark.parametrize(("version", "expected", "raw"), PUBLISHED)
def test_published_examples_come_out_as_published(version: int, expected: str, raw: str) -> None:
    assert fingerprint(offer(raw, version=version)) == expected


def test_without_signature_algorithms_the_extension_list_stands_alone() -> None:
    hello = offer(CHROME.rpartition("_")[0], version=0x0304)
    assert fingerprint(hello).endswith("_6d807ffa2a79")


def test_grease_is_passed_over_everywhere() -> None:
    plain = offer(CHROME, version=0x0304)
    greased = Hello(
        legacy_version=plain.legacy_version,
        cipher_suites=(GREASE[0], *plain.cipher_suites),
        extensions=((GREASE[15], b""), *plain.extensions, (GREASE[3], b"\x00")),
        alpn=(b"\x1a\x1a", *plain.alpn),
        supported_versions=(GREASE[15], *plain.supported_versions),
        signature_algorithms=(*plain.signature_algorithms, GREASE[7]),
    )
    assert fingerprint(greased) == fingerprint(plain)


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        (b"http/1.1", "h1"),
        (b"x", "xx"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
        (b"\xba\xad", "bd"),
    ],
)
def test_alpn_is_told_by_its_ends_or_in_hexadecimal(name: bytes, ends: str) -> None:
    assert fingerprint(offer(CHROME, version=0x0304, alpn=(name, b"h2")))[8:10] == ends


def test_a_hello_that_names_nobody_and_offers_nothing_has_empty_digests() -> None:
    assert fingerprint(Hello(legacy_version=0x0303, cipher_suites=())) == (
        "t12i000000_000000000000_000000000000"
    )


def test_counts_stop_at_99_and_an_unknown_version_is_00() -> None:
    hello = Hello(
        legacy_version=0x7F12,
        cipher_suites=tuple(range(1, 200)),
        extensions=tuple((kind, b"") for kind in range(100, 300)),
    )
    assert fingerprint(hello, transport="q").startswith("q00i999900_")


# Captured from the clients named, talking to a local socket.
CAPTURED = sorted(path.name for path in GOLDEN.glob("*.bin"))


def recompute(data: bytes) -> str:
    """Work JA4 out again from the bytes, sharing nothing with the code under test."""
    body = data[9:]
    at = 34
    at += 1 + body[at]
    size = int.from_bytes(body[at : at + 2], "big")
    suites = [body[i : i + 2].hex() for i in range(at + 2, at + 2 + size, 2)]
    at += 2 + size
    at += 1 + body[at]
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    at += 2
    extensions = {}
    while at < end:
        size = int.from_bytes(body[at + 2 : at + 4], "big")
        extensions[body[at : at + 2].hex()] = body[at + 4 : at + 4 + size]
        at += 4 + size
    grease = {f"{nibble}a" * 2 for nibble in "0123456789abcdef"}
    suites = [suite for suite in suites if suite not in grease]
    kinds = [kind for kind in extensions if kind not in grease]
    offered = extensions.get("002b", b"\x00" + body[:2])[1:]
    version = max(v for v in (offered[i : i + 2].hex() for i in range(0, len(offered), 2)) if v not in grease)
    alpn = extensions.get("0010")
    name = alpn[3 : 3 + alpn[2]].decode() if alpn else "00"
    algorithms = extensions.get("000d", b"\x00\x00")[2:]
    listed_algorithms = [algorithms[i : i + 2].hex() for i in range(0, len(algorithms), 2)]
    first = "t" + {"0304": "13", "0303": "12"}[version] + ("d" if "0000" in extensions else "i")
    first += f"{len(suites):02}{len(kinds):02}{name[0]}{name[-1]}"
    second = ",".join(sorted(suites))
    third = ",".join(sorted(set(kinds) - {"0000", "0010"})) + "_" + ",".join(listed_algorithms)
    return "_".join([first, *(sha256(part.encode()).hexdigest()[:12] for part in (second, third))])


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_clients_have_the_ja4_of_an_independent_computation(name: str) -> None:
    data = (GOLDEN / name).read_bytes()
    hello = parse(data)
    assert hello is not None
    assert fingerprint(hello) == recompute(data)


def test_the_captured_clients_keep_their_known_fingerprints() -> None:
    found = {}
    for name in CAPTURED:
        hello = parse((GOLDEN / name).read_bytes())
        assert hello is not None
        found[name.removesuffix(".bin")] = greet(hello)
    lines = (GOLDEN / "README.md").read_text(encoding="utf-8").splitlines()
    told = {
        cells[1].strip("` "): cells[3].strip("` ")
        for cells in (line.split("|") for line in lines if line.startswith("| `"))
    }
    assert {name: greeting.ja4 for name, greeting in found.items()} == told
    assert len(told) >= 6


def test_a_greeting_tells_what_was_offered() -> None:
    greeting = greet(offer(CHROME, version=0x0304, alpn=(b"h2", b"http/1.1")))
    assert (greeting.tls_version, greeting.alpn) == ("1.3", "h2,http/1.1")


def test_a_greeting_bounds_and_escapes_what_was_offered() -> None:
    greeting = greet(offer(CHROME, version=0x0304, alpn=(b"\xff" * 200,)))
    assert greeting.alpn.startswith("\\xff")
    assert len(greeting.alpn) == 128
