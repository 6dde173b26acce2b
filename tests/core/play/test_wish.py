"""Wishes: conversations whose turns follow from one another, sizes that stay within bounds, users."""

from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.play import wish
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.wish import Sizes, Speaker, Wish
from chatelaine.model.exchange import Operation

SMALL = Sizes(100, 0.5)


def speak(asked: Wish, count: int, seed: int = 1) -> list[wish.Said]:
    speaker = Speaker(asked, Chance(seed))
    return [speaker.say() for _ in range(count)]


@given(st.integers(0, 2**32), st.floats(1, 20))
def test_every_later_turn_names_the_turn_before(seed: int, turns: float) -> None:
    said = speak(Wish(wish.chat(wish.SMALL), SMALL, SMALL, turns=turns), 120, seed)
    chains = {one.asked.chain for one in said}
    assert len(chains) == len(said), "a turn is said once"
    for one in said:
        if one.asked.messages > 1:
            assert one.asked.parent_chain in chains
        else:
            assert one.asked.parent_chain is None


def test_conversations_are_as_long_as_they_should_be_on_average() -> None:
    said = speak(Wish(wish.chat(wish.SMALL), SMALL, SMALL, turns=5.0), 5_000)
    first = sum(one.asked.parent_chain is None for one in said)
    assert 4.3 < len(said) / first < 5.8


def test_a_cap_is_never_exceeded_by_the_answer() -> None:
    said = speak(Wish(wish.chat(wish.SMALL, cap=64), SMALL, Sizes(100, 1.5)), 500)
    assert max(one.output_tokens for one in said) == 64
    assert {one.asked.output_cap for one in said} == {64}


def test_an_impossible_cap_is_recorded_and_caps_nothing() -> None:
    asked = wish.chat(wish.SMALL, cap=-1)
    assert asked.numbers == (("max_tokens", -1.0),)
    assert asked.output_cap is None


def test_a_body_that_repeats_is_the_same_in_every_part() -> None:
    said = speak(Wish(wish.chat(wish.SMALL), SMALL, SMALL, turns=1e9, repeats=True), 50)
    assert len({one.asked for one in said}) == 1


def test_bodies_that_do_not_repeat_are_all_different() -> None:
    said = speak(Wish(wish.chat(wish.SMALL), SMALL, SMALL, turns=3.0), 2_000)
    assert len({one.asked.body_hash for one in said}) == 2_000


def test_end_users_are_named_by_most_requests_and_are_as_many_as_there_should_be() -> None:
    said = speak(Wish(wish.chat(wish.SMALL), SMALL, SMALL, users=20), 3_000)
    named = [one.asked.end_user for one in said if one.asked.end_user is not None]
    assert len(set(named)) == 20
    assert 0.9 < len(named) / len(said) < 1.0


def test_vectors_have_no_answer_and_lists_use_nothing() -> None:
    vectors = speak(Wish(wish.plain(Operation.EMBEDDING, wish.VECTORS), SMALL, SMALL), 20)
    assert {one.output_tokens for one in vectors} == {0}
    assert all(one.asked.chain is None for one in vectors)
    listed = speak(Wish(wish.plain(Operation.LIST), SMALL, SMALL), 3)
    assert {(one.input_tokens, one.output_tokens) for one in listed} == {(0, 0)}


@given(st.floats(1, 1e5), st.floats(0, 2), st.integers(0, 2**64 - 1))
def test_a_size_stays_within_its_bounds(median: float, sigma: float, roll: int) -> None:
    assert 1 <= Sizes(median, sigma, most=9_000).take(roll) <= 9_000


def test_half_of_all_sizes_are_above_the_median() -> None:
    sizes = Sizes(1_000, 0.8)
    assert 0.45 < sum(sizes.take(roll) > 1_000 for roll in range(1_024)) / 1_024 < 0.55
