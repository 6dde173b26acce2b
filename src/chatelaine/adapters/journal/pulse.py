"""What a journal tells its operators: counts kept while it works, and handed over now and then."""

from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Final

from chatelaine.core.codec import CLASSES
from chatelaine.core.metric import EVENT_QUEUE, EVENTS, JOURNAL_FAILURES, JOURNAL_GROUP
from chatelaine.model.event import Event
from chatelaine.model.words import SECOND
from chatelaine.ports import Telemetry

_MOST_GROUPS: Final = 8192
"""Groups that are remembered until they are told; a worker is asked four times a second."""


def _label(kind: str) -> str:
    room, _, happened = kind.partition(".")
    return happened if room == "exchange" else room.removeprefix("provider_")


_LABELS: Final[Mapping[type[Event], str]] = {one: _label(one.kind) for one in CLASSES}


class Pulse:
    """Counts of one journal since they were last told."""

    def __init__(self) -> None:
        self.appended: defaultdict[type[Event], int] = defaultdict(int)
        self.failures = 0
        """Groups that could not be made durable where they were written."""
        self.groups: deque[int] = deque(maxlen=_MOST_GROUPS)
        """Nanoseconds from the write of each group until it was durable."""

    def tell(self, telemetry: Telemetry, *, waiting: int) -> None:
        """Count what happened since this was last called, and show how many records wait."""
        for one, count in self.appended.items():
            telemetry.count(EVENTS, _LABELS[one], by=count)
        self.appended.clear()
        if self.failures:
            telemetry.count(JOURNAL_FAILURES, by=self.failures)
            self.failures = 0
        while self.groups:
            telemetry.observe(JOURNAL_GROUP, value=self.groups.popleft() / SECOND)
        telemetry.show(EVENT_QUEUE, value=waiting)
