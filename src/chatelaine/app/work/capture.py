"""Behind ``chatelaine capture``: the segments on the disk, and the hub's journal for who looked into them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from chatelaine.adapters.capture import CaptureReader, purge, segments
from chatelaine.app.errand import run_errand
from chatelaine.app.wire import CLOCK, Places, read_settings, sealer
from chatelaine.model.capture import CapturedExchange, PieceHead, Removed
from chatelaine.model.error import CaptureDamaged, CaptureError, SecretUnreadable
from chatelaine.model.link import Act, RecordAct
from chatelaine.model.settings import Settings
from chatelaine.model.words import ExchangeId, Instant
from chatelaine.ports import Sealer
from chatelaine.surfaces.cli.capture import Shown
from chatelaine.surfaces.cli.options import Chosen


class Captures:
    """Reads and deletes captured content in one directory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places = Places(settings.storage.directory.resolve())
        self._directory = self._places.captures(settings.capture)
        self._damage: dict[str, CaptureDamaged] = {}
        self._reader = CaptureReader(self._directory, self._note)

    @property
    def damage(self) -> Sequence[CaptureDamaged]:
        """What was found damaged while reading, each once."""
        return tuple(self._damage.values())

    def instant(self, back: timedelta | Instant | None) -> Instant:
        """Return from when on, or until when, content is meant."""
        if back is None:
            return Instant(0)
        if isinstance(back, timedelta):
            return Instant(CLOCK.now() - back // timedelta(microseconds=1) * 1000)
        return back

    def exchanges(self) -> Sequence[CapturedExchange]:
        """Return what is kept, the oldest first.

        Raises:
            CaptureError: nothing is, and nothing will be: capture is off.
        """
        self._require_any()
        with self._reading():
            return self._reader.exchanges()

    def show(self, exchange: ExchangeId, *, by: str) -> Shown:
        """Record that somebody looks, then return the content.

        Raises:
            ChatelaineError: nothing is kept of it, it cannot be recorded, or cannot be opened.
        """
        self._require_any()
        with self._reading():
            about = self._reader.about(self._reader.find(exchange))
            opener = self._opener()
            self._record(Act.SHOW_CAPTURE, by, "begun", f"exchange {exchange} of {about.owner}")
            return Shown(about, self._reader.open(self._reader.find(exchange), opener))

    def purge(self, unwanted: Callable[[PieceHead], bool], *, by: str, said: str) -> Removed:
        """Record that somebody deletes, delete, and record what was deleted.

        Raises:
            ChatelaineError: it cannot be recorded, or files cannot be deleted.
        """
        self._record(Act.PURGE_CAPTURE, by, "begun", said)
        with self._reading():
            removed = purge(self._directory, unwanted)
            # What cannot be read could not be judged either: whoever deletes is to hear of it.
            self._reader.exchanges()
        detail = f"{said}: {removed.records} records, {removed.segments} segments"
        self._record(Act.PURGE_CAPTURE, by, "done", detail)
        return removed

    def _note(self, fault: CaptureDamaged) -> None:
        self._damage.setdefault(fault.message, fault)

    def _require_any(self) -> None:
        if not self._settings.capture.enabled and not segments(self._directory):
            raise CaptureError(
                f"capture is off, and nothing is kept in {self._directory}",
                hint="set capture.enabled and whose content is to be kept; docs/explain/capture.md",
            )

    def _opener(self) -> Sealer:
        """Return what opens the keys of segments; none is made here, since it would open none of them."""
        own = self._places.secret("kek")
        if self._settings.keys.kek is None and not own.exists():
            raise SecretUnreadable(
                f"the key-encryption key {own} is gone: no captured content opens without it",
                hint="restore it from a copy, or point keys.kek at it",
            )
        return sealer(self._settings, self._places)

    def _record(self, act: Act, by: str, outcome: str, detail: str) -> None:
        """Have it stand in the journal before anything is shown or deleted."""
        run_errand(self._settings, RecordAct(act=act, by=by, outcome=outcome, detail=detail))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise CaptureError(
                f"{error.filename or self._directory}: {error.strerror or error}",
                hint="check who may read and write it, and that nobody purges at the same time",
            ) from error


def begin(chosen: Chosen) -> Captures:
    """Return what the command works with."""
    return Captures(read_settings(chosen.path, chosen.overrides))
