"""The outbox's file: private, marked, refused where it is not ours, and shared by hub and command line."""

import asyncio
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from chatelaine.adapters.sqlite import SqliteOutbox, open_key_store, open_outbox
from chatelaine.adapters.sqlite.notices import _FIRSTS, MIGRATIONS
from chatelaine.core.notice.delivery import received
from chatelaine.model.detection import Severity
from chatelaine.model.error import StoreConflict, StoreCorrupt, StoreError
from chatelaine.model.notice import DeliveryState, Notice, NoticeKind, Refused, Taken
from chatelaine.model.words import Instant, NoticeId, ReceiverName

A = ReceiverName("a")
NOW = Instant(1_000)


def notice(name: str = "msg_1") -> Notice:
    return Notice(
        id=NoticeId(name),
        at=NOW,
        kind=NoticeKind.CONTAINED,
        severity=Severity.HIGH,
        title="to-be-forgotten",
        summary="s",
    )


def filled(path: Path, *, count: int = 1) -> None:
    async def fill(outbox: SqliteOutbox) -> None:
        await outbox.add([(notice(f"msg_{number}"), [A]) for number in range(count)], NOW)

    with closing(open_outbox(path)) as outbox:
        asyncio.run(fill(outbox))


def alter(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement)


def test_notices_outlive_the_process_and_their_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "notices.db"
    before = os.umask(0)
    try:
        filled(path)
        with closing(open_outbox(path)) as outbox:
            (parcel,) = asyncio.run(outbox.due(NOW, each=9))
            modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert parcel.notice == notice("msg_0")
    assert modes == {0o600}


def test_a_file_that_is_no_database_is_named_with_the_fix(tmp_path: Path) -> None:
    path = tmp_path / "notices.db"
    path.write_bytes(b"this is a shopping list, not a database\n" * 100)
    with pytest.raises(StoreCorrupt, match=r"the outbox .*notices\.db is damaged") as caught:
        open_outbox(path)
    assert "restore" in caught.value.hint


def test_the_store_of_keys_is_not_taken_for_an_outbox(tmp_path: Path) -> None:
    open_key_store(tmp_path / "keys.db").close()
    with pytest.raises(StoreCorrupt, match="another program"):
        open_outbox(tmp_path / "keys.db")


def test_a_file_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notices.db"
    filled(path)
    alter(path, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    with pytest.raises(StoreError, match="newer release"):
        open_outbox(path)


def test_damage_in_the_middle_is_found_on_opening(tmp_path: Path) -> None:
    path = tmp_path / "notices.db"
    filled(path, count=500)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match=r"notices\.db"):
        open_outbox(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE notice SET told = 'not json'",
        "UPDATE notice SET told = '{}'",
        "UPDATE notice SET told = replace(told, 'contained', 'exploded')",
        "UPDATE delivery SET attempts = attempts, fault = '', changed_at = 0, state = 'lost'",
    ],
)
def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, statement: str) -> None:
    path = tmp_path / "notices.db"
    filled(path)
    alter(path, statement)

    async def read(outbox: SqliteOutbox) -> None:
        await outbox.held(DeliveryState.PENDING, most=1)
        await outbox.counts()

    with closing(open_outbox(path)) as outbox, pytest.raises(StoreCorrupt):
        asyncio.run(read(outbox))


def test_two_outboxes_on_one_file_see_each_others_changes_and_conflicts(tmp_path: Path) -> None:
    path = tmp_path / "notices.db"

    async def check(one: SqliteOutbox, other: SqliteOutbox) -> None:
        await one.add([(notice(), [A])], NOW)
        assert await other.add([(notice(), [A])], NOW) == 0
        (parcel,) = await other.due(NOW, each=1)
        await other.mark(parcel.delivery, received(parcel.delivery, Taken(), at=NOW))
        with pytest.raises(StoreConflict):
            await one.mark(parcel.delivery, received(parcel.delivery, Refused("no"), at=NOW))

    with closing(open_outbox(path)) as one, closing(open_outbox(path)) as other:
        asyncio.run(check(one, other))


def test_a_forgotten_notice_leaves_nothing_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "notices.db"

    async def check(outbox: SqliteOutbox) -> None:
        await outbox.add([(notice(), [A])], NOW)
        (parcel,) = await outbox.due(NOW, each=1)
        await outbox.mark(parcel.delivery, received(parcel.delivery, Taken(), at=NOW))
        assert await outbox.forget(Instant(NOW + 1)) == 1

    with closing(open_outbox(path)) as outbox:
        asyncio.run(check(outbox))
    assert b"to-be-forgotten" not in path.read_bytes()


def test_a_full_disk_is_told_and_adds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "notices.db"
    filled(path)

    async def overfill(outbox: SqliteOutbox) -> None:
        outbox._database._connection.execute("PRAGMA max_page_count = 1")
        with pytest.raises(StoreError, match="full"):
            await outbox.add([(notice(f"msg_{number}"), [A]) for number in range(1, 500)], NOW)
        assert await outbox.counts() == {(A, DeliveryState.PENDING): 1}

    with closing(open_outbox(path)) as outbox:
        asyncio.run(overfill(outbox))


def test_what_is_due_is_found_fast_among_many_that_are_settled(tmp_path: Path) -> None:
    path = tmp_path / "notices.db"
    filled(path, count=20)
    with closing(sqlite3.connect(path)) as connection:
        plan = [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {_FIRSTS}")]
    assert not [step for step in plan if step.startswith("SCAN")], plan
