"""Stores in SQLite files: each in a file of its own, opened with the same care."""

from chatelaine.adapters.sqlite.keys import (
    MIGRATIONS,
    SqliteKeyStore,
    open_key_store,
    read_provider_key_names,
)
from chatelaine.adapters.sqlite.notices import SqliteOutbox, open_outbox

__all__ = [
    "MIGRATIONS",
    "SqliteKeyStore",
    "SqliteOutbox",
    "open_key_store",
    "open_outbox",
    "read_provider_key_names",
]
