"""Segments of captured content: sealed, bounded, and honest about what was done to them."""

import fcntl
import os
import stat
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatelaine.adapters.entropy import SystemEntropy
from chatelaine.adapters.sealer import AesGcmSealer
from chatelaine.model.capture import Part
from chatelaine.model.error import CaptureDamaged, SealError

SECRET = b"a prompt that nobody else should read"


def one_segment(store: Any, letters: str = "abc") -> Path:
    writer = store.writer()
    for letter in letters:
        assert store.write(writer, [store.piece(letter, SECRET + letter.encode())]) == 0
    writer.close()
    (path,) = store.files()
    return Path(path)


def test_no_content_stands_in_clear_on_the_disk(store: Any) -> None:
    data = one_segment(store).read_bytes()
    assert SECRET not in data
    assert SECRET[:8] not in data
    assert store.content("b") == SECRET + b"b"


def test_files_are_for_their_owner_alone(store: Any) -> None:
    path = one_segment(store)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_the_same_content_is_never_encrypted_alike_twice(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a", b"same" * 8), store.piece("a", b"same" * 8)])
    store.wait(hours=2)
    store.write(writer, [store.piece("a", b"same" * 8)])
    writer.close()
    bodies = [path.read_bytes()[-48:] for path in store.files()]
    first = store.files()[0].read_bytes()
    assert len(bodies) == 2
    assert bodies[0] != bodies[1]
    assert first.count(bodies[0][:32]) == 1


def test_another_key_encryption_key_opens_nothing_and_is_named(store: Any) -> None:
    path = one_segment(store)
    stranger = AesGcmSealer({"second": b"x" * 32}, SystemEntropy())
    with pytest.raises(SealError, match="first") as told:
        store.content("a", stranger)
    assert path.name in told.value.message
    assert "keys.kek" in told.value.hint
    impostor = AesGcmSealer({"first": b"x" * 32}, SystemEntropy())
    with pytest.raises(SealError, match="does not open"):
        store.content("a", impostor)


def test_a_newer_key_encryption_key_seals_new_segments_and_the_old_opens_old_ones(store: Any) -> None:
    one_segment(store, "a")
    store.sealer = AesGcmSealer({"second": b"x" * 32, "first": b"k" * 32}, SystemEntropy())
    writer = store.writer()
    store.write(writer, [store.piece("b", b"newer")])
    writer.close()
    assert b'"kek":"second"' in store.files()[1].read_bytes()
    assert store.content("a") == SECRET + b"a"
    assert store.content("b") == b"newer"


def test_the_list_needs_no_key_and_the_parts_are_summed(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a", b"12345"), store.piece("a", b"678", part=Part.REPLY)])
    writer.close()
    (told,) = store.reader().exchanges()
    assert (told.owner, told.app, told.key, told.kept, told.whole) == ("acme", "bot", "abcdefghi", 8, True)


def test_a_missing_piece_makes_the_part_not_whole(store: Any) -> None:
    writer = store.writer()
    whole = store.piece("a", b"first")
    store.write(writer, [whole._replace(last=False, seen=5), whole._replace(piece=2, seen=15)])
    writer.close()
    (told,) = store.reader().exchanges()
    assert not told.whole
    assert store.content("a") == b"firstfirst"


# Bounded


def test_a_segment_that_is_full_is_followed_by_the_next(store: Any) -> None:
    store.settings = replace(store.settings, segment_bytes=5000)
    writer = store.writer()
    for letter in "abcdef":
        store.write(writer, [store.piece(letter, b"x" * 2000)])
    writer.close()
    assert all(path.stat().st_size <= 5000 for path in store.files())
    assert len(store.files()) == 3
    assert store.names() == "abcdef"


def test_a_segment_that_is_old_is_followed_by_the_next(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a")])
    store.wait(minutes=59)
    store.write(writer, [store.piece("b")])
    assert len(store.files()) == 1
    store.wait(minutes=1)
    store.write(writer, [store.piece("c")])
    writer.close()
    assert len(store.files()) == 2


def test_the_store_never_outgrows_its_size_and_the_oldest_goes_first(store: Any) -> None:
    store.settings = replace(store.settings, segment_bytes=5000, store_bytes=20_000)
    one, two = store.writer(1), store.writer(2)
    for letter in "abcdefghijkl":
        for writer in (one, two):
            store.write(writer, [store.piece(letter, b"x" * 2000)])
            assert sum(path.stat().st_size for path in store.files()) <= 20_000
        store.wait(seconds=1)
    assert store.names().endswith("kl")
    assert "a" not in store.names()


def test_where_no_room_can_be_made_content_is_lost_and_it_is_said_why(store: Any) -> None:
    store.settings = replace(store.settings, segment_bytes=5000, store_bytes=10_000)
    one, two, three = (store.writer(number) for number in (1, 2, 3))
    assert [store.write(writer, [store.piece("a")]) for writer in (one, two)] == [0, 0]
    with ExitStack() as busy:
        for path in store.files():
            fcntl.flock(busy.enter_context(path.open("rb")), fcntl.LOCK_EX)
        assert store.write(three, [store.piece("b")]) == 1
    assert "capture.store_bytes" in three.failure
    store.wait(seconds=1)
    # The segment of an idle worker may go.
    assert store.write(three, [store.piece("b")]) == 0
    assert len(store.files()) == 2


def test_a_second_writer_of_the_same_number_writes_segments_of_its_own(store: Any) -> None:
    one, two = store.writer(), store.writer()
    for letter, writer in (("a", one), ("b", two), ("c", one)):
        assert store.write(writer, [store.piece(letter)]) == 0
    assert len(store.files()) == 2
    assert sorted(store.names()) == ["a", "b", "c"]


# Faults


@given(cut=st.floats(0, 1))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_wherever_a_writer_is_killed_what_was_whole_before_is_read(
    cut: float, make_store: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = make_store(tmp_path_factory.mktemp("capture"))
    path = one_segment(store, "abcd")
    size = path.stat().st_size
    os.truncate(path, int(size * cut))
    letters = store.names()
    assert "abcd".startswith(letters)
    assert not store.damage
    for letter in letters:
        assert store.content(letter) == SECRET + letter.encode()
    writer = store.writer()
    store.write(writer, [store.piece("z", b"the next life")])
    writer.close()
    assert store.content("z") == b"the next life"


def test_zeros_at_the_end_are_what_a_power_loss_leaves(store: Any) -> None:
    path = one_segment(store)
    with path.open("ab") as file:
        file.write(b"\0" * 5000)
    assert store.names() == "abc"
    assert not store.damage


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_changed_bit_gives_other_content(
    place: float, bit: int, make_store: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = make_store(tmp_path_factory.mktemp("capture"))
    path = one_segment(store)
    data = bytearray(path.read_bytes())
    line = data.index(b"\n") + 1
    data[int(len(data) * place)] ^= 1 << bit
    path.write_bytes(data)
    readable = ""
    for letter in store.names():
        with suppress(CaptureDamaged, SealError):
            assert store.content(letter) == SECRET + letter.encode()
            readable += letter
    # Damage of the first line takes the key of all; damage of a record, that record.
    assert len(readable) >= (0 if len(data) * place < line else 2)


def test_damage_in_the_middle_is_told_and_passed_over(store: Any) -> None:
    path = one_segment(store, "abc")
    data = bytearray(path.read_bytes())
    second = data.index(b'"exchange":"bbb')
    data[second] ^= 1
    path.write_bytes(data)
    assert store.names() == "ac"
    assert len(store.damage) == 1
    assert path.name in store.damage[0].message
    assert store.content("c") == SECRET + b"c"


def test_records_cannot_be_given_each_others_content(store: Any) -> None:
    path = one_segment(store, "ab")
    data = path.read_bytes()
    first, second = (store.reader().find(letter * 24)[0][1] for letter in "ab")
    one, two = data[first.body : first.end], data[second.body : second.end]
    assert len(one) == len(two)
    path.write_bytes(data[: first.body] + two + data[first.end : second.body] + one + data[second.end :])
    for letter in "ab":
        with pytest.raises(CaptureDamaged, match="was changed"):
            store.content(letter)


def test_a_record_moved_to_another_segment_does_not_open(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a", SECRET)])
    store.wait(hours=2)
    store.write(writer, [store.piece("b", SECRET)])
    writer.close()
    source, target = store.files()
    found = store.reader().find("a" * 24)[0][1]
    line = target.read_bytes().partition(b"\n")[0] + b"\n"
    target.write_bytes(line + source.read_bytes()[found.start : found.end])
    source.unlink()
    with pytest.raises(CaptureDamaged):
        store.content("a")


@given(data=st.binary(max_size=300))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_whatever_can_be_looked_into(
    data: bytes, make_store: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = make_store(tmp_path_factory.mktemp("capture"))
    (store.directory / "001-000000000001.capture").write_bytes(data)
    assert store.names() == ""


def test_a_full_disk_loses_what_is_counted_and_the_next_segment_goes_on(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a")])
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._open.file)
    os.close(full)
    # What lies under the name is another file now than the one that is open: put it back first.
    broken = writer._open.file
    path = writer._open.path
    path.unlink()
    path.symlink_to("/dev/full")
    assert os.fstat(broken).st_ino == path.stat().st_ino
    assert store.write(writer, [store.piece("b"), store.piece("b", part=Part.REPLY), store.piece("c")]) == 2
    assert "space" in writer.failure
    path.unlink()
    assert store.write(writer, [store.piece("d")]) == 1, "within a second of the failure nothing is tried"
    store.wait(seconds=1)
    assert store.write(writer, [store.piece("e")]) == 0
    assert writer.failure == ""
    writer.close()
    assert store.names() == "e"


def test_a_directory_that_cannot_be_made_is_a_loss_and_no_error(tmp_path: Path, make_store: Any) -> None:
    (tmp_path / "file").write_bytes(b"")
    store = make_store(tmp_path / "file" / "capture")
    writer = store.writer()
    assert store.write(writer, [store.piece("a")]) == 1
    assert "directory" in writer.failure.lower()


def test_a_segment_deleted_under_its_writer_is_followed_by_the_next(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a")])
    store.files()[0].unlink()
    assert store.write(writer, [store.piece("b")]) == 0
    writer.close()
    assert store.names() == "b"


def test_the_clock_may_jump_back_without_harm(store: Any) -> None:
    writer = store.writer()
    store.write(writer, [store.piece("a")])
    store.clock.jump(-timedelta(days=3))
    store.wait(hours=2)
    store.write(writer, [store.piece("b")])
    writer.close()
    assert sorted(store.names()) == ["a", "b"]
