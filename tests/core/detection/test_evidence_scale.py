"""The scale: what it learns from days, and what it does not let itself be taught."""

from math import log10

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.detection.evidence_scale import BINS, LOW, STEP, Scale

CENSORED = -0.7


def scale(*, base: float = 0.1, hazard: float = 0.5) -> Scale:
    """Return a scale whose prior says that half of the peaks end in each step."""
    return Scale(base, (hazard,) * BINS, CENSORED)


def test_without_days_the_scale_is_its_prior() -> None:
    assert scale().score(LOW) == pytest.approx(-log10(100))
    assert scale().score(LOW + 3 * STEP) == pytest.approx(-log10(100 / 8))


def test_more_evidence_never_means_more_false_alarms() -> None:
    table = scale().table
    assert table == sorted(table)


def test_between_two_steps_the_score_is_between_theirs() -> None:
    one = scale()
    assert one.score(LOW) < one.score(LOW + STEP / 2) < one.score(LOW + STEP)


def test_three_times_as_many_peaks_make_every_score_as_much_lower() -> None:
    calm, turbulent = scale(), scale()
    for number in range(100_000):
        calm.note(LOW + 0.1 if number % 30 == 0 else None)
        turbulent.note(LOW + 0.1 if number % 10 == 0 else None)
    calm.settle()
    turbulent.settle()
    assert calm.score(LOW) - turbulent.score(LOW) == pytest.approx(log10(3), abs=0.05)


def test_a_thief_who_is_alarming_every_day_does_not_raise_what_alarms() -> None:
    taught, left = scale(), scale()
    for number in range(20_000):
        peak = LOW + STEP * (number % 3) if number % 10 == 0 else None
        taught.note(60.0 if number % 50 == 1 else peak)
        left.note(peak)
    taught.settle()
    left.settle()
    # The prior ends half of the peaks in each step: what was censored adds nothing beyond.
    assert taught.score(40.0) > 2.0
    assert taught.ended[BINS - 1] == 0.0


def test_days_that_lie_far_back_are_forgotten() -> None:
    one = scale()
    for _ in range(50_000):
        one.note(LOW + 1.0)
    for _ in range(120):
        one.fade()
    one.settle()
    assert one.score(LOW) == pytest.approx(scale().score(LOW), abs=0.05)


@given(st.lists(st.none() | st.floats(-100, 100), max_size=50))
def test_scores_are_finite_and_ordered_whatever_is_counted(peaks: list[float | None]) -> None:
    one = scale()
    for peak in peaks:
        one.note(peak)
    one.settle()
    scores = [one.score(raw / 2) for raw in range(-200, 200)]
    assert scores == sorted(scores)
    assert all(-4 < score <= 6 for score in scores)
