"""Tokens: minted, read back, refused with a plain reason, and digested as RFC 2104 says."""

import hmac
import random
import re
import zlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.key.token import (
    ALPHABET,
    TOKEN_AT_MOST,
    TOKEN_PATTERN,
    Digester,
    claimed_kid,
    encode_base62,
    hint,
    mint,
    new_kid,
    parse,
    well_formed,
)
from chatelaine.model.error import TokenMalformed
from chatelaine.model.key import TokenParts
from chatelaine.model.words import KeyId

KID = KeyId("AbCdEfGhI")
TOKEN = mint("live", KID, bytes(range(32)))

envs = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=12)
kids = st.text(ALPHABET, min_size=9, max_size=9).map(KeyId)
secrets = st.binary(min_size=32, max_size=32)


@given(envs, kids, secrets)
def test_what_is_minted_is_read_back(env: str, kid: KeyId, secret: bytes) -> None:
    token = mint(env, kid, secret)
    raw = token.encode("ascii")
    assert parse(token) == parse(raw) == TokenParts(env, kid)
    assert claimed_kid(raw) == kid
    assert well_formed(raw)
    assert re.fullmatch(TOKEN_PATTERN, token)
    assert len(token) <= TOKEN_AT_MOST


@given(secrets, secrets)
def test_different_secrets_make_different_tokens(one: bytes, other: bytes) -> None:
    assert (mint("live", KID, one) == mint("live", KID, other)) == (one == other)


def test_a_token_reads_as_the_page_says() -> None:
    assert re.fullmatch(r"chln_live_AbCdEfGhI_[0-9A-Za-z]{43}[0-9A-Za-z]{6}", TOKEN)
    assert mint("test", KID, bytes(32)).startswith("chln_test_AbCdEfGhI_" + "0" * 43)


def test_the_checksum_covers_everything_before_it() -> None:
    assert TOKEN[-6:] == encode_base62(zlib.crc32(TOKEN[:-6].encode()), 6)


def test_the_largest_secret_fits() -> None:
    assert well_formed(mint("live", KID, b"\xff" * 32).encode())


@given(st.integers(min_value=0, max_value=len(TOKEN) - 1), st.sampled_from(ALPHABET + "_ -é"))
def test_a_changed_character_is_never_accepted(place: int, char: str) -> None:
    changed = TOKEN[:place] + char + TOKEN[place + 1 :]
    if changed == TOKEN:
        return
    assert not well_formed(changed.encode())
    with pytest.raises(TokenMalformed):
        parse(changed)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", "does not read"),
        ("sk-proj-0123456789", "does not read"),
        ("chln_live_AbCdEfGhI", "does not read"),
        (TOKEN.replace("chln", "CHLN"), "does not read"),
        (TOKEN.replace("_live_", "_LIVE_"), "environment"),
        (TOKEN.replace("_live_", "__"), "environment"),
        (TOKEN.replace("AbCdEfGhI", "AbCdEfGh"), "kid"),
        (TOKEN[:-1], "secret part"),
        (TOKEN + "0", "secret part"),
        (TOKEN[:-1] + "-", "secret part"),
        (TOKEN[:-1] + ("0" if TOKEN[-1] != "0" else "1"), "checksum"),
        (TOKEN + "\n", "secret part"),
        ("chln_" + "x" * 100_000, "at most"),
        ("chln_live_AbCdEfGhI_é", "only letters"),
        (b"chln_live_\xff", "only letters"),
    ],
)
def test_a_malformed_token_is_refused_for_a_plain_reason(token: str | bytes, why: str) -> None:
    with pytest.raises(TokenMalformed, match=why):
        parse(token)
    raw = token if isinstance(token, bytes) else token.encode()
    assert not well_formed(raw)


def test_a_secret_beyond_256_bits_is_refused() -> None:
    head = f"chln_live_{KID}_{'z' * 43}"
    with pytest.raises(TokenMalformed, match="256 bits"):
        parse(head + encode_base62(zlib.crc32(head.encode()), 6))


@given(st.one_of(st.text(), st.binary()))
def test_no_message_about_a_malformed_token_shows_any_of_it(noise: str | bytes) -> None:
    with pytest.raises(TokenMalformed) as caught:
        parse(TOKEN[:-3] + noise if isinstance(noise, str) else TOKEN[:-3].encode() + noise)
    assert TOKEN[20:30] not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("env", "kid", "secret"),
    [
        ("", KID, bytes(32)),
        ("Live", KID, bytes(32)),
        ("thirteenchars", KID, bytes(32)),
        ("li_ve", KID, bytes(32)),
        ("live\n", KID, bytes(32)),
        ("live", KeyId("short"), bytes(32)),
        ("live", KeyId("AbCdEfGh_"), bytes(32)),
        ("live", KID, bytes(31)),
        ("live", KID, bytes(33)),
    ],
)
def test_nothing_malformed_is_minted(env: str, kid: KeyId, secret: bytes) -> None:
    with pytest.raises(TokenMalformed):
        mint(env, kid, secret)


def test_a_kid_needs_sixteen_random_bytes() -> None:
    assert len(new_kid(bytes(16))) == 9
    with pytest.raises(TokenMalformed):
        new_kid(bytes(15))


@given(st.binary(max_size=200), st.binary(max_size=300))
def test_the_digester_is_hmac_sha256(pepper: bytes, token: bytes) -> None:
    digester = Digester(pepper)
    assert digester.digest(token) == hmac.digest(pepper, token, "sha256")
    assert digester.digest(token) == hmac.digest(pepper, token, "sha256")


def test_a_hint_shows_the_public_part_alone() -> None:
    assert hint(KID, "live") == "chln_live_AbCdEfGhI_…"


def test_a_hundred_thousand_tokens_repeat_nothing_and_every_digit_is_fair() -> None:
    # The bound is the 1 - 10^-6 quantile of chi-square with 61 degrees of freedom (137), so that one
    # of 51 fair positions fails once in 20,000 seeds; the seed is fixed, so the test cannot flicker.
    chance = random.Random(20240711)
    count = 100_000
    tokens = [mint("live", new_kid(chance.randbytes(16)), chance.randbytes(32)) for _ in range(count)]
    assert len(set(tokens)) == count
    assert len({token[10:19] for token in tokens}) == count
    # The secret's first digit is left out: 2^256 is 60.7 × 62^42, so it is not uniform by construction.
    for place in (*range(10, 19), *range(21, 63)):
        seen = Counter(token[place] for token in tokens)
        expected = count / 62
        assert sum((seen[digit] - expected) ** 2 / expected for digit in ALPHABET) < 137, place


def test_the_first_digit_of_a_secret_is_as_uniform_as_256_bits_allow() -> None:
    chance = random.Random(7)
    count = 50_000
    seen = Counter(mint("live", KID, chance.randbytes(32))[20] for _ in range(count))
    share = 62**42 / 2**256
    expected = [min(share, max(0.0, 1 - place * share)) * count for place in range(62)]
    chi = sum(
        (seen[digit] - wanted) ** 2 / wanted
        for digit, wanted in zip(ALPHABET, expected, strict=True)
        if wanted
    )
    assert chi < 137
    assert seen["z"] == 0
