"""Whom the story asks: the hub while it runs, and the watch once more over what the journal holds."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from chatelaine.adapters.journal import read_segments, workers
from chatelaine.app.errand import ask
from chatelaine.app.rehearsal.place import Gate
from chatelaine.catalog import detections
from chatelaine.core.detection.evidence_said import Weight
from chatelaine.model.desk import IncidentsTold, IncidentTold, ListIncidents, ShowIncident
from chatelaine.model.detection import Finding, Sighting
from chatelaine.model.error import ChatelaineError
from chatelaine.model.event import Event
from chatelaine.model.incident import Story
from chatelaine.model.link import ReadStatus, StatusTold
from chatelaine.model.watch import WatchTold
from chatelaine.model.words import Instant, KeyId, WorkerNumber
from chatelaine.services.detection import Turn, Watch

_PATIENCE: Final = 40.0
"""Seconds the hub may take to learn two weeks."""
_GLANCE: Final = 0.1
_CURRENT: Final = 1.0
"""Seconds behind the present within which a watch is taken to have read all there was."""
_MOST: Final = 100


class Onlooker:
    """Asks the hub over its socket, as the command line does."""

    async def ready(self, gate: Gate, keys: int) -> WatchTold:
        """Wait until the hub has learnt the past and the gates hold the habits of so many keys.

        Raises:
            ChatelaineError: it does not come to it.
        """
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            told = await ask(gate.places.socket, ReadStatus())
            if isinstance(told, StatusTold) and _learnt(told.watch, keys):
                return told.watch
            await asyncio.sleep(_GLANCE)
        raise ChatelaineError(
            f"the watch had not learnt the past after {_PATIENCE:.0f} s",
            hint="is the machine busy? chatelaine demo again",
        )

    async def current(self, gate: Gate) -> bool:
        """Tell whether the hub's watch has read what is recorded, up to a moment ago."""
        told = await ask(gate.places.socket, ReadStatus())
        return isinstance(told, StatusTold) and told.watch.behind < _CURRENT

    async def stories(self, gate: Gate) -> Sequence[Story]:
        """Return all that is known of each incident so far, the oldest first."""
        told = await ask(gate.places.socket, ListIncidents((), _MOST))
        listed = told.incidents if isinstance(told, IncidentsTold) else ()
        shown = [await ask(gate.places.socket, ShowIncident(one.id)) for one in listed]
        stories = [one.story for one in shown if isinstance(one, IncidentTold)]
        return sorted(stories, key=lambda one: one.incident.opened_at)


def _learnt(watch: WatchTold, keys: int) -> bool:
    # What is judged last is of the present: the apps are at work.
    return watch.habits >= keys and 0 < watch.behind < _CURRENT


class Replay:
    """The watch once more, over the journal: it tells what is found without being an incident.

    The same events always show the same, so it says what the hub's own watch said.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._watch = Watch(detections())
        self._taken: dict[WorkerNumber, int] = {}
        self._findings: list[Finding] = []
        self._weights: list[tuple[Sighting, Weight]] = []

    def go_on(self) -> None:
        """Judge what was recorded since the last time.

        Raises:
            JournalError: the journal is damaged.
        """
        turn = Turn()
        for event in self._fresh():
            self._watch.take(event, turn)
        self._findings += turn.findings
        self._weights += turn.weights

    def findings(self, key: KeyId, since: Instant) -> list[Finding]:
        """Return what was found on a key since an instant."""
        return [one for one in self._findings if one.key == key and one.at >= since]

    def weights(self, key: KeyId, ip: str) -> list[Weight]:
        """Return the evidence on whoever used a key from an address, as it grew."""
        return [weight for seen, weight in self._weights if (seen.key, seen.ip) == (key, ip)]

    def _fresh(self) -> list[Event]:
        found: list[Event] = []
        for worker in workers(self._journal):
            before = self._taken.get(worker, 0)
            events = [event for _, event in read_segments(self._journal, worker)]
            self._taken[worker] = len(events)
            found += events[before:]
        return sorted(found, key=lambda event: event.at)
