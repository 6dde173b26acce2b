"""The second half of the shelf of detections: every row of the catalogue has a card, every word is short."""

from collections.abc import Iterator

import pytest

from chatelaine import catalog
from chatelaine.core.detection import trial
from chatelaine.core.detection.run import Detection
from chatelaine.core.key.habit import Habit
from chatelaine.core.vector import read_parts
from chatelaine.model.detection import Card

ROWS = (
    *(
        "D25",
        "D26",
        "D27",
        "D28",
        "D29",
        "D33",
        "D34",
        "D36",
        "D37",
        "D39",
        "D40",
        "D41",
        "D43",
        "D44",
        "D45",
    ),
    *("D46", "D47", "D48", "D49", "D50", "D51", "D52", "D54", "D62", "D63"),
)
CERTAIN = {"actor_conversation_hops": ("D25",), "admin_tampering": ("D54",)}
PLAYBOOKS = {"observe", "contain_client", "quarantine_client", "revoke_key", "notify_owner", "decoy"}
MOST_OF_A_SENTENCE = 140


def ours() -> Iterator[Detection]:
    return (one for one in catalog.detections() if not set(one.card.covers).isdisjoint(ROWS))


CARDS = [pytest.param(one.card, id=one.card.id) for one in ours()]


@pytest.mark.parametrize("row", ROWS)
def test_every_row_of_the_catalogue_of_threats_has_a_card(row: str) -> None:
    assert [one.card.id for one in ours() if row in one.card.covers]


def test_only_two_of_them_may_act_alone() -> None:
    assert {one.card.id: one.card.covers for one in ours() if one.card.certain} == CERTAIN


@pytest.mark.parametrize("card", CARDS)
def test_a_card_names_a_playbook_and_techniques_that_there_are(card: Card) -> None:
    assert card.playbook in PLAYBOOKS
    assert card.tactics
    assert all(tactic.startswith(("AML.T", "T")) for tactic in card.tactics)


@pytest.mark.parametrize("card", CARDS)
def test_a_weak_card_does_not_answer_with_more_than_its_severity_bears(card: Card) -> None:
    if card.severity <= 1:
        assert card.playbook in {"observe", "notify_owner"}


@pytest.mark.parametrize("one", [pytest.param(one, id=one.card.id) for one in ours()])
def test_what_is_said_is_short_enough_for_the_night(one: Detection) -> None:
    folder = catalog.shelf("detections").joinpath(one.card.id)
    for vector in catalog.vectors(folder):
        for found in trial._watch(one, read_parts(vector.read_text("utf-8")), Habit):
            said = (found.said.seen, found.said.usual, found.said.against)
            assert max(map(len, said)) <= MOST_OF_A_SENTENCE
            assert not any(sentence.endswith(".") or "  " in sentence for sentence in said)
            assert found.certain is one.card.certain
