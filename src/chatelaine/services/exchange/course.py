"""The course of one exchange: what is known of it so far, and the commands of its table."""

import asyncio
from abc import ABC, abstractmethod

from chatelaine.core.exchange.head import Head, write_head
from chatelaine.core.exchange.refusal import refusal
from chatelaine.core.exchange.reply import FIRST_ERROR, find_header, write_answer
from chatelaine.core.exchange.table import Input, State
from chatelaine.core.metric import REQUESTS, UPSTREAM_ERRORS, UPSTREAM_RETRIES
from chatelaine.core.policy.lane import passed_as
from chatelaine.core.stream.decoy import Bait, write_decoy
from chatelaine.model.capture import Part
from chatelaine.model.error import JournalUnavailable, UpstreamError
from chatelaine.model.event import ExchangeEnded, ExchangeOpened, ExchangeRefused
from chatelaine.model.exchange import (
    Client,
    EndReason,
    Refusal,
    RefusalReason,
    ReplyHead,
    RouteMatch,
    Target,
)
from chatelaine.model.limit import Charge
from chatelaine.model.policy import Decision, Disposition, Terms
from chatelaine.model.provider import RefusedReply
from chatelaine.model.words import NEVER, SECOND, UpstreamName
from chatelaine.ports import CallerLine, Recording, UpstreamLine
from chatelaine.services.exchange.intake import Intake
from chatelaine.services.exchange.reckoning import UNUSED, Spending, append, count_end, reckon
from chatelaine.services.exchange.relay import Relay
from chatelaine.services.exchange.room import Question, Room


