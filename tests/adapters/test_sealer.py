"""The sealer: what it opens, and everything it does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.adapters.entropy import SeededEntropy, SystemEntropy
from chatelaine.adapters.sealer import AesGcmSealer, kek_name
from chatelaine.model.error import SealError, SecretUnreadable

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(max_size=500), st.binary(max_size=100))
def test_what_is_sealed_is_opened(plain: bytes, bound_to: bytes) -> None:
    sealer = AesGcmSealer({"new": NEW}, SystemEntropy())
    nonce, sealed = sealer.seal(plain, bound_to=bound_to)
    assert len(nonce) == 12
    assert sealer.open(nonce, sealed, bound_to=bound_to, kek="new") == plain


@given(st.data())
def test_any_changed_bit_fails(data: st.DataObject) -> None:
    sealer = AesGcmSealer({"new": NEW}, SystemEntropy())
    parts = [*sealer.seal(b"sk-provider", bound_to=b"owner|name|1"), b"owner|name|1"]
    which = data.draw(st.integers(0, 2))
    bit = data.draw(st.integers(0, len(parts[which]) * 8 - 1))
    changed = bytearray(parts[which])
    changed[bit // 8] ^= 1 << bit % 8
    parts[which] = bytes(changed)
    with pytest.raises(SealError):
        sealer.open(parts[0], parts[1], bound_to=parts[2], kek="new")


@pytest.mark.parametrize("sealed", [b"", b"short", b"\0" * 16])
def test_a_truncated_value_fails(sealed: bytes) -> None:
    with pytest.raises(SealError):
        AesGcmSealer({"new": NEW}, SystemEntropy()).open(b"n" * 12, sealed, bound_to=b"", kek="new")


@pytest.mark.parametrize("nonce", [b"", b"n" * 7, b"n" * 200])
def test_a_nonce_of_another_size_fails(nonce: bytes) -> None:
    with pytest.raises(SealError):
        AesGcmSealer({"new": NEW}, SystemEntropy()).open(nonce, b"s" * 40, bound_to=b"", kek="new")


def test_the_first_key_seals_and_every_key_opens() -> None:
    older = AesGcmSealer({"old": OLD}, SystemEntropy())
    both = AesGcmSealer({"new": NEW, "old": OLD}, SystemEntropy())
    nonce, sealed = older.seal(b"value", bound_to=b"x")
    assert both.kek == "new"
    assert both.open(nonce, sealed, bound_to=b"x", kek="old") == b"value"
    with pytest.raises(SealError):
        both.open(nonce, sealed, bound_to=b"x", kek="new")


def test_a_key_that_is_not_configured_is_named_with_the_fix() -> None:
    sealer = AesGcmSealer({"new": NEW}, SystemEntropy())
    with pytest.raises(SealError, match="key-encryption key old") as caught:
        sealer.open(b"n" * 12, b"s" * 40, bound_to=b"", kek="old")
    assert "older" in caught.value.hint


def test_a_nonce_is_drawn_anew_for_each_seal() -> None:
    sealer = AesGcmSealer({"new": NEW}, SeededEntropy())
    assert len({sealer.seal(b"same", bound_to=b"")[0] for _ in range(1_000)}) == 1_000


def test_keys_of_a_wrong_size_or_none_at_all_are_refused() -> None:
    for keks in ({}, {"short": b"k" * 31}, {"new": NEW, "long": b"k" * 33}):
        with pytest.raises(SecretUnreadable):
            AesGcmSealer(keks, SystemEntropy())


def test_a_key_is_named_after_itself() -> None:
    assert kek_name(OLD) != kek_name(NEW)
    assert kek_name(OLD) == kek_name(bytes(OLD))
    assert len(kek_name(OLD)) == 8
