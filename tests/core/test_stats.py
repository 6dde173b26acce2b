"""Statistics: probabilities that add up, and rhythms told from chance."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.stats import off_beat, surprise

WEIGHTS = st.lists(st.floats(min_value=0.5, max_value=1e6), min_size=1, max_size=32)
PERIODS = (60.0, 90.0, 360.0)
CHANCE = 0.01
"""As the card of key_revalidation has it."""


def jittered(draw: Random, *, checks: int, period: float) -> list[float]:
    """Return gaps of the resale proxy: a period with a jitter of a quarter."""
    return [period * draw.uniform(0.75, 1.25) for _ in range(checks)]


def first_rhythm(gaps: list[float]) -> int:
    """Return after how many gaps a rhythm is found by whoever looks at each; 0: never."""
    looks = range(4, len(gaps) + 1)
    return next((n for n in looks if min(off_beat(gaps[:n], period) for period in PERIODS) <= CHANCE), 0)


@given(WEIGHTS)
def test_the_chances_of_all_known_values_and_of_a_new_one_add_up_to_one(weights: list[float]) -> None:
    total, kinds = sum(weights), len(weights)
    chances = [10 ** -surprise(weight, total=total, kinds=kinds) for weight in (*weights, 0.0)]
    assert sum(chances) == pytest.approx(1)


@given(WEIGHTS, st.integers(min_value=1, max_value=1000))
def test_a_new_value_says_less_on_a_key_that_shows_new_ones_often(weights: list[float], more: int) -> None:
    total, kinds = sum(weights), len(weights)
    steady = surprise(0.0, total=total, kinds=kinds)
    assert surprise(0.0, total=total, kinds=kinds + more) < steady
    assert surprise(0.0, total=total + more, kinds=kinds) > steady


@given(st.floats(min_value=0, max_value=1e6))
def test_where_nothing_is_known_nothing_is_surprising(weight: float) -> None:
    assert surprise(weight, total=0.0, kinds=0) == 0.0


def test_one_network_in_five_hundred_exchanges_makes_a_second_rare() -> None:
    assert surprise(0.0, total=500.0, kinds=1) == pytest.approx(2.7, abs=0.01)


@pytest.mark.parametrize("period", PERIODS)
def test_four_exact_repeats_are_a_rhythm(period: float) -> None:
    assert off_beat([period] * 4, period) < 0.003


@pytest.mark.parametrize("period", PERIODS)
def test_a_pool_that_checks_with_a_jitter_of_a_quarter_is_found_within_a_day_of_checks(period: float) -> None:
    draw = Random(7)
    found = [first_rhythm(jittered(draw, checks=24, period=period)) for _ in range(500)]
    assert 0 not in found
    assert sum(found) / len(found) < 8


@pytest.mark.parametrize(
    ("mean", "most"), [(20.0, 0.01), (45.0, 0.01), (75.0, 0.02), (140.0, 0.02), (400.0, 0.06)]
)
def test_calls_at_random_times_are_seldom_taken_for_a_rhythm(mean: float, most: float) -> None:
    draw = Random(11)
    found = [first_rhythm([draw.expovariate(1 / mean) for _ in range(24)]) for _ in range(1000)]
    assert sum(1 for checks in found if checks) <= most * 1000


@given(st.lists(st.floats(min_value=0, max_value=1e6), max_size=64), st.sampled_from(PERIODS))
def test_the_chance_is_one_that_can_be_compared(gaps: list[float], period: float) -> None:
    assert 0 <= off_beat(gaps, period) <= 1


@given(st.lists(st.floats(min_value=1, max_value=29), min_size=1, max_size=64))
def test_short_gaps_speak_against_every_period(gaps: list[float]) -> None:
    assert all(off_beat(gaps, period) > 0.9 for period in PERIODS)


def test_without_gaps_there_is_no_rhythm() -> None:
    assert off_beat([], 60.0) == 1.0
