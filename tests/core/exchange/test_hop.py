import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.exchange.hop import (
    HOPS_MAX,
    UNKNOWN,
    Claims,
    Resolution,
    TrustedHops,
    read_address,
    resolve,
)
from chatelaine.model.error import SettingsError

TRUSTED = TrustedHops(["10.0.0.0/8", "fd00::/8"])
CALLER = "203.0.113.9"


def listed(text: str) -> Claims:
    return Claims(x_forwarded_for=text.encode("latin-1"))


def told(text: str) -> Claims:
    return Claims(forwarded=text.encode("latin-1"))


def test_a_direct_caller_is_who_it_is() -> None:
    assert resolve(CALLER, Claims(), TRUSTED) == Resolution(CALLER)


def test_what_an_untrusted_peer_claims_is_noted_and_not_believed() -> None:
    found = resolve(CALLER, listed("1.1.1.1, 10.0.0.1"), TRUSTED)
    assert found == Resolution(CALLER, ("10.0.0.1", "1.1.1.1"), believed=0)


def test_without_trusted_blocks_nobody_is_believed() -> None:
    assert resolve("10.0.0.1", listed("1.1.1.1"), TrustedHops([])).ip == "10.0.0.1"


def test_the_chain_is_read_right_to_left_up_to_the_first_hop_that_is_not_trusted() -> None:
    found = resolve("10.0.0.1", listed("6.6.6.6, 203.0.113.9, 10.0.0.2"), TRUSTED)
    assert found == Resolution(CALLER, ("10.0.0.2", CALLER, "6.6.6.6"), believed=2)


def test_a_chain_of_trusted_hops_alone_ends_at_its_left_end() -> None:
    assert resolve("10.0.0.1", listed("10.0.0.3, 10.0.0.2"), TRUSTED).ip == "10.0.0.3"


