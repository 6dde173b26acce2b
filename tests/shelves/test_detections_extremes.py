"""Detections fed with what no honest source would send: none fails, none says too much."""

from hypothesis import given, settings
from hypothesis import strategies as st

from chatelaine import catalog
from chatelaine.core.detection.links import NOWHERE, Elsewhere, Links
from chatelaine.core.detection.run import Runner
from chatelaine.core.detection.scene import Scene
from chatelaine.core.key.habit import Habit
from chatelaine.model.detection import Phase, Sighting, Trait
from chatelaine.model.exchange import Modality, Operation
from chatelaine.model.words import SECOND, ExchangeId, Instant

FIRST_HALF = {f"D{row:02}" for row in range(1, 25)}
DETECTIONS = [one for one in catalog.detections() if not set(one.card.covers) & FIRST_HALF]
LONGEST = 260
EVERYTHING = Trait((1 << len(Trait)) - 1)
WORDS = st.sampled_from(
    ["", " ", "a", "b", "\x00", "\ud800", "x" * 5_000, "'--", "budget_day", "+1e999 s", "-3600 s"]
)
NUMBERS = st.sampled_from([-(10**30), -1, 0, 1, 9, 400, 10**6, 2**63, 10**30])
TEXTS = (
    *("key", "owner", "context", "prefix", "ja4", "header_hash", "route", "model", "system_hash", "chain"),
    *("parent_chain", "body_hash", "reason", "end_user", "action", "by", "outcome", "detail"),
)
COUNTS = ("input_tokens", "output_tokens", "cost", "messages", "tools", "forwarded", "believed")
OWNERS = st.lists(WORDS.filter(bool), max_size=8, unique=True).map(tuple)


@st.composite
def sightings(draw: st.DrawFn) -> Sighting:
    told = {name: draw(WORDS) for name in TEXTS} | {name: draw(NUMBERS) for name in COUNTS}
    return Sighting(
        at=Instant(draw(st.integers(1, 10**6)) * SECOND),
        phase=draw(st.sampled_from(list(Phase))),
        exchange=ExchangeId("e"),
        operation=draw(st.sampled_from(list(Operation))),
        modalities=tuple(draw(st.lists(st.sampled_from(list(Modality)), max_size=6))),
        cap=draw(st.one_of(st.none(), NUMBERS)),
        status=draw(st.sampled_from([0, 200, 429])),
        stream=draw(st.booleans()),
        blocked=draw(st.booleans()),
        sdk=(("accept-language", draw(WORDS)),),
        **told,  # type: ignore[arg-type]  # words are str, amounts int
    )


@st.composite
def elsewheres(draw: st.DrawFn) -> Elsewhere:
    return Elsewhere(
        draw(WORDS),
        draw(WORDS),
        Instant(0),
        draw(NUMBERS),
        draw(st.booleans()),  # type: ignore[arg-type]  # ids are words
        *(draw(OWNERS) for _ in range(5)),
        draw(NUMBERS),
    )


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(sightings(), st.one_of(st.just(NOWHERE), elsewheres()), st.integers(1, 70)), max_size=5
    )
)
def test_no_sighting_makes_a_detection_fail_or_tell_a_novel(
    seen: list[tuple[Sighting, Elsewhere, int]],
) -> None:
    runner, habit, links = Runner(DETECTIONS), Habit(), Links()
    for one, elsewhere, times in seen:
        links.look(one)
        for _ in range(times):
            # All traits at once, so that every detection looks at everything.
            for found in runner.run(Scene(one, EVERYTHING, habit, elsewhere)):
                for sentence in (found.said.seen, found.said.usual, found.said.against):
                    assert 0 < len(sentence) <= LONGEST, (found.detection, sentence[:300])
        habit.learn(one)
