"""What a detection says becomes a finding that every store and frame can hold."""

from math import inf, nan

import pytest

from chatelaine.core.detection.run import finding
from chatelaine.model.detection import Card, Family, Group, Phase, Said, Severity, Sighting
from chatelaine.model.words import DetectionId, ExchangeId, Instant

CARD = Card(
    id=DetectionId("use_spike"),
    title="t",
    version=1,
    covers=("D44",),
    family=Family.ECONOMICS,
    severity=Severity.MEDIUM,
    group=Group.KEY,
    on=("any",),
    origin="o",
    false_positives=("f",),
    playbook="observe",
)
SEEN = Sighting(Instant(1), Phase.WHOLE, ExchangeId("x"))


def test_what_a_caller_made_long_is_cut_and_marked() -> None:
    long = "A" * 60_000
    facts = tuple((f"n{n}{long}", long) for n in range(100))
    said = finding(CARD, SEEN, Said(long, long, long, facts=facts), Family.ECONOMICS).said
    sentences = (said.seen, said.usual, said.against)
    parts = [part for fact in said.facts for part in fact]
    assert {len(text) for text in sentences} == {400}
    assert {len(text) for text in parts} == {120}
    assert all(text.endswith("…") for text in (*sentences, *parts))
    assert len(said.facts) == 16


@pytest.mark.parametrize("score", [inf, -inf, nan])
def test_a_score_that_is_no_number_is_none(score: float) -> None:
    assert finding(CARD, SEEN, Said("s", "u", "a", score=score), Family.ECONOMICS).said.score == 0.0


def test_what_is_short_is_left_as_it_is() -> None:
    said = Said("s", "u", "a", Severity.HIGH, -1.5, (("name", "value"),))
    assert finding(CARD, SEEN, said, Family.ECONOMICS).said == said
