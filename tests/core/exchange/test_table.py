"""The exchange table, walked along every path."""

from pathlib import Path

import pytest

from chatelaine.core.exchange.table import EXCHANGE, STEPS, Command, Input, State
from chatelaine.core.machine import Transition, diagram, final_states, paths

PATHS = tuple(paths(EXCHANGE, longest=12))

Path_ = tuple[tuple[Input, Transition[State, Command]], ...]


def commands(path: Path_) -> list[Command]:
    return [command for _, step in path for command in step.commands]


def test_refused_and_ended_are_the_only_final_states() -> None:
    assert final_states(EXCHANGE) == {State.REFUSED, State.ENDED}


def test_there_are_many_paths_and_each_is_walked() -> None:
    assert len(PATHS) >= 30
    assert {step.state for path in PATHS for _, step in path} >= set(State) - {State.RECEIVING}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: "-".join(given.name.lower() for given, _ in path))
def test_every_path_is_recorded_exactly_once_and_last(path: Path_) -> None:
    done = commands(path)
    assert done[-1] in {Command.END, Command.REFUSE}
    assert sum(command in {Command.END, Command.REFUSE} for command in done) == 1


@pytest.mark.parametrize("path", PATHS, ids=lambda path: "-".join(given.name.lower() for given, _ in path))
def test_nothing_goes_upstream_before_it_is_decided_and_durable(path: Path_) -> None:
    given = [one for one, _ in path]
    done = commands(path)
    if Command.CONNECT in done:
        assert Input.ACCEPT in given
        assert Input.DURABLE in given
        assert done.index(Command.OPEN) < done.index(Command.CONNECT)
    if Command.SEND in done:
        assert done.index(Command.CONNECT) < done.index(Command.SEND)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: "-".join(given.name.lower() for given, _ in path))
def test_a_reservation_is_settled_or_released_exactly_once(path: Path_) -> None:
    done = commands(path)
    given_back = [command for command in done if command in {Command.SETTLE, Command.RELEASE}]
    assert len(given_back) == (1 if Command.OPEN in done else 0)
    if given_back == [Command.RELEASE]:
        assert Command.SEND not in done
    if given_back == [Command.SETTLE]:
        assert Command.SEND in done


@pytest.mark.parametrize("path", PATHS, ids=lambda path: "-".join(given.name.lower() for given, _ in path))
def test_what_is_broken_off_cancels_upstream(path: Path_) -> None:
    done = commands(path)
    if Command.SEND in done and path[-1][0] is not Input.REPLY_ENDED:
        assert Command.CANCEL in done


def test_the_fast_rows_say_what_the_table_says() -> None:
    for state in State:
        for given in Input:
            assert STEPS[state][given] is EXCHANGE.step(state, given)


def test_the_documented_diagram_is_the_table() -> None:
    page = Path(__file__).resolve().parents[3] / "docs" / "reference" / "exchange.md"
    assert diagram(EXCHANGE) in page.read_text(encoding="utf-8")
