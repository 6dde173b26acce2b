"""The thread that writes captured content: bounded, counted, and never in anybody's way."""

from dataclasses import replace
from typing import Any

import pytest

from chatelaine.adapters.capture import SegmentCapture
from chatelaine.adapters.capture.recording import Piece, Recorder
from chatelaine.adapters.telemetry import Tally
from chatelaine.core.metric import CAPTURES, CAPTURES_LOST
from chatelaine.model.capture import Part
from chatelaine.model.exchange import Caller
from chatelaine.model.words import ExchangeId, KeyId, OwnerId

BOT = Caller(KeyId("abcdefghi"), OwnerId("acme"), "bot")


def record(capture: SegmentCapture, letter: str, request: bytes) -> None:
    recording = capture.begin(ExchangeId(letter * 24), BOT)
    assert recording is not None
    recording.add(Part.REQUEST, request)
    recording.end()


def counted(tally: Tally) -> dict[str, float]:
    return {one.metric: one.value for one in tally.snapshot().counters}


def test_nothing_is_touched_until_there_is_content(store: Any) -> None:
    capture = SegmentCapture(store.writer(), store.settings, store.clock)
    assert capture._thread is None
    capture.close()
    assert not store.directory.exists()


def test_what_was_taken_before_the_end_is_written(store: Any) -> None:
    capture = SegmentCapture(store.writer(), store.settings, store.clock)
    for letter in "abcdef":
        record(capture, letter, b"x" * 200_000)
    capture.close()
    assert store.names() == "abcdef"
    assert all(one.whole and one.kept == 200_000 for one in store.reader().exchanges())
    assert capture.lost == 0


def test_memory_is_free_again_once_content_is_written(store: Any) -> None:
    chosen = replace(store.settings, memory_bytes=100_000, record_bytes=100_000)
    capture = SegmentCapture(store.writer(), chosen, store.clock)
    record(capture, "a", b"x" * 90_000)
    capture.close()
    assert capture._recorder.taken == capture._recorder.written == 90_000


def test_what_a_lost_exchange_held_is_free_again(store: Any) -> None:
    pieces: list[Piece] = []
    recorder = Recorder(replace(store.settings, memory_bytes=1000), store.clock, pieces.append)
    first, second = (recorder.begin(ExchangeId(letter * 24), BOT) for letter in "ab")
    assert first is not None
    assert second is not None
    first.add(Part.REQUEST, b"a" * 300)
    second.add(Part.REQUEST, b"b" * 200)
    second.add(Part.REPLY, b"b" * 600)
    assert (recorder.taken, recorder.lost, pieces) == (300, 1, [])


def test_where_memory_is_half_full_nothing_is_held_back(store: Any) -> None:
    pieces: list[Piece] = []
    recorder = Recorder(replace(store.settings, memory_bytes=1000), store.clock, pieces.append)
    recording = recorder.begin(ExchangeId("a" * 24), BOT)
    assert recording is not None
    recording.add(Part.REPLY, b"a" * 400)
    assert pieces == []
    recording.add(Part.REPLY, b"a" * 200)
    assert [(piece.size, piece.last) for piece in pieces] == [(600, False)]


def test_losses_to_memory_and_disk_are_counted_and_told_once(store: Any) -> None:
    store.directory.parent.joinpath("capture").write_bytes(b"a file where the directory should be")
    chosen = replace(store.settings, memory_bytes=1000, record_bytes=1000)
    capture = SegmentCapture(store.writer(), chosen, store.clock)
    held = capture.begin(ExchangeId("a" * 24), BOT)
    assert held is not None
    held.add(Part.REQUEST, b"x" * 400)
    record(capture, "b", b"x" * 700)
    held.end()
    capture.close()
    assert capture.failure
    tally = Tally({})
    capture.tell(tally)
    capture.tell(tally)
    assert (counted(tally)[CAPTURES], counted(tally)[CAPTURES_LOST]) == (2, 2)


def test_a_name_that_cannot_be_written_is_a_loss_and_the_rest_goes_on(store: Any) -> None:
    capture = SegmentCapture(store.writer(), store.settings, store.clock)
    odd = capture.begin(ExchangeId("a" * 24), Caller(KeyId("abcdefghi"), OwnerId("\ud800"), "bot"))
    assert odd is not None
    odd.add(Part.REQUEST, b"x")
    odd.end()
    capture.close()
    assert capture.lost == 1
    assert store.names() == ""


def test_an_end_after_the_capture_was_closed_does_no_harm(store: Any) -> None:
    capture = SegmentCapture(store.writer(), store.settings, store.clock)
    recording = capture.begin(ExchangeId("a" * 24), BOT)
    assert recording is not None
    recording.add(Part.REQUEST, b"x")
    capture.close()
    recording.end()
    capture.close()
    with pytest.raises(Exception, match="nothing is kept"):
        store.content("a")
