"""A worker's capture follows the settings: on, off, other names, and a key that cannot be read."""

from dataclasses import replace
from pathlib import Path

import pytest

from chatelaine.adapters.capture import CaptureReader
from chatelaine.adapters.telemetry import Tally
from chatelaine.app.captures import WorkerCapture
from chatelaine.app.wire import Places, sealer
from chatelaine.core.metric import CAPTURES
from chatelaine.model.capture import Part
from chatelaine.model.error import SecretUnreadable
from chatelaine.model.exchange import Caller
from chatelaine.model.settings import CaptureSettings, KeySettings, Secret, Settings
from chatelaine.model.words import ExchangeId, KeyId, OwnerId, WorkerNumber
from chatelaine.ports import Capture

OFF = Settings()
ACME = Settings(capture=CaptureSettings(enabled=True, owners=("acme",)))


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path / "data")
    found.prepare()
    return found


def record(capture: Capture, letter: str, owner: str = "acme") -> bool:
    recording = capture.begin(ExchangeId(letter * 24), Caller(KeyId("abcdefghi"), OwnerId(owner), "bot"))
    if recording is None:
        return False
    recording.add(Part.REQUEST, b"hello")
    recording.end()
    return True


def kept(places: Places) -> str:
    reader = CaptureReader(places.captures(OFF.capture), pytest.fail)
    return "".join(one.exchange[0] for one in reader.exchanges())


def test_a_worker_that_captures_nothing_reads_no_key_and_makes_no_file(places: Places) -> None:
    capture = WorkerCapture(places, WorkerNumber(1))
    assert not record(capture, "a")
    capture.change(replace(OFF, keys=KeySettings(kek=Secret("env:NOT_SET_HERE"))))
    assert not record(capture, "b")
    capture.tell(Tally({}))
    capture.close()
    assert [path.name for path in places.root.iterdir()] == ["journal"]


def test_capture_is_switched_on_and_off_and_to_others_while_it_runs(places: Places) -> None:
    capture = WorkerCapture(places, WorkerNumber(1))
    capture.change(OFF)
    assert not record(capture, "a")
    capture.change(ACME)
    assert record(capture, "b")
    assert not record(capture, "c", "other")
    capture.change(Settings(capture=CaptureSettings(enabled=True, owners=("other",))))
    assert not record(capture, "d")
    assert record(capture, "e", "other")
    capture.change(OFF)
    assert not record(capture, "f")
    tally = Tally({})
    capture.tell(tally)
    capture.close()
    assert kept(places) == "be"
    assert [(one.metric, one.value) for one in tally.snapshot().counters] == [(CAPTURES, 2)]
    reader = CaptureReader(places.captures(OFF.capture), pytest.fail)
    (part,) = reader.open(reader.find(ExchangeId("b" * 24)), sealer(OFF, places))
    assert part.content == b"hello"


def test_a_key_that_cannot_be_read_leaves_capture_as_it_was(places: Places) -> None:
    capture = WorkerCapture(places, WorkerNumber(1))
    with pytest.raises(SecretUnreadable, match="NOT_SET_HERE"):
        capture.change(replace(ACME, keys=KeySettings(kek=Secret("env:NOT_SET_HERE"))))
    assert not record(capture, "a")
    capture.close()
