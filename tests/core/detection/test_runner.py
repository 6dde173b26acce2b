"""The runner: every detection looks at what its card names and at nothing else, of however many kinds."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatelaine.core.detection.memory import Memory
from chatelaine.core.detection.run import Detection, Runner
from chatelaine.core.detection.scene import Scene
from chatelaine.core.key.habit import Habit
from chatelaine.model.detection import Card, Family, Group, Phase, Said, Severity, Sighting, Trait
from chatelaine.model.words import SECOND, DetectionId, ExchangeId, Instant, KeyId

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


def counting(memory: Memory, scene: Scene, _card: Card) -> tuple[Memory, Said | None]:
    times = memory.numbers[0] + 1 if memory.numbers else 1.0
    said = SAID if times > 1 else None
    return Memory(((scene.sighting.at, ""),), memory.told_at, (times,)), said


def seen_by(key: str) -> Scene:
    return Scene(replace(SEEN, key=KeyId(key)), Trait.OPENED, Habit())


def counter(name: str) -> Detection:
    return Detection(looking(name, "any").card, counting)


def test_each_detection_remembers_each_group_for_itself() -> None:
    runner = Runner([counter("use_one"), counter("use_two")])
    assert runner.run(seen_by("a")) == []
    assert runner.run(seen_by("b")) == []
    assert [one.detection for one in runner.run(seen_by("a"))] == ["use_one", "use_two"]
    assert {name: len(held) for name, held in runner.dump().items()} == {"use_one": 2, "use_two": 2}


def test_beyond_the_bound_the_oldest_group_is_forgotten_and_no_other() -> None:
    runner = Runner([counter("use_one")], most=3)
    for key in "abcd":
        assert runner.run(seen_by(key)) == []
    assert [first for first, _, _ in runner.dump()["use_one"]] == ["b", "c", "d"]
    assert runner.run(seen_by("b"))
    assert runner.run(seen_by("a")) == []


def test_a_runner_that_took_over_goes_on_and_keeps_its_bound() -> None:
    before = Runner([counter("use_gone"), counter("use_one")])
    for key in "abc":
        before.run(seen_by(key))
    after = Runner([counter("use_one"), counter("use_new")], most=3)
    after.load(before.dump())
    assert [one.detection for one in after.run(seen_by("c"))] == ["use_one"]
    after.run(seen_by("d"))
    assert [first for first, _, _ in after.dump()["use_one"]] == ["b", "c", "d"]
