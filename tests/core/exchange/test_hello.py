import time
from collections.abc import Iterable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatelaine.core.exchange.hello import HELLO_MAX, PEEK_MAX, RECORDS_MAX, Hello, lacking, parse
from chatelaine.model.error import WireError


def vector(size: int, content: bytes) -> bytes:
    return len(content).to_bytes(size, "big") + content


def numbers(values: Iterable[int]) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)


def message(extensions: Iterable[tuple[int, bytes]] = (), *, suites: tuple[int, ...] = (0x1301,)) -> bytes:
    listed = b"".join(kind.to_bytes(2, "big") + vector(2, data) for kind, data in extensions)
    body = b"\x03\x03" + b"r" * 32 + vector(1, b"") + vector(2, numbers(suites)) + b"\x01\x00"
    return b"\x01" + vector(3, body + vector(2, listed))


def records(handshake: bytes, *, sizes: Iterable[int] = ()) -> bytes:
    out = b""
    for size in sizes:
        out += b"\x16\x03\x01" + vector(2, handshake[:size])
        handshake = handshake[size:]
    return out + b"\x16\x03\x01" + vector(2, handshake) if handshake else out


def outcome(data: bytes) -> str:
    """Return the clause that is broken; empty clauses, and errors of other kinds, fail a test."""
    try:
        parse(data)
    except WireError as caught:
        return caught.clause
    return "none"


NAMED = (0, vector(2, b"\x00" + vector(2, b"gate.example")))
SPOKEN = (16, vector(2, vector(1, b"h2") + vector(1, b"http/1.1")))
VERSIONS = (43, vector(1, numbers([0x0A0A, 0x0304, 0x0303])))
ALGORITHMS = (13, vector(2, numbers([0x0403, 0x0804])))


def test_every_part_is_read_in_the_order_of_the_client() -> None:
    found = parse(records(message([SPOKEN, NAMED, (0x2A2A, b""), VERSIONS, ALGORITHMS], suites=(9, 7, 8))))
    assert found == Hello(
        legacy_version=0x0303,
        cipher_suites=(9, 7, 8),
        extensions=(SPOKEN, NAMED, (0x2A2A, b""), VERSIONS, ALGORITHMS),
        alpn=(b"h2", b"http/1.1"),
        supported_versions=(0x0A0A, 0x0304, 0x0303),
        signature_algorithms=(0x0403, 0x0804),
        server_name="gate.example",
    )


def test_an_old_hello_without_extensions_is_read() -> None:
    body = b"\x03\x01" + b"r" * 32 + b"\x00" + vector(2, numbers([5])) + b"\x01\x00"
    found = parse(records(b"\x01" + vector(3, body)))
    assert found == Hello(legacy_version=0x0301, cipher_suites=(5,))


def test_what_follows_the_hello_is_not_read() -> None:
    hello = records(message([NAMED]))
    assert parse(hello + b"anything") == parse(hello)


@given(st.lists(st.integers(1, 40), max_size=RECORDS_MAX - 1))
def test_however_it_is_cut_into_records_the_hello_is_the_same(sizes: list[int]) -> None:
    whole = message([SPOKEN, NAMED, VERSIONS])
    assert parse(records(whole, sizes=sizes)) == parse(records(whole))


@given(st.lists(st.integers(1, 40), max_size=RECORDS_MAX - 1))
def test_each_prefix_lacks_bytes_and_never_more_than_there_are(sizes: list[int]) -> None:
    whole = records(message([SPOKEN, NAMED, VERSIONS]), sizes=sizes)
    complete = next(size for size in range(len(whole) + 1) if not lacking(whole[:size]))
    for size in range(complete):
        assert 0 < lacking(whole[:size]) <= complete - size
        assert parse(whole[:size]) is None


def test_a_reader_that_waits_for_what_is_lacking_is_woken_a_few_times_only() -> None:
    whole = records(message([SPOKEN, NAMED, VERSIONS]), sizes=[10, 20, 30])
    have = wakes = 0
    while missing := lacking(whole[:have]):
        have += missing
        wakes += 1
    assert wakes <= 2 * 4 + 1


