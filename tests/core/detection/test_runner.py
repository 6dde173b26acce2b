"""The runner: every detection looks at what its card names and at nothing else, of however many kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatelaine.core.detection.memory import Memory
from chatelaine.core.detection.run import Detection, Runner
from chatelaine.core.detection.scene import Scene
from chatelaine.core.key.habit import Habit
from chatelaine.model.detection import Card, Family, Group, Phase, Said, Severity, Sighting, Trait
from chatelaine.model.words import SECOND, ContextId, DetectionId, ExchangeId, Instant, KeyId

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
    assert {key: len(runner.dump_key(key)[""]) for key in runner.touched()} == {"a": 2, "b": 2}


def test_beyond_the_bound_the_oldest_group_is_forgotten_and_no_other() -> None:
    runner = Runner([counter("use_one")], most=3)
    for key in "abcd":
        assert runner.run(seen_by(key)) == []
    assert [key for key in "abcd" if runner.dump_key(key)] == ["b", "c", "d"]
    assert runner.run(seen_by("b"))
    assert runner.run(seen_by("a")) == []


def test_a_runner_that_took_over_goes_on_and_keeps_its_bound() -> None:
    before = Runner([counter("use_gone"), counter("use_one")])
    for key in "abc":
        before.run(seen_by(key))
    after = Runner([counter("use_one"), counter("use_new")], most=3)
    for key in sorted(before.touched()):
        after.load_key(key, before.dump_key(key))
    assert [one.detection for one in after.run(seen_by("c"))] == ["use_one"]
    after.run(seen_by("d"))
    assert [key for key in "abcd" if after.dump_key(key)] == ["b", "c", "d"]


def of_context(name: str) -> Scene:
    return Scene(replace(SEEN, key=KeyId("k"), context=ContextId(name)), Trait.OPENED, Habit())


def test_of_a_key_s_clients_the_one_that_was_silent_longest_is_forgotten() -> None:
    card = replace(looking("use_one", "any").card, group=Group.KEY_CONTEXT)
    runner = Runner([Detection(card, counting)])
    for name in ("c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c0", "c8"):
        runner.run(of_context(name))
    assert set(runner.dump_key("k")) == {"c0", "c2", "c3", "c4", "c5", "c6", "c7", "c8"}
    assert runner.run(of_context("c0"))
    assert runner.run(of_context("c1")) == []


def test_keys_that_were_merely_named_drive_out_no_key_and_are_not_kept() -> None:
    runner = Runner([counter("use_one")], most=3)
    runner.run(seen_by("a"))
    for number in range(50):
        named = replace(SEEN, key=KeyId(f"named{number}"))
        assert runner.run(Scene(named, Trait.OPENED | Trait.UNPROVEN, Habit())) == []
    assert runner.touched() == {"a"}
    assert runner.run(seen_by("a"))


@pytest.mark.parametrize("group", [Group.CONTEXT, Group.ORIGIN, Group.OWNER, Group.ALL])
def test_what_is_remembered_of_no_key_is_taken_over(group: Group) -> None:
    card = replace(looking("use_one", "any").card, group=group)
    before, after = Runner([Detection(card, counting)]), Runner([Detection(card, counting)])
    before.run(seen_by("a"))
    assert before.touched() == set()
    after.load(before.dump())
    assert after.run(seen_by("b")), "one place for all keys"


def test_what_is_begun_for_one_group_is_not_taken_for_another_s() -> None:
    groups = [Group.ORIGIN, Group.KEY, Group.KEY_CONTEXT, Group.KEY_CONTEXT, Group.ALL]
    runner = Runner(
        Detection(replace(looking(f"use_{at}", "any").card, group=group), counting)
        for at, group in enumerate(groups)
    )
    assert runner.run(of_context("c")) == []
    assert len(runner.run(of_context("c"))) == len(groups)


def test_two_detections_that_would_be_kept_under_one_mark_are_refused() -> None:
    with pytest.raises(ValueError, match="another id"):
        Runner([counter("use_one"), counter("use_one")])
