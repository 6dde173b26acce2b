"""One exchange, driven along the table: inputs from caller, journal and upstream; commands out."""

from typing import Final

from chatelaine.core.exchange.refusal import broken_clause, refusal
from chatelaine.core.exchange.reply import CONTINUE, find_header
from chatelaine.core.exchange.table import Input, State
from chatelaine.core.metric import UPSTREAM_ERRORS
from chatelaine.model.capture import Part
from chatelaine.model.error import WireError
from chatelaine.model.exchange import EndReason, RefusalReason, ReplyHead, RouteMatch
from chatelaine.model.words import SECOND
from chatelaine.services.exchange.course import Course
from chatelaine.services.exchange.intake import Intake
from chatelaine.services.exchange.moves import MOVES
from chatelaine.services.exchange.relay import SecretStraddled

_EARLY_CHALLENGE: Final = 64 * 1024
"""A body larger than this is not taken before its credential is found good."""
_FIRST_SERVER_FAULT: Final = 500
_RETRY_LATER: Final = frozenset({429, 503})
_RECEIVING: Final = State.RECEIVING
_REFUSED: Final = State.REFUSED
_ENDED: Final = State.ENDED
_PASSING: Final = frozenset({State.RELAYING, State.TUNNELLING})

_TOLD: Final = {
    Input.REPLY_ENDED: (EndReason.COMPLETED, RefusalReason.INTERNAL),
    Input.UNDURABLE: (EndReason.UNDURABLE, RefusalReason.JOURNAL_UNAVAILABLE),
    Input.UNREACHABLE: (EndReason.UPSTREAM_CONNECT, RefusalReason.UPSTREAM_CONNECT),
    Input.UPSTREAM_LOST: (EndReason.UPSTREAM_BROKEN, RefusalReason.UPSTREAM_BROKEN),
    Input.UPSTREAM_SLOW: (EndReason.UPSTREAM_TIMEOUT, RefusalReason.UPSTREAM_TIMEOUT),
    Input.CALLER_LEFT: (EndReason.CLIENT_LEFT, RefusalReason.CALLER_LEFT),
    Input.CALLER_SLOW: (EndReason.IDLE_TIMEOUT, RefusalReason.BODY_TIMEOUT),
    Input.CUT: (EndReason.KEY_CUT, RefusalReason.KEY_SUSPENDED),
}
"""How each input ends an exchange, and what the caller is told where it can still be told."""
_ENDS: Final = {given: (end, refusal(told)) for given, (end, told) in _TOLD.items()}

_CUTS: Final = {
    EndReason.KEY_CUT: RefusalReason.KEY_SUSPENDED,
    EndReason.RESTRAINED: RefusalReason.RESTRAINED,
    EndReason.BUDGET_CUT: RefusalReason.BUDGET_DAY,
    EndReason.DRAINED: RefusalReason.DRAINING,
}


