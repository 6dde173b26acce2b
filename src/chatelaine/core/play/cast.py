"""The cast: owners of seven kinds, each with a key, an application and habits of its own."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from chatelaine.core.play import place, program, wish
from chatelaine.core.play.chance import Chance
from chatelaine.core.play.deed import Deed, Holder
from chatelaine.core.play.life import Rhythm, Source, Trouble, daily, nightly, office, steady
from chatelaine.core.play.program import Program
from chatelaine.core.play.wish import Sizes, Wish
from chatelaine.model.event import KeyChanged
from chatelaine.model.exchange import Caller
from chatelaine.model.play import Part, Range
from chatelaine.model.words import Instant, KeyId, OwnerId

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_KID: Final = 9
_BUILDS: Final = 12
_APPS: Final = ("shop", "search", "support", "reports", "chatbot", "triage", "translate", "notes")
_CAPS: Final = (None, None, 256, 400, 512, 1024, 2000)
_MODELS: Final = (wish.SMALL, wish.SMALL, wish.MIDDLE, wish.MIDDLE, wish.LARGE)
_BUSIEST: Final = 4000.0
_IDLEST: Final = 30.0
_USUAL: Final = 160.0
"""Requests a day of half of all owners; one in six has five times as many."""


class Owner(Struct, frozen=True):
    """An owner, its key, and what it normally does with it."""

    holder: Holder
    kind: str
    sources: tuple[Source, ...]

    @property
    def main(self) -> Source:
        """The source that most of its requests come from."""
        return self.sources[0]


class Plot(Struct, frozen=True, kw_only=True):
    """A scenario made ready: who is in it, what they live, and what they do by script."""

    name: str
    part: Part
    begins_at: Instant
    holders: tuple[Holder, ...]
    sources: tuple[Source, ...] = ()
    scripts: tuple[Iterator[Deed], ...] = ()
    """Deeds in order of time."""
    changes: tuple[KeyChanged, ...] = ()
    canaries: tuple[KeyId, ...] = ()


class Casting:
    """Hands out owners; each gets chance of its own, so that one more changes none before it."""

    def __init__(self, chance: Chance, *, begins_at: Instant, ends_at: Instant) -> None:
        self.begins_at, self.ends_at = begins_at, ends_at
        self.holders: list[Holder] = []
        self._chance = chance

    def chance(self, name: str) -> Chance:
        """Return chance for a scenario, by its name."""
        return self._chance.branch(name)

    def holder(self, app: str = "") -> Holder:
        """Return a key that nobody has yet, and its owner."""
        number = len(self.holders) + 1
        chance = self._chance.branch(f"holder {number}")
        key = KeyId("".join(chance.pick(_DIGITS) for _ in range(_KID)))
        caller = Caller(key, OwnerId(f"owner-{number:04d}"), app or chance.pick(_APPS))
        self.holders.append(Holder(caller, number))
        return self.holders[-1]

    def owner(self, kind: str = "") -> Owner:
        """Return an owner of a kind, or of a kind that chance picks."""
        holder = self.holder()
        chance = self._chance.branch(f"owner {holder.slot}")
        named = kind or chance.pick(_MIXTURE)
        return Owner(holder, named, _KINDS[named](holder, chance))


def build_of(chance: Chance, names: tuple[str, ...]) -> Program:
    """Return some build of one of some programs."""
    return program.program(chance.pick(names), chance.below(_BUILDS))


def usual_wish(chance: Chance, model: str = "") -> Wish:
    """Return what an owner's application asks for again and again."""
    asked = wish.chat(
        model or chance.pick(_MODELS),
        cap=chance.pick(_CAPS),
        stream=chance.often(0.4),
        tools=chance.pick((0, 0, 0, 3)),
        system=chance.digits() if chance.often(0.8) else "",
    )
    return Wish(
        asked=asked,
        input=Sizes(chance.lognormal(900, 0.7)),
        output=Sizes(chance.lognormal(180, 0.6)),
        turns=chance.pick((1.0, 1.0, 3.0, 6.0)),
        users=chance.pick((0, 0, 1, 60)),
    )


