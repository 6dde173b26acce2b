"""Request heads: each clause that can be broken, and what may travel on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.exchange.head import CREDENTIAL_CONFLICT, Head, read_head, write_head
from chatelaine.model.error import WireError

HOST = (b"Host", b"gate.example")


def read(
    *pairs: tuple[bytes, bytes], method: bytes = b"POST", target: bytes = b"/v1/x", version: str = "1.1"
) -> Head:
    return read_head(method, target, version, [HOST, *pairs])


def sent(head: Head) -> bytes:
    return write_head(
        head, path=b"", host=b"up.example", credential=b"authorization: Bearer up\r\n", body=b""
    )


@pytest.mark.parametrize(
    ("pairs", "clause"),
    [
        ([(b"Transfer-Encoding", b"gzip, chunked")], "RFC 9112 §6.1"),
        ([(b"Transfer-Encoding", b"identity")], "RFC 9112 §6.1"),
        ([(b"Transfer-Encoding", b"chunked"), (b"transfer-encoding", b"chunked")], "RFC 9112 §6.1"),
        ([(b"Expect", b"200-ok")], "RFC 9110 §10.1.1"),
        ([HOST], "RFC 9112 §3.2"),
        ([(b"Connection", b"close, authorization")], "RFC 9110 §7.6.1"),
        ([(b"Connection", b"Host")], "RFC 9110 §7.6.1"),
        ([(b"Authorization", b"Bearer a"), (b"authorization", b"Bearer a")], "RFC 9110 §11.6.2"),
        ([(b"api-key", b"a"), (b"API-Key", b"a")], "RFC 9110 §5.3"),
        ([(b"Authorization", b"Bearer a"), (b"api-key", b"b")], CREDENTIAL_CONFLICT),
        ([(b"x-api-key", b"a"), (b"x-goog-api-key", b"b")], CREDENTIAL_CONFLICT),
        ([(b"n%d" % n, b"v") for n in range(300)], "RFC 6585 §5"),
    ],
)
def test_a_broken_clause_is_named(pairs: list[tuple[bytes, bytes]], clause: str) -> None:
    with pytest.raises(WireError) as fault:
        read(*pairs)
    assert fault.value.clause == clause


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2", ""])
def test_other_versions_of_http_are_not_spoken(version: str) -> None:
    with pytest.raises(WireError, match="version"):
        read(version=version)


@pytest.mark.parametrize("method", [b"TRACE", b"CONNECT", b"PROPFIND", b"get", b""])
def test_methods_we_do_not_serve_are_refused(method: bytes) -> None:
    with pytest.raises(WireError, match="method"):
        read(method=method)


def test_http_1_1_needs_a_host_and_http_1_0_does_not() -> None:
    with pytest.raises(WireError, match="Host"):
        read_head(b"GET", b"/", "1.1", [])
    assert read_head(b"GET", b"/", "1.0", []).keep_alive is False


def test_http_1_0_cannot_be_chunked() -> None:
    with pytest.raises(WireError, match="codings"):
        read((b"Transfer-Encoding", b"chunked"), version="1.0")


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"Authorization", b"Bearer secret"),
        (b"AUTHORIZATION", b"bearer  secret"),
        (b"authorization", b"secret"),
        (b"api-key", b"secret"),
        (b"X-Api-Key", b" secret "),
        (b"x-goog-api-key", b"secret"),
    ],
)
def test_a_credential_is_read_from_any_place_and_sent_to_none(header: bytes, value: bytes) -> None:
    head = read((header, value))
    assert head.credential == b"secret"
    assert b"secret" not in sent(head)


def test_the_same_credential_in_two_places_is_one_credential() -> None:
    assert read((b"Authorization", b"Bearer a"), (b"x-api-key", b"a")).credential == b"a"


@pytest.mark.parametrize(
    ("target", "left"),
    [
        (b"/v1/m?key=secret", b"/v1/m"),
        (b"/v1/m?alt=sse&key=secret", b"/v1/m?alt=sse"),
        (b"/v1/m?key=secret&alt=sse", b"/v1/m?alt=sse"),
        (b"/v1/m?monkey=1", b"/v1/m?monkey=1"),
    ],
)
def test_a_key_parameter_is_taken_out_of_the_target(target: bytes, left: bytes) -> None:
    head = read(target=target)
    assert head.target == left
    assert (head.credential == b"secret") == (b"secret" in target)


def test_two_key_parameters_conflict() -> None:
    with pytest.raises(WireError) as fault:
        read(target=b"/v1/m?key=a&key=a")
    assert fault.value.clause == CREDENTIAL_CONFLICT


@pytest.mark.parametrize(
    ("target", "origin"),
    [(b"http://gate/v1/m", b"/v1/m"), (b"HTTPS://gate", b"/"), (b"https://gate/a?b", b"/a?b")],
)
def test_the_absolute_form_becomes_the_origin_form(target: bytes, origin: bytes) -> None:
    assert read(target=target).target == origin


@pytest.mark.parametrize("target", [b"*", b"gopher://x/", b"v1/m", b"", b"file:///etc/passwd"])
def test_a_target_that_is_no_path_is_refused(target: bytes) -> None:
    with pytest.raises(WireError):
        read(target=target)


def test_hop_by_hop_and_forwarding_headers_stay_here() -> None:
    head = read(
        (b"Keep-Alive", b"timeout=5"),
        (b"TE", b"trailers"),
        (b"X-Forwarded-For", b"10.1.1.1"),
        (b"Forwarded", b"for=10.1.1.1"),
        (b"Accept-Encoding", b"gzip"),
        (b"Connection", b"x-mine"),
        (b"X-Mine", b"nominated"),
        (b"X-Other", b"kept"),
    )
    out = sent(head)
    for gone in (b"timeout=5", b"trailers", b"10.1.1.1", b"gzip", b"nominated"):
        assert gone not in out
    assert b"X-Other: kept\r\n" in out


def test_what_passes_keeps_its_order_and_case() -> None:
    head = read((b"X-B", b"1"), (b"x-A", b"2"), (b"OpenAI-Beta", b"3"))
    out = sent(head)
    assert out.index(b"X-B: 1\r\n") < out.index(b"x-A: 2\r\n") < out.index(b"OpenAI-Beta: 3\r\n")


names = st.text("abcdefghijklmnopqrstuvwxyz-", min_size=1, max_size=12).map(lambda name: f"x-{name}".encode())
values = st.text("abcdefghijklmnop 0123456789/;=", max_size=20).map(str.encode)


@given(st.lists(st.tuples(names, values), max_size=20))
def test_unknown_headers_pass_untouched(pairs: list[tuple[bytes, bytes]]) -> None:
    known = {b"x-api-key", b"x-forwarded-for", b"x-real-ip", b"x-goog-api-key"}
    pairs = [pair for pair in pairs if pair[0] not in known and not pair[0].startswith(b"x-forwarded")]
    out = sent(read(*pairs))
    at = 0
    for name, value in pairs:
        line = name + b": " + value + b"\r\n"
        at = out.index(line, at) + 1
