"""The driver of the policy room: decides about an exchange with the tables it was handed.

Keys, grants, limits and budgets decide here; content guards join when there are some. Nothing is
learnt from a request: the hub hands over new tables.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from chatelaine.core.context import context_id, prefix_of
from chatelaine.core.exchange.asking import Hasher
from chatelaine.core.exchange.head import Head
from chatelaine.core.exchange.refusal import refusal
from chatelaine.core.grammar.amend import Amendment, amend, takes_identifier
from chatelaine.core.key.grant import check_address, check_hours, check_request, granted_upstreams
from chatelaine.core.key.identify import identify
from chatelaine.core.key.roster import Roster, RosterEntry
from chatelaine.core.policy.lane import Lanes
from chatelaine.core.policy.restraint import Restraints, Watch
from chatelaine.core.stream.decoy import can_decoy
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
from chatelaine.model.key import Identity, KeyState, Standing, VirtualKey
from chatelaine.model.playbook import Lane
from chatelaine.model.policy import Decision, Hold, Terms
from chatelaine.model.price import ModelPrice
from chatelaine.model.settings import SafetyIdentifier
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
_CANARY = Hold(Lane.DECOY)
_NO_AMENDMENT = Amendment()
_FINE = 200
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
    restraints: Restraints
    lanes: Lanes
    identifies: SafetyIdentifier
    """Whom a provider is told of where the caller tells it nobody."""


class _Sending(NamedTuple):
    """What of a request goes upstream otherwise than it came."""

    hold: Hold | None = None
    model: str = ""
    """The model in place of the one asked for; "" where it is that one."""
    body: bytes | None = None


class Judge:
    """Decides; it holds no state but its tables."""

    def __init__(self, tables: Tables, meter: Meter, hasher: Hasher) -> None:
        self._tables = tables
        self._watched = tables.restraints.watches
        self._meter = meter
        self._hasher = hasher

    def challenge(self, question: Asking) -> Decision | None:
        """Judge the credential, the place and the hour, before a large body is taken."""
        found = identify(question.head.credential, self._tables.roster, question.now)
        told, key, hold = self._standing(found, question)
        if told is None and key is not None:
            return None
        reason = told or RefusalReason.KEY_UNPROVEN
        return Decision(_caller(found), self._seen(question), None, refusal(reason), "", hold)

    def late(self, question: Asking) -> int:
        """Return the nanoseconds by which an exchange is to be late: 0 but in the tarpit."""
        found = identify(question.head.credential, self._tables.roster, question.now)
        told, _, hold = self._standing(found, question)
        if told is not None or hold is None or hold.lane is not Lane.TARPIT:
            return 0
        return self._tables.lanes.delay(hold)

    def _standing(
        self, found: Identity, question: Asking
    ) -> tuple[RefusalReason | None, RosterEntry | None, Hold | None]:
        if found.standing is not Standing.GOOD or found.key is None:
            return _STANDINGS[found.standing], None, None
        key = self._tables.roster.entry(found.key.id)
        if key is None:
            return RefusalReason.KEY_UNPROVEN, None, None
        held, hold = key.key, None
        watch = self._watched.get(held.id)
        if watch is not None or held.canary:
            hold = self._hold(held, watch, question)
            if hold is not None and hold.lane is Lane.REFUSE:
                return RefusalReason.RESTRAINED, key, hold
            if hold is not None and hold.lane is Lane.DECOY:
                return None, key, hold
        told = check_address(key.grant, question.client.network.ip)
        return told or check_hours(key.grant, question.now), key, hold

    def _hold(self, key: VirtualKey, watch: Watch | None, question: Asking) -> Hold | None:
        if key.canary or watch is None:
            return _CANARY
        wanted = key.unknown_client if key.unknown_client is not None else self._tables.restraints.default
        return watch.find(question.client, question.now, wanted)

    def decide(self, question: Asking) -> Decision:
        """Judge the whole question; where it may go on, its worst case is reserved."""
        tables, route = self._tables, question.route
        found = identify(question.head.credential, tables.roster, question.now)
        told, key, hold = self._standing(found, question)
        if told is not None or key is None or route is None:
            reason = told or RefusalReason.ROUTE_UNKNOWN
            return Decision(_caller(found), self._seen(question), None, refusal(reason), "", hold)
        try:
            shape = self._read(question, route)
        except BodyUnreadable as fault:
            return self._malformed(question, key, fault, hold)
        asked = self._asked(question, route, shape)
        if key.key.state is KeyState.ISSUED:
            tables.used(key.key.id)
        if hold is not None:
            held = self._restrain(question, key, asked, shape, hold)
            if held is not None:
                return held
        ungranted = check_request(
            key.grant, model=asked.model, operation=asked.operation, modalities=asked.modalities
        )
        if ungranted is not None:
            return Decision(key.caller, asked, None, refusal(ungranted), "", hold)
        if hold is None and tables.identifies is SafetyIdentifier.OFF:
            return self._admit(question, key, asked, shape)
        return self._admit_amended(question, key, asked, shape, hold)

    def _restrain(
        self, question: Asking, key: RosterEntry, asked: Asked, shape: Shape, hold: Hold
    ) -> Decision | None:
        """Return the decision by which a lane answers, or None where it lets the exchange go on."""
        lanes, route, lane = self._tables.lanes, question.route, hold.lane
        if route is None or lane is Lane.DECOY:
            return self._decoy(route, key, asked, hold)
        wait = lanes.wait(hold, key.key.id, question.now)
        if wait:
            told = refusal(RefusalReason.REQUEST_RATE, retry_after=wait)
            return Decision(key.caller, asked, None, told, f"the rate of the lane {lane}", hold)
        if lane is not Lane.QUARANTINE:
            return None
        try:
            beyond = lanes.fault(route, asked, shape, question.body)
        except BodyUnreadable as fault:
            return self._malformed(question, key, fault, hold)
        if beyond is None:
            return None
        return Decision(key.caller, asked, None, refusal(beyond), f"not in the lane {lane}", hold)

    def _decoy(self, route: RouteMatch | None, key: RosterEntry, asked: Asked, hold: Hold) -> Decision:
        if route is None or not can_decoy(route):
            told = refusal(RefusalReason.RESTRAINED)
            return Decision(key.caller, asked, None, told, "no decoy fits", hold)
        told = Refusal(RefusalReason.DECOY, _FINE, "", self._tables.lanes.decoy_text)
        return Decision(key.caller, asked, None, told, "", hold)

    def _admit_amended(
        self, question: Asking, key: RosterEntry, asked: Asked, shape: Shape, hold: Hold | None
    ) -> Decision:
        """Admit what a lane changes in the request, or what it is told of the end user."""
        lanes, route, body = self._tables.lanes, question.route, question.body
        identifier = self._identifier(question, key, shape)
        wanted = Amendment(identifier=identifier)
        if hold is not None and hold.lane is Lane.QUARANTINE and route is not None:
            wanted = lanes.amendment(route, asked, identifier)
            shape = lanes.capped(shape)
        if not body or route is None or wanted == _NO_AMENDMENT:
            return self._admit(question, key, asked, shape, _Sending(hold))
        try:
            sent = amend(route, body, wanted)
        except BodyUnreadable as fault:
            return self._malformed(question, key, fault, hold)
        return self._admit(question, key, asked, shape, _Sending(hold, wanted.model, sent))

    def _identifier(self, question: Asking, key: RosterEntry, shape: Shape) -> str:
        """Return by what name a provider is told of the caller; "" where it is told of nobody."""
        wanted, route = self._tables.identifies, question.route
        if wanted is SafetyIdentifier.OFF or shape.end_user or route is None or not takes_identifier(route):
            return ""
        named, client = f"end user|{key.key.id}", question.client
        if wanted is SafetyIdentifier.CLIENT:
            context = context_id(prefix_of(client.network.ip), client.greeting.ja4, client.header_hash)
            named = f"{named}|{context}"
        return self._hasher.hash(named.encode())

    def _admit(
        self, question: Asking, key: RosterEntry, asked: Asked, shape: Shape, sending: _Sending | None = None
    ) -> Decision:
        tables, provider, hold = self._tables, asked.provider, None
        model, size, body = asked.model, question.most_bytes, None
        if sending is not None:
            hold, body, model = sending.hold, sending.body, sending.model or model
            size = size if body is None else len(body)
        if provider is None:
            return Decision(key.caller, asked, None, refusal(RefusalReason.ROUTE_UNKNOWN), "", hold)
        serving = tables.upstreams(provider, model)
        if not serving:
            return Decision(key.caller, asked, None, refusal(RefusalReason.NO_UPSTREAM), "", hold)
        targets = granted_upstreams(key.grant, serving)
        if not targets:
            told = refusal(RefusalReason.UPSTREAM_NOT_GRANTED)
            return Decision(key.caller, asked, None, told, "", hold)
        price = tables.price(model, asked.operation)
        reserved = tables.worst_case(price, asked.operation, shape, size)
        slot = key.key.slot
        try:
            short = self._meter.reserve(slot, key.allowance, reserved, question.now)
        except MeterError as fault:
            # A key's first use needs room in the meter's file, and the disk may have none.
            told = refusal(RefusalReason.METER_UNAVAILABLE)
            return Decision(key.caller, asked, None, told, fault.message, hold)
        if short is not None:
            told = refusal(short.reason, retry_after=short.retry_after)
            detail = f"{reserved.cost} nano-dollars asked for"
            return Decision(key.caller, asked, None, told, detail, hold)
        terms = Terms(targets, price, reserved, slot, body)
        return Decision(key.caller, asked, terms, None, "", hold)

    def refuse(self, question: Asking, told: Refusal, detail: str) -> Decision:
        """Return the decision that a refusal made elsewhere amounts to, with all that can be seen."""
        found = identify(question.head.credential, self._tables.roster, question.now)
        return Decision(_caller(found), self._seen(question), None, told, detail)

    def _malformed(
        self, question: Asking, key: RosterEntry, fault: BodyUnreadable, hold: Hold | None
    ) -> Decision:
        told = refusal(RefusalReason.MALFORMED_REQUEST)
        return Decision(key.caller, self._seen(question), None, told, fault.message, hold)

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


def _api_version(head: Head, route: RouteMatch) -> str:
    for name, value in route.query:
        if name == "api-version":
            return value
    if route.provider == "anthropic":
        for header, text in head.pairs:
            if header.lower() in _VERSIONED:
                return text.decode("latin-1")
    return ""
