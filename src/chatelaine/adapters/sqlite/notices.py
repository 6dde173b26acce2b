"""The outbox of notices in one SQLite file: a row for each notice, and one for each delivery of it."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Final

import msgspec

from chatelaine.adapters.sqlite.database import Database, Design, Migrations, open_database
from chatelaine.model.error import StoreConflict
from chatelaine.model.notice import Delivery, DeliveryState, Notice, Parcel
from chatelaine.model.words import Instant, ReceiverName

_WAITING = "state IN ('pending', 'retrying')"

MIGRATIONS: Final[Migrations] = (
    (
        "CREATE TABLE notice (id TEXT PRIMARY KEY, thread TEXT NOT NULL, told TEXT NOT NULL) STRICT",
        """
        CREATE TABLE delivery (
            place INTEGER PRIMARY KEY, notice TEXT NOT NULL REFERENCES notice (id), thread TEXT NOT NULL,
            receiver TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
            next_at INTEGER NOT NULL, changed_at INTEGER NOT NULL, fault TEXT NOT NULL,
            UNIQUE (notice, receiver)
        ) STRICT
        """,
        "CREATE INDEX delivery_changed ON delivery (state, changed_at)",
    ),
)
DESIGN: Final = Design("the outbox", 0x43484C4F, MIGRATIONS)

_COLUMNS = tuple(field.name for field in fields(Delivery))
"""Columns are named as the fields they hold."""
_LIST = ", ".join(f"delivery.{name}" for name in _COLUMNS)
_MARKS = ", ".join("?" * len(_COLUMNS))

# ruff: noqa: S608 - statements are put together from the names of our own fields alone
_SELECT = f"SELECT {_LIST} FROM delivery WHERE notice = ? AND receiver = ?"
_UPDATE = f"UPDATE delivery SET ({', '.join(_COLUMNS)}) = ({_MARKS}) WHERE notice = ? AND receiver = ?"
_ADD = f"""
    INSERT INTO delivery (thread, {", ".join(_COLUMNS)}) VALUES (?, {_MARKS})
    ON CONFLICT (notice, receiver) DO NOTHING
"""
_FIRSTS = f"SELECT MIN(place) FROM delivery WHERE {_WAITING} GROUP BY receiver, thread"
"""What waits longest in each thread of each receiver: nothing behind it is due."""
_OTHERS = "receiver NOT IN (SELECT value FROM json_each(?))"
_DUE = f"""
    SELECT told, {_LIST} FROM (
        SELECT *, ROW_NUMBER() OVER (PARTITION BY receiver ORDER BY place) AS turn
        FROM delivery WHERE place IN ({_FIRSTS}) AND {_OTHERS} AND next_at <= ?
    ) AS delivery JOIN notice ON notice.id = delivery.notice WHERE turn <= ? ORDER BY place
"""
_HELD = f"""
    SELECT told, {_LIST} FROM delivery JOIN notice ON notice.id = delivery.notice
    WHERE state = ? ORDER BY changed_at DESC, place DESC LIMIT ?
