"""What an analyst is told: numbers with their nouns, spans, places, and what speaks for the owner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatelaine.core.context import context_id
from chatelaine.core.detection.scene import Scene
from chatelaine.core.detection.telling import (
    count_of,
    excuse,
    networks,
    newcomer,
    often,
    own_network,
    own_program,
    place,
    program,
    programs,
    shown,
    span,
)
from chatelaine.core.key.habit import DAY, Habit
from chatelaine.model.detection import Dimension, Phase, Sighting, Trait
from chatelaine.model.exchange import NetworkClass
from chatelaine.model.words import ExchangeId, Instant

HOME = Sighting(
    at=Instant(20_700 * DAY),
    phase=Phase.WHOLE,
    exchange=ExchangeId("0" * 24),
    context=context_id("198.51.100.0/24", "t13", "h"),
    ip="198.51.100.7",
    prefix="198.51.100.0/24",
    asn=64500,
    country="DE",
    ja4="t13",
    header_hash="h",
    agent="OpenAI/Python",
    agent_family="openai/python",
    model="m",
)


def lived(days: int = 5) -> Habit:
    habit = Habit()
    for day in range(days):
        for number in range(20):
            habit.learn(replace(HOME, at=Instant(HOME.at + day * DAY + number)))
    return habit


def scene(habit: Habit, **changes: object) -> Scene:
    return Scene(replace(HOME, **changes), Trait.ANY, habit)


@pytest.mark.parametrize(("count", "told"), [(0, "0 keys"), (1, "1 key"), (1.4, "1 key"), (2, "2 keys")])
def test_a_number_has_the_noun_that_goes_with_it(count: float, told: str) -> None:
    assert count_of(count, "key") == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.5, "0.5 s"), (59, "59 s"), (90, "1.5 min"), (3600, "1 h"), (86_400 * 30, "30 d")]
)
def test_a_span_is_told_in_its_largest_unit(seconds: float, told: str) -> None:
    assert span(seconds) == told


@given(st.text(max_size=200))
def test_a_callers_text_never_makes_a_sentence_longer_than_forty_characters(text: str) -> None:
    told = shown(text, "nothing")
    assert len(told) <= 40
    assert told in {text, "nothing"} or text.startswith(told[:-1])


def test_a_place_is_told_with_all_that_is_known_of_it() -> None:
    seen = replace(HOME, network=NetworkClass.VPN | NetworkClass.HOSTING)
    assert place(seen) == "198.51.100.0/24, AS64500, DE, a VPN"
    assert place(replace(HOME, prefix="", asn=0, country="", ip="")) == "an unknown network"
    assert program(replace(HOME, agent_family="")) == "a program without a name"


def test_a_habit_is_told_in_numbers() -> None:
    habit = lived()
    assert networks(habit) == "1 network of 1 operator in 1 country"
    assert programs(habit) == "1 program with 1 TLS client"
    assert often(habit, Dimension.MODEL, "other").startswith("0 of ")
    assert networks(Habit()) == "0 networks"


def test_the_owners_network_and_program_are_known_again() -> None:
    habit = lived()
    moved = scene(habit, ip="203.0.113.9", prefix="203.0.113.0/24", asn=64510)
    assert (own_network(moved), own_program(moved)) == (False, True)
    other = scene(habit, ja4="x", agent_family="axios")
    assert (own_network(other), own_program(other)) == (True, False)
    assert "the owner may have moved" in excuse(moved, "else")
    assert "the network is the key's own" in excuse(other, "else")
    stranger = scene(habit, prefix="203.0.113.0/24", agent_family="axios")
    assert excuse(stranger, "else") == "else"


def test_a_newcomer_is_one_to_a_settled_key_alone() -> None:
    strange = context_id("203.0.113.0/24", "x", "y")
    assert newcomer(scene(lived(), context=strange), 3)
    assert not newcomer(scene(lived()), 3)
    assert not newcomer(scene(lived(days=1), context=strange), 3)
