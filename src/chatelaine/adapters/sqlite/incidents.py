"""The store of incidents in one SQLite file: what was found, what people made of it, and what was done.

Rows hold their values as JSON, beside the columns by which they are looked for. Findings and alerts are
facts: they are inserted once and never changed. Incidents and actions are replaced where they are as their
reader saw them.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from chatelaine.adapters.sqlite.database import (
    BUSY_SECONDS,
    Database,
    Design,
    Migrations,
    corrupt,
    open_database,
    told,
)
from chatelaine.model.detection import Alert, Finding
from chatelaine.model.error import StoreConflict
from chatelaine.model.incident import Batch, Incident, IncidentState
from chatelaine.model.playbook import Action, ActionState
from chatelaine.model.words import ActionId, AlertId, DetectionId, FindingId, IncidentId, Instant, KeyId

MIGRATIONS: Final[Migrations] = (
    (
        """
        CREATE TABLE finding (
            id TEXT PRIMARY KEY, at INTEGER NOT NULL, "key" TEXT NOT NULL, detection TEXT NOT NULL,
            body BLOB NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX finding_at ON finding (at)",
        'CREATE INDEX finding_key ON finding ("key", at)',
        "CREATE INDEX finding_detection ON finding (detection, at)",
        """
        CREATE TABLE alert (
            id TEXT PRIMARY KEY, at INTEGER NOT NULL, body BLOB NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        """
        CREATE TABLE incident (
            id TEXT PRIMARY KEY, state TEXT NOT NULL, updated_at INTEGER NOT NULL, body BLOB NOT NULL
        ) STRICT, WITHOUT ROWID
        """,
        "CREATE INDEX incident_state ON incident (state, updated_at)",
        """
        CREATE TABLE action (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, incident TEXT NOT NULL, state TEXT NOT NULL,
            body BLOB NOT NULL
        ) STRICT
        """,
        "CREATE INDEX action_incident ON action (incident)",
        "CREATE INDEX action_state ON action (state)",
    ),
)
DESIGN: Final = Design("the store of incidents", 0x43484C49, MIGRATIONS)
"""``CHLI`` stands in the file's header."""

_AT_ONCE: Final = 500
"""Ids that one statement asks for: SQLite takes 999 at least."""

_encode: Final = msgspec.json.Encoder().encode
_FINDING: Final = msgspec.json.Decoder(Finding)
_ALERT: Final = msgspec.json.Decoder(Alert)
_INCIDENT: Final = msgspec.json.Decoder(Incident)
_ACTION: Final = msgspec.json.Decoder(Action)

_T = TypeVar("_T")

# ruff: noqa: S608 - statements are put together from our own words and question marks alone


def open_incident_store(path: Path) -> "SqliteIncidentStore":
    """Open the store, making or migrating its file.

    Raises:
        StoreCorrupt: the file is damaged, or is not ours.
        StoreError: it cannot be opened, or a newer release wrote it.
    """
    return SqliteIncidentStore(open_database(path, DESIGN))


def read_incidents(path: Path) -> tuple[Incident, ...]:
    """Return a store's incidents, changing nothing in its file; none where there is no file yet.

    Raises:
        StoreCorrupt: the file is damaged, or is not ours.
        StoreError: it cannot be opened.
    """
    return _read_bodies(path, _INCIDENT, "SELECT body FROM incident ORDER BY updated_at DESC, id", ())


def read_findings(path: Path, detection: DetectionId) -> tuple[Finding, ...]:
    """Return what a detection found, in order of time, changing nothing in the file.

    Raises:
        StoreCorrupt: the file is damaged, or is not ours.
        StoreError: it cannot be opened.
    """
    statement = "SELECT body FROM finding WHERE detection = ? ORDER BY at, id"
    return _read_bodies(path, _FINDING, statement, (detection,))


def _read_bodies(
    path: Path, decoder: msgspec.json.Decoder[_T], statement: str, values: tuple[str, ...]
) -> tuple[_T, ...]:
    if not path.exists():
        return ()
    with (
        told(path, DESIGN),
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)) as connection,
    ):
        rows = connection.execute(statement, values).fetchall()
    try:
        return tuple(decoder.decode(row[0]) for row in rows)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise corrupt(path, DESIGN, f"a row cannot be read: {error}") from error


