"""How far the watch has read, and what its detections remember: written together, or not at all."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from chatelaine.adapters.sqlite.database import Database, Design, Migrations, open_database
from chatelaine.model.watch import Cursor, Piece, PieceKind

MIGRATIONS: Final[Migrations] = (
    (
        """
        CREATE TABLE piece (
            kind TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, name)
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE TABLE cursor (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL) STRICT",
    ),
)
DESIGN: Final = Design("the state of the watch", 0x43484C57, MIGRATIONS)

_write: Final = msgspec.msgpack.encode
_KEEP: Final = "INSERT INTO piece VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"


def open_watch_store(path: Path) -> "SqliteWatchStore":
    """Open the store, making or migrating its file.

    Raises:
        StoreCorrupt: the file is damaged, or is not ours.
        StoreError: it cannot be opened, or a newer release wrote it.
    """
    return SqliteWatchStore(open_database(path, DESIGN))


class SqliteWatchStore:
    """The port ``WatchStore`` in one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Finish what is under way and close the file."""
        self._database.close()

    async def keep(self, pieces: Iterable[Piece], cursor: Cursor) -> None:
        """Keep pieces that changed, and how far the journals were read for them, all or nothing."""
        rows = [(piece.kind.value, piece.name, piece.value) for piece in pieces]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_KEEP, rows)
            connection.execute(
                "INSERT INTO cursor VALUES (1, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (_write(cursor),),
            )

        await self._database.write(write)

    async def kept(self) -> tuple[list[Piece], Cursor]:
        """Return all that was kept last.

        Raises:
            StoreCorrupt: it cannot be read.
        """

        def read(connection: sqlite3.Connection) -> tuple[list[Piece], Cursor]:
            rows = connection.execute("SELECT kind, name, value FROM piece").fetchall()
            told = connection.execute("SELECT value FROM cursor").fetchone()
            try:
                pieces = [Piece(PieceKind(kind), name, value) for kind, name, value in rows]
                cursor = msgspec.msgpack.decode(told[0], type=Cursor) if told else Cursor()
            except ValueError as error:
                raise self._database.corrupt(str(error)) from error
            return pieces, cursor

        return await self._database.run(read)
