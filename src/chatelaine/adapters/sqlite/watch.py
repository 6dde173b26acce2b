"""How far the watch has read, and what its detections remember: written together, or not at all."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from chatelaine.adapters.sqlite.database import Database, Design, Migrations, open_database
from chatelaine.model.watch import Cursor, Piece, PieceKind
from chatelaine.model.words import KeyId

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
_DROP: Final = "DELETE FROM piece WHERE kind = ? AND name = ?"
_KEPT: Final = "SELECT kind, name, CASE kind WHEN 'asleep' THEN x'' ELSE value END FROM piece"
_ASLEEP: Final = "SELECT value FROM piece WHERE kind = 'asleep' AND name = ?"
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
        gone = [(kind, name) for kind, name, value in rows if not value]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(_DROP, gone)
            connection.executemany(_KEEP, [row for row in rows if row[2]])
            connection.execute(
                "INSERT INTO cursor VALUES (1, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (_write(cursor),),
            )

        await self._database.write(write)

    async def kept(self) -> tuple[list[Piece], Cursor]:
        """Return all that was kept last, and of keys that are asleep the names.

        Raises:
            StoreCorrupt: it cannot be read.
        """

        def read(connection: sqlite3.Connection) -> tuple[list[Piece], Cursor]:
            rows = connection.execute(_KEPT).fetchall()
            told = connection.execute("SELECT value FROM cursor").fetchone()
            try:
                pieces = [Piece(PieceKind(kind), name, value) for kind, name, value in rows]
                cursor = msgspec.msgpack.decode(told[0], type=Cursor) if told else Cursor()
            except ValueError as error:
                raise self._database.corrupt(str(error)) from error
            return pieces, cursor

        return await self._database.run(read)

    async def asleep(self, key: KeyId) -> bytes:
        """Return what is kept of a key that is asleep; nothing where it is not."""

        def read(connection: sqlite3.Connection) -> bytes:
            row = connection.execute(_ASLEEP, (key,)).fetchone()
            return bytes(row[0]) if row else b""

        return await self._database.run(read)
