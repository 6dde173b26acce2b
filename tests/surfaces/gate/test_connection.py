"""A caller's connection: whole conversations with it, in memory."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stage import BODY, PROVIDER_KEY, REPLY, REPLY_BODY, Stage, one_reply, statuses

from chatelaine.model.event import ExchangeOpened
from chatelaine.model.exchange import EndReason, RefusalReason
from chatelaine.model.settings import SizeLimits, Timeouts
from chatelaine.surfaces.gate.connection import CallerConnection
from chatelaine.surfaces.gate.pipeline import MOST_WAITING

R = RefusalReason
SMALL = SizeLimits(head=2048, json_body=4096, upload=8192)


def stage(
    *,
    sizes: SizeLimits | None = None,
    timeouts: Timeouts | None = None,
    replies: Callable[[bytes], bytes] | None = one_reply,
) -> Stage:
    return Stage(sizes=sizes, timeouts=timeouts, replies=replies)


def reasons(played: Stage) -> list[RefusalReason]:
    for event in played.refused:
        assert event.client.network.ip == "203.0.113.9"
    return [event.reason for event in played.refused]


def test_a_request_is_answered_with_the_upstreams_own_bytes() -> None:
    played = stage()
    caller = played.say(played.request())
    assert bytes(caller.out).endswith(b"\r\n\r\n" + REPLY_BODY)
    assert [event.reason for event in played.ended] == [EndReason.COMPLETED]
    assert PROVIDER_KEY in played.sent
    assert played.token not in played.sent
    assert not caller.closing


@given(st.lists(st.integers(1, 400), max_size=12))
def test_a_request_may_come_in_any_pieces(cuts: list[int]) -> None:
    played = stage()
    asked = played.request()
    places = sorted({0, *(cut for cut in cuts if cut < len(asked)), len(asked)})
    caller = played.say(*(asked[left:right] for left, right in pairwise(places)))
    assert statuses(caller.out) == [200]


def test_pipelined_requests_are_served_in_the_order_they_came() -> None:
    played = stage(replies=None)
    caller = played.say(played.request() * 3)
    assert len(played.upstream.wires) == 1
    for number in range(1, 4):
        played.upstream.wires[0].feed(REPLY)
        assert statuses(caller.out) == [200] * number
    assert [event.reason for event in played.ended] == [EndReason.COMPLETED] * 3


def test_a_thousand_pipelined_requests_refused_at_a_stroke_are_all_answered() -> None:
    played = stage(replies=None)
    caller = played.say(played.request() + b"GET /nowhere HTTP/1.1\r\nhost: gate\r\n\r\n" * 1000)
    assert caller.paused
    played.upstream.wires[0].feed(REPLY)
    assert statuses(caller.out) == [200] + [403] * 1000
    assert len(played.refused) == 1000
    assert not caller.paused
    assert not caller.eof_written


def test_of_ten_thousand_requests_in_one_write_those_wait_that_may_and_one_is_refused_for_the_rest() -> None:
    played = stage(replies=None)
    caller = played.say(played.request() + b"GET / HTTP/1.1\r\nhost: gate\r\n\r\n" * 10_000)
    connection = caller.protocol
    assert isinstance(connection, CallerConnection)
    assert len(connection._pipeline._messages) == MOST_WAITING + 1
    assert caller.paused
    played.say(played.request(), caller=caller)
    played.upstream.wires[0].feed(REPLY)
    assert statuses(caller.out) == [200] + [403] * MOST_WAITING + [503]
    assert reasons(played)[-1] is R.OVERLOADED
    assert "wait" in played.refused[-1].detail
    assert len(played.refused) == MOST_WAITING + 1
    assert caller.eof_written
    played.wait(3, caller)
    assert caller.closing


def test_pipelined_requests_that_wait_when_the_caller_leaves_are_forgotten() -> None:
    played = stage(replies=None)
    caller = played.say(played.request() + b"GET / HTTP/1.1\r\nhost: gate\r\n\r\n" * 10_000)
    caller.closing = True
    played.run(caller)
    assert [event.reason for event in played.ended] == [EndReason.CLIENT_LEFT]
    assert caller.protocol._pipeline.empty  # type: ignore[attr-defined]  # it is a caller's connection


def test_garbage_behind_a_request_does_not_break_its_reply() -> None:
    played = stage(replies=None)
    caller = played.say(played.request() + b"\x00\x01 garbage\r\n\r\n")
    assert statuses(caller.out) == []
    played.upstream.wires[0].feed(REPLY)
    played.run(caller)
    assert statuses(caller.out) == [200, 400]
    assert [event.reason for event in played.ended] == [EndReason.COMPLETED]
    assert reasons(played) == [R.MALFORMED_REQUEST]
    assert caller.eof_written


def test_a_broken_body_behind_a_request_is_refused_in_its_turn() -> None:
    played = stage(replies=None)
    broken = played.request(framed=False, headers=b"transfer-encoding: chunked\r\n") + b"zz\r\n"
    caller = played.say(played.request() + broken)
    played.upstream.wires[0].feed(REPLY)
    assert statuses(caller.out) == [200, 400]
    assert reasons(played) == [R.MALFORMED_REQUEST]


def test_a_head_too_large_behind_a_request_is_refused_in_its_turn() -> None:
    played = stage(replies=None, sizes=SMALL)
    caller = played.say(played.request(), b"GET / HTTP/1.1\r\nx: " + b"a" * 3000)
    played.upstream.wires[0].feed(REPLY)
    assert statuses(caller.out) == [200, 431]
    assert reasons(played) == [R.HEAD_TOO_LARGE]


def test_a_large_head_hidden_behind_a_body_is_measured_by_itself() -> None:
    played = stage(sizes=SMALL)
    large = played.request(headers=b"x: " + b"a" * 3000 + b"\r\n")
    caller = played.say(played.request() + large)
    assert statuses(caller.out) == [200, 431]


def test_a_large_body_before_a_small_head_is_not_held_against_it() -> None:
    played = stage(sizes=SMALL)
    body = BODY + b" " * 3500
    caller = played.say(played.request(body) + played.request()[:60], played.request()[60:])
    assert statuses(caller.out) == [200, 200]


def test_a_request_behind_one_that_ends_the_connection_is_not_served() -> None:
    played = stage()
    caller = played.say(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\nexpect: miracles\r\n\r\n" + played.request()
    )
    assert statuses(caller.out) == [417]
    assert reasons(played) == [R.EXPECTATION]
    assert played.sent == b""


def test_a_refused_request_that_came_whole_leaves_the_connection_open() -> None:
    played = stage()
    caller = played.say(
        b"GET /nowhere HTTP/1.1\r\nhost: gate\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: gate\r\n\r\n",
        played.request(),
    )
    assert statuses(caller.out) == [403, 401, 200]
    assert reasons(played) == [R.ROUTE_UNKNOWN, R.KEY_MISSING]
    assert not caller.closing


def test_an_expectation_is_met_only_for_a_good_credential() -> None:
    played = stage()
    head = played.request(headers=b"expect: 100-continue\r\n")[: -len(BODY)]
    caller = played.say(head)
    assert statuses(caller.out) == [100]
    assert statuses(played.say(BODY, caller=caller).out) == [100, 200]
    stranger = played.say(head.replace(played.token, played.token[:-1] + b"-"))
    assert statuses(stranger.out) == [401]
    assert b"connection: close" in stranger.out


def test_http_1_0_is_answered_without_chunks_and_closed() -> None:
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    played = stage(replies=lambda _: chunked)
    caller = played.say(played.request(version=b"1.0"))
    assert bytes(caller.out).endswith(b"\r\n\r\nhello")
    assert b"chunked" not in caller.out
    assert caller.closing
    kept = stage()
    caller = kept.say(kept.request(version=b"1.0", headers=b"connection: keep-alive\r\n"))
    assert statuses(caller.out) == [200]
    assert not caller.closing


def test_a_chunked_json_body_goes_upstream_with_its_length() -> None:
    played = stage()
    half = len(BODY) // 2
    chunks = b"".join(b"%x;ext=1\r\n%b\r\n" % (len(part), part) for part in (BODY[:half], BODY[half:]))
    asked = played.request(framed=False, headers=b"transfer-encoding: chunked\r\n") + chunks
    caller = played.say(asked + b"0\r\nx-trailer: dropped\r\n\r\n", played.request())
    assert statuses(caller.out) == [200, 200]
    assert b"content-length: %d\r\n" % len(BODY) in played.sent
    assert b"chunked" not in played.sent
    assert b"dropped" not in played.sent


@pytest.mark.parametrize("flood", [b"5;" + b"x" * 3000, b"0\r\nx-trailer: " + b"x" * 3000])
def test_chunk_extensions_and_trailers_are_bounded(flood: bytes) -> None:
    played = stage(sizes=SMALL)
    asked = played.request(framed=False, headers=b"transfer-encoding: chunked\r\n")
    caller = played.say(asked, flood)
    assert statuses(caller.out) == [400]
    assert reasons(played) == [R.MALFORMED_REQUEST]


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        (b"content-length: 5000\r\n", b""),
        (b"transfer-encoding: chunked\r\n", b"1388\r\n" + b" " * 5000),
        (b"content-length: 5000\r\nexpect: 100-continue\r\n", b""),
    ],
)
def test_a_body_too_large_is_refused_and_its_rest_read_out(framing: bytes, body: bytes) -> None:
    played = stage(sizes=SMALL)
    caller = played.say(played.request(framed=False, headers=framing), body)
    assert statuses(caller.out) == [413]
    assert reasons(played) == [R.BODY_TOO_LARGE]
    assert b"connection: close" in caller.out
    played.say(b" " * 1000, caller=caller)
    assert not caller.closing
    played.wait(3, caller)
    assert caller.lost


def test_a_head_that_dawdles_is_refused() -> None:
    played = stage()
    caller = played.say(b"POST /v1/chat/completions HTTP/1.1\r\nhost: gate\r\n")
    for _ in range(14):
        played.say(b"x: y\r\n", caller=caller)
        played.wait(1, caller)
    assert statuses(caller.out) == []
    played.wait(2, caller)
    assert statuses(caller.out) == [408]
    assert reasons(played) == [R.HEAD_TIMEOUT]
    assert played.refused[0].client.header_names.startswith("host,x,x")


def test_a_body_that_stops_coming_is_refused() -> None:
    played = stage()
    caller = played.say(played.request()[: -len(BODY)])
    played.wait(50, caller)
    played.say(BODY[:1], caller=caller)
    played.wait(5, caller)
    assert statuses(caller.out) == []
    played.wait(61, caller)
    assert statuses(caller.out) == [408]
    assert reasons(played) == [R.BODY_TIMEOUT]


def test_a_body_that_drips_is_refused_however_steadily() -> None:
    played = stage()
    caller = played.say(played.request()[: -len(BODY)])
    for byte in BODY[:60]:
        assert statuses(caller.out) == []
        played.say(bytes([byte]), caller=caller)
        played.wait(1, caller)
    played.wait(2, caller)
    assert statuses(caller.out) == [408]
    assert reasons(played) == [R.BODY_TIMEOUT]


def test_a_large_body_on_a_bad_line_is_taken() -> None:
    played = stage()
    body = BODY + b" " * 700_000
    asked = played.request(body)
    caller = played.caller()
    for start in range(0, len(asked), 1100):
        played.say(asked[start : start + 1100], caller=caller)
        played.wait(1, caller)
    assert statuses(caller.out) == [200]


def test_a_connection_that_idles_is_closed_and_one_that_never_spoke_too() -> None:
    played = stage()
    silent, used = played.caller(), played.say(played.request())
    played.wait(76, silent, used)
    assert silent.lost
    assert used.lost
    assert played.gate.connections == set()
    assert played.refused == []


def test_a_slow_reader_gets_all_of_its_last_reply_and_one_that_never_reads_is_dropped() -> None:
    played = stage()
    wires = []
    for _ in range(2):
        wires.append(played.caller())
        wires[-1].slow = True
        played.say(played.request(headers=b"connection: close\r\n"), caller=wires[-1])
    slow, dead = wires
    played.wait(60, slow, dead)
    assert not slow.lost
    slow.read_out()
    played.run(slow)
    assert slow.lost
    assert statuses(slow.out) == [200]
    played.wait(61, dead)
    assert dead.lost


def test_a_slow_reader_does_not_stop_the_upstream_connection_for_others() -> None:
    large = b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + b"x" * 200_000
    played = stage(replies=lambda _: large)
    slow = played.caller()
    slow.slow = True
    played.say(played.request(), caller=slow)
    assert not played.upstream.wires[0].paused
    other = played.say(played.request())
    assert statuses(other.out) == [200]
    assert len(played.upstream.wires) == 1


def test_replies_do_not_pile_up_for_a_pipelining_caller_that_does_not_read() -> None:
    large = b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n" + b"x" * 200_000
    played = stage(replies=lambda _: large)
    slow = played.caller()
    slow.slow = True
    played.say(played.request() * 10, caller=slow)
    assert len(played.ended) == 1
    for served in range(2, 11):
        slow.read_out()
        played.run(slow)
        assert len(played.ended) == served


def test_a_caller_that_leaves_stops_its_exchange_and_half_closing_is_leaving() -> None:
    played = stage(replies=None)
    caller = played.say(played.request())
    assert caller.protocol.eof_received() is False
    caller.close()
    played.run(caller)
    assert [event.reason for event in played.ended] == [EndReason.CLIENT_LEFT]
    assert played.upstream.wires[0].closing


def test_a_caller_that_leaves_in_the_middle_of_its_request_is_recorded() -> None:
    played = stage()
    caller = played.say(played.request()[:-5])
    caller.close()
    played.run(caller)
    assert reasons(played) == [R.CALLER_LEFT]


def test_a_draining_gate_ends_what_runs_and_takes_no_more() -> None:
    played = stage(replies=None)
    idle, busy, late = played.caller(), played.say(played.request()), played.caller()
    played.gate.drain()
    played.run(idle, busy, late)
    assert idle.lost
    played.upstream.wires[0].feed(REPLY)
    played.run(busy)
    assert statuses(busy.out) == [200]
    assert busy.lost
    newcomer = played.say(played.request())
    assert statuses(newcomer.out) == [503]
    assert reasons(played) == [R.DRAINING]
    played.wait(3, newcomer)
    assert newcomer.lost


def test_every_opening_has_one_end_and_every_refusal_its_client() -> None:
    played = stage(timeouts=Timeouts(head=timedelta(seconds=1)))
    for asked in (
        played.request(),
        b"GET / HTTP/1.1\r\n\r\n",
        played.request()[:-1],
        b"\x16\x03\x01",
        b"GET /",
    ):
        caller = played.say(asked)
        for _ in range(3):
            played.wait(130, caller)
    opened = [event.exchange for event in played.events if isinstance(event, ExchangeOpened)]
    assert opened == [event.exchange for event in played.ended]
    assert reasons(played) == [R.MALFORMED_REQUEST, R.BODY_TIMEOUT, R.MALFORMED_REQUEST, R.HEAD_TIMEOUT]
    assert played.gate.connections == set()


def test_a_crowd_looks_at_the_clock_in_shares_and_all_have_their_turn() -> None:
    played = stage()
    crowd = [played.caller() for _ in range(1000)]
    closed = [0]
    for _ in range(4):
        played.wait(80, *crowd)
        closed.append(sum(caller.lost for caller in crowd))
    assert closed[-1] == 1000
    assert max(after - before for before, after in pairwise(closed)) < 400
