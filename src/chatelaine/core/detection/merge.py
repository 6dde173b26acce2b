"""Several journals read as one, in order of time: the same order whoever reads them, and whenever."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from chatelaine.model.event import Event
from chatelaine.model.journal import Position
from chatelaine.model.words import Instant, WorkerNumber


class Placed(NamedTuple):
    """An event, and the position behind it in the journal it came from."""

    worker: WorkerNumber
    position: Position
    event: Event


class Merger:
    """Holds events back until no earlier one can come, then gives them in order of time.

    A worker writes its events within milliseconds. What comes later all the same is not lost: it is
    given at once, out of order.
    """

    __slots__ = ("_positions", "_waiting", "unread")

    def __init__(self, positions: Mapping[WorkerNumber, Position]) -> None:
        self._waiting: dict[WorkerNumber, deque[Placed]] = {}
        self._positions = dict(positions)
        self.unread: frozenset[WorkerNumber] = frozenset()
        """Workers whose journals may hold more that is as old: nothing overtakes it."""

    def crowded(self, most: int) -> frozenset[WorkerNumber]:
        """Return the workers of which so many events wait that no more need be read."""
        return frozenset(worker for worker, held in self._waiting.items() if len(held) >= most)

    def add(self, placed: Placed) -> None:
        """Take an event; those of one worker come in the order of its journal."""
        held = self._waiting.get(placed.worker)
        if held is None:
            held = self._waiting[placed.worker] = deque()
        held.append(placed)

    def release(self, until: Instant) -> Iterator[Event]:
        """Yield what happened up to an instant, in order of time and, at the same instant, of workers."""
        while all(self._waiting.get(worker) for worker in self.unread):
            heads = [held[0] for held in self._waiting.values() if held]
            first = min(heads, key=lambda head: (head.event.at, head.worker), default=None)
            if first is None or first.event.at > until:
                return
            self._waiting[first.worker].popleft()
            self._positions[first.worker] = first.position
            yield first.event

    @property
    def positions(self) -> dict[WorkerNumber, Position]:
        """What was given, as positions in the journals it came from."""
        return dict(self._positions)
