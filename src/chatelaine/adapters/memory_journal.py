"""The journal in memory: tests and rehearsals; a test decides when records become durable."""

from collections.abc import Callable

from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import Event, ExchangeOpened


class MemoryJournal:
    """Keeps events in a list."""

    def __init__(self, *, prompt: bool = True) -> None:
        self.events: list[Event] = []
        self.available = True
        self._prompt = prompt
        self._calls: list[Callable[[bool], None]] = []

    def append(self, event: Event) -> None:
        """Keep an event."""
        if not self.available and type(event) is ExchangeOpened:
            raise JournalUnavailable("the journal in memory was told to fail")
        self.events.append(event)

    def when_durable(self, call: Callable[[bool], None]) -> None:
        """Call back at once, or when ``settle`` is called."""
        if self._prompt:
            call(True)
        else:
            self._calls.append(call)

    def settle(self, *, durable: bool) -> None:
        """Tell everybody who waits whether the records are durable."""
        calls, self._calls = self._calls, []
        for call in calls:
            call(durable)
