"""The driver of the policy room: decides about an exchange with the tables it was handed.

Keys, grants, limits and budgets decide here; content guards join when there are some. Nothing is
learnt from a request: the hub hands over new tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chatelaine.core.exchange.asking import Hasher
from chatelaine.core.exchange.head import Head
from chatelaine.core.exchange.refusal import refusal
from chatelaine.core.key.grant import check_address, check_hours, check_request, granted_upstreams
from chatelaine.core.key.identify import identify
from chatelaine.core.key.roster import Roster, RosterEntry
from chatelaine.model.error import BodyUnreadable, MeterError
from chatelaine.model.exchange import (
    Asked,
    Caller,
    Client,
    Operation,
    Refusal,
    RefusalReason,
    Reservation,
    RouteMatch,
    Shape,
)
from chatelaine.model.key import Identity, KeyState, Standing
from chatelaine.model.policy import Decision, Terms
from chatelaine.model.price import ModelPrice
from chatelaine.model.words import Instant, KeyId, ProviderId, UpstreamName
from chatelaine.ports import Meter

_STANDINGS = {
    Standing.MISSING: RefusalReason.KEY_MISSING,
    Standing.UNPROVEN: RefusalReason.KEY_UNPROVEN,
    Standing.REVOKED: RefusalReason.KEY_REVOKED,
    Standing.EXPIRED: RefusalReason.KEY_EXPIRED,
    Standing.SUSPENDED: RefusalReason.KEY_SUSPENDED,
}
_NO_SHAPE = Shape(modalities=())
_NOT_ASKED = Asked()
_UNNAMED = Caller()
_VERSIONED = (b"anthropic-version", b"openai-version")


class Asking(Protocol):
    """A question, as far as this room reads it."""

    @property
    def head(self) -> Head:
        """The request head."""
        ...

    @property
    def route(self) -> RouteMatch | None:
        """The route, where one was recognised."""
        ...

    @property
    def client(self) -> Client:
        """The client context."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body; empty for uploads."""
        ...

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Form fields at the front of an upload."""
        ...

    @property
    def body_bytes(self) -> int:
        """The body's size."""
        ...

    @property
    def most_bytes(self) -> int:
        """The size the body may have at most."""
        ...

    @property
    def now(self) -> Instant:
        """When it is asked."""
        ...


@dataclass(frozen=True, slots=True)
class Tables:
    """What the judge decides with; every member is a function over a table that may be swapped."""

    roster: Roster
    read: Callable[[str, bytes], Shape]
    """Reads a body by the name of its grammar; raises BodyUnreadable."""
    read_form: Callable[[tuple[tuple[str, str], ...], int], Shape]
    """Reads an upload's form fields and size."""
    price: Callable[[str, Operation], ModelPrice]
    worst_case: Callable[[ModelPrice, Operation, Shape, int], Reservation]
    upstreams: Callable[[ProviderId, str], tuple[UpstreamName, ...]]
    used: Callable[[KeyId], None]
    """Told of the first use of an issued key."""


