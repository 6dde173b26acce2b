"""Content capture of one worker as the settings have it, also when they change while it runs."""

from chatelaine.adapters.capture import SegmentCapture, SegmentWriter
from chatelaine.app.wire import CLOCK, ENTROPY, Places, sealer
from chatelaine.model.exchange import Caller
from chatelaine.model.settings import Settings
from chatelaine.model.words import ExchangeId, WorkerNumber
from chatelaine.ports import Recording, Telemetry


class WorkerCapture:
    """Captures nothing, and holds no key, until the settings switch capture on."""

    def __init__(self, places: Places, worker: WorkerNumber) -> None:
        self._places = places
        self._worker = worker
        self._capture: SegmentCapture | None = None

    def change(self, settings: Settings) -> None:
        """Go by these settings from now on.

        Raises:
            SecretUnreadable: the key-encryption key cannot be read; nothing changes.
        """
        if self._capture is not None:
            self._capture.change(settings.capture)
        elif settings.capture.enabled:
            writer = SegmentWriter(
                self._places.captures(settings.capture),
                self._worker,
                sealer=sealer(settings, self._places),
                entropy=ENTROPY,
                clock=CLOCK,
            )
            self._capture = SegmentCapture(writer, settings.capture, CLOCK)

    def begin(self, exchange: ExchangeId, caller: Caller) -> Recording | None:
        """Return what takes an exchange's content, or None where none of it is to be kept."""
        return None if self._capture is None else self._capture.begin(exchange, caller)

    def tell(self, telemetry: Telemetry) -> None:
        """Count what was captured and lost since this was last called."""
        if self._capture is not None:
            self._capture.tell(telemetry)

    def close(self) -> None:
        """Write what was taken, and stop; content of exchanges that have not ended is lost."""
        if self._capture is not None:
            self._capture.close()
