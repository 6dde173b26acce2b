"""Dumps of the evidence engine: states as builtins, and how they are read again."""

from collections.abc import Mapping, Sequence

Plain = Sequence[object]
"""A state in builtins: numbers, texts, lists and mappings of them."""


def numbers(state: Plain, begin: int, end: int) -> list[float]:
    """Return the numbers in a part of a state.

    Raises:
        ValueError: one of them is none.
    """
    found = [float(x) for x in state[begin:end] if isinstance(x, int | float)]
    if len(found) != end - begin:
        raise ValueError("a dump of evidence holds something that is no number")
    return found


def texts_or_numbers(state: Plain) -> list[str | int]:
    """Return a state whose fractions, that are read otherwise, became whole numbers."""
    return [x if isinstance(x, str) else int(x) if isinstance(x, int | float) else 0 for x in state]


def part(state: Mapping[str, object], name: str) -> Plain:
    """Return a named list of a state.

    Raises:
        ValueError: there is none.
    """
    return plain(state.get(name))


def mapping(state: object) -> Mapping[str, object]:
    """Return a state that must be a mapping by text.

    Raises:
        ValueError: it is none.
    """
    if isinstance(state, dict):
        return {str(name): value for name, value in state.items()}
    raise ValueError("a dump of evidence is no mapping")


def plain(state: object) -> Plain:
    """Return a state that must be a list.

    Raises:
        ValueError: it is none.
    """
    if isinstance(state, list | tuple):
        return state
    raise ValueError("a dump of evidence is no list")
