"""The life of an action, walked along every path."""

from itertools import product
from pathlib import Path

import pytest

from chatelaine.core.machine import Transition, diagram, final_states, paths
from chatelaine.core.playbook.lifecycle import LIFECYCLE, WAITING, apply, possible
from chatelaine.model.error import TransitionRefused
from chatelaine.model.playbook import Action, ActionInput, ActionKind, ActionState, Wanted
from chatelaine.model.words import ActionId, AlertId, IncidentId, Instant, OwnerId, PlaybookId

WALK = tuple[tuple[ActionInput, Transition[ActionState, object]], ...]
PATHS: tuple[WALK, ...] = tuple(paths(LIFECYCLE, longest=8))


def action(state: ActionState) -> Action:
    return Action(
        id=ActionId("act_000000000001"),
        incident=IncidentId("inc_000000000001"),
        alert=AlertId("a1"),
        playbook=PlaybookId("contain_client"),
        owner=OwnerId("acme"),
        wanted=Wanted(kind=ActionKind.RESTRAIN),
        state=state,
        planned_at=Instant(1),
        changed_at=Instant(1),
    )


def states(path: WALK) -> list[ActionState]:
    return [ActionState.PLANNED, *(step.state for _, step in path)]


def test_done_undone_and_expired_are_the_only_final_states() -> None:
    assert final_states(LIFECYCLE) == {ActionState.DONE, ActionState.UNDONE, ActionState.EXPIRED}


def test_every_state_lies_on_some_path_and_every_input_is_taken() -> None:
    assert len(PATHS) > 10
    assert {state for path in PATHS for state in states(path)} == set(ActionState)
    assert {given for path in PATHS for given, _ in path} == set(ActionInput)


def test_no_path_runs_what_was_not_rehearsed() -> None:
    for path in PATHS:
        walked = states(path)
        if ActionState.RUNNING in walked:
            assert ActionState.REHEARSED in walked[: walked.index(ActionState.RUNNING)]


def test_no_path_runs_what_was_vetoed_or_failed_without_a_persons_approval() -> None:
    for path in PATHS:
        walked = states(path)
        for before, after, (given, _) in zip(walked, walked[1:], path, strict=False):
            if after is ActionState.RUNNING and before is not ActionState.REHEARSED:
                assert given is ActionInput.APPROVE


def test_everything_that_waits_or_runs_ends_by_itself() -> None:
    for state in (*WAITING, ActionState.RUNNING):
        step = LIFECYCLE.step(state, ActionInput.EXPIRE)
        assert step is not None
        assert step.state is ActionState.EXPIRED


@pytest.mark.parametrize(("state", "given"), [*product(ActionState, ActionInput)])
def test_every_pair_is_applied_or_refused_with_what_is_possible(
    state: ActionState, given: ActionInput
) -> None:
    step = LIFECYCLE.step(state, given)
    if step is not None:
        after = apply(action(state), given, at=Instant(7), by="ana", reason="because")
        assert (after.state, after.changed_at) == (step.state, 7)
        (change,) = after.changes
        assert (change.before, change.after, change.by, change.reason) == (
            state,
            step.state,
            "ana",
            "because",
        )
        assert given in possible(state)
        return
    with pytest.raises(TransitionRefused, match=f"action act_000000000001 is {state}") as caught:
        apply(action(state), given, at=Instant(7), by="ana")
    assert caught.value.hint
    assert all(other in caught.value.hint for other in possible(state))


def test_the_documented_diagram_is_the_table() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "action.md"
    assert diagram(LIFECYCLE) in page.read_text(encoding="utf-8")
