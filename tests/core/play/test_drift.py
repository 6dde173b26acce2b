"""Drift: an owner's life changes at the rates it should, and is whole at every instant."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.play.cast import Casting
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.drift import _RATES, drift
from chatelaine.core.play.life import DAY, Source
from chatelaine.model.words import SECOND, Instant

START = Instant(int(datetime(2026, 11, 2, tzinfo=UTC).timestamp()) * SECOND)
DAYS = 200


def drifted(seed: int, days: int = DAYS) -> tuple[Source, ...]:
    casting = Casting(Chance(seed), begins_at=START, ends_at=Instant(START + days * DAY))
    return drift(casting.owner("static"), Chance(seed), begins_at=START, days=days).sources


@given(st.integers(0, 2**32), st.integers(0, DAYS - 1))
def test_an_application_is_at_every_instant_one_application(seed: int, day: int) -> None:
    """Of the main source's versions one is in force; what comes beside it is more, never less."""
    at = START + day * DAY + 1
    now = [source for source in drifted(seed) if source.begins_at <= at < source.ends_at]
    assert now
    assert len({source.holder for source in now}) == 1


@given(st.integers(0, 2**32))
def test_nothing_begins_before_the_play_or_after_it(seed: int) -> None:
    for source in drifted(seed):
        assert source.begins_at == 0 or START <= source.begins_at < START + DAYS * DAY
        assert source.begins_at <= source.ends_at


def test_lives_change_as_often_as_the_rates_say() -> None:
    owners = 60
    changes = sum(len(drifted(seed)) - 1 for seed in range(owners))
    expected = sum(_RATES.values()) * DAYS * owners
    assert 0.9 * expected < changes < 1.1 * expected


def test_a_life_of_no_length_does_not_change() -> None:
    assert len(drifted(1, days=0)) == 1
