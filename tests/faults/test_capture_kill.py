"""A worker that captures content is killed: what was whole is read, what was not is left out."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chatelaine.adapters.capture import CaptureReader
from chatelaine.adapters.entropy import SystemEntropy
from chatelaine.adapters.sealer import AesGcmSealer

CHILD = """
import itertools, sys
from pathlib import Path
from chatelaine.adapters.capture import SegmentCapture, SegmentWriter
from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.entropy import SystemEntropy
from chatelaine.adapters.sealer import AesGcmSealer
from chatelaine.model.capture import Part
from chatelaine.model.exchange import Caller
from chatelaine.model.settings import CaptureSettings

clock, entropy = SystemClock(), SystemEntropy()
sealer = AesGcmSealer({"kek": b"k" * 32}, entropy)
writer = SegmentWriter(Path(sys.argv[1]), 1, sealer=sealer, entropy=entropy, clock=clock)
settings = CaptureSettings(enabled=True, everyone=True, segment_bytes=1 << 21, memory_bytes=1 << 22)
capture = SegmentCapture(writer, settings, clock)
print("begun", flush=True)
for number in itertools.count():
    recording = capture.begin(f"{number:024d}", Caller("abcdefghi", "acme", "bot"))
    recording.add(Part.REQUEST, b"%024d" % number)
    for _ in range(3):
        recording.add(Part.REPLY, b"%024d" % number * 2000)
    recording.end()
"""


@pytest.mark.parametrize("milliseconds", [150, 210, 280, 350, 430])
def test_after_a_kill_every_exchange_that_is_told_whole_is_whole(tmp_path: Path, milliseconds: int) -> None:
    directory = tmp_path / "capture"
    with subprocess.Popen([sys.executable, "-c", CHILD, str(directory)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"begun\n"
        try:
            child.wait(timeout=milliseconds / 1000)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.wait()
    reader = CaptureReader(directory, lambda damage: pytest.fail(str(damage)))
    sealer = AesGcmSealer({"kek": b"k" * 32}, SystemEntropy())
    found = reader.exchanges()
    whole = [one for one in found if one.whole and one.kept == 24 + 3 * 48_000]
    assert whole, "some were written before the kill"
    for one in (*whole[:3], *whole[-3:]):
        parts = reader.open(reader.find(one.exchange), sealer)
        assert [part.content for part in parts] == [
            one.exchange.encode(),
            one.exchange.encode() * 6000,
        ]
