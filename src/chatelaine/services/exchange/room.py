"""What every exchange of a worker is given: ports, tables and the judges of other rooms."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from chatelaine.core.exchange.head import Head
from chatelaine.core.policy.restraint import Restraints
from chatelaine.model.exchange import (
    Client,
    EndReason,
    Refusal,
    RouteMatch,
    Served,
    Usage,
)
from chatelaine.model.policy import Decision
from chatelaine.model.price import ModelPrice
from chatelaine.model.provider import RefusedReply
from chatelaine.model.settings import SizeLimits, Timeouts
from chatelaine.model.words import ExchangeId, Instant, KeyId, NanoUsd, ProviderId, WorkerNumber
from chatelaine.ports import Capture, Clock, Journal, Meter, Series, Telemetry, Upstreams
from chatelaine.services.exchange.rota import Rota
from chatelaine.services.exchange.tarpit import Tarpit


class Question(NamedTuple):
    """Everything a decision is made on."""

    head: Head
    route: RouteMatch | None
    client: Client
    body: bytes
    """The whole body; empty for uploads, whose form fields are in ``fields``."""
    fields: tuple[tuple[str, str], ...]
    """Small fields at the front of an uploaded form."""
    body_bytes: int
    """Bytes of the body: held, or declared for an upload; 0 where not known."""
    most_bytes: int
    """Bytes the body may have at most: those it has, or what an upload of no declared length is allowed."""
    now: Instant


class Tap(Protocol):
    """Reads a reply as it passes, for what it says of itself."""

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        ...

    def served(self) -> Served:
        """Return what the reply has said of itself so far."""
        ...

    def output_estimate(self) -> int:
        """Return the output tokens seen so far, as far as they can be told."""
        ...


class Decider(Protocol):
    """The policy room, as the exchange sees it."""

    def challenge(self, question: Question) -> Decision | None:
        """Judge the credential alone, before a large body is taken; None lets the caller go on."""
        ...

    def decide(self, question: Question) -> Decision:
        """Judge the whole question, and take the reservation where it may go on."""
        ...

    def late(self, question: Question) -> int:
        """Return the nanoseconds by which the exchange is to be late; 0 where nothing delays it."""
        ...

    def refuse(self, question: Question, refusal: Refusal, detail: str) -> Decision:
        """Return the decision that a refusal made elsewhere amounts to, with all that can be seen."""
        ...


class EndSeries(NamedTuple):
    """What the ends of one kind are counted in."""

    requests: Series
    duration: Series
    first_chunk: Series
    given: Series
    made: Series
    cost: Series
    asked_bytes: Series
    reply_bytes: Series


@dataclass(frozen=True, slots=True)
class Room:
    """A worker's exchange room. All members are shared by its exchanges."""

    worker: WorkerNumber
    policy: str
    clock: Clock
    journal: Journal
    capture: Capture
    meter: Meter
    telemetry: Telemetry
    upstreams: Upstreams
    rota: Rota
    decider: Decider
    restraints: Restraints
    tarpit: Tarpit
    match: Callable[[Head], RouteMatch | None]
    answer: Callable[[ProviderId | None, Refusal, ExchangeId], RefusedReply]
    tap: Callable[[RouteMatch, str], Tap]
    """Gives a tap for a route and a reply's content type."""
    cost: Callable[[ModelPrice, Usage], NanoUsd]
    draw: Callable[[], ExchangeId]
    live: "Live"
    sizes: SizeLimits
    timeouts: Timeouts
    overhead: Series
    """Seconds from the decision's beginning to the request's way upstream."""
    ends: dict[tuple[str, str, str, str], EndSeries] = field(default_factory=dict)
    """The series of ends by provider, route, reason and model."""


class Cuttable(Protocol):
    """An exchange under way, as far as others may touch it."""

    @property
    def client(self) -> Client:
        """The client context it came from."""
        ...

    def cut_off(self, why: EndReason = EndReason.KEY_CUT) -> None:
        """Break the exchange off: its key may not be used any more, or the gate is closing."""
        ...


class Live:
    """The exchanges under way in a worker, by key."""

    def __init__(self) -> None:
        self._by_key: dict[KeyId, set[Cuttable]] = {}

    def add(self, key: KeyId, exchange: Cuttable) -> None:
        """Note an exchange under way."""
        held = self._by_key.get(key)
        if held is None:
            self._by_key[key] = {exchange}
        else:
            held.add(exchange)

    def remove(self, key: KeyId, exchange: Cuttable) -> None:
        """Forget an exchange that is over."""
        held = self._by_key.get(key)
        if held is not None:
            held.discard(exchange)
            if not held:
                del self._by_key[key]

    def cut(self, key: KeyId, why: EndReason = EndReason.KEY_CUT) -> int:
        """Break off every exchange of a key; return how many there were."""
        held = tuple(self._by_key.get(key, ()))
        for exchange in held:
            exchange.cut_off(why)
        return len(held)

    def among(self, keys: Iterable[KeyId]) -> tuple[KeyId, ...]:
        """Return those of the keys that have exchanges under way."""
        return tuple(key for key in keys if key in self._by_key)

    def cut_held(self, key: KeyId, held: Callable[[Client], bool]) -> int:
        """Break off those exchanges of a key whose client is now held back; return how many there were."""
        found = tuple(one for one in self._by_key.get(key, ()) if held(one.client))
        for exchange in found:
            exchange.cut_off(EndReason.RESTRAINED)
        return len(found)

    def cut_all(self, why: EndReason) -> int:
        """Break off every exchange: the gate will not wait any longer."""
        return sum(self.cut(key, why) for key in tuple(self._by_key))

    def __len__(self) -> int:
        return sum(map(len, self._by_key.values()))
