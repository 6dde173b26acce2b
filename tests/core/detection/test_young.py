"""What is striking about a sighting: values that are young on a key, hours that are not its own, tools."""

import pytest
from msgspec.structs import replace

from chatelaine.core.detection.scene import Scene, at_home, traits_of
from chatelaine.core.key.habit import DAY, HOUR, Habit
from chatelaine.model.detection import Phase, Sighting, Trait
from chatelaine.model.words import SECOND, ContextId, ExchangeId, Instant

MORNING = Instant(1_790_000_000 * SECOND // DAY * DAY + 9 * HOUR)
USUAL = Sighting(
    at=MORNING,
    phase=Phase.WHOLE,
    exchange=ExchangeId("e"),
    context=ContextId("c"),
    model="m",
    system_hash="s",
    cap=100,
    status=200,
)


@pytest.fixture
def habit() -> Habit:
    made = Habit()
    for minutes in range(120):
        made.learn(replace(USUAL, at=Instant(MORNING - (minutes % 5 + 1) * DAY + minutes * 60 * SECOND // 4)))
    return made


def test_what_a_key_has_shown_often_is_not_young(habit: Habit) -> None:
    assert not traits_of(USUAL, habit) & (Trait.YOUNG | Trait.NEW_HOUR | Trait.TOOLS)


@pytest.mark.parametrize(
    ("changed", "trait"),
    [
        (replace(USUAL, model="m2"), Trait.NEW_MODEL),
        (replace(USUAL, system_hash="s2"), Trait.NEW_SYSTEM),
        (replace(USUAL, cap=7), Trait.NEW_CAP),
        (replace(USUAL, context=ContextId("c2")), Trait.NEW_CONTEXT),
    ],
)
def test_a_new_value_is_young_and_stays_so_for_a_while(habit: Habit, changed: Sighting, trait: Trait) -> None:
    assert Trait.YOUNG | trait in traits_of(changed, habit)
    habit.learn(changed)
    habit.learn(replace(changed, at=Instant(MORNING + DAY)))
    again = traits_of(replace(changed, at=Instant(MORNING + DAY)), habit)
    assert Trait.YOUNG in again
    assert trait not in again


def test_an_hour_that_the_key_does_not_have_is_told(habit: Habit) -> None:
    at_night = replace(USUAL, at=Instant(MORNING + 12 * HOUR))
    assert Trait.NEW_HOUR in traits_of(at_night, habit)
    assert Trait.NEW_HOUR not in traits_of(at_night, Habit()), "a key without a habit has no hours"


def test_tools_are_told_as_an_exchange_begins(habit: Habit) -> None:
    assert Trait.TOOLS in traits_of(replace(USUAL, tools=2), habit)
    assert Trait.TOOLS not in traits_of(replace(USUAL, tools=2, phase=Phase.ENDED), habit)


def test_a_context_of_the_habit_is_at_home(habit: Habit) -> None:
    assert at_home(Scene(USUAL, Trait.ANY, habit))
    assert not at_home(Scene(replace(USUAL, context=ContextId("c2")), Trait.ANY, habit))
