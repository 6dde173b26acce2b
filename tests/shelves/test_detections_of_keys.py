"""The detections of the threat catalogue's first half: who uses a key, from where, and to what end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chatelaine import catalog
from chatelaine.core.detection import trial
from chatelaine.core.detection.evidence_said import Weight
from chatelaine.core.detection.memory import Memory
from chatelaine.core.detection.page import detections_page
from chatelaine.core.detection.run import Detection, mask_of
from chatelaine.core.detection.scene import Scene, traits_of
from chatelaine.core.key.habit import Habit
from chatelaine.core.vector import read_parts
from chatelaine.model.detection import Card, Finding, Phase, Said, Sighting, Trait
from chatelaine.model.words import ExchangeId, Instant

ROOT = Path(__file__).resolve().parents[2]
DETECTIONS = {str(one.card.id): one for one in catalog.detections()}
ROWS = [f"D{row:02}" for row in range(1, 25) if row != 11]
"""D11 looks for canaries outside the gate, and is not of this half."""
CERTAIN = {"D01", "D02", "D10", "D12", "D25", "D54"}
"""Rows of which an item may act alone (threats.md 4, product.md principle 2)."""
MINE = sorted(name for name, one in DETECTIONS.items() if set(one.card.covers) & set(ROWS))
PLAYBOOKS = {"observe", "contain_client", "quarantine_client", "revoke_key", "notify_owner", "decoy"}
LONGEST = 140


def findings(name: str) -> Iterator[Finding]:
    """Yield whatever an item finds in its own vectors."""
    for vector in catalog.vectors(catalog.shelf("detections").joinpath(name)):
        yield from trial._watch(DETECTIONS[name], read_parts(vector.read_text("utf-8")), Habit)


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_first_half_is_looked_for(row: str) -> None:
    assert [name for name, one in DETECTIONS.items() if row in one.card.covers]


def test_only_rows_that_are_near_certain_may_act_alone() -> None:
    certain = {row for one in DETECTIONS.values() if one.card.certain for row in one.card.covers}
    assert {"D01", "D02", "D10", "D12"} <= certain <= CERTAIN


@pytest.mark.parametrize("score", [-0.5, 0.5])
def test_an_impossible_cap_acts_alone_only_beside_a_client_that_is_foreign(score: float) -> None:
    rule = DETECTIONS["key_impossible_cap"]
    seen = Sighting(at=Instant(1), phase=Phase.WHOLE, exchange=ExchangeId("e"), cap=-1, empty=True)
    doubted, sure = (Weight(one, 1.0, 1, {}, (), ()) for one in (-1.0, score))
    memory, said = rule.detect(Memory(), Scene(seen, Trait.PROBE, Habit(), weight=doubted), rule.card)
    assert said is not None
    assert not said.certain
    again = [
        rule.detect(memory, Scene(seen, Trait.PROBE, Habit(), weight=one), rule.card)[1]
        for one in (doubted, None, sure)
    ]
    assert again[:2] == [None, None], "told once an hour"
    assert (again[2] is not None and again[2].certain) is (score > 0)


@pytest.mark.parametrize("name", MINE)
def test_every_card_says_where_its_numbers_come_from_and_what_answers_it(name: str) -> None:
    card = DETECTIONS[name].card
    assert card.origin
    assert card.tactics
    assert card.playbook in PLAYBOOKS


@pytest.mark.parametrize("name", MINE)
def test_every_sentence_can_be_read_at_three_in_the_morning(name: str) -> None:
    found = list(findings(name))
    assert found
    for one in found:
        for sentence in (one.said.seen, one.said.usual, one.said.against):
            assert 0 < len(sentence) <= LONGEST, sentence
            assert not sentence.endswith((".", " ", ",")), sentence


@pytest.mark.parametrize("name", [name for name in MINE if name != "key_canary_used"])
def test_a_neighbour_that_an_item_leaves_alone_is_one_that_it_looked_at(name: str) -> None:
    one, looked = DETECTIONS[name], []

    def look(memory: Memory, scene: Scene, card: Card) -> tuple[Memory, Said | None]:
        looked.append(scene.sighting)
        return one.detect(memory, scene, card)

    for vector in catalog.vectors(catalog.shelf("detections").joinpath(name)):
        if vector.name.startswith("quiet_"):
            found = trial._watch(Detection(one.card, look), read_parts(vector.read_text("utf-8")), Habit)
            assert not list(found)
    assert looked


@pytest.mark.parametrize("name", MINE)
def test_every_threshold_of_a_card_is_read_by_its_function(name: str) -> None:
    code = catalog.shelf("detections").joinpath(name, "detect.py").read_text("utf-8")
    for threshold in DETECTIONS[name].card.thresholds:
        assert f'"{threshold}"' in code or f"'{threshold}'" in code, threshold


def test_an_owners_ordinary_traffic_wakes_one_item_of_this_half_at_most() -> None:
    world = trial._World(Habit)
    usual = {"key": "k1", "owner": "acme", "ip": "198.51.100.7", "agent": "OpenAI/Python", "ja4": "a"}
    world.live({**usual, "cap": "500", "model": "m", "system_hash": "s", "api_version": "2024-10-21"})
    for phase in ("opened", "ended", "whole"):
        sighting = world.sighting({"key": "k1", "phase": phase, "status": "200"}, trial._START)
        traits = traits_of(sighting, world.habit("k1"))
        awake = {name for name in MINE if mask_of(DETECTIONS[name].card) & traits}
        assert awake <= {"key_stolen_again"}


def test_the_page_of_the_detections_is_current() -> None:
    page = (ROOT / "docs" / "explain" / "detections.md").read_text("utf-8")
    assert page == detections_page(one.card for one in DETECTIONS.values())
