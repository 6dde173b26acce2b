"""Detections of who uses a key, fed with what no honest source would send: none fails, none says too much."""

from hypothesis import given
from hypothesis import strategies as st

from chatelaine import catalog
from chatelaine.core.detection.run import Runner
from chatelaine.core.detection.scene import Scene
from chatelaine.core.key.habit import Habit
from chatelaine.model.detection import Phase, Sighting, Trait
from chatelaine.model.exchange import Modality, NetworkClass, Operation
from chatelaine.model.words import SECOND

FIRST_HALF = {f"D{row:02}" for row in range(1, 25)}
DETECTIONS = [one for one in catalog.detections() if set(one.card.covers) & FIRST_HALF]
LONGEST = 260
EVERYTHING = Trait((1 << len(Trait)) - 1)
WORDS = st.one_of(
    st.sampled_from(
        ["", " ", "mozilla", "a b c d e", "\x00", "\ud800", "x" * 5_000, "20", "2023-09-01-preview"]
    ),
    st.text(max_size=12),
)
NUMBERS = st.one_of(st.integers(-5, 5), st.sampled_from([-(10**30), 10**30, 2**63]))
PAIRS = st.lists(st.tuples(st.sampled_from(["origin", "referer", "x-stainless-lang"]), WORDS), max_size=3)


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    texts = {
        name: draw(WORDS)
        for name in (
            *("key", "owner", "context", "ip", "prefix", "country", "ja4", "header_names", "header_hash"),
            *(
                "agent",
                "agent_family",
                "route",
                "model",
                "api_version",
                "system_hash",
                "chain",
                "parent_chain",
            ),
            *("reason", "error_code"),
        )
    }
    return Sighting(
        at=draw(st.integers(1, 10**6)) * SECOND,
        phase=draw(st.sampled_from([Phase.OPENED, Phase.ENDED, Phase.WHOLE])),
        exchange="0" * 24,
        asn=draw(st.integers(0, 3)),
        network=NetworkClass(draw(st.integers(0, 31))),
        operation=draw(st.sampled_from(list(Operation))),
        modalities=(Modality.TEXT,),
        cap=draw(st.one_of(st.none(), NUMBERS)),
        input_tokens=draw(NUMBERS),
        messages=draw(st.integers(0, 3)),
        empty=draw(st.booleans()),
        status=draw(st.sampled_from([0, 200, 400, 401])),
        sdk=tuple(draw(PAIRS)),
        numbers=(("temperature", draw(st.sampled_from([0.0, float("nan"), float("inf")]))),),
        **texts,
    )


@given(st.lists(sightings(), min_size=1, max_size=6))
def test_no_sighting_makes_a_detection_fail_or_tell_a_novel(seen: list[Sighting]) -> None:
    runner, habit = Runner(DETECTIONS), Habit()
    for one in seen:
        # All traits at once, so that every detection looks at everything.
        for found in runner.run(Scene(one, EVERYTHING, habit)):
            for sentence in (found.said.seen, found.said.usual, found.said.against):
                assert 0 < len(sentence) <= LONGEST, sentence
        habit.learn(one)
