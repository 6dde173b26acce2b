"""The vectors of all detections as journals would hold them: lives and sightings become events.

What a gate records of an exchange that went upstream is an opening and an end, where a vector's line tells
both at once; what it refused is one record. ``shown`` says what the watch sees of a line then, and
``events_of`` is the inverse of the ``Joiner``: joined again, its events show just that.
"""

from collections.abc import Iterator
from itertools import count
from typing import Final, NamedTuple
from zlib import crc32

from msgspec.structs import replace

from chatelaine import catalog
from chatelaine.core.detection import trial
from chatelaine.core.key.habit import Habit
from chatelaine.core.vector import read_parts
from chatelaine.model.detection import Phase, Sighting
from chatelaine.model.event import (
    AdminActed,
    Event,
    ExchangeEnded,
    ExchangeOpened,
    ExchangeRefused,
    KeyChanged,
    KeyIssued,
    ProviderKeyRemoved,
)
from chatelaine.model.exchange import (
    Asked,
    Caller,
    Client,
    EndReason,
    Greeting,
    Network,
    RefusalReason,
    Reservation,
    Served,
    Target,
    Usage,
)
from chatelaine.model.key import Grant, KeyState
from chatelaine.model.words import (
    NOTHING,
    SECOND,
    AppName,
    DetectionId,
    ExchangeId,
    Instant,
    KeyedHash,
    KeyId,
    OwnerId,
    ProviderId,
    ProviderKeyName,
    UpstreamName,
    WorkerNumber,
)

DAYS: Final = 4
"""Of a life the last days are played: three for habits to settle, and one on which they are."""
_DAY: Final = 86_400 * SECOND
_WEEK: Final = 7 * _DAY
_BEGIN: Final = 978_307_200 * SECOND
"""2001-01-01, a Monday: so early that all is over by now."""
_APART: Final = 31 * _DAY
"""Longer than any detection remembers: no vector meets what the one before it left."""
_LASTS: Final = SECOND // 50
"""Nanoseconds from the opening to the end of what a vector tells at once."""
_HUB: Final = WorkerNumber(0)
_FILTERED: Final = "content_filter"


class Played(NamedTuple):
    """A vector on the line of time that all share."""

    detection: DetectionId
    name: str
    fires: bool
    begins_at: Instant
    acts_at: Instant
    """When its lives are led, and its lines begin."""
    ends_at: Instant
    """What it plays lies between beginning and end, and nothing of another."""
    sightings: tuple[Sighting, ...]
    """Its lives and its lines, in order of time, under keys and owners of its own."""
    canaries: tuple[KeyIssued, ...]


