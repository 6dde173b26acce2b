"""What a detection remembers: values of a span, each once where it is renewed, and no more than fit."""

from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.detection.memory import EMPTY, MOST, distinct, knows, remember, renew
from chatelaine.model.words import SECOND, Instant

VALUES = st.lists(st.sampled_from([f"v{number}" for number in range(80)]), max_size=200)


@given(VALUES)
def test_renewed_values_are_held_once_each_the_latest_ones_first_to_stay(values: list[str]) -> None:
    memory = EMPTY
    for at, value in enumerate(values):
        memory = renew(memory, Instant(at), value, seconds=3600)
    held = [value for _, value in memory.recent]
    assert len(held) == len(set(held)) == distinct(memory) == min(len(set(values)), MOST)
    assert all(knows(memory, value) for value in values[-MOST:])


def test_a_value_repeated_drives_no_other_out_where_it_is_renewed() -> None:
    renewed = remembered = remember(EMPTY, Instant(0), "rare", seconds=3600)
    for at in range(MOST + 1):
        renewed = renew(renewed, Instant(at), "common", seconds=3600)
        remembered = remember(remembered, Instant(at), "common", seconds=3600)
    assert knows(renewed, "rare")
    assert not knows(remembered, "rare")


def test_a_value_that_is_too_old_is_forgotten() -> None:
    memory = renew(EMPTY, Instant(0), "old", seconds=60)
    memory = renew(memory, Instant(61 * SECOND), "new", seconds=60)
    assert not knows(memory, "old")
    assert distinct(memory) == 1
