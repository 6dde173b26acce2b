"""Settled habits as the gates hold them: pushed when they changed, a few seconds later at most."""

import asyncio
from collections.abc import Callable, Sequence

from chatelaine.core.key.habit import Habit
from chatelaine.model.detection import Dimension
from chatelaine.model.playbook import HabitTable
from chatelaine.model.words import KeyId
from chatelaine.services.detection import Watch

_EVERY = 5.0
"""Seconds between looks at habits that changed."""
_AT_ONCE = 500
"""Habits that are looked at between two turns of the loop."""


class Habits:
    """Keeps the gates' tables of habits current."""

    def __init__(self, watch: Watch, publish: Callable[[Sequence[HabitTable]], None]) -> None:
        self._watch = watch
        self._publish = publish
        self._told: dict[KeyId, HabitTable] = {}
        self._alarmed: frozenset[KeyId] = frozenset()

    def alarm(self, keys: frozenset[KeyId]) -> None:
        """Take the keys about which an incident is open; the gates are told at once."""
        before, self._alarmed = self._alarmed, keys
        self._tell(sorted(before ^ keys))

    async def run(self) -> None:
        """Look at what changed for as long as the hub lives."""
        while True:
            changed = self._watch.relearnt()
            for start in range(0, len(changed), _AT_ONCE):
                self._tell(changed[start : start + _AT_ONCE])
                await asyncio.sleep(0)
            await asyncio.sleep(_EVERY)

    def _tell(self, keys: Sequence[KeyId]) -> None:
        tables = [table for kid in keys if (table := self._table(kid)) is not None]
        changed = [table for table in tables if self._told.get(table.key) != table]
        self._told.update((table.key, table) for table in changed)
        if changed:
            self._publish(changed)

    def _table(self, kid: KeyId) -> HabitTable | None:
        habit = self._watch.habit(kid)
        if habit is None or not habit.settled:
            return None
        return table_of(kid, habit, alarmed=kid in self._alarmed)


def table_of(kid: KeyId, habit: Habit, *, alarmed: bool) -> HabitTable:
    """Return a habit as the gates hold it."""
    return HabitTable(
        key=kid,
        contexts=habit.marks(Dimension.CONTEXT),
        prefixes=habit.marks(Dimension.PREFIX),
        clients=(*habit.marks(Dimension.JA4), *habit.marks(Dimension.HEADERS)),
        alarmed=alarmed,
    )