class Course(ABC):
    """An exchange under way. Every command does one thing and leaves the state alone."""

    __slots__ = (
        "arrived",
        "asked_at",
        "asked_since",
        "bodiless",
        "client",
        "decision",
        "detail",
        "dialling",
        "end",
        "first_byte_us",
        "head",
        "heard",
        "held_until",
        "id",
        "intake",
        "line",
        "moved",
        "reckoned",
        "recording",
        "refusal",
        "relay",
        "room",
        "route",
        "state",
        "target",
        "upstream",
        "waiting_since",
    )

    def __init__(self, room: Room, line: CallerLine, client: Client, head: Head) -> None:
        self.room = room
        self.line = line
        self.arrived = self.waiting_since = room.clock.elapsed()
        self.id = room.draw()
        self.client = client
        self.head = head
        self.bodiless = head.method == b"HEAD"
        self.route: RouteMatch | None = None
        self.moved = False
        """Whether bytes passed since the last tick."""
        self.state = State.RECEIVING
        self.intake: Intake | None = None
        self.decision: Decision | None = None
        self.refusal: Refusal | None = None
        """What the caller is told if the exchange goes no further."""
        self.detail = ""
        self.end = EndReason.COMPLETED
        self.dialling: asyncio.Task[None] | None = None
        self.upstream: UpstreamLine | None = None
        self.target: UpstreamName | None = None
        self.heard: ReplyHead | None = None
        self.relay: Relay | None = None
        self.first_byte_us = -1
        self.reckoned = UNUSED
        self.recording: Recording | None = None
        self.held_until = 0
        """Until when it waits in the tarpit, as ``Clock.elapsed``; 0 where it does not."""
        self.asked_since = 0
        self.asked_at = NEVER
        """When the decision was asked for: the instant of the reservation."""

    # What the driver adds.

    @abstractmethod
    def step(self, given: Input) -> None:
        """Take an input of the table."""

    @abstractmethod
    def reply(self, head: ReplyHead | None, data: bytes, *, ended: bool) -> None:
        """Take the next part of the reply."""

    @abstractmethod
    def switched(self, head: ReplyHead, data: bytes) -> None:
        """Take the news that the upstream has switched protocols."""

    @abstractmethod
    def upstream_lost(self, detail: str) -> None:
        """Take the news that the upstream's connection broke."""

    @abstractmethod
    def upstream_full(self, *, full: bool) -> None:
        """Take the news that the upstream takes no more for now, or takes it again."""

    @abstractmethod
    def cut_off(self, why: EndReason = EndReason.KEY_CUT) -> None:
        """Break the exchange off."""

    # What both sides ask.

    @property
    def terms(self) -> Terms:
        """The terms the exchange was accepted on; there are some in every state after that."""
        if self.decision is None or self.decision.terms is None:
            raise AssertionError("exchange: no terms before the decision")
        return self.decision.terms

    @property
    def whole(self) -> bool:
        """Whether the request has come whole, so that the next one can follow on its connection."""
        if self.intake is not None:
            return self.intake.complete
        return not self.head.chunked and not self.head.length

    def question(self) -> Question:
        """Return everything a decision is made on."""
        intake, head = self.intake, self.head
        self.asked_at, self.asked_since = self.room.clock.now(), self.room.clock.elapsed()
        known = intake.bytes if intake is not None and intake.complete else head.length
        return Question(
            head,
            self.route,
            self.client,
            intake.whole() if intake is not None and intake.complete else b"",
            intake.fields if intake is not None else (),
            known or 0,
            self.room.sizes.upload if known is None and head.chunked else known or 0,
            self.asked_at,
        )

    # The commands.

    def open(self) -> None:
        """Append the opening, and go on when it is durable."""
        room, decision, route, terms = self.room, self.decision, self.route, self.terms
        if decision is None or route is None:
            raise AssertionError("exchange: opened undecided")
        if decision.caller.key is not None:
            room.live.add(decision.caller.key, self)
        self.recording = room.capture.begin(self.id, decision.caller)
        opened = ExchangeOpened(
            room.clock.now(),
            self.id,
            room.worker,
            decision.caller,
            self.client,
            decision.asked,
            Target(terms.targets[0], route.provider),
            terms.reserved,
            terms.slot,
            room.policy,
            passed_as(decision.hold),
            decision.lane,
            decision.restraint,
        )
        try:
            room.journal.append(opened)
        except JournalUnavailable as fault:
            self.detail = fault.message
            self.step(Input.UNDURABLE)
        else:
            room.journal.when_durable(self._recorded)

    def _recorded(self, durable: bool) -> None:  # noqa: FBT001 - the shape of the journal's callback
        if self.state is State.RECORDING:
            self.step(Input.DURABLE if durable else Input.UNDURABLE)

    def connect(self) -> None:
        """Lease a connection to the first upstream that has one, or dial."""
        room = self.room
        names = room.rota.order(self.terms.targets, self.arrived)
        line = room.upstreams.lease(names[0], self)
        if line is not None:
            self._connected(names[0], line)
        else:
            self.dialling = asyncio.get_running_loop().create_task(self._dial(names))

    async def _dial(self, names: tuple[UpstreamName, ...]) -> None:
        # Nothing was sent yet, so the next upstream may be tried: the only retry there is.
        room = self.room
        limit = room.timeouts.upstream_connect.total_seconds()
        for name in names:
            try:
                async with asyncio.timeout(limit):
                    line = room.upstreams.lease(name, self) or await room.upstreams.connect(name, self)
            except (UpstreamError, TimeoutError) as fault:
                self.detail = str(fault) or f"no connection in {limit:g} s"
                room.rota.failed(name, room.clock.elapsed())
                if name != names[-1]:
                    room.telemetry.count(UPSTREAM_RETRIES, name)
                room.telemetry.count(UPSTREAM_ERRORS, name, "connect")
            else:
                self.dialling = None
                self._connected(name, line)
                return
        self.dialling = None
        self.step(Input.UNREACHABLE)

    def _connected(self, name: UpstreamName, line: UpstreamLine) -> None:
        self.target, self.upstream = name, line
        self.waiting_since = self.arrived
        self.moved = True
        self.step(Input.CONNECTED)

    def send(self) -> None:
        """Send the request, or as much of an upload as has come."""
        intake, upstream, target = self.intake, self.upstream, self.target
        if intake is None or upstream is None or target is None:
            raise AssertionError("exchange: nothing to send, or nowhere")
        place = self.room.upstreams.address(target)
        framing = intake.framing(self.head)
        head = write_head(
            self.head, path=place.path, host=place.host, credential=place.credential, body=framing
        )
        intake.flowing = True
        if intake.stalled:
            self.upstream_full(full=False)
        upstream.send(head + self.drained(intake))
        room = self.room
        room.overhead.add((room.clock.elapsed() - self.asked_since) / SECOND)

    def drained(self, intake: Intake) -> bytes:
        """Return what has come of the request as it goes upstream; it is kept where that is asked for."""
        data = intake.drain()
        if self.recording is not None:
            self.recording.add(Part.REQUEST, data)
        return intake.framed(data)

    def start_reply(self) -> None:
        """Prepare the reply's way to the caller."""
        self.relay = relay = self._new_relay()
        if self.heard is not None:
            relay.start(self.heard, self.head, self.id, known=self._known(self.heard))

    def _known(self, reply: ReplyHead) -> bool:
        """Tell whether the client is of its key's habit, where that makes a difference: at an error."""
        key = self.decision.caller.key if self.decision is not None else None
        if reply.status < FIRST_ERROR or key is None:
            return False
        return self.room.restraints.known(key, self.client)

    def switch(self) -> None:
        """Tell the caller that both sides now speak WebSocket."""
        self.relay = relay = self._new_relay()
        if self.heard is not None:
            relay.start_tunnel(self.heard, self.id)
        if self.intake is not None and self.upstream is not None:
            self.upstream.send(self.drained(self.intake))

    def _new_relay(self) -> Relay:
        if self.heard is None or self.route is None or self.target is None:
            raise AssertionError("exchange: a reply before its head")
        tap = self.room.tap(self.route, find_header(self.heard, b"content-type").decode("latin-1"))
        secret = self.room.upstreams.address(self.target).secret
        relay = Relay(self.line, tap, secret, outrun=self.terms.reserved.output_tokens)
        relay.recording = self.recording
        return relay

    def cancel(self) -> None:
        """Drop the upstream at once, connected or not."""
        if self.dialling is not None:
            self.dialling.cancel()
            self.dialling = None
        if self.upstream is not None:
            self.upstream.cancel()
            self.upstream = None

    def answer(self) -> None:
        """Tell the caller, in its dialect, that the exchange goes no further."""
        told = self.refusal or refusal(RefusalReason.INTERNAL)
        self.line.write(
            write_answer(
                told.status,
                self._in_dialect(told),
                exchange=self.id,
                retry_after=told.retry_after,
                close=not (self.whole and self.head.keep_alive),
            )
        )

    def _in_dialect(self, told: Refusal) -> RefusedReply:
        route, decision = self.route, self.decision
        if told.reason is RefusalReason.DECOY and route is not None and decision is not None:
            asked, at = decision.asked, self.room.clock.now()
            bait = Bait(asked.model, asked.stream, told.message, self.id, at, asked.input_estimate)
            return write_decoy(route, bait)
        return self.room.answer(route.provider if route is not None else None, told, self.id)

    def abort(self) -> None:
        """Drop the caller's connection: what it has must not look whole."""
        self.line.abort()

    def settle(self) -> None:
        """Count what was used and give back the rest."""
        if self.decision is None:
            raise AssertionError("exchange: settled undecided")
        terms, relay, room = self.terms, self.relay, self.room
        sent = self.intake.bytes if self.intake is not None else 0
        self.reckoned = reckoned = reckon(Spending(self.decision.asked, terms, sent), relay, room.cost)
        tokens = reckoned.usage.input_tokens + reckoned.usage.output_tokens
        charge = Charge(terms.reserved, reckoned.cost, tokens, self.asked_at)
        room.meter.settle(terms.slot, charge, room.clock.now())

    def release(self) -> None:
        """Give the whole reservation back."""
        terms = self.terms
        self.room.meter.release(terms.slot, terms.reserved, self.room.clock.now(), self.asked_at)

    def record_end(self) -> None:
        """Append the end to the journal."""
        room, decision, relay, route = self.room, self.decision, self.relay, self.route
        if decision is None or route is None:
            raise AssertionError("exchange: ended undecided")
        if decision.caller.key is not None:
            room.live.remove(decision.caller.key, self)
        ended = ExchangeEnded(
            room.clock.now(),
            self.id,
            room.worker,
            decision.caller,
            Target(self.target or self.terms.targets[0], route.provider),
            self.end,
            relay.status if relay is not None else self._told_status(),
            self.reckoned.served,
            self.reckoned.usage,
            self.reckoned.cost,
            self.first_byte_us,
            (room.clock.elapsed() - self.arrived) // 1000,
            self.intake.bytes if self.intake is not None else 0,
            relay.reply_bytes if relay is not None else 0,
            self.reckoned.upstream_id,
            slot=self.terms.slot,
        )
        append(room, ended)
        if self.recording is not None:
            self.recording.end()
        count_end(room, route, ended)

    def _told_status(self) -> int:
        return 0 if self.end is EndReason.CLIENT_LEFT or self.refusal is None else self.refusal.status

    def record_refusal(self) -> None:
        """Append the refusal to the journal, with all that could be seen of the exchange."""
        told = self.refusal or refusal(RefusalReason.CALLER_LEFT)
        room, decision = self.room, self.decision
        if decision is None:
            decision = room.decider.refuse(self.question(), told, self.detail)
        if self.held_until:
            self.held_until = 0
            room.tarpit.leave()
        append(
            room,
            ExchangeRefused(
                room.clock.now(),
                self.id,
                room.worker,
                decision.caller,
                self.client,
                decision.asked,
                told.status,
                told.reason,
                decision.detail or self.detail,
                Disposition.ISOLATED if told.reason is RefusalReason.DECOY else Disposition.BLOCKED,
                decision.lane,
                decision.restraint,
            ),
        )
        asked = decision.asked
        room.telemetry.count(REQUESTS, asked.provider or "", asked.route, told.reason)