@pytest.mark.parametrize(
    ("data", "clause"),
    [
        (b"GET / HTTP/1.1\r\n", "RFC 8446 §5.1"),
        (b"\x80\x2e\x01\x00\x02", "RFC 8446 §5.1"),
        (b"\x16\x03\x01\x00\x00", "RFC 8446 §5.1"),
        (b"\x16\x03\x01\x40\x01", "RFC 8446 §5.1"),
        (records(b"\x02\x00\x00\x01\x00"), "RFC 8446 §4.1.2"),
        (records(b"\x01\x00\x00\x00"), "RFC 8446 §4.1.2"),
        (records(b"\x01" + (HELLO_MAX + 1).to_bytes(3, "big")), "RFC 8446 §4.1.2"),
        (records(message(suites=())), "RFC 8446 §4.1.2"),
        (records(message([NAMED, NAMED])), "RFC 8446 §4.2"),
        (records(message([(16, b"")])), "RFC 7301 §3.1"),
        (records(message([(16, vector(2, b"\x00\x00"))])), "RFC 7301 §3.1"),
        (records(message([(16, vector(2, b"\x02h2") + b"x")])), "RFC 7301 §3.1"),
        (records(message([(43, b"\x00")])), "RFC 8446 §4.2.1"),
        (records(message([(43, b"\x03\x03\x04\x03")])), "RFC 8446 §4.2.1"),
        (records(message([(13, b"\x00\x02\x04")])), "RFC 8446 §4.2.3"),
        (records(message([(0, b"\x00\x09\x00\x00\x01a")])), "RFC 6066 §3"),
    ],
)
def test_a_broken_hello_is_refused_with_the_clause_it_breaks(data: bytes, clause: str) -> None:
    with pytest.raises(WireError) as caught:
        parse(data)
    assert caught.value.clause == clause


def test_plain_http_on_the_tls_port_is_told_how_to_mend_it() -> None:
    with pytest.raises(WireError) as caught:
        parse(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert "https://" in caught.value.hint


@pytest.mark.parametrize("change", [b"", b"\x00", b"\x00\x00\x00"])
def test_an_odd_list_of_suites_or_a_long_session_id_is_refused(change: bytes) -> None:
    session = vector(1, b"s" * 33) + vector(2, numbers([1])) if not change else b"\x00" + vector(2, change)
    body = b"\x03\x03" + b"r" * 32 + session + b"\x01\x00"
    with pytest.raises(WireError):
        parse(records(b"\x01" + vector(3, body)))


def test_a_hello_in_too_many_records_is_refused() -> None:
    whole = message([NAMED])
    with pytest.raises(WireError, match="records"):
        parse(records(whole, sizes=[1] * RECORDS_MAX))


def test_a_server_name_that_is_no_ascii_is_escaped_and_bounded() -> None:
    found = parse(records(message([(0, vector(2, b"\x00" + vector(2, b"\xff" * 300)))])))
    assert found is not None
    assert found.server_name.startswith("\\xff")
    assert len(found.server_name) == 255


def test_names_of_other_kinds_are_passed_over() -> None:
    other = b"\x07" + vector(2, b"x")
    found = parse(records(message([(0, vector(2, other + b"\x00" + vector(2, b"a.b")))])))
    assert found is not None
    assert found.server_name == "a.b"


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_wire_error(data: bytes) -> None:
    for candidate in (data, b"\x16\x03\x01" + vector(2, data), records(b"\x01" + vector(3, data))):
        assert outcome(candidate)


@given(st.data())
@example(None)
def test_a_flipped_byte_raises_nothing_but_a_wire_error(data: st.DataObject | None) -> None:
    whole = bytearray(records(message([SPOKEN, NAMED, VERSIONS, ALGORITHMS])))
    if data is not None:
        for _ in range(data.draw(st.integers(1, 4))):
            whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(whole))


def test_the_largest_hello_that_is_read_takes_milliseconds_at_most() -> None:
    # 4,000 distinct empty extensions: the most work 16 KiB can ask for.
    whole = records(message([(kind, b"") for kind in range(0x4000, 0x4000 + 4000)]))
    assert len(whole) < PEEK_MAX
    start = time.process_time()
    for size in range(0, len(whole), 64):
        lacking(whole[:size])
    parse(whole)
    assert time.process_time() - start < 0.25