@pytest.mark.parametrize(
    ("node", "address"),
    [
        ("203.0.113.9", CALLER),
        ("203.0.113.9:4711", CALLER),
        ("[2001:DB8::1]:80", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("2001:db8:0::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", CALLER),
        ("[::ffff:203.0.113.9]:_port", CALLER),
    ],
)
def test_addresses_are_read_in_every_notation(node: str, address: str) -> None:
    assert resolve("10.0.0.1", listed(node), TRUSTED).ip == address
    assert resolve("10.0.0.1", told(f'proto=https;For="{node}";by=10.0.0.1'), TRUSTED).ip == address


@pytest.mark.parametrize(
    "node",
    [
        "unknown",
        "_hidden",
        "",
        "203.0.113.009",
        "203.0.113.9:",
        "203.0.113.9:x",
        "[2001:db8::1",
        "[203.0.113.9]",
        "fe80::1%eth0",
        "localhost:80",
        "1" * 70,
        "203.0.113.9 10.0.0.1",
    ],
)
def test_what_is_no_address_stops_at_the_hop_that_told_it(node: str) -> None:
    found = resolve("10.0.0.1", listed(f"6.6.6.6, {node}, 10.0.0.2"), TRUSTED)
    assert (found.ip, found.believed) == ("10.0.0.2", 1)
    assert all(len(shown) <= 64 for shown in found.chain)


@pytest.mark.parametrize(
    "element",
    ["for=1.1.1.1;for=2.2.2.2", "by=1.1.1.1", 'for="', 'for="1.1.1.1', "for", "forx=1.1.1.1"],
)
def test_an_element_that_breaks_the_grammar_is_no_address(element: str) -> None:
    found = resolve("10.0.0.1", told(f"for=6.6.6.6, {element}, for=10.0.0.2"), TRUSTED)
    assert found.ip == "10.0.0.2"


def test_an_open_quote_on_the_left_swallows_nothing_on_the_right() -> None:
    found = resolve("10.0.0.1", told('for="evil, for=203.0.113.9, for="[fd00::2]:80"'), TRUSTED)
    assert found.ip == CALLER


def test_two_headers_that_agree_are_believed() -> None:
    both = Claims(b"203.0.113.9, 10.0.0.2", b'for="203.0.113.9:99", for=10.0.0.2')
    assert resolve("10.0.0.1", both, TRUSTED) == Resolution(CALLER, ("10.0.0.2", CALLER), believed=2)


@pytest.mark.parametrize(
    "both",
    [
        Claims(b"203.0.113.9", b"for=8.8.8.8"),
        Claims(b"203.0.113.9, 10.0.0.2", b"for=10.0.0.2"),
        Claims(b"10.0.0.2", b"for=203.0.113.9, for=10.0.0.2"),
        Claims(b"203.0.113.9", b"for=unknown"),
    ],
)
def test_two_headers_that_part_make_the_address_unknown_and_show_where(both: Claims) -> None:
    found = resolve("10.0.0.1", both, TRUSTED)
    assert found.ip == UNKNOWN
    assert any("|" in shown for shown in found.chain)


def test_headers_that_part_beyond_the_caller_do_no_harm() -> None:
    both = Claims(b"9.9.9.9, 203.0.113.9", b"for=8.8.8.8, for=203.0.113.9")
    assert resolve("10.0.0.1", both, TRUSTED) == Resolution(CALLER, (CALLER, "9.9.9.9|8.8.8.8"), believed=1)


def test_two_headers_of_an_untrusted_peer_do_not_hide_it() -> None:
    assert resolve(CALLER, Claims(b"1.1.1.1", b"for=2.2.2.2"), TRUSTED).ip == CALLER


def test_a_mapped_or_zoned_peer_is_its_plain_self() -> None:
    assert resolve("::ffff:10.0.0.1", listed(CALLER), TRUSTED).ip == CALLER
    assert resolve("fd00::1%eth0", listed(CALLER), TRUSTED).ip == CALLER


def test_a_peer_without_an_address_is_not_trusted() -> None:
    assert resolve("", listed("1.1.1.1"), TRUSTED) == Resolution("", ("1.1.1.1",), believed=0)


def test_a_very_long_chain_is_read_to_a_bound() -> None:
    found = resolve("10.0.0.1", listed(", ".join(["10.0.0.2"] * 9000)), TRUSTED)
    assert len(found.chain) == found.believed == HOPS_MAX


def test_blocks_that_are_none_are_all_named() -> None:
    with pytest.raises(SettingsError) as caught:
        TrustedHops(["10.0.0.0/8", "10.0.0.1/8", "nonsense"])
    assert len(caught.value.faults) == 2
    assert "nonsense" in str(caught.value)


def test_what_is_held_of_addresses_stays_bounded() -> None:
    trusted = TrustedHops(["10.0.0.0/8"])
    for number in range(5000):
        assert trusted.hold(f"10.0.{number >> 8}.{number & 255}")
    assert len(trusted._held) <= 4096


@given(st.text(max_size=80))
def test_an_address_read_is_canonical(text: str) -> None:
    found = read_address(text)
    assert read_address(found) == found


garbage = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=60),
    st.lists(
        st.sampled_from(
            ["10.0.0.1", "10.9.9.9", "8.8.8.8", "for=10.0.0.2", 'for="', '"', "unknown", "[", ";"]
        ),
        max_size=6,
    ).map(",".join),
).map(lambda text: text.encode("latin-1"))


@given(garbage, garbage, st.integers(0, 3), st.sampled_from(["Forwarded", "X-Forwarded-For"]))
def test_an_untrusted_client_never_chooses_its_address(
    x_forwarded_for: bytes, forwarded: bytes, proxies: int, known: str
) -> None:
    # Each proxy appends the address it was called from to the header it knows, and passes the other.
    claims = Claims(x_forwarded_for, forwarded)
    caller = CALLER
    for number in range(proxies):
        if known == "Forwarded":
            claims = claims._replace(forwarded=_append(claims.forwarded, f'for="{caller}"'))
        else:
            claims = claims._replace(x_forwarded_for=_append(claims.x_forwarded_for, caller))
        caller = f"10.0.0.{number + 1}"
    found = resolve(caller, claims, TRUSTED)
    other = x_forwarded_for if known == "Forwarded" else forwarded
    assert found.ip == CALLER or (found.ip == UNKNOWN and other and proxies)


def _append(header: bytes, element: str) -> bytes:
    return (header + b", " if header else b"") + element.encode("ascii")
