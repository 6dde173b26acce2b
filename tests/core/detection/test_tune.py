"""Thresholds that people's verdicts speak for, and what is said where they speak for none."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.detection.tune import suggest
from chatelaine.model.detection import Card, Family, Finding, Group, Said, Severity
from chatelaine.model.rule import Suggestion
from chatelaine.model.words import (
    ContextId,
    DetectionId,
    ExchangeId,
    FindingId,
    Instant,
    KeyId,
    OwnerId,
)

CARD = Card(
    id=DetectionId("use_spike"),
    title="t",
    version=1,
    covers=("D44",),
    family=Family.ECONOMICS,
    severity=Severity.MEDIUM,
    group=Group.KEY,
    on=("any",),
    thresholds={"times": 5.0},
    origin="o",
    false_positives=("f",),
    playbook="observe",
)


def finding(*facts: tuple[str, str]) -> Finding:
    return Finding(
        id=FindingId("f"),
        detection=CARD.id,
        version=1,
        at=Instant(1),
        exchange=ExchangeId("x"),
        key=KeyId("k1"),
        owner=OwnerId("acme"),
        context=ContextId("c"),
        prefix="",
        family=Family.ECONOMICS,
        severity=Severity.MEDIUM,
        certain=False,
        said=Said("s", "u", "a", facts=facts),
    )


def told(true: list[float], false: list[float], card: Card = CARD) -> Suggestion:
    judged = [(finding(("times", str(value))), True) for value in true]
    judged += [(finding(("times", str(value))), False) for value in false]
    (one,) = suggest(card, judged)
    return one


def test_the_strictest_threshold_that_keeps_every_true_positive_is_proposed() -> None:
    one = told([20, 30], [6, 8, 25])
    assert (one.now, one.proposed) == (5.0, 20.0)
    assert (one.true_kept, one.true_all, one.false_dropped, one.false_all) == (2, 2, 2, 3)
    assert one.why == "keeps all 2 true positives, drops 2 of 3 false"


def test_a_threshold_that_values_lie_below_is_lowered() -> None:
    card = msgspec.structs.replace(CARD, thresholds={"times": 0.5})
    one = told([0.1, 0.2], [0.4, 0.15], card)
    assert (one.proposed, one.false_dropped) == (0.2, 1)


@pytest.mark.parametrize(
    ("true", "false", "why"),
    [
        ([], [], "no judged finding"),
        ([7], [], "no false positive"),
        ([], [7], "no true positive"),
        ([6, 9], [6, 9], "the same range"),
        ([2], [9], "both sides"),
    ],
)
def test_where_verdicts_speak_for_nothing_nothing_is_proposed(
    true: list[float], false: list[float], why: str
) -> None:
    one = told(true, false)
    assert one.proposed is None
    assert why in one.why


def test_facts_in_words_and_facts_of_other_names_are_no_values() -> None:
    judged = [(finding(("times", "many"), ("other", "9")), True), (finding(), False)]
    assert suggest(CARD, judged)[0].why == "no judged finding states this value"


def test_a_detection_without_thresholds_has_nothing_to_tune() -> None:
    assert suggest(msgspec.structs.replace(CARD, thresholds={}), []) == ()


values = st.lists(st.floats(5, 1e6, allow_nan=False), max_size=10)


@given(values, values)
def test_what_is_proposed_keeps_every_true_positive_and_drops_what_it_says(
    true: list[float], false: list[float]
) -> None:
    one = told(true, false)
    if one.proposed is not None:
        assert one.proposed > one.now
        assert all(value >= one.proposed for value in true)
        assert sum(value < one.proposed for value in false) == one.false_dropped > 0