"""

_Row = tuple[str | int | None, ...]


def open_outbox(path: Path) -> "SqliteOutbox":
    """Open the outbox, making or migrating its file.

    Raises:
        StoreCorrupt: the file is damaged, or is not ours.
        StoreError: it cannot be opened, or a newer release wrote it.
    """
    return SqliteOutbox(open_database(path, DESIGN))


class SqliteOutbox:
    """Notices in one file; what was added or marked is durable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Finish what is under way and close the file."""
        self._database.close()

    async def add(self, told: Iterable[tuple[Notice, Sequence[ReceiverName]]], at: Instant) -> int:
        """Add notices for receivers, all or nothing, and return how many deliveries are new."""
        given = tuple(told)

        def write(connection: sqlite3.Connection) -> int:
            return sum(_insert(connection, notice, receiver, at) for notice, to in given for receiver in to)

        return await self._database.write(write)

    async def due(
        self, at: Instant, *, each: int, besides: Collection[ReceiverName] = ()
    ) -> Sequence[Parcel]:
        """Return what is to be delivered now in the order it was added, at most ``each`` a receiver."""
        return await self._select(_DUE, _listed(besides), at, each)

    async def next_at(self, *, besides: Collection[ReceiverName] = ()) -> Instant | None:
        """Return when the next delivery to anybody else is due, or None where none waits."""
        others = _listed(besides)

        def read(connection: sqlite3.Connection) -> Instant | None:
            statement = f"SELECT MIN(next_at) FROM delivery WHERE place IN ({_FIRSTS}) AND {_OTHERS}"
            found = connection.execute(statement, (others,)).fetchone()[0]
            return None if found is None else Instant(found)

        return await self._database.run(read)

    async def mark(self, before: Delivery, after: Delivery) -> None:
        """Replace a delivery.

        Raises:
            StoreConflict: it is no longer as ``before`` says.
        """
        which = (before.notice, before.receiver)

        def write(connection: sqlite3.Connection) -> None:
            held = connection.execute(_SELECT, which).fetchone()
            if held is None or self._delivery(held) != before:
                way = f"{before.notice} to {before.receiver}"
                raise StoreConflict(f"the delivery of {way} changed meanwhile", hint="look at it again")
            connection.execute(_UPDATE, (*_row(after), *which))

        await self._database.write(write)

    async def held(self, state: DeliveryState, *, most: int) -> Sequence[Parcel]:
        """Return the deliveries in a state, those changed last first."""
        return await self._select(_HELD, state.value, most)

    async def counts(self) -> Mapping[tuple[ReceiverName, DeliveryState], int]:
        """Return how many deliveries there are by receiver and state."""

        def read(connection: sqlite3.Connection) -> dict[tuple[ReceiverName, DeliveryState], int]:
            rows = connection.execute("SELECT receiver, state, COUNT(*) FROM delivery GROUP BY 1, 2")
            try:
                return {(ReceiverName(row[0]), DeliveryState(row[1])): int(row[2]) for row in rows}
            except ValueError as error:
                raise self._database.corrupt(f"a delivery cannot be read: {error}") from error

        return await self._database.run(read)

    async def forget(self, before: Instant) -> int:
        """Remove what was sent or given up before an instant, and return how many deliveries went."""

        def write(connection: sqlite3.Connection) -> int:
            gone = connection.execute(
                "DELETE FROM delivery WHERE state IN ('sent', 'dead') AND changed_at < ?", (before,)
            ).rowcount
            if gone:
                connection.execute("DELETE FROM notice WHERE id NOT IN (SELECT notice FROM delivery)")
            return gone

        return await self._database.write(write)

    async def _select(self, statement: str, *values: str | int) -> list[Parcel]:
        def read(connection: sqlite3.Connection) -> list[Parcel]:
            return [
                Parcel(self._notice(row), self._delivery(row[1:]))
                for row in connection.execute(statement, values)
            ]

        return await self._database.run(read)

    def _notice(self, row: _Row) -> Notice:
        try:
            return msgspec.json.decode(str(row[0]), type=Notice)
        except ValueError as error:
            raise self._database.corrupt(f"the row of notice {row[1]!r} cannot be read: {error}") from error

    def _delivery(self, row: _Row) -> Delivery:
        try:
            return msgspec.convert(dict(zip(_COLUMNS, row, strict=True)), Delivery)
        except ValueError as error:
            raise self._database.corrupt(f"the delivery of {row[0]!r} cannot be read: {error}") from error


def _insert(connection: sqlite3.Connection, notice: Notice, receiver: ReceiverName, at: Instant) -> int:
    told = msgspec.json.encode(notice).decode("utf-8")
    connection.execute(
        "INSERT INTO notice VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING", (notice.id, notice.thread, told)
    )
    made = Delivery(notice.id, receiver, next_at=at, changed_at=at)
    return connection.execute(_ADD, (notice.thread, *_row(made))).rowcount


def _row(delivery: Delivery) -> _Row:
    return tuple(getattr(delivery, name) for name in _COLUMNS)


def _listed(names: Collection[ReceiverName]) -> str:
    return msgspec.json.encode(list(names)).decode("utf-8")
