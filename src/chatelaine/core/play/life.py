"""Lives: one program on one network that uses one key, hour after hour, in its own rhythm."""

from collections.abc import Iterable
from math import exp, pi, sin
from typing import Final

from msgspec import Struct

from chatelaine.core.play.chance import Chance
from chatelaine.core.play.deed import BAD_VALUE, FILTERED, TOO_MANY, Deed, Holder
from chatelaine.core.play.place import address
from chatelaine.core.play.program import Program
from chatelaine.core.play.wish import Speaker, Wish
from chatelaine.model.exchange import Client
from chatelaine.model.play import Range
from chatelaine.model.words import SECOND, Instant

HOUR: Final = 3600 * SECOND
DAY: Final = 24 * HOUR
FOREVER: Final = Instant(1 << 62)
_WEEK: Final = 168
_MONDAY: Final = 4 * 24
"""Hours from the first of 1970, a Thursday, to the first Monday."""
_WEEKDAYS: Final = 5
_OPEN: Final = 9
_NIGHTLY: Final = 2
_EVENING: Final = 0.12
"""What is left of an office's use on a day off, and at night."""
_CROWD: Final = 64
"""One arrival in 256 / this many follows the one before at once."""
_CLOSE: Final = 20 * SECOND
_SHARES: Final = 1 << 20
_LAST: Final = 0xFFFF_FFFF

Rhythm = tuple[float, ...]
"""The 168 hours of a week from Monday in UTC, each as a multiple of the mean."""


def steady() -> Rhythm:
    """Return the rhythm of what never rests."""
    return (1.0,) * _WEEK


def daily(peak: int) -> Rhythm:
    """Return the rhythm of what people use all over the day, most at the peak's hour in UTC."""
    return tuple(1.0 + 0.7 * sin(2 * pi * ((hour - peak) % 24 + 6) / 24) for hour in range(_WEEK))


def office(opens: int) -> Rhythm:
    """Return the rhythm of nine hours on five days, from an hour in UTC."""
    return _level(
        1.0 if (hour - opens) % 24 < _OPEN and (hour - opens) // 24 < _WEEKDAYS else _EVENING
        for hour in range(_WEEK)
    )


def nightly(starts: int) -> Rhythm:
    """Return the rhythm of two hours each night."""
    return _level(1.0 if (hour - starts) % 24 < _NIGHTLY else 0.0 for hour in range(_WEEK))


def _level(hours: Iterable[float]) -> Rhythm:
    listed = tuple(hours)
    mean = sum(listed) / len(listed)
    return tuple(hour / mean for hour in listed)


class Trouble(Struct, frozen=True):
    """Shares of requests that do not end well."""

    limited: float = 0.008
    """Answered 429."""
    bad: float = 0.003
    """Answered 400."""
    blocked: float = 0.0005
    """Stopped by the provider's content filter."""


class Source(Struct, frozen=True, kw_only=True):
    """One program, or one proxy's many, that uses a key from one range of addresses."""

    holder: Holder
    place: Range
    programs: tuple[Program, ...]
    wish: Wish
    per_day: float
    rhythm: Rhythm
    burst: float = 0.5
    """How much one hour differs from the next: the sigma of a lognormal factor."""
    trouble: Trouble = Trouble()
    begins_at: Instant = Instant(0)
    ends_at: Instant = FOREVER
    story: str = ""
    """The scenario its exchanges belong to; "": everyday life."""


class Life:
    """A source through the hours."""

    __slots__ = ("_chance", "_clients", "_marks", "_speaker", "source")

    def __init__(self, source: Source, chance: Chance) -> None:
        self.source = source
        self._chance = chance
        self._speaker = Speaker(source.wish, chance.branch("wish"))
        self._clients: dict[tuple[str, int], Client] = {}
        limited, bad, blocked = source.trouble.limited, source.trouble.bad, source.trouble.blocked
        ends = (limited, limited + bad, limited + bad + blocked)
        self._marks = tuple(int(end * _SHARES) for end in ends)

    def hour(self, begin: Instant) -> list[Deed]:
        """Return what it does in the hour from an instant on, in order of time."""
        source = self.source
        if source.ends_at <= begin or source.begins_at >= begin + HOUR:
            return []
        # A lognormal factor of mean 1.
        factor = exp(source.burst * self._chance.normal() - source.burst**2 / 2)
        weekly = source.rhythm[(begin // HOUR - _MONDAY) % _WEEK]
        count = self._chance.count(source.per_day / 24 * weekly * factor)
        return [self._do(at) for at in self._times(begin, count) if source.begins_at <= at < source.ends_at]

    def _times(self, begin: int, count: int) -> list[int]:
        bits, times, last = self._chance.bits, [], begin
        for _ in range(count):
            roll = bits()
            crowded = roll & 0xFF < _CROWD
            last = last + (roll >> 8) % _CLOSE if crowded else begin + (roll >> 8) % HOUR
            times.append(min(last, begin + HOUR - 1))
        times.sort()
        return times

    def _do(self, at: int) -> Deed:
        roll = self._chance.bits()
        status, error = self._outcome(roll % _SHARES)
        source = self.source
        return Deed(
            Instant(at), source.holder, self._client(at, roll >> 20), self._speaker.say(), source.story,
            status, error,
        )  # fmt: skip

    def _outcome(self, roll: int) -> tuple[int, str]:
        limited, bad, blocked = self._marks
        if roll >= blocked:
            return 200, ""
        if roll < limited:
            return 429, TOO_MANY
        return (400, BAD_VALUE) if roll < bad else (200, FILTERED)

    def _client(self, at: int, roll: int) -> Client:
        programs = self.source.programs
        number = roll % len(programs)
        network = address(self.source.place, at, roll >> 8 & _LAST)
        known = self._clients.get((network.ip, number))
        if known is None:
            known = self._clients[network.ip, number] = programs[number].on(network)
        return known
