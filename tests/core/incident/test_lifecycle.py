"""The life of an incident, walked along every path."""

from itertools import product
from pathlib import Path

import msgspec
import pytest

from chatelaine.core.incident.lifecycle import LIFECYCLE, LIVE, alarmed, apply, live, possible
from chatelaine.core.machine import Transition, diagram, final_states, paths
from chatelaine.model.detection import Severity
from chatelaine.model.error import TransitionRefused
from chatelaine.model.incident import Incident, IncidentInput, IncidentState
from chatelaine.model.words import ActionId, IncidentId, Instant, KeyId

WALK = tuple[tuple[IncidentInput, Transition[IncidentState, object]], ...]
PATHS: tuple[WALK, ...] = tuple(paths(LIFECYCLE, longest=8))


def incident(state: IncidentState = IncidentState.OPEN, key: str = "k1") -> Incident:
    return Incident(
        id=IncidentId("inc_000000000001"),
        state=state,
        severity=Severity.HIGH,
        title="",
        opened_at=Instant(1),
        updated_at=Instant(1),
        first_at=Instant(1),
        keys=(KeyId(key),),
        merged_into=IncidentId("inc_000000000009"),
    )


def states(path: WALK) -> list[IncidentState]:
    return [IncidentState.OPEN, *(step.state for _, step in path)]


def test_merged_is_the_only_final_state() -> None:
    assert final_states(LIFECYCLE) == {IncidentState.MERGED}


def test_every_state_lies_on_some_path_and_every_input_is_taken() -> None:
    assert len(PATHS) > 100
    assert {state for path in PATHS for state in states(path)} == set(IncidentState)
    assert {given for path in PATHS for given, _ in path} == set(IncidentInput)


def test_no_path_leaves_closed_but_by_a_person_who_reopens_it() -> None:
    for path in PATHS:
        walked = states(path)
        for before, after, (given, _) in zip(walked, walked[1:], path, strict=False):
            if before is IncidentState.CLOSED and after is not IncidentState.CLOSED:
                assert given is IncidentInput.REOPEN


def test_only_an_action_that_holds_something_makes_an_incident_contained() -> None:
    for path in PATHS:
        walked = states(path)
        for before, after, (given, _) in zip(walked, walked[1:], path, strict=False):
            if after is IncidentState.CONTAINED and before is not after:
                assert given is IncidentInput.CONTAIN


def test_a_contained_incident_that_spreads_waits_for_somebody_again() -> None:
    step = LIFECYCLE.step(IncidentState.CONTAINED, IncidentInput.SPREAD)
    assert step is not None
    assert step.state is IncidentState.OPEN


def test_every_live_incident_takes_alerts_and_can_be_closed() -> None:
    for state in LIVE:
        for given in (IncidentInput.ALERT, IncidentInput.SPREAD, IncidentInput.CLOSE, IncidentInput.MERGE):
            assert LIFECYCLE.step(state, given) is not None
    assert set(IncidentState) - LIVE == {IncidentState.CLOSED, IncidentState.MERGED}


@pytest.mark.parametrize(("state", "given"), [*product(IncidentState, IncidentInput)])
def test_every_pair_is_applied_or_refused_with_what_is_possible(
    state: IncidentState, given: IncidentInput
) -> None:
    step = LIFECYCLE.step(state, given)
    before = incident(state)
    if step is not None:
        after = apply(before, given, at=Instant(7), by="ana", reason="because")
        assert after.state is step.state
        assert after.updated_at == 7
        assert given in possible(state)
        moved = step.state is not state or given is IncidentInput.ASSIGN
        assert len(after.changes) == moved
        return
    with pytest.raises(TransitionRefused, match=f"incident {before.id} is {state}") as caught:
        apply(before, given, at=Instant(7), by="ana")
    assert all(other in caught.value.hint for other in possible(state) or ("inc_000000000009",))


def test_an_incident_is_never_older_than_it_was_when_clocks_jump_back() -> None:
    after = apply(incident(), IncidentInput.NOTE, at=Instant(0), by="ana")
    assert after.updated_at == 1


def test_keys_are_alarmed_as_long_as_a_client_is_held_back_and_the_incident_is_not_over() -> None:
    held = [
        msgspec.structs.replace(incident(state, key), holding=holding)
        for state, key, holding in (
            (IncidentState.CONTAINED, "k1", (ActionId("act_1"),)),
            (IncidentState.OPEN, "k2", (ActionId("act_2"),)),
            (IncidentState.OPEN, "k3", ()),
            (IncidentState.CLOSED, "k4", (ActionId("act_4"),)),
        )
    ]
    assert alarmed(held) == {"k1", "k2"}
    assert [live(one) for one in held] == [True, True, True, False]


def test_the_documented_diagram_is_the_table() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "incident.md"
    assert diagram(LIFECYCLE) in page.read_text(encoding="utf-8")
