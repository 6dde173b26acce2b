"""Content capture in memory: for tests and rehearsals."""

from chatelaine.adapters.capture.recording import ContentRecording, Piece, Recorder
from chatelaine.model.capture import Part
from chatelaine.model.exchange import Caller
from chatelaine.model.settings import CaptureSettings
from chatelaine.model.words import ExchangeId
from chatelaine.ports import Clock


class MemoryCapture:
    """Keeps content as long as it lives."""

    def __init__(self, settings: CaptureSettings, clock: Clock) -> None:
        self.pieces: list[Piece] = []
        self._recorder = Recorder(settings, clock, self._put)

    @property
    def lost(self) -> int:
        """How often content was lost."""
        return self._recorder.lost

    def change(self, settings: CaptureSettings) -> None:
        """Go by other settings from now on."""
        self._recorder.change(settings)

    def begin(self, exchange: ExchangeId, caller: Caller) -> ContentRecording | None:
        """Return what takes an exchange's content, or None where none of it is to be kept."""
        return self._recorder.begin(exchange, caller)

    def content(self, exchange: ExchangeId, part: Part) -> bytes:
        """Return what was kept of a part."""
        return b"".join(
            chunk
            for piece in self.pieces
            if (piece.exchange, piece.part) == (exchange, part)
            for chunk in piece.chunks
        )

    def _put(self, piece: Piece) -> None:
        self.pieces.append(piece)
        self._recorder.written += piece.size
