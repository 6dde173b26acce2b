"""The file of incidents: what outlives the process, other people's files, and damage."""

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from chatelaine.adapters.sqlite import open_incident_store, open_key_store, read_incidents
from chatelaine.model.detection import Severity
from chatelaine.model.error import StoreCorrupt, StoreError
from chatelaine.model.incident import Batch, Incident, IncidentState
from chatelaine.model.words import IncidentId, Instant


def incident() -> Incident:
    return Incident(
        id=IncidentId("inc_1"),
        state=IncidentState.OPEN,
        severity=Severity.HIGH,
        title="t",
        opened_at=Instant(1),
        updated_at=Instant(1),
        first_at=Instant(1),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file that holds one incident."""
    file = tmp_path / "incidents.db"
    with closing(open_incident_store(file)) as store:
        asyncio.run(store.commit(Batch(incidents=((None, incident()),))))
    return file


def alter(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_incidents_outlive_the_process(path: Path) -> None:
    with closing(open_incident_store(path)) as store:
        assert asyncio.run(store.incidents()) == [incident()]


def test_incidents_are_read_while_somebody_else_holds_the_file(path: Path) -> None:
    with closing(open_incident_store(path)):
        assert read_incidents(path) == (incident(),)


def test_where_there_is_no_file_there_are_no_incidents_and_none_is_made(tmp_path: Path) -> None:
    assert read_incidents(tmp_path / "none.db") == ()
    assert not list(tmp_path.iterdir())


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_of_keys_is_not_taken_for_one_of_incidents(tmp_path: Path) -> None:
    path = tmp_path / "keys.sqlite"
    open_key_store(path).close()
    with pytest.raises(StoreCorrupt, match="another program"):
        open_incident_store(path)


def test_a_file_of_a_newer_release_is_left_alone(path: Path) -> None:
    alter(path, "PRAGMA user_version = 99")
    with pytest.raises(StoreError, match="newer release"):
        open_incident_store(path)


@pytest.mark.parametrize("body", ["x'7b'", "x'ff'", "x''", "CAST('{\"id\":1}' AS BLOB)"])
def test_a_row_that_cannot_be_read_is_damage_that_is_named(path: Path, body: str) -> None:
    alter(path, f"UPDATE incident SET body = {body}")  # noqa: S608 - a test's own words
    with closing(open_incident_store(path)) as store, pytest.raises(StoreCorrupt, match="store of incidents"):
        asyncio.run(store.incidents())
    with pytest.raises(StoreCorrupt, match="a row cannot be read"):
        read_incidents(path)


def test_a_file_that_is_no_database_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "incidents.db"
    path.write_bytes(b"not a database at all" * 400)
    with pytest.raises(StoreCorrupt, match="damaged"):
        open_incident_store(path)
    with pytest.raises(StoreCorrupt, match="damaged"):
        read_incidents(path)
