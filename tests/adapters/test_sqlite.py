"""The SQLite store: its file, other people's files, damage, and several processes at once."""

import asyncio
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from chatelaine.adapters.sqlite import MIGRATIONS, SqliteKeyStore, open_key_store
from chatelaine.core.key.token import mint
from chatelaine.model.error import StoreConflict, StoreCorrupt, StoreError
from chatelaine.model.key import Grant, KeyState, VirtualKey
from chatelaine.model.words import AppName, Instant, KeyId, OwnerId, PepperId


def virtual(kid: str = "AAAAAAAAA") -> VirtualKey:
    return VirtualKey(
        id=KeyId(kid),
        env="live",
        owner=OwnerId("acme"),
        app=AppName("chat"),
        contact="",
        grant=Grant(),
        state=KeyState.ACTIVE,
        digest=kid.encode().ljust(32, b"\0"),
        pepper=PepperId("p1"),
        slot=1,
        issued_at=Instant(1),
        expires_at=None,
    )


@contextmanager
def opened(path: Path) -> Iterator[SqliteKeyStore]:
    with closing(open_key_store(path)) as store:
        yield store


def filled(path: Path, *, count: int = 1) -> None:
    async def fill(store: SqliteKeyStore) -> None:
        for number in range(count):
            await store.add(virtual(f"K{number:08}"))

    with opened(path) as store:
        asyncio.run(fill(store))


def alter(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_keys_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    filled(path, count=3)
    with opened(path) as store:
        assert len(asyncio.run(store.keys())) == 3


def test_slots_are_not_given_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    slots = []
    for _ in range(3):
        with opened(path) as store:
            slots.append(asyncio.run(store.claim_slot()))
    assert slots == [1, 2, 3]


def test_the_file_and_its_log_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    before = os.umask(0)
    try:
        with opened(path) as store:
            asyncio.run(store.add(virtual()))
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes["keys.db"] == 0o600
    assert set(modes.values()) == {0o600}


def test_a_file_that_is_no_database_is_named_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    path.write_bytes(b"this is a shopping list, not a database\n" * 100)
    with pytest.raises(StoreCorrupt, match=r"keys\.db is damaged") as caught:
        open_key_store(path)
    assert "restore" in caught.value.hint
    assert path.read_bytes().startswith(b"this is a shopping list")


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    alter(path, "CREATE TABLE recipe (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="another program") as caught:
        open_key_store(path)
    assert "storage.directory" in caught.value.hint
    assert path.read_bytes() == before


def test_a_file_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    filled(path)
    alter(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreError, match="newer release"):
        open_key_store(path)


def test_a_file_of_an_older_release_is_taken_over_with_its_keys(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    filled(path, count=2)
    alter(path, "ALTER TABLE virtual_key DROP COLUMN canary")
    alter(path, "ALTER TABLE virtual_key DROP COLUMN unknown_client")
    alter(path, "PRAGMA user_version = 1")
    with opened(path) as store:
        assert [key.id for key in asyncio.run(store.keys())] == ["K00000000", "K00000001"]
        assert not any(key.canary or key.unknown_client for key in asyncio.run(store.keys()))


def test_damage_in_the_middle_is_found_on_opening_or_reading(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    filled(path, count=200)
    content = bytearray(path.read_bytes())
    content[4096 : len(content)] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match=r"keys\.db"):
        open_key_store(path)


def test_a_truncated_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    filled(path, count=200)
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(StoreCorrupt, match=r"keys\.db"):
        open_key_store(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE virtual_key SET state = 'immortal'",
        'UPDATE virtual_key SET "grant" = \'{"models": 7}\'',
        "UPDATE virtual_key SET \"grant\" = 'not json'",
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "keys.db"
    filled(path)
    alter(path, statement)
    with opened(path) as store, pytest.raises(StoreCorrupt, match="K00000000"):
        asyncio.run(store.keys())


def test_a_missing_directory_is_told_with_the_setting(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        open_key_store(tmp_path / "nowhere" / "keys.db")
    assert "storage.directory" in caught.value.hint


def test_a_directory_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "keys.db").mkdir()
    with pytest.raises(StoreError, match="cannot be opened"):
        open_key_store(tmp_path / "keys.db")


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    filled(path)

    async def overfill(store: SqliteKeyStore) -> None:
        # SQLite's own way of a full disk: no page may be added to the file.
        store._database._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError, match="full") as caught:
            await store.add(replace(virtual(), contact="x" * 100_000))
        assert "space" in caught.value.hint
        held = await store.keys()
        assert held[0].id == "K00000000"

    with opened(path) as store:
        asyncio.run(overfill(store))


def test_two_stores_on_one_file_see_each_others_changes_and_conflicts(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"

    async def check(one: SqliteKeyStore, other: SqliteKeyStore) -> None:
        before = virtual()
        await one.add(before)
        after = replace(before, state=KeyState.REVOKED)
        await other.replace([(before, after)])
        assert await one.key(before.id) == after
        with pytest.raises(StoreConflict):
            await one.replace([(before, replace(before, state=KeyState.SUSPENDED))])

    with opened(path) as one, opened(path) as other:
        asyncio.run(check(one, other))


WRITER = """
import asyncio, sys
from pathlib import Path
from chatelaine.adapters.sqlite import open_key_store

async def claim():
    for _ in range(50):
        print(await store.claim_slot())

store = open_key_store(Path(sys.argv[1]))
asyncio.run(claim())
store.close()
"""


def test_processes_that_start_at_once_make_one_store_and_share_its_slots(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    done = [writer.communicate(timeout=60) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * 4, done
    slots = [int(line) for out, _ in done for line in out.split()]
    assert sorted(slots) == list(range(1, 201))


def test_the_file_and_its_log_hold_no_token(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"
    token = mint("live", KeyId("AAAAAAAAA"), b"\x5a" * 32).encode()

    with opened(path) as store:
        asyncio.run(store.add(virtual()))
        assert (tmp_path / "keys.db-wal").stat().st_size > 0
        for file in tmp_path.iterdir():
            content = file.read_bytes()
            assert token not in content
            assert token[20:63] not in content
            assert b"\x5a" * 32 not in content


def test_a_removed_row_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.db"

    async def change(store: SqliteKeyStore) -> None:
        await store.add(replace(virtual(), contact="to-be-forgotten"))
        before = await store.key(KeyId("AAAAAAAAA"))
        assert before is not None
        await store.replace([(before, replace(before, contact=""))])

    with opened(path) as store:
        asyncio.run(change(store))
    assert b"to-be-forgotten" not in path.read_bytes()
