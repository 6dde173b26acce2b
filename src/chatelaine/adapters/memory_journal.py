"""The journal in memory: tests and rehearsals; a test decides when records become durable."""

from collections.abc import Callable

from chatelaine.model.error import JournalUnavailable
from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.words import ExchangeId


class MemoryJournal:
    """Keeps events in a list; ``prompt``: tells at once that they are durable, else on ``settle``."""

    def __init__(self, *, prompt: bool = True) -> None:
        self.events: list[Event] = []
        self.available = True
        """To be set by a test: whether records can be made durable."""
        self._prompt = prompt
        self._open: set[ExchangeId] = set()
        self._calls: list[Callable[[bool], None]] = []

    def append(self, event: Event) -> None:
        """Keep an event.

        Raises:
            JournalUnavailable: it was told to fail, and the event is no end of an open exchange.
        """
        ends = isinstance(event, ExchangeEnded | ExchangeInterrupted) and event.exchange in self._open
        if not self.available and not ends:
            raise JournalUnavailable("the journal in memory was told to fail")
        if isinstance(event, ExchangeOpened):
            self._open.add(event.exchange)
        elif isinstance(event, ExchangeEnded | ExchangeInterrupted):
            self._open.discard(event.exchange)
        self.events.append(event)

    def when_durable(self, call: Callable[[bool], None]) -> None:
        """Call back at once, or when ``settle`` is called."""
        if self._prompt:
            call(self.available)
        else:
            self._calls.append(call)

    def settle(self, *, durable: bool) -> None:
        """Tell everybody who waits whether the records are durable."""
        calls, self._calls = self._calls, []
        for call in calls:
            call(durable)