class Exchange(Course):
    """One request and its reply. Its connection feeds it: ``begin`` first, then the body."""

    __slots__ = ()

    @property
    def over(self) -> bool:
        """Whether the exchange is recorded and nothing more can happen to it."""
        return self.state is _ENDED or self.state is _REFUSED

    # From the caller.

    def begin(self) -> None:
        """Judge the head; the body may follow."""
        room, head = self.room, self.head
        try:
            self.route = route = room.match(head)
            reason = self._fault_of(route)
            if route is None or reason is not None:
                self.refuse(reason or RefusalReason.ROUTE_UNKNOWN)
                return
            limit = room.sizes.upload if route.upload else room.sizes.json_body
            self.intake = Intake(head, route, limit=limit, held=room.sizes.json_body)
        except WireError as fault:
            self.refuse(broken_clause(fault.clause), fault.message)
            return
        early = head.chunked or (head.length or 0) > _EARLY_CHALLENGE or route.upload or head.expects_continue
        if early and self._challenged() and head.expects_continue:
            self.line.write(CONTINUE)
        if room.restraints.delaying and not self.over:
            self._hold_up()

    def _hold_up(self) -> None:
        """Let an exchange wait whose client is in the tarpit; nothing more of it is read meanwhile."""
        late = self.room.decider.late(self.question())
        if not late:
            return
        if not self.room.tarpit.enter():
            self.refuse(RefusalReason.RESTRAINED, "the tarpit is full")
            return
        self.held_until = self.arrived + late
        self.line.pause_reading()

    def _let_go(self, now: int) -> None:
        """Go on with an exchange that has waited long enough."""
        self.held_until = 0
        self.room.tarpit.leave()
        self.waiting_since = now
        self.line.resume_reading()
        if self.intake is not None and self.intake.decidable:
            self._decide()

    def _fault_of(self, route: RouteMatch | None) -> RefusalReason | None:
        head, sizes = self.head, self.room.sizes
        if route is None:
            return RefusalReason.ROUTE_UNKNOWN
        if head.upgrade and not (route.websocket and head.upgrade == b"websocket" and not self._has_body):
            return RefusalReason.UPGRADE_REFUSED
        if route.websocket and not head.upgrade:
            return RefusalReason.UPGRADE_NEEDED
        if head.length is not None and head.length > (sizes.upload if route.upload else sizes.json_body):
            return RefusalReason.BODY_TOO_LARGE
        return None

    @property
    def _has_body(self) -> bool:
        # Behind a head that asks for a switch, an upstream that refuses it would read a body as a request.
        return self.head.chunked or bool(self.head.length)

    def _challenged(self) -> bool:
        decision = self.room.decider.challenge(self.question())
        if decision is None:
            return True
        self.decision, self.refusal = decision, decision.refusal
        self.step(Input.REFUSE)
        return False

    def body(self, chunk: bytes) -> None:
        """Take the next bytes of the request's body."""
        self.moved = True
        intake = self.intake
        if intake is None or self.over:
            return
        try:
            intake.take(chunk)
        except WireError as fault:
            self.malformed(fault.message, reason=broken_clause(fault.clause))
            return
        if self.state is _RECEIVING:
            if intake.decidable and not self.held_until:
                self._decide()
        else:
            self._pass_upload(intake)

    def body_ended(self) -> None:
        """Take the news that the request has come whole."""
        intake = self.intake
        if intake is None or self.over:
            return
        intake.complete = True
        if self.held_until:
            return
        if self.state is _RECEIVING:
            self._decide()
        else:
            self._pass_upload(intake)

    def _pass_upload(self, intake: Intake) -> None:
        if intake.flowing and self.upstream is not None:
            data = self.drained(intake)
            if data:
                self.upstream.send(data)
        elif intake.brimming and not intake.complete:
            self.upstream_full(full=True)

    def refuse(self, reason: RefusalReason, detail: str = "") -> None:
        """Refuse the exchange; it has not been decided yet."""
        if self.state is _RECEIVING:
            self.refusal = refusal(reason)
            self.detail = detail
            self.step(Input.REFUSE)

    def malformed(self, detail: str, *, reason: RefusalReason = RefusalReason.MALFORMED_REQUEST) -> None:
        """Take the news that the rest of the request cannot be understood or is too large."""
        if self.state is _RECEIVING:
            self.refuse(reason, detail)
        elif not self.over:
            self.caller_left()
            self.line.abort()

    def caller_left(self) -> None:
        """Take the news that the caller's connection is gone."""
        if not self.over:
            self.step(Input.CALLER_LEFT)

    def from_tunnel(self, data: bytes) -> None:
        """Pass bytes of a tunnel on to the upstream."""
        self.moved = True
        if self.upstream is not None and self.state is State.TUNNELLING:
            if self.recording is not None:
                self.recording.add(Part.REQUEST, data)
            self.upstream.send(data)

    def cut_off(self, why: EndReason = EndReason.KEY_CUT) -> None:
        """Break the exchange off: its key may not be used, its budget is used up, or we are closing."""
        if not self.over:
            self.end = why
            self.refusal = refusal(_CUTS[why])
            self.step(Input.CUT)

    def caller_full(self, *, full: bool) -> None:
        """Take the news that the caller takes no more of the reply for now, or takes it again."""
        if self.upstream is None:
            return
        if full:
            self.upstream.pause_reading()
        else:
            self.upstream.resume_reading()

    def tick(self, now: int, *, caller_full: bool) -> None:
        """Look at the clock: end what has waited too long. ``now`` as ``Clock.elapsed``."""
        if self.held_until:
            if now >= self.held_until:
                self._let_go(now)
            return
        if self._drips(now):
            self._leave_waiting()
            return
        if self.moved:
            self.moved = False
            self.waiting_since = now
            return
        waited, times = now - self.waiting_since, self.room.timeouts
        state = self.state
        if state is _RECEIVING and waited > times.body.total_seconds() * SECOND:
            self._leave_waiting()
        elif state is State.SENDING and waited > times.upstream_first_byte.total_seconds() * SECOND:
            complete = self.intake is None or self.intake.complete or self.intake.stalled
            self.step(Input.UPSTREAM_SLOW if complete else Input.CALLER_SLOW)
        elif state in _PASSING and waited > times.stream_idle.total_seconds() * SECOND:
            self.step(Input.CALLER_SLOW if caller_full else Input.UPSTREAM_SLOW)

    def _drips(self, now: int) -> bool:
        intake, room = self.intake, self.room
        if intake is None or intake.complete:
            return False
        span = room.timeouts.body.total_seconds()
        return not intake.keeps_pace(now, span=int(span * SECOND), least=int(span * room.sizes.body_rate))

    def _leave_waiting(self) -> None:
        self.refusal = refusal(RefusalReason.BODY_TIMEOUT)
        self.step(Input.CALLER_SLOW)

    def _decide(self) -> None:
        room = self.room
        if not room.journal.available:
            self.refuse(RefusalReason.JOURNAL_UNAVAILABLE)
            return
        self.decision = decision = room.decider.decide(self.question())
        terms = decision.terms
        if terms is not None:
            if terms.body is not None and self.intake is not None:
                self.intake.rewrite(terms.body)
            self.step(Input.ACCEPT)
        else:
            self.refusal = decision.refusal
            self.step(Input.REFUSE)

    # From the upstream.

    def reply(self, head: ReplyHead | None, data: bytes, *, ended: bool) -> None:
        """Take the next part of the reply."""
        self.moved = True
        if head is not None:
            self._hear(head, Input.REPLY_STARTED)
        if ended:
            # Its connection may be another's by now: it is not to be paused because this caller is slow.
            self.upstream = None
        relay = self.relay
        if relay is None or self.over:
            return
        try:
            if self.state is State.TUNNELLING:
                relay.pass_raw(data)
            else:
                relay.pass_on(data, ended=ended)
        except SecretStraddled:
            self.room.telemetry.count(UPSTREAM_ERRORS, self.target or "", "secret_in_reply")
            self.step(Input.UPSTREAM_LOST)
            return
        if ended:
            self.step(Input.REPLY_ENDED)
        elif relay.outruns():
            self.cut_off(EndReason.BUDGET_CUT)

    def switched(self, head: ReplyHead, data: bytes) -> None:
        """Take the news that the upstream has switched to WebSocket, with what it sent since."""
        self.moved = True
        if not self.head.upgrade:
            self.cancel()
            self.upstream_lost("the upstream switched protocols unasked")
            return
        self._hear(head, Input.SWITCHED)
        if data and self.relay is not None:
            self.relay.pass_raw(data)

    def _hear(self, head: ReplyHead, given: Input) -> None:
        room, target = self.room, self.target
        now = room.clock.elapsed()
        self.first_byte_us = (now - self.arrived) // 1000
        self.heard = head
        if target is not None:
            if head.status in _RETRY_LATER:
                asked = find_header(head, b"retry-after")
                room.rota.asked_to_wait(target, now, int(asked) if asked.isdigit() else 0)
            elif head.status < _FIRST_SERVER_FAULT:
                room.rota.succeeded(target)
            else:
                room.rota.failed(target, now)
        self.step(given)

    def upstream_lost(self, detail: str) -> None:
        """Take the news that the upstream's connection broke."""
        self.upstream = None
        if not self.over:
            self.detail = detail
            if self.target is not None:
                self.room.rota.failed(self.target, self.room.clock.elapsed())
            self.step(Input.UPSTREAM_LOST)

    def upstream_full(self, *, full: bool) -> None:
        """Take the news that the upstream takes no more of the request for now, or takes it again."""
        if self.intake is not None:
            self.intake.stalled = full
        if full:
            self.line.pause_reading()
        else:
            self.line.resume_reading()

    # The table.

    def step(self, given: Input) -> None:
        """Take an input of the table, and carry out what it says."""
        move = MOVES[self.state][given]
        if move is None:
            raise AssertionError(f"exchange: {given.name} cannot happen in {self.state.name}")
        self.state = move.state
        if move.final and move.state is _ENDED and given is not Input.CUT:
            self.end, self.refusal = _ENDS[given]
        for call in move.calls:
            call(self)
        if move.final:
            self.line.exchange_over(keep=self._reusable(given))

    def _reusable(self, given: Input) -> bool:
        if not self.whole:
            return False
        if given is Input.REPLY_ENDED:
            return self.relay is not None and self.relay.keep
        return self.head.keep_alive and self.relay is None
