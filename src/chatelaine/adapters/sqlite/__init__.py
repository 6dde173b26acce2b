"""What the hub keeps in SQLite: one file a subject, all opened, migrated and guarded alike."""

from chatelaine.adapters.sqlite.database import Database, Design, Migrations, open_database
from chatelaine.adapters.sqlite.incidents import (
    SqliteIncidentStore,
    open_incident_store,
    read_findings,
    read_incidents,
)
from chatelaine.adapters.sqlite.keys import (
    MIGRATIONS,
    SqliteKeyStore,
    open_key_store,
    read_provider_key_names,
)
from chatelaine.adapters.sqlite.notices import SqliteOutbox, open_outbox
from chatelaine.adapters.sqlite.watch import SqliteWatchStore, open_watch_store

__all__ = [
    "MIGRATIONS",
    "Database",
    "Design",
    "Migrations",
    "SqliteIncidentStore",
    "SqliteKeyStore",
    "SqliteOutbox",
    "SqliteWatchStore",
    "open_database",
    "open_incident_store",
    "open_key_store",
    "open_outbox",
    "open_watch_store",
    "read_findings",
    "read_incidents",
    "read_provider_key_names",
]
