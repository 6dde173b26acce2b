"""The life cycle, walked along every path."""

from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest

from chatelaine.core.key.lifecycle import LIFECYCLE, apply, possible, usable
from chatelaine.core.machine import Transition, diagram, final_states, paths
from chatelaine.model.error import TransitionRefused
from chatelaine.model.key import KeyInput, KeyState, VirtualKey
from chatelaine.model.words import Instant, KeyId

PATHS = tuple(paths(LIFECYCLE, longest=8))


Make = Callable[..., tuple[VirtualKey, bytes]]

WALK = tuple[tuple[KeyInput, Transition[KeyState, object]], ...]


def states(path: WALK) -> list[KeyState]:
    return [KeyState.ISSUED, *(step.state for _, step in path)]


def name(path: WALK) -> str:
    return "-".join(given for given, _ in path)


def test_revoked_and_expired_are_the_only_final_states() -> None:
    assert final_states(LIFECYCLE) == {KeyState.REVOKED, KeyState.EXPIRED}


def test_every_state_lies_on_some_path_and_every_input_is_taken() -> None:
    assert len(PATHS) > 100
    assert {state for path in PATHS for state in states(path)} == set(KeyState)
    assert {given for path in PATHS for given, _ in path} == set(KeyInput)


def test_no_path_lets_a_key_work_again_unless_it_was_resumed() -> None:
    for path in PATHS:
        for (before, after), (given, _) in zip(
            zip(states(path), states(path)[1:], strict=False), path, strict=True
        ):
            if not usable(before) and usable(after):
                assert given is KeyInput.RESUME, name(path)


def test_no_path_leads_from_compromised_to_working() -> None:
    for path in PATHS:
        walked = states(path)
        if KeyState.COMPROMISED in walked:
            rest = walked[walked.index(KeyState.COMPROMISED) :]
            assert not any(usable(state) for state in rest), name(path)
            assert KeyState.EXPIRED not in rest, name(path)


def test_a_rotated_key_is_never_active_again() -> None:
    for path in PATHS:
        walked = states(path)
        if KeyState.ROTATED in walked:
            assert KeyState.ACTIVE not in walked[walked.index(KeyState.ROTATED) :], name(path)


def test_every_key_that_can_still_change_can_be_revoked() -> None:
    for state in set(KeyState) - final_states(LIFECYCLE):
        step = LIFECYCLE.step(state, KeyInput.REVOKE)
        assert step is not None
        assert step.state is KeyState.REVOKED


@pytest.mark.parametrize(("state", "given"), [*product(KeyState, KeyInput)])
def test_every_pair_is_applied_or_refused_with_what_is_possible(
    make: Make, state: KeyState, given: KeyInput
) -> None:
    key: VirtualKey = make(state=state)[0]
    step = LIFECYCLE.step(state, given)
    if step is not None:
        after = apply(key, given, at=Instant(77), reason="because")
        assert (after.state, after.changed_at, after.reason) == (step.state, 77, "because")
        assert given in possible(state)
        return
    with pytest.raises(TransitionRefused, match=f"key {key.id} is {state}") as caught:
        apply(key, given, at=Instant(77), reason="because")
    assert all(other in caught.value.hint for other in possible(state))


def test_a_key_has_one_successor(make: Make) -> None:
    key = make(state=KeyState.COMPROMISED, successor=KeyId("JkLmNoPqR"))[0]
    with pytest.raises(TransitionRefused, match="rotated already") as caught:
        apply(key, KeyInput.ROTATE, at=Instant(1), reason="")
    assert "JkLmNoPqR" in caught.value.hint


def test_the_documented_diagram_is_the_table() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "lifecycle.md"
    assert diagram(LIFECYCLE) in page.read_text(encoding="utf-8")
