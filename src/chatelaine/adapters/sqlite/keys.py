"""The store of keys in one SQLite file: WAL, a thread of its own, and no secret in clear.

Virtual keys are held as digests, provider keys sealed; both may be read by whoever reads the file.
Every write is one transaction and durable when it returns (``synchronous=FULL``).
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import msgspec

from chatelaine.adapters.sqlite.database import (
    BUSY_SECONDS,
    Database,
    Design,
    Migrations,
    open_database,
    told,
)
from chatelaine.model.error import StoreConflict
from chatelaine.model.key import ProviderKey, VirtualKey
from chatelaine.model.words import Instant, KeyId, ProviderKeyName

_ENDS = "MIN(COALESCE(expires_at, 9223372036854775807), COALESCE(retires_at, 9223372036854775807))"
_OPEN = "state NOT IN ('revoked', 'expired', 'compromised')"

MIGRATIONS: Migrations = (
    (
        """
        CREATE TABLE virtual_key (
            id TEXT PRIMARY KEY, env TEXT NOT NULL, owner TEXT NOT NULL, app TEXT NOT NULL,
            contact TEXT NOT NULL, "grant" TEXT NOT NULL, state TEXT NOT NULL, digest BLOB NOT NULL UNIQUE,
            pepper TEXT NOT NULL, slot INTEGER NOT NULL, issued_at INTEGER NOT NULL, expires_at INTEGER,
            retires_at INTEGER, successor TEXT, changed_at INTEGER NOT NULL, reason TEXT NOT NULL
        ) STRICT
        """,
        """
        CREATE TABLE provider_key (
            name TEXT NOT NULL, owner TEXT NOT NULL, version INTEGER NOT NULL, nonce BLOB NOT NULL,
            sealed BLOB NOT NULL, kek TEXT NOT NULL, created_at INTEGER NOT NULL,
            PRIMARY KEY (name, version)
        ) STRICT
        """,
        "CREATE TABLE slot (last INTEGER NOT NULL) STRICT",
        "INSERT INTO slot VALUES (0)",
        f"CREATE INDEX virtual_key_due ON virtual_key ({_ENDS}) WHERE {_OPEN}",
    ),
    (
        "ALTER TABLE virtual_key ADD COLUMN canary INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE virtual_key ADD COLUMN unknown_client TEXT",
    ),
)
"""Entries are added, never changed; the index above must say what ``_ENDS`` and ``_OPEN`` say."""

DESIGN = Design("the store of keys", 0x43484C4E, MIGRATIONS)

_KEY_COLUMNS = tuple(field.name for field in fields(VirtualKey))
_PROVIDER_KEY_COLUMNS = tuple(field.name for field in fields(ProviderKey))
"""Columns are named as the fields they hold."""

_KEY_LIST = ", ".join(f'"{name}"' for name in _KEY_COLUMNS)
_PROVIDER_KEY_LIST = ", ".join(_PROVIDER_KEY_COLUMNS)
_KEY_MARKS = ", ".join("?" * len(_KEY_COLUMNS))
_PROVIDER_KEY_MARKS = ", ".join("?" * len(_PROVIDER_KEY_COLUMNS))

# ruff: noqa: S608 - statements are put together from the names of our own fields alone
_SELECT_KEYS = f"SELECT {_KEY_LIST} FROM virtual_key"
_INSERT_KEY = f"INSERT INTO virtual_key ({_KEY_LIST}) VALUES ({_KEY_MARKS})"
_UPDATE_KEY = f"UPDATE virtual_key SET ({_KEY_LIST}) = ({_KEY_MARKS}) WHERE id = ?"
_SELECT_PROVIDER_KEYS = f"""
    SELECT {_PROVIDER_KEY_LIST} FROM provider_key AS newest
    WHERE version = (SELECT MAX(version) FROM provider_key WHERE name = newest.name) ORDER BY name
