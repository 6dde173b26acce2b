"""Content capture of one worker: taken on the loop, encrypted and written by a thread of its own.

What is asked of the loop is a look-up for each exchange and an append for each piece that passes.
Everything else happens in the thread: it gathers for a moment, encrypts, and appends to the
worker's segment. A killed process loses what was gathered and not written; the journal does not
depend on any of it.
"""

from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final

from chatelaine.adapters.capture.recording import ContentRecording, Piece, Recorder
from chatelaine.adapters.capture.writer import SegmentWriter
from chatelaine.core.metric import CAPTURES, CAPTURES_LOST
from chatelaine.model.exchange import Caller
from chatelaine.model.settings import CaptureSettings
from chatelaine.model.words import ExchangeId
from chatelaine.ports import Clock, Telemetry

_GATHERING: Final = 0.05
"""Seconds in which pieces gather, so that the thread seldom takes the interpreter from the loop."""


class SegmentCapture:
    """Keeps content in encrypted segments; one a process, used on its loop."""

    def __init__(self, writer: SegmentWriter, settings: CaptureSettings, clock: Clock) -> None:
        """Touch nothing yet: directory, thread and segment are made when there is content to keep."""
        self._writer = writer
        self._queue: SimpleQueue[Piece | None] = SimpleQueue()
        self._recorder = Recorder(settings, clock, self._put)
        self._stopping = Event()
        self._thread: Thread | None = None
        self._lost_by_disk = 0
        self._told_begun = self._told_lost = 0

    @property
    def lost(self) -> int:
        """How often content was lost: to a full memory, or to a disk that did not take it."""
        return self._recorder.lost + self._lost_by_disk

    @property
    def failure(self) -> str:
        """Why nothing can be written; "" while it can."""
        return self._writer.failure

    def change(self, settings: CaptureSettings) -> None:
        """Go by other settings from now on; the directory stays."""
        self._recorder.change(settings)

    def begin(self, exchange: ExchangeId, caller: Caller) -> ContentRecording | None:
        """Return what takes an exchange's content, or None where none of it is to be kept."""
        return self._recorder.begin(exchange, caller)

    def tell(self, telemetry: Telemetry) -> None:
        """Count what was captured and lost since this was last called."""
        begun, lost = self._recorder.begun, self.lost
        if begun > self._told_begun:
            telemetry.count(CAPTURES, by=begun - self._told_begun)
        if lost > self._told_lost:
            telemetry.count(CAPTURES_LOST, by=lost - self._told_lost)
        self._told_begun, self._told_lost = begun, lost

    def close(self) -> None:
        """Write what was taken, and stop."""
        self._stopping.set()
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
        self._writer.close()

    def _put(self, piece: Piece) -> None:
        self._queue.put(piece)
        if self._thread is None and not self._stopping.is_set():
            self._thread = Thread(target=self._write_forever, name="capture", daemon=True)
            self._thread.start()

    def _write_forever(self) -> None:
        going_on = True
        while going_on:
            first = self._queue.get()
            self._stopping.wait(_GATHERING)
            pieces, going_on = self._gather(first)
            self._lost_by_disk += self._writer.write(pieces, self._recorder.settings)
            self._recorder.written += sum(piece.size for piece in pieces)

    def _gather(self, first: Piece | None) -> tuple[list[Piece], bool]:
        """Return the pieces that wait, and whether more may come."""
        pieces: list[Piece] = []
        given = first
        while given is not None:
            pieces.append(given)
            try:
                given = self._queue.get_nowait()
            except Empty:
                return pieces, True
        return pieces, False
