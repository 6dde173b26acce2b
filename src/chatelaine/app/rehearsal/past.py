"""A past for the demo: two weeks of an app's life, as the journal would hold them had they happened here."""

from pathlib import Path
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from chatelaine.adapters.journal import PastWriter
from chatelaine.core.play import program, wish
from chatelaine.core.play.cast import Plot
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.deed import Holder
from chatelaine.core.play.life import DAY, Source, Trouble, daily
from chatelaine.core.play.place import MINUTE
from chatelaine.core.play.stage import Play
from chatelaine.core.play.wish import Sizes, Wish
from chatelaine.model.event import Event
from chatelaine.model.exchange import Caller, Client
from chatelaine.model.key import VirtualKey
from chatelaine.model.play import Part, Range
from chatelaine.model.words import Instant, WorkerNumber

DAYS: Final = 14
_SEED: Final = 1347
_GATE: Final = WorkerNumber(1)
_LONGEST: Final = 11 * MINUTE
"""An exchange of the play may take so long: the past is over before the present begins."""
_STREAMED: Final = 0.5
"""Half of an app's requests stream."""


class Habit(Struct, frozen=True):
    """What an app did all the while."""

    key: VirtualKey
    client: Client
    """As the gate sees the app now: the past is to be its own."""
    per_day: float


def write_past(journal: Path, habits: tuple[Habit, ...], now: Instant) -> int:
    """Write the last two weeks of some apps into a journal that does not run yet; return the exchanges.

    Raises:
        JournalError: the gate has a journal already, or it cannot be written.
    """
    begins_at = Instant(now - DAYS * DAY - _LONGEST)
    plots = tuple(_plot(habit, begins_at) for habit in habits)
    writer, count = PastWriter(journal, _GATE), 0
    try:
        for hour in Play(plots, Chance(_SEED), begins_at=begins_at, days=DAYS).hours():
            # The keys' own events are the hub's to record, and it did when they were issued.
            events = [event for event in hour.events if _of_gate(event)]
            writer.add(events)
            count += sum(event.kind == "exchange.opened" for event in events)
    finally:
        writer.close()
    return count


def _of_gate(event: Event) -> bool:
    return event.kind.startswith("exchange.")


def _plot(habit: Habit, begins_at: Instant) -> Plot:
    key = habit.key
    holder = Holder(Caller(key.id, key.owner, key.app), key.slot)
    whole = Source(
        holder=holder,
        place=Range((habit.client.network,)),
        programs=(program.recorded(habit.client),),
        wish=Wish(wish.chat(wish.MIDDLE), Sizes(24, 0.5), Sizes(36, 0.5)),
        per_day=habit.per_day * (1 - _STREAMED),
        rhythm=daily(14),
        burst=0.3,
        trouble=Trouble(limited=0.0, bad=0.0, blocked=0.0),
    )
    streamed = replace(
        whole,
        wish=replace(whole.wish, asked=wish.chat(wish.MIDDLE, stream=True)),
        per_day=habit.per_day * _STREAMED,
    )
    return Plot(name="", part=Part.BENIGN, begins_at=begins_at, holders=(holder,), sources=(whole, streamed))