class SqliteIncidentStore:
    """The port ``IncidentStore`` in one file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def close(self) -> None:
        """Finish what is under way and close the file."""
        self._database.close()

    async def commit(self, batch: Batch) -> None:
        """Store a batch, all or nothing; a finding or an alert that is held already is passed over.

        Raises:
            StoreConflict: an incident or an action is no longer as ``before`` says.
        """

        def write(connection: sqlite3.Connection) -> None:
            _insert(connection, batch)
            for incident_before, incident in batch.incidents:
                self._replace_incident(connection, incident_before, incident)
            for action_before, action in batch.actions:
                self._replace_action(connection, action_before, action)

        await self._database.write(write)

    def _replace_incident(
        self, connection: sqlite3.Connection, before: Incident | None, after: Incident
    ) -> None:
        held = connection.execute("SELECT body FROM incident WHERE id = ?", (after.id,)).fetchone()
        now = None if held is None else self._read(_INCIDENT, held[0])
        _require_as_before(before, now, f"incident {after.id}")
        row = (after.state, after.updated_at, _encode(after), after.id)
        if held is None:
            connection.execute("INSERT INTO incident (state, updated_at, body, id) VALUES (?, ?, ?, ?)", row)
        else:
            connection.execute("UPDATE incident SET state = ?, updated_at = ?, body = ? WHERE id = ?", row)

    def _replace_action(self, connection: sqlite3.Connection, before: Action | None, after: Action) -> None:
        held = connection.execute("SELECT body FROM action WHERE id = ?", (after.id,)).fetchone()
        now = None if held is None else self._read(_ACTION, held[0])
        _require_as_before(before, now, f"action {after.id}")
        row = (after.incident, after.state, _encode(after), after.id)
        if held is None:
            connection.execute("INSERT INTO action (incident, state, body, id) VALUES (?, ?, ?, ?)", row)
        else:
            connection.execute("UPDATE action SET incident = ?, state = ?, body = ? WHERE id = ?", row)

    async def incident(self, incident: IncidentId) -> Incident | None:
        """Return one incident, or None."""
        found = await self._select(_INCIDENT, "SELECT body FROM incident WHERE id = ?", (incident,))
        return found[0] if found else None

    async def incidents(
        self, states: Iterable[IncidentState] = (), *, limit: int | None = None
    ) -> Sequence[Incident]:
        """Return the incidents in these states (none: in any), what changed last first."""
        wanted = tuple(states)
        where = f"WHERE state IN ({_marks(wanted)})" if wanted else ""
        statement = f"SELECT body FROM incident {where} ORDER BY updated_at DESC, id LIMIT ?"
        return await self._select(_INCIDENT, statement, (*wanted, -1 if limit is None else limit))

    async def findings(self, wanted: Iterable[FindingId]) -> Sequence[Finding]:
        """Return the findings of these ids that are held, in order of time."""
        found = await self._select_all(_FINDING, "finding", tuple(wanted))
        return sorted(found, key=lambda one: (one.at, one.id))

    async def findings_since(self, at: Instant, *, key: KeyId | None = None) -> Sequence[Finding]:
        """Return all findings since an instant, of one key or of all, in order of time."""
        where, values = ("at >= ?", (at,)) if key is None else ('"key" = ? AND at >= ?', (key, at))
        statement = f"SELECT body FROM finding WHERE {where} ORDER BY at, id"
        return await self._select(_FINDING, statement, values)

    async def alerts(self, wanted: Iterable[AlertId]) -> Sequence[Alert]:
        """Return the alerts of these ids that are held, in order of time."""
        found = await self._select_all(_ALERT, "alert", tuple(wanted))
        return sorted(found, key=lambda one: (one.at, one.id))

    async def action(self, action: ActionId) -> Action | None:
        """Return one action, or None."""
        found = await self._select(_ACTION, "SELECT body FROM action WHERE id = ?", (action,))
        return found[0] if found else None

    async def actions(
        self, *, incident: IncidentId | None = None, states: Iterable[ActionState] = ()
    ) -> Sequence[Action]:
        """Return the actions of an incident (None: of all) in these states (none: in any), as planned."""
        wanted = tuple(states)
        clauses = ["1 = 1"]
        values: list[str] = []
        if incident is not None:
            clauses.append("incident = ?")
            values.append(incident)
        if wanted:
            clauses.append(f"state IN ({_marks(wanted)})")
            values.extend(wanted)
        statement = f"SELECT body FROM action WHERE {' AND '.join(clauses)} ORDER BY number"
        return await self._select(_ACTION, statement, tuple(values))

    async def _select_all(
        self, decoder: msgspec.json.Decoder[_T], table: str, wanted: tuple[str, ...]
    ) -> list[_T]:
        found: list[_T] = []
        for begin in range(0, len(wanted), _AT_ONCE):
            part = wanted[begin : begin + _AT_ONCE]
            found += await self._select(
                decoder, f"SELECT body FROM {table} WHERE id IN ({_marks(part)})", part
            )
        return found

    async def _select(
        self, decoder: msgspec.json.Decoder[_T], statement: str, values: Sequence[str | int]
    ) -> list[_T]:
        def read(connection: sqlite3.Connection) -> list[_T]:
            return [self._read(decoder, row[0]) for row in connection.execute(statement, values)]

        return await self._database.run(read)

    def _read(self, decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
        try:
            return decoder.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise self._database.corrupt(f"a row cannot be read: {error}") from error


def _insert(connection: sqlite3.Connection, batch: Batch) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO finding VALUES (?, ?, ?, ?, ?)",
        ((one.id, one.at, one.key, one.detection, _encode(one)) for one in batch.findings),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO alert VALUES (?, ?, ?)",
        ((one.id, one.at, _encode(one)) for one in batch.alerts),
    )


def _marks(values: Sequence[str]) -> str:
    return ", ".join("?" * len(values))


def _require_as_before(before: object, held: object, name: str) -> None:
    if held != before:
        what = "changed meanwhile" if before is not None else "exists"
        raise StoreConflict(f"{name} {what}", hint="look at it and try again")
