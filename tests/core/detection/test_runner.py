"""The runner: every detection looks at what its card names and at nothing else, of however many kinds."""

from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.detection.memory import Memory
from chatelaine.core.detection.run import Detection, Runner
from chatelaine.core.detection.scene import Scene
from chatelaine.core.key.habit import Habit
from chatelaine.model.detection import Card, Family, Group, Phase, Said, Severity, Sighting, Trait
from chatelaine.model.words import SECOND, DetectionId, ExchangeId, Instant

SEEN = Sighting(at=Instant(SECOND), phase=Phase.WHOLE, exchange=ExchangeId("e"))
SAID = Said(seen="a", usual="b", against="c")
NAMES = [trait.name.lower() for trait in Trait if trait.name]


def always(memory: Memory, _scene: Scene, _card: Card) -> tuple[Memory, Said | None]:
    return memory, SAID


def looking(name: str, *on: str) -> Detection:
    card = Card(
        id=DetectionId(name),
        title=name,
        version=1,
        covers=("D01",),
        family=Family.CLIENT,
        severity=Severity.LOW,
        group=Group.KEY,
        on=on,
        origin="test",
        false_positives=("none",),
        playbook="observe",
    )
    return Detection(card, always)


@given(
    st.lists(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3), max_size=6),
    st.lists(st.lists(st.sampled_from(list(Trait)), max_size=5), min_size=1, max_size=10),
)
def test_a_detection_looks_at_sightings_that_have_one_of_its_traits(
    masks: list[list[str]], seen: list[list[Trait]]
) -> None:
    runner = Runner(
        [looking(f"use_{place}", *on) for place, on in enumerate(masks)] + [looking("any", "any")]
    )
    for traits in seen:
        has = Trait.ANY
        for trait in traits:
            has |= trait
        names = {trait.name.lower() for trait in traits if trait.name}
        expected = ["any", *(f"use_{place}" for place, on in enumerate(masks) if names & set(on))]
        assert [one.detection for one in runner.run(Scene(SEEN, has, Habit()))] == expected


def test_more_kinds_of_sightings_than_are_held_at_once_change_nothing() -> None:
    runner = Runner([looking("use_failed", "failed")])
    for kind in range(5_000):
        found = list(runner.run(Scene(SEEN, Trait(kind), Habit())))
        assert bool(found) is bool(kind & Trait.FAILED)
