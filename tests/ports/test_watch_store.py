"""The port ``WatchStore``: one contract for every adapter."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chatelaine.adapters.memory_watch import MemoryWatchStore
from chatelaine.adapters.sqlite import SqliteWatchStore, open_watch_store
from chatelaine.model.error import StoreCorrupt
from chatelaine.model.journal import Position
from chatelaine.model.watch import Cursor, Piece, PieceKind
from chatelaine.model.words import KeyId, WorkerNumber
from chatelaine.ports import WatchStore

ONE, TWO = WorkerNumber(1), WorkerNumber(2)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WatchStore]:
    if request.param == "memory":
        yield MemoryWatchStore()
        return
    with closing(open_watch_store(tmp_path / "watch.sqlite")) as opened:
        yield opened


def kept(store: WatchStore) -> tuple[list[Piece], Cursor]:
    pieces, cursor = asyncio.run(store.kept())
    return sorted(pieces, key=lambda piece: (piece.kind, piece.name)), cursor


def test_a_new_store_holds_nothing_and_begins_at_the_start(store: WatchStore) -> None:
    assert kept(store) == ([], Cursor())


def test_a_later_piece_replaces_an_earlier_one_of_its_kind_and_name(store: WatchStore) -> None:
    habit, memory = Piece(PieceKind.HABIT, "k", b"1"), Piece(PieceKind.MEMORY, "k", b"2")
    asyncio.run(store.keep([habit, memory], Cursor({ONE: Position(1, 200)})))
    newer = Piece(PieceKind.HABIT, "k", b"3")
    cursor = Cursor({ONE: Position(2, 300), TWO: Position(1, 160)})
    asyncio.run(store.keep([newer], cursor))
    assert kept(store) == ([newer, memory], cursor)


def test_of_keys_that_are_asleep_the_names_are_told_and_the_rest_is_read_by_name(store: WatchStore) -> None:
    pieces = [Piece(PieceKind.ASLEEP, name, name.encode()) for name in ("k1", "k2")]
    asyncio.run(store.keep(pieces, Cursor()))
    assert kept(store)[0] == [Piece(PieceKind.ASLEEP, name, b"") for name in ("k1", "k2")]
    assert asyncio.run(store.asleep(KeyId("k2"))) == b"k2"
    assert asyncio.run(store.asleep(KeyId("k3"))) == b""


def test_a_piece_without_a_value_is_kept_no_more(store: WatchStore) -> None:
    asyncio.run(store.keep([Piece(PieceKind.HABIT, "k", b"1"), Piece(PieceKind.PAST, "k", b"2")], Cursor()))
    asyncio.run(store.keep([Piece(PieceKind.HABIT, "k", b""), Piece(PieceKind.ASLEEP, "k", b"3")], Cursor()))
    asyncio.run(store.keep([Piece(PieceKind.ASLEEP, "k", b""), Piece(PieceKind.HABIT, "k2", b"")], Cursor()))
    assert kept(store)[0] == [Piece(PieceKind.PAST, "k", b"2")]
    assert asyncio.run(store.asleep(KeyId("k"))) == b""


def test_the_state_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "watch.sqlite"
    with closing(open_watch_store(path)) as store:
        asyncio.run(store.keep([Piece(PieceKind.OPEN, "", b"x")], Cursor({ONE: Position(1, 2)})))
    with closing(open_watch_store(path)) as store:
        assert kept(store) == ([Piece(PieceKind.OPEN, "", b"x")], Cursor({ONE: Position(1, 2)}))


def test_a_write_that_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    def pieces() -> Iterator[Piece]:
        yield Piece(PieceKind.HABIT, "k", b"new")
        raise ValueError("half way")

    with closing(open_watch_store(tmp_path / "watch.sqlite")) as store:
        before = [Piece(PieceKind.HABIT, "k", b"old")], Cursor({ONE: Position(1, 2)})
        asyncio.run(store.keep(*before))
        with pytest.raises(ValueError, match="half way"):
            asyncio.run(store.keep(pieces(), Cursor({ONE: Position(9, 9)})))
        assert kept(store) == before


@pytest.mark.parametrize(
    "spoil", ["UPDATE cursor SET value = x'ff'", "UPDATE piece SET kind = 'other'"], ids=["cursor", "piece"]
)
def test_what_cannot_be_read_is_named_with_the_fix(tmp_path: Path, spoil: str) -> None:
    path = tmp_path / "watch.sqlite"

    def run(store: SqliteWatchStore, work: Callable[[], None]) -> None:
        work()
        with pytest.raises(StoreCorrupt, match="the state of the watch"):
            asyncio.run(store.kept())

    with closing(open_watch_store(path)) as store:
        asyncio.run(store.keep([Piece(PieceKind.OPEN, "", b"x")], Cursor({ONE: Position(1, 2)})))
        run(store, lambda: store._database._connection.execute(spoil) and None)
