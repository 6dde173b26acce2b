import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.exchange.context import (
    NAMES_MAX,
    NAMES_TEXT_MAX,
    SDK_MAX,
    SDK_VALUE_MAX,
    USER_AGENT_MAX,
    Desk,
    Reader,
)
from chatelaine.core.exchange.hop import TrustedHops
from chatelaine.model.exchange import Greeting, Network

CANARY = "chln_live_canary0000000000000000000000000000000000"
GREETING = Greeting(ja4="t13d3112h1_e8f1e7e78f70_d41ae481755e", tls_version="1.3", alpn="http/1.1")
OPENAI = [
    (b"Host", b"gate.example"),
    (b"Accept-Encoding", b"gzip, deflate"),
    (b"Connection", b"keep-alive"),
    (b"User-Agent", b"OpenAI/Python 3.54.0"),
    (b"X-Stainless-Lang", b"python"),
    (b"x-stainless-retry-count", b"0"),
    (b"Authorization", b"Bearer " + CANARY.encode()),
]


def redact(text: str) -> str:
    return re.sub(r"chln_\w+", "[redacted]", text)


def reader() -> Reader:
    return Reader(redact)


def desk(trusted: Sequence[str] = ("10.0.0.0/8",)) -> Desk:
    return Desk(reader(), TrustedHops(trusted), lambda ip: Network(ip, asn=7))


def test_names_keep_order_and_case() -> None:
    found = reader().read_headers(OPENAI)
    assert found.names == (
        "Host,Accept-Encoding,Connection,User-Agent,X-Stainless-Lang,x-stainless-retry-count,Authorization"
    )
    assert re.fullmatch(r"[0-9a-f]{12}", found.hash)


def test_the_hash_tells_order_and_case_apart_and_values_not() -> None:
    hashes = {
        reader().read_headers(pairs).hash
        for pairs in (OPENAI, OPENAI[::-1], [(name.lower(), value) for name, value in OPENAI])
    }
    assert len(hashes) == 3
    assert reader().read_headers([(name, b"") for name, _ in OPENAI]).hash in hashes


def test_sdk_headers_and_user_agent_are_taken() -> None:
    found = reader().read_headers(OPENAI)
    assert found.user_agent == "OpenAI/Python 3.54.0"
    assert found.sdk == (("x-stainless-lang", "python"), ("x-stainless-retry-count", "0"))


@pytest.mark.parametrize(
    "name",
    [
        b"Authorization",
        b"api-key",
        b"x-api-key",
        b"x-goog-api-key",
        b"Cookie",
        b"X-Amz-Security-Token",
        b"X-Amz-Date",
        b"X-Amz-Content-Sha256",
        b"X-Amz-Signature",
        b"X-Amz-Cf-Id",
    ],
)
def test_what_is_secret_or_new_with_each_request_is_not_taken(name: bytes) -> None:
    assert reader().read_headers([(name, b"value")]).sdk == ()


@pytest.mark.parametrize("name", [b"Origin", b"Referer"])
def test_an_empty_header_of_a_proxy_is_told_from_a_missing_one(name: bytes) -> None:
    assert reader().read_headers([(name, b"")]).sdk == ((name.decode().lower(), ""),)


def test_a_referer_is_told_without_its_query() -> None:
    found = reader().read_headers(
        [(b"Referer", b"https://chat.example/a?q=secret+question"), (b"Via", b"1.1 x?y")]
    )
    assert found.sdk == (("referer", "https://chat.example/a"), ("via", "1.1 x?y"))


def test_everything_that_is_kept_is_bounded() -> None:
    pairs = [(b"X-Stainless-%d" % number, b"v" * 5000) for number in range(500)]
    found = reader().read_headers([(b"User-Agent", b"u" * 60_000), (b"n" * 9000, b""), *pairs])
    assert len(found.user_agent) == USER_AGENT_MAX
    assert len(found.names) <= NAMES_TEXT_MAX
    assert len(found.sdk) == SDK_MAX
    assert {len(value) for _, value in found.sdk} == {SDK_VALUE_MAX}
    many = reader().read_headers(pairs[:100])
    assert many.names.count(",") == NAMES_MAX - 1


@given(st.integers(400, 600))
def test_a_credential_across_the_bound_leaves_no_part_of_it(filler: int) -> None:
    value = b"u" * filler + b" " + CANARY.encode()
    assert "chln_" not in reader().read_headers([(b"User-Agent", value)]).user_agent


def test_a_planted_credential_shows_in_no_field() -> None:
    canary = CANARY.encode()
    pairs = [
        (b"X-" + canary, b"1"),
        (b"x-stainless-" + canary, canary),
        (b"User-Agent", b"curl " + canary),
        (b"Referer", b"https://x/" + canary),
        (b"X-Forwarded-For", canary + b", 203.0.113.9"),
        (b"Forwarded", b"for=" + canary),
    ]
    greeting = Greeting(server_name=CANARY, alpn=f"h2,{CANARY}")
    for peer in ("203.0.113.9", "10.0.0.1"):
        client = desk().introduce(peer, greeting)(pairs, "1.1")
        assert CANARY not in repr(client)
        assert "[redacted]" in client.header_names


