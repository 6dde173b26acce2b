"""One SQLite file of ours: claimed, migrated, WAL, a thread of its own, and its errors told in ours.

Every write is one transaction and durable when it returns (``synchronous=FULL``).
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from chatelaine.model.error import StoreCorrupt, StoreError

BUSY_SECONDS = 10

Migrations = tuple[tuple[str, ...], ...]
"""Each entry takes a file from the version that is its index to the next (``PRAGMA user_version``).
Entries are added, never changed."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Design:
    """What a file of ours is for, and how it is laid out."""

    what: str
    """As in ``the store of keys``."""
    application: int
    """In the file's header (``PRAGMA application_id``): whose database it is."""
    migrations: Migrations


class Database:
    """One open file; all access runs on one thread, so the loop is never blocked."""

    def __init__(self, connection: sqlite3.Connection, path: Path, design: Design) -> None:
        self._connection = connection
        self._path = path
        self._design = design
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=path.stem)

    def close(self) -> None:
        """Finish what is under way and close the file."""
        self._thread.shutdown(wait=True)
        self._connection.close()

    async def write(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run a write alone: all of it is kept, or nothing."""

        def write(connection: sqlite3.Connection) -> _T:
            with transaction(connection):
                return work(connection)

        return await self.run(write)

    async def run(self, work: Callable[[sqlite3.Connection], _T]) -> _T:
        """Run something that reads."""

        def run() -> _T:
            with told(self._path, self._design):
                return work(self._connection)

        return await asyncio.get_running_loop().run_in_executor(self._thread, run)

    def corrupt(self, what: str) -> StoreCorrupt:
        """Return the error that this file is damaged."""
        return corrupt(self._path, self._design, what)


def open_database(path: Path, design: Design) -> Database:
    """Open a file, making or migrating it.

    Raises:
        StoreCorrupt: it is damaged, or is not ours.
        StoreError: it cannot be opened, or a newer release wrote it.
    """
    with told(path, design):
        _make_private(path, design)
        connection = sqlite3.connect(
            path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path, design)
        except BaseException:
            connection.close()
            raise
    return Database(connection, path, design)


def _make_private(path: Path, design: Design) -> None:
    """Make the file for its owner alone; SQLite gives the WAL beside it the same mode."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreError(
            f"{design.what} {path} cannot be opened: {error.strerror}",
            hint=f"storage.directory must be a directory that this user can write: {path.parent}",
        ) from error


def _prepare(connection: sqlite3.Connection, path: Path, design: Design) -> None:
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA synchronous = FULL")
    with transaction(connection):
        _claim(connection, path, design)
        _migrate(connection, path, design)
    connection.execute("PRAGMA journal_mode = WAL")
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise corrupt(path, design, str(found))


def _claim(connection: sqlite3.Connection, path: Path, design: Design) -> None:
    """Mark a new file as ours; refuse what another program wrote."""
    whose = connection.execute("PRAGMA application_id").fetchone()[0]
    if whose == design.application:
        return
    if whose != 0 or connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()[0]:
        raise StoreCorrupt(
            f"{path} is a database of another program",
            hint="set storage.directory to a directory of Chatelaine's own",
        )
    connection.execute(f"PRAGMA application_id = {design.application}")


def _migrate(connection: sqlite3.Connection, path: Path, design: Design) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    newest = len(design.migrations)
    if version > newest:
        raise StoreError(
            f"{path} was written by a newer release (schema {version}, this one knows {newest})",
            hint="run that release, or restore the copy made before it was installed",
        )
    for statements in design.migrations[version:]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {newest}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a write alone: all of it is kept, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def corrupt(path: Path, design: Design, what: str) -> StoreCorrupt:
    """Return the error that a file is damaged."""
    return StoreCorrupt(
        f"{design.what} {path} is damaged: {what}",
        hint=f"stop Chatelaine, move {path} (with -wal and -shm) aside and restore the last copy of it",
    )


@contextmanager
def told(path: Path, design: Design) -> Iterator[None]:
    """Tell SQLite's errors in ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{design.what} {path} cannot be used: {error}",
            hint="look at the space and permissions of its directory, and for another process that holds it",
        ) from error
    except sqlite3.DatabaseError as error:
        # The class itself is SQLITE_CORRUPT or SQLITE_NOTADB; its children are other things.
        if type(error) is not sqlite3.DatabaseError:
            raise
        raise corrupt(path, design, str(error)) from error
