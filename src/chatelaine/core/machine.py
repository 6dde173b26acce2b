"""State tables: total, checked when they are built, and drawn into the docs from themselves."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

S = TypeVar("S", bound=Enum)
G = TypeVar("G", bound=Enum)
C = TypeVar("C", bound=Enum)


@dataclass(frozen=True, slots=True)
class Transition(Generic[S, C]):
    """Where an input leads, and what is then to be done, in order."""

    state: S
    commands: tuple[C, ...] = ()


class TableIncomplete(TypeError):
    """A table leaves pairs of state and input unsaid, or says them twice."""


@dataclass(frozen=True, slots=True)
class Table(Generic[S, G, C]):
    """A total table: every state × every input is a transition or is listed as impossible."""

    name: str
    start: S
    transitions: Mapping[tuple[S, G], Transition[S, C]]
    impossible: frozenset[tuple[S, G]]

    def step(self, state: S, given: G) -> Transition[S, C] | None:
        """Return the transition, or None where the pair is listed as impossible."""
        return self.transitions.get((state, given))


def table(
    name: str,
    *,
    start: S,
    inputs: type[G],
    transitions: Mapping[tuple[S, G], Transition[S, C]],
    impossible: Iterable[tuple[S, G]],
) -> Table[S, G, C]:
    """Build a table and check that it is total.

    Raises:
        TableIncomplete: a pair is missing, or stands both as a transition and as impossible.
    """
    listed = frozenset(impossible)
    pairs = {(state, given) for state in type(start) for given in inputs}
    missing = pairs - listed - transitions.keys()
    twice = listed & transitions.keys()
    if missing or twice:
        raise TableIncomplete(
            f"{name}: missing {sorted(map(_pair, missing))}, twice {sorted(map(_pair, twice))}"
        )
    return Table(name=name, start=start, transitions=dict(transitions), impossible=listed)


def _pair(pair: tuple[Enum, Enum]) -> str:
    return f"{pair[0].name}×{pair[1].name}"


def final_states(drawn: Table[S, G, C]) -> frozenset[S]:
    """Return the states that no input leaves."""
    leaving = {state for (state, _), step in drawn.transitions.items() if step.state is not state}
    return frozenset(set(type(drawn.start)) - leaving)


def paths(drawn: Table[S, G, C], *, longest: int) -> Iterator[tuple[tuple[G, Transition[S, C]], ...]]:
    """Yield every path from the start to a final state that has at most ``longest`` steps.

    A path enters each state at most twice, so that loops are walked once.
    """
    ends = final_states(drawn)
    by_state: dict[S, list[tuple[G, Transition[S, C]]]] = {}
    for (state, given), step in drawn.transitions.items():
        by_state.setdefault(state, []).append((given, step))

    def walk(
        state: S, seen: tuple[S, ...], so_far: tuple[tuple[G, Transition[S, C]], ...]
    ) -> Iterator[tuple[tuple[G, Transition[S, C]], ...]]:
        if state in ends:
            yield so_far
            return
        if len(so_far) == longest:
            return
        for given, step in by_state.get(state, ()):
            if seen.count(step.state) <= 1:
                yield from walk(step.state, (*seen, step.state), (*so_far, (given, step)))

    yield from walk(drawn.start, (drawn.start,), ())


def diagram(drawn: Table[S, G, C]) -> str:
    """Return the table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2", f"    [*] --> {drawn.start.name}"]
    for (state, given), step in drawn.transitions.items():
        done = f" / {', '.join(command.name.lower() for command in step.commands)}" if step.commands else ""
        lines.append(f"    {state.name} --> {step.state.name}: {given.name.lower()}{done}")
    lines.extend(f"    {state.name} --> [*]" for state in type(drawn.start) if state in final_states(drawn))
    return "\n".join(lines) + "\n"
