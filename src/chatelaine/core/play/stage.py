"""The stage: plots become one stream of events in order of time, and beside it what is true of them."""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Final, NamedTuple

from chatelaine.core.play.benign import BENIGN
from chatelaine.core.play.cast import Casting, Plot
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.deed import GRANT, Deed, Holder, Recorder
from chatelaine.core.play.drift import drift
from chatelaine.core.play.life import DAY, HOUR, Life, Source
from chatelaine.core.play.theft import THEFTS
from chatelaine.model.event import Event, KeyChanged, KeyIssued
from chatelaine.model.key import KeyState
from chatelaine.model.play import Call, Label, Outline, Part
from chatelaine.model.words import Instant, KeyId

SCENARIOS: Final = {**BENIGN, **THEFTS}
"""Every scenario by its name."""
_BY: Final = "simulate"
_EARLIEST: Final = 0.5
_LATEST: Final = 0.75
"""A scenario begins in this part of the days: before it habits are learnt, after it there is time to see."""

_at = attrgetter("at")


class Hour(NamedTuple):
    """What was recorded in one hour."""

    events: list[Event]
    labels: list[Label]
    """Of the exchanges that begin in it and belong to a scenario."""


class Play:
    """Plots on the stage; it is played once."""

    def __init__(self, plots: Iterable[Plot], chance: Chance, *, begins_at: Instant, days: int) -> None:
        self._plots = tuple(plots)
        self._begins_at, self._ends_at = begins_at, Instant(begins_at + days * DAY)
        self._recorder = Recorder(chance.branch("recorder"))
        self._parts: Mapping[str, Part] = {plot.name: plot.part for plot in self._plots if plot.name}
        sources = [source for plot in self._plots for source in plot.sources]
        self._lives = [
            Life(source, chance.branch(f"life {number} {_named(source)}"))
            for number, source in enumerate(sources)
        ]
        self._scripts = [_Script(script) for plot in self._plots for script in plot.scripts]
        self._awake: set[KeyId] = set()
        self._later: list[Event] = []

    def outlines(self) -> tuple[Outline, ...]:
        """Return what is true of the scenarios as a whole."""
        return tuple(
            Outline(
                plot.name,
                plot.part,
                plot.begins_at,
                tuple(holder.key for holder in plot.holders),
                tuple(holder.owner for holder in plot.holders),
                plot.canaries,
            )
            for plot in self._plots
            if plot.name
        )

    def hours(self) -> Iterator[Hour]:
        """Play it, hour by hour; the last hour holds the ends of all that is still open."""
        self._later = [*self._issued(), *(change for plot in self._plots for change in plot.changes)]
        begin = self._begins_at
        while begin < self._ends_at:
            end = Instant(begin + HOUR)
            labels = [label for deed in self._deeds(begin, end) if (label := self._record(deed)) is not None]
            yield Hour(self._take(end), labels)
            begin = end
        yield Hour(sorted(self._later, key=_at), [])

    def _issued(self) -> Iterator[KeyIssued]:
        for plot in self._plots:
            for holder in plot.holders:
                yield KeyIssued(
                    self._begins_at, holder.key, holder.owner, holder.app, _BY, GRANT,
                    expires_at=None, canary=holder.key in plot.canaries,
                )  # fmt: skip

    def _deeds(self, begin: Instant, end: Instant) -> list[Deed]:
        deeds = [deed for life in self._lives for deed in life.hour(begin)]
        deeds += [deed for script in self._scripts for deed in script.until(end)]
        deeds.sort(key=_at)
        return deeds

    def _record(self, deed: Deed) -> Label | None:
        if deed.refused is None and deed.holder.key not in self._awake:
            self._awake.add(deed.holder.key)
            self._later.append(_woken(deed.at, deed.holder))
        exchange, events = self._recorder.record(deed)
        self._later += events
        if not deed.story:
            return None
        return Label(exchange, deed.at, deed.holder.key, deed.story, self._parts[deed.story])

    def _take(self, end: Instant) -> list[Event]:
        events = sorted(self._later, key=_at)
        self._later = [event for event in events if event.at >= end]
        return events[: len(events) - len(self._later)]


class _Script:
    """Deeds in order of time, of which the next one is known."""

    __slots__ = ("_deeds", "_next")

    def __init__(self, deeds: Iterator[Deed]) -> None:
        self._deeds = deeds
        self._next = next(deeds, None)

    def until(self, end: Instant) -> Iterator[Deed]:
        """Yield what is done before an instant."""
        while self._next is not None and self._next.at < end:
            yield self._next
            self._next = next(self._deeds, None)


def _named(source: Source) -> str:
    return f"{source.holder.key} {source.story}"


def _woken(at: Instant, holder: Holder) -> KeyChanged:
    return KeyChanged(at, holder.key, holder.owner, KeyState.ISSUED, KeyState.ACTIVE, "gate")


def play(call: Call) -> Play:
    """Return the play that is called for.

    Raises:
        KeyError: it calls for a scenario that does not exist.
    """
    chance = Chance(call.seed)
    ends_at = Instant(call.begins_at + call.days * DAY)
    casting = Casting(chance.branch("casting"), begins_at=call.begins_at, ends_at=ends_at)
    plots = [_bystander(casting, call) for _ in range(call.bystanders)]
    for name in call.scenarios:
        share = chance.branch(f"begin {name}").between(_EARLIEST, _LATEST)
        plots.append(SCENARIOS[name](casting, Instant(int(call.begins_at + share * call.days * DAY))))
    return Play(plots, chance, begins_at=call.begins_at, days=call.days)


def _bystander(casting: Casting, call: Call) -> Plot:
    owner = casting.owner()
    chance = casting.chance(f"drift {owner.holder.slot}")
    owner = drift(owner, chance, begins_at=call.begins_at, days=call.days)
    return Plot(
        name="", part=Part.BENIGN, begins_at=casting.begins_at, holders=(owner.holder,), sources=owner.sources
    )
