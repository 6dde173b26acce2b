"""Tables in two generations: bounded, and kept piece by piece however often that is done."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from chatelaine.core.detection.generations import Table

WRITES = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 99)), max_size=60)


@given(st.integers(2, 10), st.lists(WRITES, max_size=8), st.randoms())
def test_what_is_kept_piece_by_piece_is_the_table(
    most: int, rounds: list[list[tuple[int, int]]], chance: Random
) -> None:
    table: Table[int] = Table(most)
    store: dict[str, dict[str, int]] = {}
    for writes in rounds:
        for value, entry in writes:
            table.hold(f"v{value}", entry)
        for name, piece in table.changes():
            store.pop(name, None)
            if piece:
                store[name] = piece
        pieces = list(store.items())
        chance.shuffle(pieces)
        again: Table[int] = Table(most)
        again.take_up(pieces)
        assert (again.old, again.young) == (table.old, table.young)
        assert list(table.changes()) == []
        table = again


@given(st.integers(2, 10), WRITES)
def test_what_is_held_is_found_until_a_generation_has_passed(
    most: int, writes: list[tuple[int, int]]
) -> None:
    table: Table[int] = Table(most)
    for value, entry in writes:
        table.hold(f"v{value}", entry)
        assert table.get(f"v{value}") == entry
        assert len(table.all()) <= most


def test_a_generation_that_fell_out_takes_its_pieces_with_it() -> None:
    table: Table[int] = Table(4)
    names = []
    for value in range(20):
        table.hold(f"v{value}", 1)
        names += list(table.changes())
    begun = {name for name, piece in names if piece}
    dropped = {name for name, piece in names if not piece}
    assert dropped < begun
    assert len(begun - dropped) <= 4


def test_a_large_change_is_kept_in_pieces() -> None:
    table: Table[int] = Table(100_000)
    for value in range(12_000):
        table.hold(f"v{value}", 1)
    assert [len(piece) for _, piece in table.changes()] == [5_000, 5_000, 2_000]
