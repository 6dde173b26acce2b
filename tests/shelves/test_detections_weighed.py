"""Detections that speak for the weighed evidence: whatever it consists of, they say something of it."""

import pytest

from chatelaine.catalog import detections
from chatelaine.core.detection.evidence_said import Reason, Weight
from chatelaine.core.detection.memory import Memory
from chatelaine.core.detection.run import Detection
from chatelaine.core.detection.scene import Scene
from chatelaine.core.key.habit import Habit
from chatelaine.model.detection import Family, Phase, Sighting, Trait
from chatelaine.model.words import SECOND, ExchangeId, Instant, KeyId

SEEN = Sighting(Instant(1_900_000_000 * SECOND), Phase.OPENED, ExchangeId("x"), key=KeyId("k1"))
FOR = ("prefix", 2.6, "203.0.113.0/24", "192.0.2.0/24")
AGAINST = ("clock", -0.4, "12 to 17", "6 to 11")
FOREIGN = [one for one in detections() if one.card.id.startswith("key_foreign_client")]


@pytest.mark.parametrize("rule", FOREIGN, ids=lambda rule: str(rule.card.id))
@pytest.mark.parametrize(
    ("reasons", "against", "seen", "harmless"),
    [
        ((FOR,), (AGAINST,), "prefix: 203.0.113.0/24, after 3", "clock speaks for the owner: 12 to 17"),
        ((FOR,), (), "prefix: 203.0.113.0/24, after 3", "nothing that it shows"),
        ((), (AGAINST,), "many small differences, after 3", "clock speaks for the owner"),
    ],
)
def test_evidence_is_told_also_where_nothing_speaks_against_or_no_reason_stands_out(
    rule: Detection, reasons: tuple[Reason, ...], against: tuple[Reason, ...], seen: str, harmless: str
) -> None:
    weight = Weight(2.0, 9.0, 3, dict.fromkeys(Family, 2.0), reasons, against)
    _, said = rule.detect(Memory(), Scene(SEEN, Trait.WEIGHED, Habit(), weight=weight), rule.card)
    assert said is not None
    assert said.seen.startswith(seen)
    assert said.against.startswith(harmless)
    assert said.usual
    assert said.families == tuple(Family)
