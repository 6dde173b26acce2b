"""A gate in one process without a socket: memory adapters, memory transports, and a clock moved by hand."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chatelaine.adapters.capture import MemoryCapture
from chatelaine.adapters.clock import ManualClock
from chatelaine.adapters.geo import AddressTables
from chatelaine.adapters.memory_journal import MemoryJournal
from chatelaine.adapters.memory_meter import MemoryMeter
from chatelaine.adapters.prices import load_prices
from chatelaine.adapters.telemetry import Tally
from chatelaine.adapters.upstream import Home, UpstreamConnection
from chatelaine.catalog import providers
from chatelaine.core.exchange.asking import Hasher
from chatelaine.core.exchange.context import Desk, Reader
from chatelaine.core.exchange.head import Head
from chatelaine.core.exchange.hop import TrustedHops
from chatelaine.core.exchange.route import RouteTable
from chatelaine.core.grammar.form import read_form
from chatelaine.core.grammar.index import GRAMMARS
from chatelaine.core.key.roster import Roster
from chatelaine.core.key.token import Digester, Peppers, mint
from chatelaine.core.metric import OVERHEAD_DURATION
from chatelaine.core.policy.lane import Lanes
from chatelaine.core.policy.pace import Paces
from chatelaine.core.policy.restraint import Restraints
from chatelaine.core.price import cost, find, index, worst_case
from chatelaine.core.redact import redact
from chatelaine.core.stream.select import tap_for
from chatelaine.model.event import Event, ExchangeEnded, ExchangeRefused
from chatelaine.model.exchange import Greeting, RouteMatch, UpstreamAddress
from chatelaine.model.key import Grant, KeyState, VirtualKey
from chatelaine.model.settings import (
    AddressSettings,
    CaptureSettings,
    ContainmentSettings,
    SafetyIdentifier,
    SizeLimits,
    Timeouts,
    UpstreamSettings,
)
from chatelaine.model.words import (
    AppName,
    ExchangeId,
    Instant,
    KeyId,
    OwnerId,
    PepperId,
    ProviderId,
    UpstreamName,
    WorkerNumber,
)
from chatelaine.ports import ReplyListener
from chatelaine.services.exchange.driver import Exchange
from chatelaine.services.exchange.room import Live, Room
from chatelaine.services.exchange.rota import Rota
from chatelaine.services.exchange.tarpit import Tarpit
from chatelaine.services.policy import Judge, Tables
from chatelaine.surfaces.gate.connection import CallerConnection
from chatelaine.surfaces.gate.hall import Gate

UP = UpstreamName("up")
OPENAI = ProviderId("openai")
PROVIDER_KEY = b"sk-provider-key-that-no-caller-may-ever-see"
PEPPER = PepperId("p1")
PEPPERS = Peppers(active=PEPPER, digesters={PEPPER: Digester(b"pepper" * 8)})
HOME = Home(
    UpstreamSettings(name=UP, provider=OPENAI, url="http://up"),
    None,
    UpstreamAddress(b"", b"up", b"authorization: Bearer " + PROVIDER_KEY + b"\r\n", PROVIDER_KEY),
)
BODY = b'{"model":"gpt-4o-mini","max_tokens":20,"messages":[{"role":"user","content":"Hello"}]}'
REPLY_BODY = (
    b'{"id":"r","object":"chat.completion","model":"gpt-4o-mini","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":9,"completion_tokens":1,"total_tokens":10}}'
)
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(REPLY_BODY),
    REPLY_BODY,
)
PRICES = load_prices(None)
ROWS = index(PRICES.rows)
CATALOG = providers()
ROUTES = RouteTable(provider.card for provider in CATALOG.values())
TABLES = AddressTables(AddressSettings())


class Wire(asyncio.Transport):
    """A transport in memory: what is written piles up until the other side reads it."""

    def __init__(self, protocol: asyncio.Protocol, *, high: int = 64 * 1024, half: bool = True) -> None:
        super().__init__()
        self.protocol = protocol
        self.out = bytearray()
        self.closing = self.lost = self.eof_written = self.paused = False
        self.unread = 0
        self.slow = False
        self.half = half
        self._high = high
        self._told_full = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        del name
        return default

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: Any) -> None:
        if self.lost or self.closing:
            return
        assert not self.eof_written, "written after the end"
        self.out += data
        if self.slow:
            self.unread += len(data)
            if self.unread > self._high and not self._told_full:
                self._told_full = True
                self.protocol.pause_writing()

    def read_out(self) -> None:
        """Let the other side read all that waits."""
        self.unread = 0
        if self._told_full:
            self._told_full = False
            self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self.unread

    def can_write_eof(self) -> bool:
        return self.half

    def write_eof(self) -> None:
        self.eof_written = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = True
        self.unread = 0

    def feed(self, data: bytes) -> None:
        """Deliver bytes as the other side sent them."""
        if not self.closing:
            self.protocol.data_received(data)

    def settle(self) -> bool:
        """Report a loss once everything is flushed, as an event loop does later; return whether it did."""
        if not self.closing or self.lost or self.unread:
            return False
        self.lost = True
        self.protocol.connection_lost(None)
        return True


@dataclass
class Upstream:
    """The port ``Upstreams``: real upstream connections over memory transports."""

    wires: list[Wire] = field(default_factory=list)
    homes: Home = field(default_factory=lambda: Home(HOME.settings, None, HOME.address))

    def lease(self, name: UpstreamName, listener: ReplyListener) -> UpstreamConnection:
        del name
        while self.homes.idle:
            held = self.homes.idle.pop()
            if not held.closing:
                held.listener = listener
                return held
        connection = UpstreamConnection(self.homes)
        connection.connection_made(Wire(connection))
        self.wires.append(connection._transport)  # type: ignore[arg-type]  # it was made above
        connection.listener = listener
        return connection

    async def connect(self, name: UpstreamName, listener: ReplyListener) -> UpstreamConnection:
        return self.lease(name, listener)

    def address(self, name: UpstreamName) -> UpstreamAddress:
        del name
        return HOME.address


def virtual_key(grant: Grant | None = None) -> tuple[VirtualKey, bytes]:
    """Return a key and its token."""
    kid = KeyId("000000001")
    token = mint("test", kid, bytes(range(32)))
    digest = PEPPERS.digesters[PEPPER].digest(token.encode())
    key = VirtualKey(
        id=kid, env="test", owner=OwnerId("acme"), app=AppName("shop"), contact="a@b.c",
        grant=grant or Grant(), state=KeyState.ACTIVE, digest=digest, pepper=PEPPER, slot=1,
        issued_at=Instant(1), expires_at=None,
    )  # fmt: skip
    return key, token.encode()


class Stage:
    """One gate, and any number of callers."""

    def __init__(
        self,
        *,
        sizes: SizeLimits | None = None,
        timeouts: Timeouts | None = None,
        replies: Callable[[bytes], bytes] | None = None,
        containment: ContainmentSettings | None = None,
        identifies: SafetyIdentifier = SafetyIdentifier.OFF,
    ) -> None:
        self.clock = ManualClock()
        self.journal = MemoryJournal()
        self.capture = MemoryCapture(CaptureSettings(), self.clock)
        self.meter = MemoryMeter()
        self.upstream = Upstream()
        self.tally = Tally({})
        self.replies = replies
        self.answered: dict[int, int] = {}
        key, self.token = virtual_key()
        self.roster = Roster(PEPPERS)
        self.roster.replace_all([key])
        self.live = Live()
        self.containment = containment or ContainmentSettings()
        self.identifies = identifies
        self.restraints = Restraints(self.containment.unknown_client)
        self.tarpit = Tarpit(self.containment.tarpit_waiting)
        self.room = self._build_room(sizes or SizeLimits(), timeouts or Timeouts())
        desk = Desk(Reader(redact), TrustedHops(()), TABLES.find)
        self.gate = Gate(
            self.clock, self.room.sizes, self.room.timeouts,
            lambda line, client, head: Exchange(self.room, line, client, head), desk.introduce,
        )  # fmt: skip

    def _build_room(self, sizes: SizeLimits, timeouts: Timeouts) -> Room:
        def match(head: Head) -> RouteMatch | None:
            return ROUTES.match(
                head.method,
                head.target,
                lambda name: any(each.lower() == name.encode() for each, _ in head.pairs),
            )

        tables = Tables(
            roster=self.roster, read=lambda grammar, body: GRAMMARS[grammar].read_request(body),
            read_form=read_form, price=lambda model, _: find(PRICES, ROWS, model),
            worst_case=worst_case, upstreams=lambda *_: (UP,), used=lambda _: None,
            restraints=self.restraints, lanes=Lanes(self.containment, Paces(1, 1)),
            identifies=self.identifies,
        )  # fmt: skip
        ids = itertools.count()
        return Room(
            worker=WorkerNumber(1), policy="test", clock=self.clock, journal=self.journal,
            capture=self.capture, meter=self.meter, telemetry=self.tally,
            overhead=self.tally.series(OVERHEAD_DURATION, "total"),
            upstreams=self.upstream, rota=Rota({UP: 1}),
            decider=Judge(tables, self.meter, Hasher(b"k" * 32)), match=match,
            restraints=self.restraints, tarpit=self.tarpit,
            answer=lambda provider, told, exchange: CATALOG[provider or OPENAI].refuse(told, exchange),
            tap=lambda route, kind: tap_for(kind, route.grammar, websocket=route.websocket), cost=cost,
            draw=lambda: ExchangeId(f"{next(ids):024x}"), live=self.live, sizes=sizes, timeouts=timeouts,
        )  # fmt: skip

    def caller(self, *, half: bool = True) -> Wire:
        """Return the wire of a new caller."""
        connection = CallerConnection(self.gate, "203.0.113.9", Greeting())
        wire = Wire(connection, half=half)
        connection.connection_made(wire)
        return wire

    def say(self, *parts: bytes, caller: Wire | None = None) -> Wire:
        """Send bytes as one caller, let everything happen that follows, and return its wire."""
        wire = caller or self.caller()
        for part in parts:
            wire.feed(part)
            self.run(wire)
        return wire

    def run(self, *callers: Wire) -> None:
        """Let upstreams answer and connections end until nothing happens any more."""
        busy = True
        while busy:
            ended = [each for each in (*callers, *self.upstream.wires) if each.settle()]
            busy = bool(ended) or self._reply()

    def _reply(self) -> bool:
        if self.replies is None:
            return False
        for number, wire in enumerate(self.upstream.wires):
            asked = bytes(wire.out[self.answered.get(number, 0) :])
            if asked and not wire.closing:
                told = self.replies(asked)
                if told:
                    self.answered[number] = len(wire.out)
                    wire.feed(told)
                    return True
        return False

    def wait(self, seconds: float, *callers: Wire) -> None:
        """Let time pass and every connection look at the clock."""
        self.clock.advance(timedelta(seconds=seconds))
        self.gate.tick()
        self.run(*callers)

    def request(
        self, body: bytes = BODY, *, headers: bytes = b"", version: bytes = b"1.1", framed: bool = True
    ) -> bytes:
        """Return a good request with the stage's own key."""
        length = b"content-length: %d\r\n" % len(body) if framed else b""
        return (
            b"POST /v1/chat/completions HTTP/%b\r\nhost: gate\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\n%b%b\r\n%b"
            % (version, self.token, length, headers, body if framed else b"")
        )

    @property
    def events(self) -> list[Event]:
        """Everything recorded."""
        return self.journal.events

    @property
    def refused(self) -> list[ExchangeRefused]:
        """The refusals recorded."""
        return [event for event in self.events if isinstance(event, ExchangeRefused)]

    @property
    def ended(self) -> list[ExchangeEnded]:
        """The ends recorded."""
        return [event for event in self.events if isinstance(event, ExchangeEnded)]

    @property
    def sent(self) -> bytes:
        """Everything that went upstream."""
        return b"".join(bytes(wire.out) for wire in self.upstream.wires)


def one_reply(asked: bytes) -> bytes:
    """Answer every request whose head and body have come, once each."""
    return REPLY * whole_requests(asked)


def whole_requests(asked: bytes) -> int:
    """Count the requests in what the gate itself wrote."""
    return len(bodies_of(asked))


def bodies_of(asked: bytes) -> tuple[bytes, ...]:
    """Return the bodies of the whole requests in what the gate itself wrote; it declares their lengths."""
    bodies: list[bytes] = []
    while b"\r\n\r\n" in asked:
        head, _, rest = asked.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = sum(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))
        if len(rest) < length:
            break
        bodies.append(rest[:length])
        asked = rest[length:]
    return tuple(bodies)


def statuses(out: bytes | bytearray) -> list[int]:
    """Return the status of every reply in what a caller got; the gate's own replies declare lengths."""
    found, told, at = [], bytes(out), 0
    while at < len(told):
        end = told.index(b"\r\n\r\n", at)
        head, at = told[at:end].lower().split(b"\r\n"), end + 4
        found.append(int(head[0].split(b" ")[1]))
        length = [int(line.split(b":")[1]) for line in head if line.startswith(b"content-length:")]
        if found[-1] != 100 and not length:
            break
        at += sum(length)
    return found
