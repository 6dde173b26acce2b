"""Cold start: what a grant names is the key's own before it is used."""

import pytest

from chatelaine.core.context import mark
from chatelaine.core.key.declared import declared
from chatelaine.core.key.habit import DAY, Habit
from chatelaine.model.detection import Dimension
from chatelaine.model.exchange import Modality, Operation
from chatelaine.model.key import Grant, HourSpan
from chatelaine.model.words import Instant

AT = Instant(20_000 * DAY)


def values(grant: Grant, dimension: Dimension) -> list[str]:
    return [value for one, value in declared(grant) if one is dimension]


def test_a_grant_that_limits_nothing_declares_nothing() -> None:
    assert declared(Grant()) == []


@pytest.mark.parametrize(
    ("block", "prefixes"),
    [
        ("203.0.113.7/32", ["203.0.113.0/24"]),
        ("203.0.112.0/23", ["203.0.112.0/24", "203.0.113.0/24"]),
        ("10.0.0.0/8", []),
        ("2001:db8:1::/64", ["2001:db8:1::/48"]),
        ("2001:db8::/32", []),
    ],
)
def test_a_block_declares_its_prefixes_where_they_are_few(block: str, prefixes: list[str]) -> None:
    assert values(Grant(networks=(block,)), Dimension.PREFIX) == prefixes


def test_a_pattern_of_models_declares_none() -> None:
    assert values(Grant(models=("gpt-4o", "claude-*")), Dimension.MODEL) == ["gpt-4o"]


@pytest.mark.parametrize(
    ("begin", "end", "hours"),
    [(480, 600, ["08", "09"]), (510, 601, ["08", "09", "10"]), (1_380, 60, ["00", "23"])],
)
def test_a_span_declares_the_hours_it_touches(begin: int, end: int, hours: list[str]) -> None:
    assert values(Grant(hours=(HourSpan((0,), begin, end),)), Dimension.HOUR) == hours


def test_what_is_expected_is_known_and_makes_no_habit_settled() -> None:
    habit = Habit()
    grant = Grant(
        networks=("203.0.113.0/24",), models=("m",), operations=(Operation.CHAT,), modalities=(Modality.TEXT,)
    )
    habit.expect(AT, declared(grant))
    assert not habit.settled
    for dimension, value in declared(grant):
        assert habit.weight(dimension, value) == 1
    assert habit.marks(Dimension.MODEL) == (mark(Dimension.MODEL, "m"),)
    assert habit.weight(Dimension.MODEL, "other") == 0
