"""The rota: turns by weight, rest for what is broken."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chatelaine.model.words import SECOND, UpstreamName
from chatelaine.services.exchange.rota import Rota

A, B, C = UpstreamName("a"), UpstreamName("b"), UpstreamName("c")


@given(st.dictionaries(st.sampled_from([A, B, C]), st.integers(1, 9), min_size=2))
def test_turns_follow_the_weights_exactly(weights: dict[UpstreamName, int]) -> None:
    rota, names, total = Rota(weights), tuple(weights), sum(weights.values())
    first = Counter(rota.order(names, 0)[0] for _ in range(total * 3))
    assert first == {name: weight * 3 for name, weight in weights.items()}


def test_heavy_turns_are_spread_out() -> None:
    rota = Rota({A: 5, B: 1, C: 1})
    turns = "".join(rota.order((A, B, C), 0)[0] for _ in range(7))
    assert turns == "aabacaa"


def test_an_upstream_that_keeps_failing_rests_and_is_tried_again() -> None:
    rota = Rota({A: 1, B: 1})
    for _ in range(5):
        rested = rota.failed(A, 0)
    assert rested
    assert {rota.order((A, B), SECOND)[0] for _ in range(10)} == {B}
    assert A in {rota.order((A, B), 3 * SECOND)[0] for _ in range(4)}


def test_one_success_wipes_the_failures_out() -> None:
    rota = Rota({A: 1, B: 1})
    for _ in range(20):
        rota.failed(A, 0)
        rota.failed(A, 0)
        rota.succeeded(A)
    assert rota.resting(1) == ()


def test_rests_grow_but_not_for_ever() -> None:
    rota = Rota({A: 1, B: 1})
    for _ in range(50):
        rota.failed(A, 0)
    assert rota.resting(59 * SECOND) == (A,)
    assert rota.resting(61 * SECOND) == ()


def test_a_retry_after_is_honoured_within_reason() -> None:
    rota = Rota({A: 1, B: 1})
    rota.asked_to_wait(A, 0, 30)
    assert {rota.order((A, B), 29 * SECOND)[0] for _ in range(4)} == {B}
    rota.asked_to_wait(A, 0, 10**9)
    assert rota.resting(601 * SECOND) == ()


def test_when_all_rest_the_one_that_wakes_first_is_tried() -> None:
    rota = Rota({A: 1, B: 1})
    rota.asked_to_wait(A, 0, 60)
    rota.asked_to_wait(B, 0, 30)
    assert rota.order((A, B), SECOND) == (B, A)


def test_new_weights_keep_what_is_known() -> None:
    rota = Rota({A: 1, B: 1})
    rota.asked_to_wait(A, 0, 60)
    rota.replace({A: 2, C: 1})
    assert rota.resting(SECOND) == (A,)
    assert rota.order((A, C), SECOND)[0] == C
