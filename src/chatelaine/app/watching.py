"""The watch over live journals: read in order of time, judged, answered, and how far it came is kept.

What was found is answered before the reading is kept. A hub that dies between the two reads again
and finds the same, under the same ids, so that answering twice changes nothing.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from chatelaine.adapters.journal import Tail
from chatelaine.app.collecting import settle
from chatelaine.core.detection.merge import Merger, Placed
from chatelaine.model.error import JournalError, StoreError
from chatelaine.model.event import Event
from chatelaine.model.watch import Cursor
from chatelaine.model.words import SECOND, Instant, WorkerNumber
from chatelaine.ports import Clock, WatchStore
from chatelaine.services.detection import Turn, Watch

log = logging.getLogger("chatelaine.watch")

YOUNG = 100_000
"""Objects of the hub until its collector looks at the new ones among them."""
_HOLD = SECOND // 20
"""Nanoseconds an event is held back, so that an earlier one of another worker comes before it."""
_LOOK = 0.02
"""Seconds between looks at journals in which nothing new stood."""
_AT_ONCE = 2_000
"""Events of a worker that are read at once, and held at most before the next are."""
_SLICE = 200
"""Events that are judged before the hub's other work has its turn."""
_PIECES = 50
"""Pieces of state that are encoded before the hub's other work has its turn."""
_KEEP_EVERY = 30 * SECOND
_KEEP_SHARE = 20
"""State is kept after so many times what keeping it took the last time, at the earliest."""


@dataclass(slots=True)
class Standing:
    """How the watch stands, for operators."""

    seen: int = 0
    """Events judged since the hub started."""
    behind: float = 0.0
    """Seconds from an event until it was judged, the last time."""
    faults: int = 0


class Watching:
    """The life of the watch inside the hub."""

    def __init__(
        self, directory: Path, watch: Watch, store: WatchStore, clock: Clock, answer: "Answer"
    ) -> None:
        self._directory = directory
        self._watch = watch
        self._store = store
        self._clock = clock
        self._answer = answer
        self._kept_at = clock.elapsed()
        self._pause = _KEEP_EVERY
        self._unkept = 0
        self._answered = True
        """Whether all that was found is answered: only then do state and cursor belong together."""
        self.standing = Standing()

    async def run(self) -> None:
        """Watch until cancelled; how far it came is kept at the end as well.

        Raises:
            StoreError: what was kept cannot be read, or no more can be kept.
        """
        pieces, cursor = await self._store.kept()
        self._watch.restore(pieces)
        tail = Tail(self._directory, cursor.positions, self._note_fault)
        merger = Merger(cursor.positions)
        settle(YOUNG)
        try:
            while True:
                await self._turn(tail, merger)
        finally:
            if self._answered:
                await self._keep(merger)

    async def _turn(self, tail: Tail, merger: Merger) -> None:
        leaving = merger.crowded(_AT_ONCE)
        read: Counter[WorkerNumber] = Counter()
        for placed in await asyncio.to_thread(tail.poll_placed, _AT_ONCE, leaving=leaving):
            read[placed[0]] += 1
            merger.add(Placed(*placed))
        merger.unread = leaving | {worker for worker, count in read.items() if count >= _AT_ONCE}
        judged = await self._judge(merger)
        now = self._clock.elapsed()
        if self._unkept and now - self._kept_at > self._pause:
            await self._keep(merger)
        if not judged:
            await asyncio.sleep(_LOOK)

    async def _judge(self, merger: Merger) -> int:
        judged = 0
        turn = Turn()
        for event in merger.release(Instant(self._clock.now() - _HOLD)):
            self._answered = False
            await self._take(event, turn)
            judged += 1
            self.standing.seen += 1
            self.standing.behind = (self._clock.now() - event.at) / SECOND
            if turn.alerts or judged % _SLICE == 0:
                await self._tell(turn)
                turn = Turn()
        await self._tell(turn)
        self._unkept += judged
        return judged

    async def _take(self, event: Event, turn: Turn) -> None:
        try:
            sighting = self._watch.sight(event)
            if sighting is None:
                return
            if self._watch.elsewhere(sighting.key):
                self._watch.wake(sighting.key, await self._store.asleep(sighting.key))
            self._watch.see(sighting, turn)
        except StoreError:
            raise
        except Exception:
            # One faulty detection must not keep the others from the rest of the journal, again and again.
            self.standing.faults += 1
            log.exception("an event could not be judged, and is passed over", extra={"kind": event.kind})

    async def _tell(self, turn: Turn) -> None:
        if turn:
            await self._answer(turn)
        self._answered = True
        await asyncio.sleep(0)

    async def _keep(self, merger: Merger) -> None:
        begun = self._clock.elapsed()
        pieces = []
        for piece in self._watch.changed():
            pieces.append(piece)
            if len(pieces) % _PIECES == 0:
                await asyncio.sleep(0)
        await self._store.keep(pieces, Cursor(merger.positions))
        self._kept_at, self._unkept = self._clock.elapsed(), 0
        self._pause = max(_KEEP_EVERY, _KEEP_SHARE * (self._kept_at - begun))

    def _note_fault(self, fault: JournalError) -> None:
        self.standing.faults += 1
        log.warning("a journal is damaged; the watch goes on behind it", extra={"fault": str(fault)})


Answer = Callable[[Turn], Awaitable[None]]
"""Takes what was found; it returns when that is durable."""