class Judge:
    """Decides; it holds no state but its tables."""

    def __init__(self, tables: Tables, meter: Meter, hasher: Hasher) -> None:
        self._tables = tables
        self._meter = meter
        self._hasher = hasher

    def challenge(self, question: Asking) -> Decision | None:
        """Judge the credential, the place and the hour, before a large body is taken."""
        found = identify(question.head.credential, self._tables.roster, question.now)
        told, key = self._standing(found, question)
        if told is None and key is not None:
            return None
        return self._refused(question, _caller(found), told or RefusalReason.KEY_UNPROVEN)

    def _standing(self, found: Identity, question: Asking) -> tuple[RefusalReason | None, RosterEntry | None]:
        if found.standing is not Standing.GOOD or found.key is None:
            return _STANDINGS[found.standing], None
        key = self._tables.roster.entry(found.key.id)
        if key is None:
            return RefusalReason.KEY_UNPROVEN, None
        told = check_address(key.grant, question.client.network.ip)
        return told or check_hours(key.grant, question.now), key

    def decide(self, question: Asking) -> Decision:
        """Judge the whole question; where it may go on, its worst case is reserved."""
        tables, route = self._tables, question.route
        found = identify(question.head.credential, tables.roster, question.now)
        told, key = self._standing(found, question)
        if told is not None or key is None or route is None:
            return self._refused(question, _caller(found), told or RefusalReason.ROUTE_UNKNOWN)
        try:
            shape = self._read(question, route)
        except BodyUnreadable as fault:
            return self._refused(question, key.caller, RefusalReason.MALFORMED_REQUEST, fault.message)
        asked = self._asked(question, route, shape)
        if key.key.state is KeyState.ISSUED:
            tables.used(key.key.id)
        return self._admit(question, key, asked, shape)

    def _admit(self, question: Asking, key: RosterEntry, asked: Asked, shape: Shape) -> Decision:
        tables, provider = self._tables, asked.provider
        reason = check_request(
            key.grant, model=asked.model, operation=asked.operation, modalities=asked.modalities
        )
        if reason is not None or provider is None:
            return _no(key.caller, asked, reason or RefusalReason.ROUTE_UNKNOWN)
        serving = tables.upstreams(provider, asked.model)
        if not serving:
            return _no(key.caller, asked, RefusalReason.NO_UPSTREAM)
        targets = granted_upstreams(key.grant, serving)
        if not targets:
            return _no(key.caller, asked, RefusalReason.UPSTREAM_NOT_GRANTED)
        price = tables.price(asked.model, asked.operation)
        reserved = tables.worst_case(price, asked.operation, shape, question.most_bytes)
        slot = key.key.slot
        try:
            short = self._meter.reserve(slot, key.allowance, reserved, question.now)
        except MeterError as fault:
            # A key's first use needs room in the meter's file, and the disk may have none.
            told = refusal(RefusalReason.METER_UNAVAILABLE)
            return Decision(key.caller, asked, None, told, fault.message)
        if short is not None:
            told = refusal(short.reason, retry_after=short.retry_after)
            return Decision(key.caller, asked, None, told, f"{reserved.cost} nano-dollars asked for")
        return Decision(key.caller, asked, Terms(targets, price, reserved, slot))

    def refuse(self, question: Asking, told: Refusal, detail: str) -> Decision:
        """Return the decision that a refusal made elsewhere amounts to, with all that can be seen."""
        found = identify(question.head.credential, self._tables.roster, question.now)
        return Decision(_caller(found), self._seen(question), None, told, detail)

    def _refused(self, question: Asking, caller: Caller, reason: RefusalReason, detail: str = "") -> Decision:
        return Decision(caller, self._seen(question), None, refusal(reason), detail)

    def _seen(self, question: Asking) -> Asked:
        """Return what can be seen of a question that is refused: 4xx are recorded as fully as 2xx."""
        route = question.route
        if route is None:
            return _NOT_ASKED
        try:
            shape = self._read(question, route)
        except BodyUnreadable:
            # The refusal's own detail says what is wrong; the shape is simply not there.
            shape = _NO_SHAPE
        return self._asked(question, route, shape)

    def _read(self, question: Asking, route: RouteMatch) -> Shape:
        if route.upload:
            return self._tables.read_form(question.fields, question.body_bytes)
        if not route.grammar or not question.body:
            return _NO_SHAPE
        return self._tables.read(route.grammar, question.body)

    def _asked(self, question: Asking, route: RouteMatch, shape: Shape) -> Asked:
        return self._hasher.asked(
            route,
            shape,
            body=question.body,
            body_bytes=question.body_bytes,
            api_version=_api_version(question.head, route),
        )


def _caller(found: Identity) -> Caller:
    key = found.key
    if key is not None:
        return Caller(key.id, key.owner, key.app)
    return Caller(found.claimed) if found.claimed is not None else _UNNAMED


def _no(caller: Caller, asked: Asked, reason: RefusalReason) -> Decision:
    return Decision(caller, asked, None, refusal(reason))


def _api_version(head: Head, route: RouteMatch) -> str:
    for name, value in route.query:
        if name == "api-version":
            return value
    if route.provider == "anthropic":
        for header, text in head.pairs:
            if header.lower() in _VERSIONED:
                return text.decode("latin-1")
    return ""
