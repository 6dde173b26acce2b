"""Lives: as many requests as the rhythm says, in order, within their time, and as troubled as told."""

import statistics
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatelaine.core.play import place, program, wish
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.deed import Holder
from chatelaine.core.play.life import DAY, HOUR, Life, Source, Trouble, daily, nightly, office, steady
from chatelaine.core.play.wish import Sizes, Wish
from chatelaine.model.exchange import Caller
from chatelaine.model.words import SECOND, Instant, KeyId

MONDAY = Instant(int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()) * SECOND)
SOURCE = Source(
    holder=Holder(Caller(KeyId("AbCdEfGh1")), 1),
    place=place.fixed(Chance(1), place.CLOUDS, 2),
    programs=(program.program("openai-python", 1),),
    wish=Wish(wish.chat(wish.SMALL), Sizes(100), Sizes(100)),
    per_day=2_400.0,
    rhythm=steady(),
    burst=0.0,
    trouble=Trouble(),
)


@pytest.mark.parametrize("rhythm", [steady(), daily(14), office(8), nightly(3)])
def test_a_rhythm_is_a_week_whose_mean_is_one(rhythm: tuple[float, ...]) -> None:
    assert len(rhythm) == 168
    assert statistics.fmean(rhythm) == pytest.approx(1.0)
    assert min(rhythm) >= 0.0


@given(st.integers(0, 2**32), st.integers(0, 400))
def test_deeds_come_in_order_and_within_their_hour(seed: int, hour: int) -> None:
    begin = Instant(MONDAY + hour * HOUR)
    deeds = Life(SOURCE, Chance(seed)).hour(begin)
    assert [deed.at for deed in deeds] == sorted(deed.at for deed in deeds)
    assert all(begin <= deed.at < begin + HOUR for deed in deeds)


def test_a_day_has_as_many_as_were_asked_for() -> None:
    life = Life(SOURCE, Chance(2))
    count = sum(len(life.hour(Instant(MONDAY + hour * HOUR))) for hour in range(24 * 10))
    assert count == pytest.approx(24_000, rel=0.03)


def test_an_office_works_in_its_hours_and_rests_at_the_weekend() -> None:
    life = Life(replace(SOURCE, rhythm=office(8)), Chance(3))
    week = [len(life.hour(Instant(MONDAY + hour * HOUR))) for hour in range(168)]
    monday, night, saturday = sum(week[8:17]), sum(week[18:27]), sum(week[5 * 24 + 8 : 5 * 24 + 17])
    assert monday > 5 * max(night, saturday)


@given(st.integers(0, 3 * 3600), st.integers(1, 3 * 3600))
def test_nothing_comes_before_its_beginning_or_after_its_end(start: int, lasts: int) -> None:
    begins_at, ends_at = MONDAY + start * SECOND, MONDAY + (start + lasts) * SECOND
    life = Life(replace(SOURCE, begins_at=begins_at, ends_at=ends_at), Chance(start))
    deeds = [deed for hour in range(8) for deed in life.hour(Instant(MONDAY + hour * HOUR))]
    assert all(begins_at <= deed.at < ends_at for deed in deeds)


def test_trouble_comes_as_often_as_it_is_told() -> None:
    troubled = replace(SOURCE, trouble=Trouble(limited=0.2, bad=0.1, blocked=0.3))
    life = Life(troubled, Chance(6))
    deeds = [deed for hour in range(100) for deed in life.hour(Instant(MONDAY + hour * HOUR))]
    share = {
        name: sum(deed.error_code == name for deed in deeds) / len(deeds)
        for name in ("rate_limit_exceeded", "invalid_value", "content_filter")
    }
    assert share["rate_limit_exceeded"] == pytest.approx(0.2, abs=0.02)
    assert share["invalid_value"] == pytest.approx(0.1, abs=0.02)
    assert share["content_filter"] == pytest.approx(0.3, abs=0.02)


def test_two_lives_of_one_chance_are_the_same_life() -> None:
    one, other = Life(SOURCE, Chance(8)), Life(SOURCE, Chance(8))
    assert one.hour(MONDAY) == other.hour(MONDAY)
    assert one.hour(Instant(MONDAY + DAY)) == other.hour(Instant(MONDAY + DAY))
