"""Habits, the population and links: the numbers behind the evidence."""

from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.detection.evidence_habit import CEILING, FLOOR, Crowd, Habit
from chatelaine.core.detection.evidence_link import ESTABLISHED, WEEK, Links, linked
from chatelaine.core.detection.evidence_view import size_band


def learnt(values: list[tuple[int, int]], room: int = 16) -> Habit:
    """Return a habit that was taught values in hours."""
    habit = Habit(room)
    for value, hour in values:
        entry = habit.counts.get(value)
        if entry is None:
            habit.bear(value, hour)
            continue
        entry[0] += 1
        if entry[1] not in {-1, hour}:
            habit.repeat(entry)
    return habit


def test_a_value_never_seen_surprises_more_the_longer_the_key_is_known() -> None:
    habit = learnt([(1, 0), (1, 1)])
    assert habit.surprise(2, 0.1, 1000, 2) > habit.surprise(2, 0.1, 10, 2) > 0


def test_a_key_that_always_shows_new_values_excuses_the_next() -> None:
    elastic = learnt([(hour, hour) for hour in range(100)], room=200)
    steady = learnt([(1, hour) for hour in range(100)])
    assert elastic.surprise(-5, 0.1, 100, 100) < 0.1
    assert steady.surprise(-5, 0.1, 100, 100) > 5


def test_a_value_that_is_usual_here_and_rare_elsewhere_speaks_for_the_owner() -> None:
    habit = learnt([(1, hour) for hour in range(100)])
    assert habit.surprise(1, 0.001, 100, 100) == FLOOR
    assert habit.surprise(1, 0.9, 100, 100) == pytest.approx(log(0.9), abs=0.02)


def test_an_owner_who_never_repeats_a_value_is_not_one_who_does() -> None:
    dynamic = learnt([(number, number // 10) for number in range(1000)])
    steady = learnt([(1, number // 10) for number in range(1000)])
    assert dynamic.echo(1000) > 3
    assert steady.echo(1000) < 0.01


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 50))), st.integers(0, 100))
def test_surprise_is_bounded_and_room_is_kept(values: list[tuple[int, int]], value: int) -> None:
    habit = learnt(sorted(values, key=lambda pair: pair[1]), room=8)
    assert len(habit.counts) <= 8
    assert FLOOR <= habit.surprise(value, 1e-4, 40, max(1, len(values))) <= CEILING
    habit.halve()
    assert all(entry[0] > 0 for entry in habit.counts.values())


def test_the_population_tells_common_values_from_rare_ones() -> None:
    crowd = Crowd(100, 0.0)
    for number in range(1000):
        crowd.learn("usual" if number % 10 else "rare")
    assert crowd.share("usual") == pytest.approx(0.9, abs=0.05)
    assert crowd.share("never") < crowd.share("rare") < crowd.share("usual")


def test_links_are_fresh_for_a_week_and_established_after() -> None:
    links = Links(10)
    for number in range(ESTABLISHED):
        links.note("prefix", f"owner{number}", 0)
    assert links.others("prefix", "me", 10) == (ESTABLISHED, 0)
    assert links.others("prefix", "owner1", WEEK + 1) == (0, ESTABLISHED - 1)
    assert not links.established("prefix", "me", 10)
    assert links.established("prefix", "me", WEEK + 1)


def test_the_oldest_tokens_make_room_for_new_ones() -> None:
    links = Links(3)
    for number in range(5):
        links.note(f"token{number}", "owner", number)
    assert list(links.seen) == ["token2", "token3", "token4"]


def test_links_weigh_by_how_few_chance_would_leave() -> None:
    assert linked(0, 0.1) == 0
    assert linked(2, 0.1) > linked(1, 0.1) > linked(1, 0.5) > 0
    assert linked(100, 0.1) == 6.0


@given(st.integers(-5, 2**80))
def test_sizes_fall_into_bands_that_grow_with_them(tokens: int) -> None:
    assert 0 <= size_band(tokens) <= size_band(tokens + abs(tokens)) <= 39