def played() -> Iterator[Played]:
    """Yield the vectors of all detections, one after the other in time."""
    free_at, numbers = _BEGIN, count(1)
    for one in catalog.detections():
        for path in catalog.vectors(catalog.shelf("detections").joinpath(one.card.id)):
            sightings, canaries = _read(path.read_text("utf-8"))
            shift = -(-(free_at - sightings[0].at) // _WEEK) * _WEEK
            number = next(numbers)
            placed = tuple(_placed(sighting, number, shift) for sighting in sightings)
            begins_at, ends_at = Instant(placed[0].at - SECOND), Instant(placed[-1].at + _LASTS)
            issued = tuple(_issued(key, number, begins_at) for key in sorted(canaries))
            yield Played(
                detection=one.card.id,
                name=path.name,
                fires=path.name.startswith("fires_"),
                begins_at=begins_at,
                acts_at=Instant(trial._START + shift),
                ends_at=ends_at,
                sightings=placed,
                canaries=issued,
            )
            free_at = ends_at + _APART


def _read(text: str) -> tuple[list[Sighting], set[str]]:
    """Return what a vector plays in order of time, and which of its keys are canaries."""
    parts = read_parts(text)
    world = trial._World(_unteachable)
    for name, part in parts.items():
        if name.partition(" ")[0] == "habit":
            life = trial.read_line(part)
            world.live({**life, "days": str(min(int(life.get("days", "20")), DAYS))})
    sightings, canaries = world.lived, set[str]()
    opened: dict[KeyId, ExchangeId] = {}
    for offset, fields in trial.read_sightings(parts["sightings"]):
        asked = {name: value for name, value in fields.items() if name not in trial._OWN}
        sighting = world.sighting(asked, trial._START + offset)
        if fields.get("canary") == "yes":
            canaries.add(sighting.key)
        if sighting.phase is Phase.OPENED:
            opened[sighting.key] = sighting.exchange
        elif sighting.phase is Phase.ENDED:
            sighting = replace(sighting, exchange=opened.pop(sighting.key))
        sightings.append(sighting)
    return sorted(sightings, key=lambda one: one.at), canaries


def _unteachable() -> Habit:
    """Return a habit that learns nothing: the watch is to learn, from the journal."""
    habit = Habit()
    habit.frozen = True
    return habit


def _placed(sighting: Sighting, number: int, shift: int) -> Sighting:
    return replace(
        sighting,
        at=Instant(sighting.at + shift),
        exchange=ExchangeId(f"{number:06x}{sighting.exchange[6:]}"),
        key=KeyId(_own(sighting.key, number)),
        owner=OwnerId(_own(sighting.owner, number)),
    )


def _own(name: str, number: int) -> str:
    return f"{name}v{number}" if name else ""


def _issued(key: str, number: int, at: Instant) -> KeyIssued:
    name, owner = KeyId(_own(key, number)), OwnerId(_own("acme", number))
    return KeyIssued(at, name, owner, AppName("decoy"), "root", Grant(), None, canary=True)


def shown(one: Sighting) -> tuple[Sighting, ...]:
    """Return what is seen of a vector's line where a gate recorded it."""
    if one.phase is Phase.ADMIN:
        nameless = Sighting(one.at, one.phase, ExchangeId(""), one.key, one.owner, by=one.by)
        return (replace(nameless, action=one.action, outcome=one.outcome, detail=one.detail),)
    if one.cap is not None and one.cap <= 0:
        # A cap that caps nothing is told among the numbers.
        one = replace(one, numbers=(*one.numbers, ("max_tokens", float(one.cap))))
    if one.reason:
        # Nobody counts what a refused exchange would have used.
        return (replace(one, output_tokens=0, images=0, cost=NOTHING),)
    if one.phase is not Phase.WHOLE:
        return (one,)
    opened = replace(
        one, phase=Phase.OPENED, status=0, error_code="", blocked=False, output_tokens=0, images=0
    )
    ended = replace(one, phase=Phase.ENDED, at=Instant(one.at + _LASTS), duration_us=_LASTS // 1000)
    return (opened, ended)


def events_of(one: Sighting) -> tuple[Event, ...]:
    """Return what a gate, or the hub, would have recorded of a vector's line."""
    if one.phase is Phase.ADMIN:
        return (_acted(one),)
    if one.reason:
        return (_refused(one),)
    if one.phase is Phase.OPENED:
        return (_opened(one),)
    if one.phase is Phase.ENDED:
        return (_ended(one, 0),)
    return (_opened(one), _ended(one, _LASTS))


def recorder(event: Event) -> WorkerNumber:
    """Return whose journal holds an event: the hub's, or that of the worker that served it."""
    worker: WorkerNumber = getattr(event, "worker", _HUB)
    return worker


def _worker(exchange: ExchangeId) -> WorkerNumber:
    return WorkerNumber(1 + crc32(exchange.encode()) % 2)


def _opened(one: Sighting) -> ExchangeOpened:
    return ExchangeOpened(
        at=one.at,
        exchange=one.exchange,
        worker=_worker(one.exchange),
        caller=_caller(one),
        client=_client(one),
        asked=_asked(one),
        target=_target(one),
        reserved=Reservation(one.input_tokens, max(one.cap or 0, 0), one.cost),
        slot=0,
        policy="vectors",
    )


def _ended(one: Sighting, lasted: int) -> ExchangeEnded:
    usage = Usage(one.input_tokens, one.output_tokens, images=one.images)
    return ExchangeEnded(
        at=Instant(one.at + lasted),
        exchange=one.exchange,
        worker=_worker(one.exchange),
        caller=_caller(one),
        target=_target(one),
        reason=EndReason.COMPLETED,
        status=one.status,
        served=Served(usage=usage, finish=_FILTERED if one.blocked else "stop", error_code=one.error_code),
        usage=usage,
        cost=one.cost,
        first_byte_us=lasted // 1000,
        duration_us=lasted // 1000,
        request_bytes=0,
        reply_bytes=0,
    )


def _refused(one: Sighting) -> ExchangeRefused:
    return ExchangeRefused(
        at=one.at,
        exchange=one.exchange,
        worker=_worker(one.exchange),
        caller=_caller(one),
        client=_client(one),
        asked=_asked(one),
        status=one.status,
        reason=RefusalReason(one.reason),
        detail=one.detail,
    )


def _acted(one: Sighting) -> Event:
    if one.action == KeyIssued.kind:
        return KeyIssued(one.at, one.key, one.owner, AppName(one.detail), one.by, Grant(), None)
    if one.action == KeyChanged.kind:
        after = KeyState(one.outcome)
        return KeyChanged(one.at, one.key, one.owner, KeyState.ACTIVE, after, one.by, one.detail)
    if one.action == ProviderKeyRemoved.kind:
        return ProviderKeyRemoved(one.at, ProviderKeyName(one.detail), one.owner, one.by)
    return AdminActed(one.at, one.action, one.by, one.outcome, one.detail)


def _caller(one: Sighting) -> Caller:
    return Caller(one.key or None, one.owner or None, one.app)


def _target(one: Sighting) -> Target:
    return Target(UpstreamName("vectors"), ProviderId(one.provider))


def _client(one: Sighting) -> Client:
    return Client(
        network=Network(one.ip, one.asn, one.country, one.network),
        greeting=Greeting(ja4=one.ja4, alpn=one.alpn),
        http_version=one.http_version,
        header_names=one.header_names,
        header_hash=one.header_hash,
        user_agent=one.agent,
        sdk=one.sdk,
        forwarded=("192.0.2.200",) * one.forwarded,
        believed=one.believed,
    )


def _asked(one: Sighting) -> Asked:
    impossible = one.cap is not None and one.cap <= 0
    numbers = (*one.numbers, ("max_tokens", float(one.cap or 0))) if impossible else one.numbers
    return Asked(
        provider=ProviderId(one.provider) if one.provider else None,
        route=one.route,
        operation=one.operation,
        model=one.model,
        api_version=one.api_version,
        stream=one.stream,
        modalities=one.modalities,
        numbers=numbers,
        tools=one.tools,
        messages=one.messages,
        empty=one.empty,
        input_estimate=one.input_tokens,
        output_cap=None if impossible else one.cap,
        end_user=_hash(one.end_user),
        body_hash=_hash(one.body_hash),
        system_hash=_hash(one.system_hash),
        chain=_hash(one.chain),
        parent_chain=_hash(one.parent_chain),
    )


def _hash(text: str) -> KeyedHash | None:
    return KeyedHash(text) if text else None
