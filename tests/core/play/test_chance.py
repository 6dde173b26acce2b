"""Chance from a seed: the published numbers, even draws, and branches that do not lean on each other."""

import math
import statistics

from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.play.chance import Chance, mix

SEEDS = st.integers(0, 2**64 - 1)


def test_draws_are_those_of_the_published_generator() -> None:
    chance = Chance(1_234_567)
    assert [chance.bits() for _ in range(5)] == [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ]


@given(st.lists(SEEDS, unique=True, max_size=200))
def test_no_two_counts_are_mixed_into_the_same_bits(counts: list[int]) -> None:
    assert len({mix(count) for count in counts}) == len(counts)


@given(SEEDS, st.text(max_size=20), st.integers(0, 20))
def test_a_branch_depends_on_its_name_and_not_on_what_was_drawn_before(
    seed: int, name: str, before: int
) -> None:
    fresh, used = Chance(seed), Chance(seed)
    for _ in range(before):
        used.bits()
    assert used.branch(name).bits() == fresh.branch(name).bits()
    assert fresh.branch(name).bits() != fresh.branch(f"{name}x").bits()


@given(SEEDS, st.integers(1, 10_000))
def test_what_is_drawn_lies_within_its_bounds(seed: int, end: int) -> None:
    chance = Chance(seed)
    assert 0 <= chance.below(end) < end
    assert 0.0 <= chance.share() < 1.0
    assert 2.0 <= chance.between(2.0, 3.0) < 3.0
    assert chance.pick(range(end)) in range(end)
    assert chance.gap(2.0) >= 0.0
    assert len(chance.digits()) == 32


@given(SEEDS, st.integers(0, 12), st.integers(0, 12))
def test_several_are_all_different(seed: int, there: int, wanted: int) -> None:
    taken = Chance(seed).several(range(there), wanted)
    assert len(set(taken)) == len(taken) == min(there, wanted)


def test_shares_are_spread_evenly() -> None:
    chance = Chance(9)
    tenths = [0] * 10
    for _ in range(20_000):
        tenths[int(chance.share() * 10)] += 1
    # Chi-square with nine degrees of freedom passes 27.9 once in a thousand.
    assert sum((count - 2_000) ** 2 / 2_000 for count in tenths) < 27.9


def test_normal_numbers_have_the_mean_and_deviation_they_should() -> None:
    chance = Chance(4)
    drawn = [chance.normal() for _ in range(20_000)]
    assert abs(statistics.fmean(drawn)) < 0.03
    assert abs(statistics.stdev(drawn) - 1) < 0.03
    logs = [math.log(chance.lognormal(100, 0.5)) for _ in range(5_000)]
    assert abs(statistics.fmean(logs) - math.log(100)) < 0.03


def test_counts_have_the_mean_they_should_be_it_small_or_large() -> None:
    for mean in (0.0, 0.3, 7.0, 39.0, 41.0, 5_000.0):
        chance = Chance(int(mean * 10))
        found = statistics.fmean(chance.count(mean) for _ in range(4_000))
        assert abs(found - mean) <= 4 * math.sqrt(mean / 4_000) + 0.02 * (mean > 40)


def test_what_is_likely_happens_as_often_as_it_should() -> None:
    chance = Chance(5)
    assert abs(sum(chance.often(0.3) for _ in range(10_000)) - 3_000) < 200
