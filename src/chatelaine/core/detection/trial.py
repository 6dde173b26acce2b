"""A detection put to its vectors: does it find what it should, and leave the nearest neighbour alone?

Parts of a vector: any number of habits (``=== habit``, ``=== habit 2`` …), each a life that a key led
before, then ``=== sightings``, one a line, and, where it fires, ``=== found``::

    A key that lives on one cloud is asked for with an impossible cap from another.
    === habit
    days=20 a_day=30 key=k1 owner=acme ip=198.51.100.7 asn=64500 agent=shop/1.0 ja4=a header_hash=b model=m
    === sightings
    +0s key=k1 owner=acme ip=203.0.113.9 asn=64510 ja4=c header_hash=d model=m cap=-1 status=400
    === found
    times=1 severity=high

A line is made of ``name=value`` with values quoted as a shell would (``agent='Mozilla/5.0 (X11)'``) and
names those of ``Sighting``; ``+90s`` is the offset from the first. What is left out is as in the first
habit of the same key; ``phase`` is ``whole`` unless said. A sighting teaches its key's habit unless it
says ``learn=no``. ``canary=yes`` makes its key one. ``+0s*50/2s`` says a line fifty times, two seconds
apart, with ``{n}`` counting from 0; lines happen in the order of their offsets.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec

from chatelaine.core.context import agent_family, context_id, prefix_of
from chatelaine.core.detection.evidence import Engine
from chatelaine.core.detection.links import Links
from chatelaine.core.detection.run import Detection, Runner
from chatelaine.core.detection.scene import Scene, traits_of
from chatelaine.core.habit_view import LearningHabit
from chatelaine.core.vector import VectorBroken, read_parts
from chatelaine.model.detection import Finding, Phase, Severity, Sighting, Trait
from chatelaine.model.words import SECOND

_START: Final = 1_790_000_000 * SECOND
"""When the first sighting of every vector happens: 2026-09-21, a Monday."""
_DAY: Final = 86_400 * SECOND
_MOST_TIMES: Final = 5_000
_OWN: Final = frozenset({"learn", "canary", "days", "a_day", "from_hour", "to_hour"})
"""Names of a line that are no fields of a sighting."""

Fields = dict[str, str]


class _World:
    """The keys of a vector: their habits, and what a line of theirs shows where it does not say."""

    def __init__(self, make: Callable[[], LearningHabit]) -> None:
        self._make = make
        self._habits: dict[str, LearningHabit] = {}
        self._usual: dict[str, Fields] = {}
        self._count = 0
        self.lived: list[Sighting] = []
        """Sightings of all lives, key by key."""

    def habit(self, key: str) -> LearningHabit:
        """Return the habit of a key; one that has none begins it."""
        if key not in self._habits:
            self._habits[key] = self._make()
        return self._habits[key]

    def live(self, fields: Fields) -> None:
        """Let a key lead a life before the first sighting."""
        key = fields.get("key", "")
        usual = {name: value for name, value in fields.items() if name not in _OWN}
        self._usual.setdefault(key, usual)
        days, a_day = int(fields.get("days", "20")), int(fields.get("a_day", "24"))
        first, last = int(fields.get("from_hour", "0")), int(fields.get("to_hour", "24"))
        span = (last - first) * 3600 * SECOND // max(a_day, 1)
        midnight = _START - _START % _DAY
        for day in range(days, 0, -1):
            begin = midnight - day * _DAY + first * 3600 * SECOND
            for number in range(a_day):
                one = self.sighting(usual, begin + number * span)
                self.habit(key).learn(one)
                self.lived.append(one)

    def sighting(self, fields: Fields, at: int) -> Sighting:
        """Return the sighting that a line tells of."""
        self._count += 1
        told: dict[str, object] = {**self._usual.get(fields.get("key", ""), {}), **fields}
        ip, ja4 = str(told.get("ip", "")), str(told.get("ja4", ""))
        prefix = prefix_of(ip)
        told |= {
            "at": at,
            "phase": Phase[str(told.get("phase", "whole")).upper()],
            "exchange": f"{self._count:024x}",
            "prefix": prefix,
            "agent_family": agent_family(str(told.get("agent", ""))),
            "context": context_id(prefix, ja4, str(told.get("header_hash", ""))),
            "modalities": tuple(part for part in str(told.get("modalities", "text")).split(",") if part),
            "sdk": _pairs(str(told.get("sdk", ""))),
            "numbers": tuple((name, float(value)) for name, value in _pairs(str(told.get("numbers", "")))),
        }
        for flag in ("stream", "empty", "blocked"):
            told[flag] = str(told.get(flag, "no")) in {"yes", "true", "1"}
        try:
            return msgspec.convert(told, Sighting, strict=False)
        except msgspec.ValidationError as error:
            raise VectorBroken(f"a sighting cannot be read: {error}") from error


def try_vector(
    detection: Detection, text: str, *, quiet: bool, habit: Callable[[], LearningHabit]
) -> list[str]:
    """Return what a vector says and that is not so; nothing where all is well.

    Raises:
        VectorBroken: the vector cannot be read.
    """
    parts = read_parts(text)
    if "sightings" not in parts:
        raise VectorBroken("there are no sightings")
    found = list(_watch(detection, parts, habit))
    if quiet:
        return [f"it finds: {one.said.seen}" for one in found]
    return list(_compare(found, read_line(parts.get("found", ""))))


def _watch(
    detection: Detection, parts: Mapping[str, str], make: Callable[[], LearningHabit]
) -> Iterator[Finding]:
    return watch_all([detection], parts, make)


def watch_all(
    detections: Iterable[Detection], parts: Mapping[str, str], make: Callable[[], LearningHabit]
) -> Iterator[Finding]:
    """Yield what detections find in the parts of a vector.

    Raises:
        VectorBroken: they cannot be read.
    """
    world, runner, links, engine = _World(make), Runner(detections), Links(), Engine()
    for name, part in parts.items():
        if name.partition(" ")[0] == "habit":
            world.live(read_line(part))
    for lived in sorted(world.lived, key=lambda one: one.at):
        links.look(lived)
        engine.weigh(lived)
    for offset, fields in read_sightings(parts["sightings"]):
        asked = {name: value for name, value in fields.items() if name not in _OWN}
        sighting = world.sighting(asked, _START + offset)
        habit = world.habit(sighting.key)
        elsewhere = links.look(sighting)
        traits = traits_of(sighting, habit, canary=fields.get("canary") == "yes", elsewhere=elsewhere)
        weight = engine.weigh(sighting)
        if weight is not None:
            traits |= Trait.WEIGHED
        yield from runner.run(Scene(sighting, traits, habit, elsewhere, weight))
        if fields.get("learn") != "no":
            habit.learn(sighting)


def _compare(found: list[Finding], wanted: Fields) -> Iterator[str]:
    times = wanted.get("times")
    if not found:
        yield "it finds nothing"
    elif times is not None and len(found) != int(times):
        yield f"it finds {len(found)} times, not {times}"
    if not found:
        return
    last = found[-1]
    if any(not text for text in (last.said.seen, last.said.usual, last.said.against)):
        yield "a finding does not say what was seen, what is usual, and what speaks against it"
    if "severity" in wanted and last.severity is not Severity[wanted["severity"].upper()]:
        yield f"the severity is {last.severity.name.lower()}, not {wanted['severity']}"
    for name, text in (("seen", last.said.seen), ("key", last.key)):
        if name in wanted and wanted[name] not in text:
            yield f"{name} is {text!r}, without {wanted[name]!r}"


def read_line(line: str) -> Fields:
    """Return the names and values of a line.

    Raises:
        VectorBroken: a word has no ``=``, or a quote does not end.
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise VectorBroken(f"{line!r}: {error}") from error
    fields: Fields = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise VectorBroken(f"{word!r} is not name=value")
        fields[name] = value
    return fields


