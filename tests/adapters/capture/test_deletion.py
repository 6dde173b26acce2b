"""Deleting captured content: by age, by whose it is, and while somebody writes."""

import fcntl
import stat
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from chatelaine.adapters.capture import SegmentCapture, purge, sweep
from chatelaine.model.capture import Part, PieceHead, Removed
from chatelaine.model.exchange import Caller
from chatelaine.model.words import ExchangeId, Instant, KeyId, OwnerId

DAY = timedelta(days=1)


def before(store: Any, back: timedelta) -> Instant:
    return Instant(store.clock.now() - back // timedelta(microseconds=1) * 1000)


def of(owner: str) -> Callable[[PieceHead], bool]:
    return lambda head: head.owner == owner


def test_segments_are_deleted_once_their_newest_record_is_old(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a")])
    store.wait(minutes=30)
    store.write(writer, [store.piece("b")])
    store.wait(days=1)
    assert sweep(store.directory, before(store, DAY + timedelta(minutes=20))) == Removed()
    assert store.names() == "ab", "the older record waits for the newer one of its segment"
    store.wait(minutes=1)
    assert sweep(store.directory, before(store, DAY)) == Removed(2, 1)
    assert store.files() == []


def test_an_idle_writer_goes_on_after_its_segment_was_swept_away(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a")])
    store.wait(days=2)
    sweep(store.directory, before(store, DAY))
    assert store.write(writer, [store.piece("b")]) == 0
    assert store.names() == "b"


def test_a_segment_that_is_locked_is_left_for_the_next_sweep(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a")])
    store.wait(days=2)
    with store.files()[0].open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert sweep(store.directory, before(store, DAY)) == Removed()
    assert sweep(store.directory, before(store, DAY)) == Removed(1, 1)


def test_a_directory_that_is_not_there_has_nothing_to_delete(tmp_path: Path) -> None:
    assert sweep(tmp_path / "nowhere", Instant(2**62)) == Removed()
    assert purge(tmp_path / "nowhere", lambda _: True) == Removed()


def test_what_is_not_unwanted_stays_and_still_opens(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a"), store.piece("b", owner="leaving"), store.piece("c", b"stays")])
    writer.close()
    (path,) = store.files()
    assert purge(store.directory, of("leaving")) == Removed(1, 0)
    assert b"leaving" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert store.names() == "ac"
    assert store.content("c") == b"stays"
    assert purge(store.directory, of("leaving")) == Removed()
    assert purge(store.directory, of("acme")) == Removed(2, 1)
    assert store.files() == []


def test_what_is_purged_under_a_living_writer_is_gone_and_nothing_else_is_lost(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a", owner="leaving"), store.piece("b")])
    assert purge(store.directory, of("leaving")) == Removed(1, 0)
    assert store.write(writer, [store.piece("c", b"after")]) == 0
    writer.close()
    assert store.names() == "bc"
    assert [store.content(letter) for letter in "bc"] == [b"content", b"after"]
    assert len(store.files()) == 2, "a file that was written anew is not appended to"


def test_purging_all_the_while_loses_nothing_that_is_wanted(store: Any) -> None:
    capture = SegmentCapture(store.writer(), store.settings, store.clock)
    purged = Removed()
    for number in range(300):
        owner = "leaving" if number % 3 else "acme"
        recording = capture.begin(ExchangeId(f"{number:024d}"), Caller(KeyId("k"), OwnerId(owner), "bot"))
        assert recording is not None
        recording.add(Part.REQUEST, b"%d" % number)
        recording.end()
        if number % 20 == 0:
            capture._stopping.set()  # from now on the thread writes at once
            found = purge(store.directory, of("leaving"))
            purged = Removed(purged.records + found.records, purged.segments + found.segments)
    capture.close()
    last = purge(store.directory, of("leaving"))
    kept = {int(one.exchange) for one in store.reader().exchanges()}
    assert kept == set(range(0, 300, 3))
    assert purged.records + last.records == 200
    assert capture.lost == 0
    assert not store.damage


def test_damage_goes_when_its_segment_is_written_anew(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a", owner="leaving"), store.piece("b"), store.piece("c")])
    writer.close()
    (path,) = store.files()
    data = bytearray(path.read_bytes())
    data[data.index(b'"exchange":"bbb')] ^= 1
    path.write_bytes(data)
    assert purge(store.directory, of("leaving")) == Removed(1, 0)
    assert store.names() == "c"
    assert not store.damage


def test_what_a_killed_purge_left_is_cleared_away(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a")])
    path = store.files()[0]
    left = [path.with_name(f"{path.name}.fresh"), path.with_name("009-000000000001.capture.fresh")]
    for one in left:
        one.write_bytes(b"copied")
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sweep(store.directory, Instant(0))
        assert left[0].exists(), "whoever holds the lock may be writing it"
    sweep(store.directory, Instant(0))
    assert not any(one.exists() for one in left)


def test_a_file_of_rubbish_is_deleted_by_the_age_of_the_file(store: Any) -> None:
    store.directory.mkdir()
    (store.directory / "001-000000000001.capture").write_bytes(b"rubbish")
    (store.directory / "notes.txt").write_bytes(b"somebody else's")
    assert sweep(store.directory, Instant(0)) == Removed()
    assert sweep(store.directory, Instant(2**62)) == Removed(0, 1)
    assert [path.name for path in store.directory.iterdir()] == ["notes.txt"]