"""
_INSERT_PROVIDER_KEY = f"INSERT INTO provider_key ({_PROVIDER_KEY_LIST}) VALUES ({_PROVIDER_KEY_MARKS})"

_Row = tuple[str | int | bytes | None, ...]


def open_key_store(path: Path) -> "SqliteKeyStore":
    """Open the store, making or migrating its file.

    Raises:
        StoreCorrupt: the file is damaged, or is not ours.
        StoreError: it cannot be opened, or a newer release wrote it.
    """
    return SqliteKeyStore(open_database(path, DESIGN))


def read_provider_key_names(path: Path) -> frozenset[str]:
    """Return the names of a store's provider keys, changing nothing in its file.

    Raises:
        StoreCorrupt: the file is damaged, or is not ours.
        StoreError: it cannot be opened.
    """
    with (
        told(path, DESIGN),
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as connection,
    ):
        return frozenset(str(row[0]) for row in connection.execute("SELECT DISTINCT name FROM provider_key"))


class SqliteKeyStore:
    """Keys in one file; all access runs on one thread, so the loop is never blocked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Finish what is under way and close the file."""
        self._database.close()

    async def keys(self) -> Sequence[VirtualKey]:
        """Return every virtual key."""
        return await self._select("ORDER BY rowid")

    async def key(self, kid: KeyId) -> VirtualKey | None:
        """Return one virtual key, or None."""
        found = await self._select("WHERE id = ?", kid)
        return found[0] if found else None

    async def due(self, at: Instant) -> Sequence[VirtualKey]:
        """Return the keys whose expiry or overlap is over at an instant and that are not ended yet."""
        return await self._select(f"WHERE {_OPEN} AND {_ENDS} <= ?", at)

    async def add(self, key: VirtualKey) -> None:
        """Add a new virtual key.

        Raises:
            StoreConflict: the id is taken.
        """
        await self.replace((), (key,))

    async def replace(
        self, changes: Iterable[tuple[VirtualKey, VirtualKey]], added: Iterable[VirtualKey] = ()
    ) -> None:
        """Replace keys (before, after) and add others, all or nothing.

        Raises:
            StoreConflict: a key is no longer as ``before`` says, or an added id is taken.
        """
        pairs, new = tuple(changes), tuple(added)

        def write(connection: sqlite3.Connection) -> None:
            for before, after in pairs:
                held = connection.execute(f"{_SELECT_KEYS} WHERE id = ?", (before.id,)).fetchone()
                if held is None or self._read(held) != before:
                    raise StoreConflict(f"key {before.id} changed meanwhile", hint="look at it and try again")
                connection.execute(_UPDATE_KEY, (*_key_row(after), before.id))
            for key in new:
                _insert(connection, _INSERT_KEY, _key_row(key), taken=f"key {key.id} exists")

        await self._database.write(write)

    async def claim_slot(self) -> int:
        """Return a meter slot that was never given out before."""

        def write(connection: sqlite3.Connection) -> int:
            return int(connection.execute("UPDATE slot SET last = last + 1 RETURNING last").fetchall()[0][0])

        return await self._database.write(write)

    async def provider_keys(self) -> Sequence[ProviderKey]:
        """Return the newest version of every provider key."""

        def read(connection: sqlite3.Connection) -> list[ProviderKey]:
            return [self._read_provider_key(row) for row in connection.execute(_SELECT_PROVIDER_KEYS)]

        return await self._database.run(read)

    async def store_provider_key(self, key: ProviderKey) -> None:
        """Store a version of a provider key; older ones go in the same transaction.

        Raises:
            StoreConflict: that version or a newer one exists.
        """

        def write(connection: sqlite3.Connection) -> None:
            newest = connection.execute(
                "SELECT MAX(version) FROM provider_key WHERE name = ?", (key.name,)
            ).fetchone()[0]
            if newest is not None and newest >= key.version:
                raise StoreConflict(
                    f"provider key {key.name} is at version {newest}", hint="look at it and try again"
                )
            connection.execute(
                _INSERT_PROVIDER_KEY, tuple(getattr(key, name) for name in _PROVIDER_KEY_COLUMNS)
            )
            connection.execute(
                "DELETE FROM provider_key WHERE name = ? AND version < ?", (key.name, key.version)
            )

        await self._database.write(write)

    async def remove_provider_key(self, name: ProviderKeyName) -> None:
        """Remove a provider key with all its versions."""

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM provider_key WHERE name = ?", (name,))

        await self._database.write(write)

    async def _select(self, which: str, *values: str | int) -> list[VirtualKey]:
        def read(connection: sqlite3.Connection) -> list[VirtualKey]:
            return [self._read(row) for row in connection.execute(f"{_SELECT_KEYS} {which}", values)]

        return await self._database.run(read)

    def _read_provider_key(self, row: _Row) -> ProviderKey:
        try:
            return msgspec.convert(dict(zip(_PROVIDER_KEY_COLUMNS, row, strict=True)), ProviderKey)
        except ValueError as error:
            raise self._database.corrupt(
                f"the row of provider key {row[0]!r} cannot be read: {error}"
            ) from error

    def _read(self, row: _Row) -> VirtualKey:
        try:
            return _key(row)
        except ValueError as error:
            raise self._database.corrupt(f"the row of key {row[0]!r} cannot be read: {error}") from error


def _insert(connection: sqlite3.Connection, statement: str, row: _Row, *, taken: str) -> None:
    try:
        connection.execute(statement, row)
    except sqlite3.IntegrityError as error:
        raise StoreConflict(taken, hint="draw another id") from error


def _key_row(key: VirtualKey) -> _Row:
    held = {name: getattr(key, name) for name in _KEY_COLUMNS}
    return tuple((held | {"grant": msgspec.json.encode(key.grant).decode("utf-8")}).values())


def _key(row: _Row) -> VirtualKey:
    held = dict(zip(_KEY_COLUMNS, row, strict=True))
    grant, canary = msgspec.json.decode(str(held["grant"])), held["canary"] == 1
    return msgspec.convert(held | {"grant": grant, "canary": canary}, VirtualKey)