def rate(chance: Chance) -> float:
    """Return how many requests a day an owner makes."""
    return min(max(chance.lognormal(_USUAL, 1.2), _IDLEST), _BUSIEST)


def service(holder: Holder, chance: Chance, where: Range, rhythm: Rhythm) -> Source:
    """Return an application of a holder on a range of addresses."""
    return Source(
        holder=holder,
        place=where,
        programs=(build_of(chance, program.OWNERS_OWN),),
        wish=usual_wish(chance),
        per_day=rate(chance),
        rhythm=rhythm,
        burst=chance.between(0.2, 0.9),
        trouble=Trouble(limited=chance.between(0.0, 0.02), bad=chance.between(0.0, 0.006)),
    )


def _peak(chance: Chance) -> Rhythm:
    return daily(chance.below(24)) if chance.often(0.7) else steady()


def _static(holder: Holder, chance: Chance) -> tuple[Source, ...]:
    """Play a service on a few machines of one cloud."""
    hosts = 1 + chance.below(4)
    return (service(holder, chance, place.fixed(chance, place.CLOUDS, hosts), _peak(chance)),)


def _elastic(holder: Holder, chance: Chance) -> tuple[Source, ...]:
    """Play a service whose machines, and so addresses, come and go."""
    return (service(holder, chance, place.elastic(chance, place.CLOUDS), _peak(chance)),)


def _multi(holder: Holder, chance: Chance) -> tuple[Source, ...]:
    """Play a service that runs in two clouds."""
    first = service(holder, chance, place.fixed(chance, place.CLOUDS, 2), _peak(chance))
    second = replace(first, place=place.elastic(chance, place.CLOUDS), per_day=first.per_day / 2)
    return first, second


def _office(holder: Holder, chance: Chance) -> tuple[Source, ...]:
    """Play people in an office, and one of them at home."""
    opens = chance.below(24)
    first = service(holder, chance, place.fixed(chance, place.ACCESS), office(opens))
    home = replace(
        first,
        place=place.dynamic(chance),
        programs=(build_of(chance, program.BY_HAND),),
        per_day=first.per_day * 0.1,
        rhythm=office((opens + 2) % 24),
    )
    return first, home


def _edge(holder: Holder, chance: Chance) -> tuple[Source, ...]:
    """Play an application behind an edge network whose addresses many share."""
    return (service(holder, chance, place.EDGE, _peak(chance)),)


def _builder(holder: Holder, chance: Chance) -> tuple[Source, ...]:
    """Play tests that run on a build service in the office's hours."""
    return (service(holder, chance, place.BUILDERS, office(chance.below(24))),)


def _vendor(holder: Holder, chance: Chance) -> tuple[Source, ...]:
    """Play a service of its own, and a vendor's that was given the key."""
    first = service(holder, chance, place.fixed(chance, place.CLOUDS, 2), _peak(chance))
    given = replace(
        first,
        place=place.VENDOR,
        programs=(build_of(chance, ("litellm", "go")),),
        per_day=first.per_day * 0.6,
        rhythm=nightly(chance.below(24)),
    )
    return first, given


_KINDS: Final[Mapping[str, Callable[[Holder, Chance], tuple[Source, ...]]]] = {
    "static": _static,
    "elastic": _elastic,
    "multi": _multi,
    "office": _office,
    "edge": _edge,
    "ci": _builder,
    "vendor": _vendor,
}
KINDS: Final = tuple(_KINDS)
_MIXTURE: Final = (
    *(("static",) * 35), *(("elastic",) * 20), *(("multi",) * 8), *(("office",) * 17),
    *(("edge",) * 8), *(("ci",) * 5), *(("vendor",) * 7),
)  # fmt: skip
