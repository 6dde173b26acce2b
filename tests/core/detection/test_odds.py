"""Odds: the arithmetic agrees with the slow way, and stays within its bounds."""

from math import comb, exp, lgamma, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.detection.odds import beta_above, g_test, jensen_shannon

shares = st.floats(0, 1)
counts = st.floats(0.5, 2_000)


def slow_beta_above(threshold: float, a: float, b: float) -> float:
    steps, width = 20_000, (1 - threshold) / 20_000
    places = (threshold + (step + 0.5) * width for step in range(steps))
    factor = lgamma(a + b) - lgamma(a) - lgamma(b)
    return sum(exp(factor + (a - 1) * log(x) + (b - 1) * log(1 - x)) for x in places) * width


@pytest.mark.parametrize(
    ("threshold", "a", "b"),
    [(0.1, 2, 5), (0.3, 5.5, 40), (0.05, 3, 100), (0.5, 20, 20), (0.02, 1.5, 300), (0.9, 50, 3)],
)
def test_the_tail_of_a_beta_distribution_is_that_of_its_integral(
    threshold: float, a: float, b: float
) -> None:
    assert beta_above(threshold, a, b) == pytest.approx(slow_beta_above(threshold, a, b), abs=1e-5)


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.01, 0.99))
def test_for_whole_numbers_it_is_a_binomial_sum(a: int, b: int, x: float) -> None:
    tries = a + b - 1
    below = sum(comb(tries, k) * x**k * (1 - x) ** (tries - k) for k in range(a))
    assert beta_above(x, a, b) == pytest.approx(below, abs=1e-9)


@given(shares, counts, counts)
def test_a_chance_lies_between_none_and_certainty_and_falls_with_the_threshold(
    threshold: float, a: float, b: float
) -> None:
    chance = beta_above(threshold, a, b)
    assert 0 <= chance <= 1
    assert beta_above(min(threshold + 0.05, 1), a, b) <= chance + 1e-9


@pytest.mark.parametrize(("threshold", "chance"), [(-1, 1.0), (0, 1.0), (1, 0.0), (2, 0.0)])
def test_thresholds_outside_a_rate_are_certain(threshold: float, chance: float) -> None:
    assert beta_above(threshold, 3, 4) == chance


def test_a_g_test_gives_the_textbooks_chance() -> None:
    # 30 of 100 where a quarter is expected: G = 1.2777…, one degree of freedom.
    assert g_test(30, 100, 0.25) == pytest.approx(0.2578, abs=1e-3)
    assert g_test(25, 100, 0.25) == 1.0


@given(st.integers(1, 500), shares, shares)
def test_a_g_test_is_a_chance_for_every_share(trials: int, part: float, share: float) -> None:
    assert 0 <= g_test(round(part * trials), trials, share) <= 1


@given(shares, shares)
def test_a_divergence_is_symmetric_and_between_nothing_and_one_bit(first: float, second: float) -> None:
    apart = jensen_shannon(first, second)
    assert 0 <= apart <= 1 + 1e-12
    assert apart == pytest.approx(jensen_shannon(second, first), abs=1e-12)
    assert jensen_shannon(first, first) == pytest.approx(0, abs=1e-12)


def test_opposite_shares_are_one_bit_apart_and_half_is_just_above_the_threshold_of_drift() -> None:
    assert jensen_shannon(0, 1) == 1
    assert jensen_shannon(0.5, 0) == pytest.approx(0.3113, abs=1e-4)