def read_sightings(part: str) -> list[tuple[int, Fields]]:
    """Return offsets in nanoseconds and what their lines say, in the order in which they happen.

    Raises:
        VectorBroken: an offset or a line cannot be read.
    """
    found: list[tuple[int, Fields]] = []
    for line in part.splitlines():
        when, _, rest = line.strip().partition(" ")
        if not when or when.startswith("#"):
            continue
        first, times, apart = _repeated(when)
        found += [
            (first + number * apart, read_line(rest.replace("{n}", str(number)))) for number in range(times)
        ]
    return sorted(found, key=lambda one: one[0])


def _repeated(text: str) -> tuple[int, int, int]:
    offset, star, rest = text.partition("*")
    if not star:
        return _offset(text), 1, 0
    times, _, apart = rest.partition("/")
    if not times.isdecimal() or not 1 <= int(times) <= _MOST_TIMES:
        raise VectorBroken(f"{text!r} does not say how often, as +0s*50/2s does; at most {_MOST_TIMES} times")
    return _offset(offset), int(times), _offset(f"+{apart}")


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    split = (part.partition(":") for part in text.split(",") if part)
    return tuple((name, value) for name, _, value in split)


_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def _offset(text: str) -> int:
    if not text.startswith("+") or text[-1:] not in _UNITS:
        raise VectorBroken(f"{text!r} is no offset such as +90s, +5m, +2h, +1d")
    try:
        return int(float(text[1:-1]) * _UNITS[text[-1]] * SECOND)
    except ValueError as error:
        raise VectorBroken(f"{text!r} is no offset") from error
