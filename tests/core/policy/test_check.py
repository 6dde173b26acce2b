"""A restraint that makes no sense is refused with what mends it."""

import pytest
from msgspec.structs import replace

from chatelaine.core.policy.check import check, identified, in_words
from chatelaine.model.error import UsageError
from chatelaine.model.playbook import Lane, Restraint
from chatelaine.model.words import SECOND, ActionId, ContextId, Instant, KeyId

NOW = Instant(1_000 * SECOND)
GOOD = Restraint(
    ActionId("act_0123456789aB"), KeyId("AAAAAAAAA"), Lane.TARPIT, Instant(NOW + SECOND),
    (ContextId("0123456789abcdef"),), ("203.0.113.0/24", "2001:db8:1::/48"), ("t13d1516h2_8daaf6152771",),
    delay_ms=500,
)  # fmt: skip


def test_a_restraint_that_makes_sense_passes() -> None:
    check(GOOD, NOW)
    check(replace(GOOD, contexts=(), prefixes=(), ja4s=(), delay_ms=0), NOW)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"id": ActionId("")}, "not an action's id"),
        ({"id": ActionId("act_0123456789aB\n")}, "not an action's id"),
        ({"until": NOW}, "ends by itself"),
        ({"until": Instant(NOW + 400 * 86_400 * SECOND)}, "ends by itself"),
        ({"contexts": (ContextId("xyz"),)}, "not a client context"),
        ({"contexts": (ContextId("0123456789abcdef"),) * 257}, "257 values"),
        ({"prefixes": ("203.0.113.9/32",)}, "not a network prefix"),
        ({"prefixes": ("203.0.113.0",)}, "not a network prefix"),
        ({"prefixes": ("",)}, "not a network prefix"),
        ({"ja4s": ("t13 d",)}, "not a JA4 fingerprint"),
        ({"requests_per_minute": -1}, "make no sense"),
        ({"delay_ms": 60_001}, "makes no sense"),
        ({"delay_ms": -1}, "makes no sense"),
        ({"lane": Lane.REFUSE}, "only the tarpit delays"),
    ],
)
def test_a_restraint_that_makes_none_is_refused(changed: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        check(replace(GOOD, **changed), NOW)


def test_an_id_is_drawn_from_random_bytes_and_passes() -> None:
    drawn = identified(replace(GOOD, id=ActionId("")), bytes(range(200, 212)))
    check(drawn, NOW)
    assert drawn.id != identified(GOOD, bytes(12)).id


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, "tarpit AAAAAAAAA, every client of 4 marks"),
        (
            {"foreign": True, "contexts": (), "prefixes": (), "ja4s": ()},
            "tarpit AAAAAAAAA, every unknown client",
        ),
    ],
)
def test_the_record_says_what_is_done_to_whom(changed: dict[str, object], told: str) -> None:
    assert in_words(replace(GOOD, **changed)) == f"act_0123456789aB: {told}"
