"""Marks: the same value has the same mark, however many others are asked for between."""

from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.context import _REMEMBERED, first_mark, mark
from chatelaine.model.detection import Dimension

SPAN = 1 << 27


@given(st.sampled_from(Dimension), st.text())
def test_a_mark_is_the_same_each_time_and_lies_among_those_of_its_dimension(
    dimension: Dimension, value: str
) -> None:
    found = mark(dimension, value)
    assert mark(dimension, value) == found
    assert first_mark(dimension) <= found < first_mark(dimension) + SPAN


def test_more_values_than_are_remembered_change_no_mark() -> None:
    begin = [mark(Dimension.SYSTEM, f"prompt {number}") for number in range(100)]
    for number in range(_REMEMBERED + 1):
        mark(Dimension.SYSTEM, f"another {number}")
    assert [mark(Dimension.SYSTEM, f"prompt {number}") for number in range(100)] == begin


def test_one_value_in_two_dimensions_has_two_marks() -> None:
    assert len({mark(dimension, "yes") for dimension in Dimension}) == len(Dimension)


def test_half_a_character_has_a_mark_too() -> None:
    assert mark(Dimension.AGENT, "\ud800") == mark(Dimension.AGENT, "?")
