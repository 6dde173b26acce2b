"""A journal written after the fact: events that did not happen here, in segments like any others."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from chatelaine.adapters.journal.place import segments
from chatelaine.adapters.journal.writer import SegmentWriter, unusable
from chatelaine.core.codec import encode
from chatelaine.core.journal import carry, frame
from chatelaine.model.error import JournalError
from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.journal import OpenExchange
from chatelaine.model.words import ExchangeId, Instant, WorkerNumber

_AT_ONCE: Final = 2000
_SEGMENT: Final = 64 << 20
"""Bytes from which on the next segment is begun, as a gate does by default."""


class PastWriter:
    """Writes events into a worker's journal that holds none, in the order they are given."""

    def __init__(self, directory: Path, worker: WorkerNumber, *, segment_bytes: int = _SEGMENT) -> None:
        """Begin the journal.

        Raises:
            JournalError: the worker has a journal there already, or another process writes it.
            JournalUnavailable: the directory cannot be used.
        """
        self._directory, self._segment_bytes = directory, segment_bytes
        self._open: dict[ExchangeId, OpenExchange] = {}
        self._frames: list[bytes] = []
        self._begun = False
        try:
            _require_none(directory, worker)
            self._writer = SegmentWriter(directory, worker)
        except OSError as error:
            raise unusable(directory, error) from error

    def add(self, events: Iterable[Event]) -> None:
        """Append events.

        Raises:
            JournalUnavailable: the disk takes no more.
        """
        try:
            for event in events:
                if not self._begun or self._writer.written >= self._segment_bytes:
                    self._begin(event.at)
                self._append(event)
        except OSError as error:
            raise unusable(self._directory, error) from error

    def close(self) -> None:
        """Put everything on the disk and let the journal go.

        Raises:
            JournalUnavailable: the disk does not take the rest.
        """
        try:
            self._flush()
            if self._begun:
                self._writer.sync()
        except OSError as error:
            raise unusable(self._directory, error) from error
        finally:
            self._writer.close()

    def _append(self, event: Event) -> None:
        if isinstance(event, ExchangeOpened):
            self._open[event.exchange] = carry(event)
        elif isinstance(event, ExchangeEnded | ExchangeInterrupted):
            self._open.pop(event.exchange, None)
        self._frames.append(frame(encode(event)))
        if len(self._frames) >= _AT_ONCE:
            self._flush()

    def _begin(self, at: Instant) -> None:
        if self._begun:
            self._flush()
            self._writer.sync()
        self._writer.begin(tuple(self._open.values()), at, repeats=False)
        self._begun = True

    def _flush(self) -> None:
        if self._frames:
            self._writer.write(b"".join(self._frames))
            self._writer.settle()
            self._frames.clear()


def _require_none(directory: Path, worker: WorkerNumber) -> None:
    if segments(directory, worker):
        raise JournalError(
            f"{directory} holds a journal of worker {worker}: what is made up is not mixed with it",
            hint="name a folder that is empty or does not exist",
        )
