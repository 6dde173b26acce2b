"""Values of options: read exactly, refused where they are not what they should be."""

import argparse
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.model.key import HourSpan
from chatelaine.surfaces.cli.options import table
from chatelaine.surfaces.cli.values import duration, hours, iso, lifetime, money, positive, since


@pytest.mark.parametrize(
    ("text", "meant"),
    [("90d", timedelta(days=90)), ("1h30m", timedelta(minutes=90)), ("250ms", timedelta(milliseconds=250))],
)
def test_durations_are_read_with_their_units(text: str, meant: timedelta) -> None:
    assert duration(text) == meant


def test_a_lifetime_may_be_none_at_all() -> None:
    assert lifetime("none") is None
    assert lifetime("1d") == timedelta(days=1)


@pytest.mark.parametrize("text", ["", "90", "d", "1y", "-1d", "1 d", "1d2", "9" * 30 + "w", "1d\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


@given(dollars=st.integers(0, 10**9 - 1), nanos=st.integers(0, 10**9 - 1))
def test_money_is_read_to_the_billionth_without_rounding(dollars: int, nanos: int) -> None:
    assert money(f"{dollars}.{nanos:09}") == dollars * 10**9 + nanos


@pytest.mark.parametrize("text", ["", "-1", "1.", ".5", "1e3", "1,5", "0.0000000001", "\uff11", "inf", "$"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        money(text)


@pytest.mark.parametrize("text", ["0", "-1", "1.0", "", "\u0663", "9" * 30])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        positive(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("mon-fri 08:00-18:00", HourSpan((0, 1, 2, 3, 4), 480, 1080)),
        ("SAT 00:00-24:00", HourSpan((5,), 0, 1440)),
        ("09:30-10:00", HourSpan((0, 1, 2, 3, 4, 5, 6), 570, 600)),
        ("sat-mon 00:00-01:00", HourSpan((5, 6, 0), 0, 60)),
    ],
)
def test_hours_of_the_week_are_read(text: str, meant: HourSpan) -> None:
    assert hours(text) == meant


@pytest.mark.parametrize(
    "text", ["", "mon", "mon-fri", "xxx 08:00-09:00", "08:00-07:00", "8-9", "00:00-24:01"]
)
def test_what_is_no_span_of_hours_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        hours(text)


def test_instants_are_shown_in_utc_to_the_millisecond() -> None:
    assert iso(1_720_000_000_123_456_789) == "2024-07-03T09:46:40.123Z"
    assert iso(None) is None


def test_how_far_back_is_a_duration_or_an_instant() -> None:
    assert since("7d") == timedelta(days=7)
    assert since("2024-07-03T09:46:40Z") == since("2024-07-03T11:46:40+02:00") == 1_720_000_000 * 10**9
    assert since("2024-07-03T09:46:40") == 1_720_000_000 * 10**9, "without a zone it is UTC"
    with pytest.raises(argparse.ArgumentTypeError):
        since("yesterday")


def test_a_table_is_as_wide_as_its_widest_cells() -> None:
    assert table(("a", "b"), [("long", "x"), ("s", "y")]) == "a     b\nlong  x\ns     y\n"
