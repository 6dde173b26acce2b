"""A key's habit: what it knows, what it takes on, and what it refuses to learn."""

from collections import Counter
from dataclasses import dataclass

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatelaine.core.context import context_id
from chatelaine.core.key.habit import DAY, HOUR, PROBATION, Dumped, Habit, load
from chatelaine.model.detection import Dimension, Measure, Phase, Sighting
from chatelaine.model.words import ExchangeId, Instant, NanoUsd

BEGUN = 20_700 * DAY


@dataclass(frozen=True)
class Life:
    """Where a client comes from."""

    prefix: str = "198.51.100.0/24"
    ja4: str = "t13"
    model: str = "m"


def sighting(at: int, life: Life = Life(), *, cost: int = 1000, phase: Phase = Phase.WHOLE) -> Sighting:
    return Sighting(
        at=Instant(at),
        phase=phase,
        exchange=ExchangeId("0" * 24),
        context=context_id(life.prefix, life.ja4, "h"),
        prefix=life.prefix,
        ja4=life.ja4,
        header_hash="h",
        model=life.model,
        input_tokens=100,
        cost=NanoUsd(cost),
        status=200,
    )


def lived(days: int = 5, a_day: int = 24) -> Habit:
    habit = Habit()
    for day in range(days):
        for hour in range(a_day):
            habit.learn(sighting(BEGUN + day * DAY + hour * DAY // a_day))
    return habit


def test_a_key_settles_after_three_days_and_fifty_sightings() -> None:
    assert not lived(2, 100).settled
    assert not lived(4, 10).settled
    assert lived(3, 24).settled


def test_what_was_seen_has_weight_and_what_was_not_has_none() -> None:
    habit = lived()
    assert habit.weight(Dimension.MODEL, "m") > 50
    assert habit.weight(Dimension.MODEL, "other") == 0
    assert habit.share(Dimension.PREFIX, "198.51.100.0/24") == 1
    assert habit.count(Dimension.HOUR) == 24


def test_a_weight_halves_in_fourteen_days() -> None:
    habit = lived()
    before = habit.weight(Dimension.MODEL, "m")
    habit.learn(sighting(BEGUN + 18 * DAY, Life(model="later")))
    after = habit.weight(Dimension.MODEL, "m")
    assert 0.45 * before < after < 0.55 * before


def test_a_new_context_on_a_settled_key_is_learnt_after_a_day_and_not_before() -> None:
    habit, strange = lived(), Life("203.0.113.0/24", "t12", "strange")
    first = BEGUN + 5 * DAY
    for hour in range(24):
        habit.learn(sighting(first + hour * HOUR, strange))
        assert habit.weight(Dimension.MODEL, "strange") == 0
    habit.learn(sighting(first + PROBATION, strange))
    assert habit.weight(Dimension.MODEL, "strange") == 1


def test_probation_begins_anew_where_an_alert_spoke() -> None:
    habit, strange = lived(), Life("203.0.113.0/24")
    first = BEGUN + 5 * DAY
    habit.learn(sighting(first, strange))
    habit.forget(context_id(strange.prefix, strange.ja4, "h"))
    habit.learn(sighting(first + PROBATION, strange))
    assert habit.weight(Dimension.PREFIX, strange.prefix) == 0


def test_a_frozen_habit_learns_nothing() -> None:
    habit = lived()
    habit.frozen = True
    before = habit.dump()
    habit.learn(sighting(BEGUN + 6 * DAY))
    assert habit.dump() == before


def test_an_opening_and_its_end_count_once() -> None:
    habit = Habit()
    habit.learn(sighting(BEGUN, phase=Phase.OPENED))
    habit.learn(sighting(BEGUN + 1, phase=Phase.ENDED))
    assert habit.seen == 1
    assert habit.weight(Dimension.MODEL, "m") == 1
    assert habit.measured(Measure.COST) == 1


def test_what_is_measured_stays_near_what_was_usual() -> None:
    habit = lived()
    assert 95 < habit.mean(Measure.INPUT_TOKENS) < 105
    assert habit.high(Measure.INPUT_TOKENS) < 200
    assert habit.measured(Measure.COST_A_DAY) == 4


def test_a_dump_through_the_wire_is_the_same_habit_and_goes_on_the_same() -> None:
    habit = lived()
    again = load(msgspec.msgpack.decode(msgspec.msgpack.encode(habit.dump()), type=Dumped))
    for one in (habit, again):
        one.learn(sighting(BEGUN + 6 * DAY, Life("192.0.2.0/24")))
    assert again.dump() == habit.dump()


@given(st.lists(st.tuples(st.integers(0, 400), st.text(max_size=30), st.text(max_size=9)), max_size=400))
def test_whatever_is_seen_a_habit_stays_small(seen: list[tuple[int, str, str]]) -> None:
    habit = Habit()
    for hours, model, prefix in seen:
        habit.learn(replace(sighting(BEGUN + hours * HOUR, Life(prefix, model, model)), agent_family=model))
    assert len(msgspec.msgpack.encode(habit.dump())) < 8_000
    assert all(habit.count(dimension) <= 32 for dimension in Dimension)


def test_a_count_below_nothing_is_taken_for_nothing() -> None:
    habit = Habit()
    habit.learn(replace(sighting(BEGUN), input_tokens=-5))
    assert habit.mean(Measure.INPUT_TOKENS) == 0.0


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=60))
def test_each_value_is_counted_for_itself_in_whatever_order_they_come(shown: list[tuple[int, int]]) -> None:
    habit, models, prefixes = Habit(), Counter[str](), Counter[str]()
    for model, network in shown:
        life = Life(prefix=f"10.0.{network}.0/24", model=f"m{model}")
        habit.learn(sighting(BEGUN, life))
        models[life.model] += 1
        prefixes[life.prefix] += 1
        # What is asked between must not change what is counted.
        assert habit.weight(Dimension.MODEL, "none") == 0
    for number in range(13):
        assert habit.weight(Dimension.MODEL, f"m{number}") == models[f"m{number}"]
        assert habit.weight(Dimension.PREFIX, f"10.0.{number}.0/24") == prefixes[f"10.0.{number}.0/24"]
    assert habit.total(Dimension.MODEL) == len(shown)
