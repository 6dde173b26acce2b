"""Rates of their own for what is held back."""

from itertools import pairwise

import pytest

from chatelaine.core.policy.pace import Paces
from chatelaine.model.words import SECOND, Instant

NOW = Instant(6_000 * SECOND)


def test_as_many_requests_pass_in_a_minute_as_the_rate_says() -> None:
    paces = Paces(1, 1)
    told = [paces.take("thief", 5, NOW) for _ in range(8)]
    assert told[:5] == [0] * 5
    assert all(0 < wait <= 120 for wait in told[5:])
    assert paces.take("another", 5, NOW) == 0


def test_who_waits_as_long_as_it_is_told_is_let_through() -> None:
    paces = Paces(1, 1)
    assert paces.take("thief", 1, NOW) == 0
    wait = paces.take("thief", 1, NOW)
    assert paces.take("thief", 1, Instant(NOW + wait * SECOND)) == 0


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
@pytest.mark.parametrize("rate", [7, 20, 21])
def test_the_workers_shares_add_up_to_the_rate(workers: int, rate: int) -> None:
    through = [
        sum(paces.take("thief", rate, NOW) == 0 for _ in range(rate + 1))
        for paces in (Paces(number, workers) for number in range(1, workers + 1))
    ]
    assert sum(through) == rate
    assert all(one >= other for one, other in pairwise(through))


def test_a_rate_below_the_number_of_workers_lets_one_through_each() -> None:
    assert [Paces(number, 4).take("thief", 2, NOW) for number in range(1, 5)] == [0, 0, 0, 0]


def test_ever_new_names_make_no_memory_grow() -> None:
    paces = Paces(1, 1)
    for number in range(10_000):
        paces.take(f"thief {number}", 1, NOW)
    assert len(paces._rows) == 4096
