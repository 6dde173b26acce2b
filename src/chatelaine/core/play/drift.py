"""Drift: what changes in an owner's everyday life by itself, so that not all that is new is a thief.

Rates are those of our stolen-key benchmark, a day and owner: releases are frequent, new places rare.
"""

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from chatelaine.core.play import place, program, wish
from chatelaine.core.play.cast import Owner, build_of
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.life import DAY, HOUR, Source, Trouble
from chatelaine.core.play.place import MINUTE
from chatelaine.model.words import Instant, KeyedHash

_LAPTOP: Final = 0.03
"""What a developer asks beside the application, as a part of its requests."""
_ALL: Final = Trouble(limited=0.0, bad=1.0, blocked=0.0)
_STORM: Final = Trouble(limited=0.8)


class _Course:
    """An owner's sources while time goes by: the main one as it is now, and all beside it."""

    __slots__ = ("chance", "main", "others")

    def __init__(self, owner: Owner, chance: Chance) -> None:
        self.main = owner.main
        self.others = list(owner.sources[1:])
        self.chance = chance

    def turn(self, at: Instant, after: Source) -> None:
        """Let the main source become another one at an instant."""
        self.others.append(replace(self.main, ends_at=at))
        self.main = replace(after, begins_at=at)

    def add(self, at: Instant, beside: Source, *, lasts: float = 0.0) -> None:
        """Let a source come beside the main one; ``lasts``: nanoseconds, 0: to the end."""
        ends_at = Instant(at + int(lasts)) if lasts else beside.ends_at
        self.others.append(replace(beside, begins_at=at, ends_at=ends_at))


def _upgrade(course: _Course, at: Instant) -> None:
    """Let the application be built with a later SDK."""
    [*_, old] = course.main.programs
    later = program.program(old.name, old.build + 1 + course.chance.below(3))
    course.turn(at, replace(course.main, programs=(later,)))


def _release(course: _Course, at: Instant) -> None:
    """Let a release change the system prompt."""
    asked = replace(course.main.wish.asked, system_hash=KeyedHash(course.chance.digits()))
    course.turn(at, replace(course.main, wish=replace(course.main.wish, asked=asked)))


def _change_model(course: _Course, at: Instant) -> None:
    """Let the application change its model."""
    model = course.chance.pick((wish.SMALL, wish.MIDDLE, wish.LARGE, wish.NEWER))
    asked = replace(course.main.wish.asked, model=model)
    course.turn(at, replace(course.main, wish=replace(course.main.wish, asked=asked)))


def _region(course: _Course, at: Instant) -> None:
    """Let the application be run in another region too."""
    where = place.fixed(course.chance, place.CLOUDS, 2)
    course.add(at, replace(course.main, place=where, per_day=course.main.per_day / 2))


def _developer(course: _Course, at: Instant) -> None:
    """Let a developer begin to try things from a laptop."""
    course.add(at, _laptop(course))


def _traveller(course: _Course, at: Instant) -> None:
    """Let somebody work from elsewhere for some days."""
    course.add(at, _laptop(course), lasts=course.chance.between(1, 5) * DAY)


def _tunnel(course: _Course, at: Instant) -> None:
    """Let somebody work by way of a commercial VPN for some hours."""
    laptop = replace(_laptop(course), place=place.fixed(course.chance, place.TUNNELS, 2))
    course.add(at, laptop, lasts=course.chance.between(1, 40) * HOUR)


def _mistake(course: _Course, at: Instant) -> None:
    """Let a wrong setting ask for an impossible cap, until somebody looks."""
    asked = replace(course.main.wish.asked, numbers=(("max_tokens", -1.0),), output_cap=None)
    wrong = replace(course.main, wish=replace(course.main.wish, asked=asked), trouble=_ALL)
    course.add(at, wrong, lasts=HOUR)


def _storm(course: _Course, at: Instant) -> None:
    """Let the provider be short of capacity for a while."""
    course.add(at, replace(course.main, trouble=_STORM), lasts=course.chance.between(10, 120) * MINUTE)


def _laptop(course: _Course) -> Source:
    chance, main = course.chance, course.main
    return replace(
        main,
        place=place.dynamic(chance),
        programs=(build_of(chance, program.BY_HAND),),
        per_day=2.0 + main.per_day * _LAPTOP,
    )


_RATES: Final[dict[Callable[[_Course, Instant], None], float]] = {
    _upgrade: 0.03,
    _release: 0.05,
    _change_model: 0.01,
    _region: 0.004,
    _developer: 0.008,
    _traveller: 0.004,
    _tunnel: 0.004,
    _mistake: 0.003,
    _storm: 0.004,
}


def drift(owner: Owner, chance: Chance, *, begins_at: Instant, days: int) -> Owner:
    """Return an owner whose life changes as lives do."""
    changes = [
        (Instant(begins_at + int(chance.share() * days * DAY)), change)
        for change, rate in _RATES.items()
        for _ in range(chance.count(rate * days))
    ]
    course = _Course(owner, chance)
    for at, change in sorted(changes, key=lambda one: one[0]):
        change(course, at)
    return Owner(owner.holder, owner.kind, (course.main, *course.others))
