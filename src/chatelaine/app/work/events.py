"""Behind ``chatelaine events``: the journals of all workers, merged by time."""

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import msgspec

from chatelaine.adapters.journal import Tail, read_segments, workers
from chatelaine.app.wire import CLOCK, Places, read_settings
from chatelaine.model.error import JournalError
from chatelaine.model.event import Event
from chatelaine.model.words import Instant, WorkerNumber
from chatelaine.surfaces.cli.key_views import Json
from chatelaine.surfaces.cli.options import Chosen

_LOOK = 0.25
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Events:
    """Reads the journals in one storage directory."""

    directory: Path
    faults: list[JournalError] = field(default_factory=list)
    """Where the journals are damaged, as far as they were read."""

    def instant(self, back: timedelta | Instant | None) -> Instant:
        """Return from when on events are wanted."""
        if back is None:
            return Instant(0)
        if isinstance(back, timedelta):
            return Instant(CLOCK.now() - back // timedelta(microseconds=1) * 1000)
        return back

    def read(self, *, after: Instant, follow: bool) -> Iterator[dict[str, Json]]:
        """Yield events in order of time as JSON; damage is passed over and noted."""
        if follow:
            yield from self._follow(after)
            return
        streams = [self._events(worker) for worker in workers(self.directory)]
        for event in heapq.merge(*streams, key=lambda event: event.at):
            if event.at >= after:
                yield as_json(event)

    def _events(self, worker: WorkerNumber) -> Iterator[Event]:
        for _, event in read_segments(self.directory, worker, on_fault=self.faults.append):
            yield event

    def _follow(self, after: Instant) -> Iterator[dict[str, Json]]:
        tail = Tail(self.directory, {}, self.faults.append)
        while True:
            found = [event for _, event in tail.poll(_AT_ONCE)]
            for event in sorted(found, key=lambda event: event.at):
                if event.at >= after:
                    yield as_json(event)
            if not found:
                time.sleep(_LOOK)


def as_json(event: Event) -> dict[str, Json]:
    """Return an event as JSON with its kind in front."""
    told: dict[str, Json] = {"kind": event.kind, **msgspec.to_builtins(event)}
    return told


def begin(chosen: Chosen) -> Events:
    """Return what the command works with."""
    settings = read_settings(chosen.path, chosen.overrides)
    return Events(Places(settings.storage.directory.resolve()).journal)
