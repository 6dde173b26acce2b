"""Replies and switches of protocol: what an upstream says reaches its caller, or becomes an error of ours."""

import pytest
from stage import REPLY, Stage, one_reply, statuses

from chatelaine.model.exchange import EndReason, RefusalReason

UPGRADE = (
    b"GET /v1/realtime?model=gpt-realtime HTTP/1.1\r\nhost: gate\r\nauthorization: Bearer %b\r\n"
    b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"sec-websocket-version: 13\r\n%b\r\n"
)


def test_a_switch_to_websocket_makes_a_tunnel() -> None:
    played = Stage(replies=None)
    caller = played.say(UPGRADE % (played.token, b""))
    upstream = played.upstream.wires[0]
    assert b"upgrade: websocket\r\n" in upstream.out
    upstream.feed(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nUP")
    played.say(b"DOWN", caller=caller)
    assert bytes(caller.out).startswith(b"HTTP/1.1 101 ")
    assert bytes(caller.out).endswith(b"UP")
    assert bytes(upstream.out).endswith(b"DOWN")


def test_a_switch_that_the_upstream_declines_ends_the_connection() -> None:
    played = Stage(replies=one_reply)
    caller = played.say(UPGRADE % (played.token, b""))
    assert statuses(caller.out) == [200]
    assert b"connection: close" in caller.out
    assert caller.lost


@pytest.mark.parametrize(
    "asked",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: g\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n",
        UPGRADE % (b"x", b"content-length: 5\r\n") + b"hello",
        UPGRADE % (b"x", b"transfer-encoding: chunked\r\n") + b"5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_a_switch_that_is_not_offered_is_refused_and_nothing_after_it_is_served(asked: bytes) -> None:
    played = Stage(replies=one_reply)
    caller = played.say(asked + played.request())
    assert statuses(caller.out) == [400]
    assert b"connection: close" in caller.out
    assert [event.reason for event in played.refused] == [RefusalReason.UPGRADE_REFUSED]
    assert played.sent == b""
    played.wait(130, caller)
    assert caller.lost


@pytest.mark.parametrize(
    "told",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\rset-cookie: b=c\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\n b\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\r\n folded\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: a\x00b\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx : a\r\ncontent-length: 0\r\n\r\n",
        REPLY + REPLY,
        b"not http at all\r\n\r\n",
    ],
)
def test_a_reply_that_cannot_be_trusted_becomes_an_error_of_ours(told: bytes) -> None:
    played = Stage(replies=lambda _: told)
    caller = played.say(played.request())
    assert statuses(caller.out) == [502]
    assert [event.reason for event in played.ended] == [EndReason.UPSTREAM_BROKEN]
    assert b"set-cookie" not in caller.out


def test_a_second_reply_that_comes_later_is_nobodys() -> None:
    played = Stage(replies=one_reply)
    caller = played.say(played.request())
    played.upstream.wires[0].feed(REPLY)
    played.run(caller)
    assert played.upstream.wires[0].closing
    assert statuses(played.say(played.request(), caller=caller).out) == [200, 200]
    assert len(played.upstream.wires) == 2


def test_a_chunked_reply_is_framed_anew() -> None:
    parts = iter(
        [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nx-t: 1\r\n\r\n"]
    )
    played = Stage(replies=lambda _: next(parts))
    caller = played.say(played.request())
    assert bytes(caller.out).endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert b"x-t" not in caller.out