def test_a_value_with_a_credential_is_not_held() -> None:
    held = reader()
    held.read_headers([(b"User-Agent", CANARY.encode())])
    assert not held._texts


def test_the_same_request_again_is_the_very_same_client() -> None:
    introduce = desk().introduce("203.0.113.9", GREETING)
    first = introduce(OPENAI, "1.1")
    again = [(bytes(bytearray(name)), bytes(bytearray(value))) for name, value in OPENAI]
    assert introduce(again, "1.1") is first


def test_values_that_do_not_matter_do_not_make_a_new_client() -> None:
    introduce = desk().introduce("203.0.113.9", GREETING)
    first = introduce(OPENAI, "1.1")
    assert introduce([*OPENAI[:-1], (b"Authorization", b"Bearer other")], "1.1") is first


@pytest.mark.parametrize(
    "changed",
    [
        [(b"host", b"gate.example"), *OPENAI[1:]],
        [*OPENAI, (b"X", b"")],
        OPENAI[:-1],
        [*OPENAI[:3], (b"User-Agent", b"curl/8"), *OPENAI[4:]],
        [*OPENAI[:4], (b"X-Stainless-Lang", b"js"), *OPENAI[5:]],
        [*OPENAI, (b"X-Forwarded-For", b"1.1.1.1")],
        [],
    ],
)
def test_what_matters_makes_a_new_client(changed: list[tuple[bytes, bytes]]) -> None:
    introduce = desk().introduce("203.0.113.9", GREETING)
    first = introduce(OPENAI, "1.1")
    second = introduce(changed, "1.1")
    assert second != first
    assert introduce(OPENAI, "1.1") == first


def test_another_http_version_makes_a_new_client() -> None:
    introduce = desk().introduce("203.0.113.9", GREETING)
    assert introduce(OPENAI, "1.1").http_version == "1.1"
    assert introduce(OPENAI, "1.0").http_version == "1.0"


@pytest.mark.parametrize("pairs", [[], [(b"User-Agent", b"curl/8")], OPENAI])
def test_requests_are_remembered_however_few_of_their_headers_matter(
    pairs: list[tuple[bytes, bytes]],
) -> None:
    introduce = desk().introduce("203.0.113.9", GREETING)
    assert introduce(pairs, "1.0") is introduce(list(pairs), "1.0")
    # Tuples, whatever their number: the compiled modules insist.
    assert isinstance(reader().layout(b"", pairs).pick(pairs), tuple)


def test_each_request_over_a_trusted_hop_is_resolved_by_itself() -> None:
    introduce = desk().introduce("10.0.0.1", GREETING)
    seen = []
    for ip in (b"203.0.113.9", b"198.51.100.7", b"198.51.100.7"):
        client = introduce([*OPENAI, (b"X-Forwarded-For", b"6.6.6.6"), (b"x-forwarded-for", ip)], "1.1")
        seen.append((client.network.ip, client.forwarded, client.believed))
    assert seen[0] == ("203.0.113.9", ("203.0.113.9", "6.6.6.6"), 1)
    assert seen[1] == seen[2] == ("198.51.100.7", ("198.51.100.7", "6.6.6.6"), 1)


def test_a_huge_request_is_not_remembered() -> None:
    made = desk().introduce("203.0.113.9", GREETING)
    huge = [(b"User-Agent", b"u" * 60_000), (b"n" * 3000, b"")]
    assert made(huge, "1.1") == made(huge, "1.1")
    assert made(huge, "1.1") is not made(huge, "1.1")


def test_what_is_remembered_of_strangers_stays_bounded() -> None:
    held = reader()
    for number in range(3000):
        held.read_headers([(b"X-%d" % number, b""), (b"User-Agent", b"%d" % number)])
    assert len(held._layouts) <= 512
    assert len(held._texts) <= 2048


names = st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b",", b"-"))
fields = st.lists(
    st.tuples(
        st.one_of(names, st.sampled_from([b"User-Agent", b"x-stainless-os", b"Referer", b"X-Forwarded-For"])),
        st.binary(max_size=30),
    ),
    max_size=12,
)


@given(st.lists(fields, max_size=4))
def test_a_long_lived_reader_says_what_a_fresh_one_says(heads: list[list[tuple[bytes, bytes]]]) -> None:
    introduce = desk().introduce("10.0.0.1", GREETING)
    for pairs in [*heads, *heads]:
        assert introduce(pairs, "1.1") == desk().introduce("10.0.0.1", GREETING)(pairs, "1.1")


def test_names_that_join_alike_are_not_taken_for_each_other() -> None:
    held = reader()
    held.read_headers([(b"a,user-agent", b"x")])
    assert held.read_headers([(b"a", b""), (b"user-agent", b"x")]).user_agent == "x"
