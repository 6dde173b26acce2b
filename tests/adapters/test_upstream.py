"""Connections to upstreams, against real sockets on the loopback interface."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from chatelaine.adapters.upstream import UpstreamPool, build_homes
from chatelaine.model.error import AddressRefused, UpstreamUnreachable
from chatelaine.model.exchange import ReplyHead
from chatelaine.model.settings import UpstreamSettings
from chatelaine.model.words import ProviderId, UpstreamName

pytestmark = pytest.mark.wire

UP = UpstreamName("up")
REQUEST = b"GET / HTTP/1.1\r\nhost: up\r\n\r\n"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Hearing:
    """Keeps what an upstream's connection tells."""

    head: ReplyHead | None = None
    body: bytes = b""
    lost: str = ""
    bodiless: bool = False
    tunnel: bytes | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def reply(self, head: ReplyHead | None, data: bytes, *, ended: bool) -> None:
        self.head = self.head or head
        self.body += data
        if ended:
            self.done.set()

    def switched(self, head: ReplyHead, data: bytes) -> None:
        self.head, self.tunnel = head, data
        self.done.set()

    def upstream_lost(self, detail: str) -> None:
        self.lost = detail
        self.done.set()

    def upstream_full(self, *, full: bool) -> None:
        del full


def answering(*parts: bytes, close: bool = False) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            if close:
                writer.close()
                return

    return guarded(handle)


def guarded(handle: Handler) -> Handler:
    """Return a handler that ends when the other side leaves."""

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return run


@asynccontextmanager
async def upstream(
    handler: Handler, *, most: int = 8, allow: tuple[str, ...] = ("127.0.0.0/8",)
) -> AsyncIterator[UpstreamPool]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = UpstreamSettings(
        name=UP,
        provider=ProviderId("openai"),
        url=f"http://127.0.0.1:{port}/base/",
        allow_addresses=allow,
        connections=most,
    )
    homes = build_homes(
        (settings,),
        secret=lambda _: b"sk-up",
        credential=lambda _, key: b"authorization: Bearer " + key + b"\r\n",
        context=lambda _: pytest.fail("no TLS here"),
    )
    pool = UpstreamPool(homes)
    try:
        yield pool
    finally:
        pool.close()
        server.close()
        await asyncio.sleep(0.01)


async def ask(pool: UpstreamPool, method: bytes = b"GET") -> Hearing:
    hearing = Hearing(bodiless=method == b"HEAD")
    line = pool.lease(UP, hearing) or await pool.connect(UP, hearing)
    line.send(REQUEST.replace(b"GET", method))
    async with asyncio.timeout(5):
        await hearing.done.wait()
    return hearing


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",), b"hello"),
        ((b"HTTP/1.1 200 OK\r\ncontent-", b"length: 5\r\n\r\nhe", b"llo"), b"hello"),
        ((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", b"0\r\n\r\n"), b"hello"),
        (
            (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nx-t: 1\r\n\r\n",),
            b"hello",
        ),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
        (
            (
                b"HTTP/1.1 100 Continue\r\n\r\n",
                b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            ),
            b"ok",
        ),
    ],
)
def test_a_reply_is_read_however_it_is_framed_and_cut(parts: tuple[bytes, ...], body: bytes) -> None:
    async def talk() -> None:
        async with upstream(answering(*parts)) as pool:
            for _ in range(3):
                heard = await ask(pool)
                assert heard.lost == ""
                assert heard.body == body
                assert heard.head is not None
                assert heard.head.status in {200, 204}
            assert len(pool._homes[UP].alive) == 1

    asyncio.run(talk())


@pytest.mark.parametrize(
    "framing", [b"content-length: 5", b"content-length: 0", b"transfer-encoding: chunked"]
)
def test_a_reply_to_head_ends_with_its_head_and_the_connection_serves_on(framing: bytes) -> None:
    told = b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while asked := await reader.readuntil(b"\r\n\r\n"):
            full = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
            writer.write(told if asked.startswith(b"HEAD ") else full)

    async def talk() -> None:
        async with upstream(guarded(handle)) as pool:
            for method, body in ((b"HEAD", b""), (b"GET", b"hello"), (b"HEAD", b""), (b"HEAD", b"")):
                heard = await ask(pool, method)
                assert (heard.lost, heard.body) == ("", body)
                assert heard.head is not None
                assert method == b"GET" or heard.head.pairs == (tuple(framing.split(b": ")),)
            assert len(pool._homes[UP].alive) == 1

    asyncio.run(talk())


def test_a_reply_to_head_without_a_length_ends_with_its_head() -> None:
    async def talk() -> None:
        async with upstream(answering(b"HTTP/1.1 200 OK\r\nx-a: b\r\n\r\n")) as pool:
            heard = await ask(pool, b"HEAD")
            assert heard.lost == ""
            assert heard.head is not None

    asyncio.run(talk())


def test_a_body_behind_a_reply_to_head_is_not_taken_for_the_next_reply() -> None:
    async def talk() -> None:
        told = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
        async with upstream(answering(told)) as pool:
            heard = await ask(pool, b"HEAD")
            assert "has a body" in heard.lost
            assert not pool._homes[UP].idle

    asyncio.run(talk())


def test_a_reply_that_lasts_until_the_connection_closes_is_whole() -> None:
    async def talk() -> None:
        async with upstream(answering(b"HTTP/1.1 200 OK\r\n\r\nall of ", b"it", close=True)) as pool:
            heard = await ask(pool)
            assert (heard.body, heard.lost) == (b"all of it", "")

    asyncio.run(talk())


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffffff\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nwhat",
    ],
)
def test_a_reply_that_breaks_http_is_a_lost_upstream_and_nothing_of_it_is_kept(reply: bytes) -> None:
    async def talk() -> None:
        async with upstream(answering(reply)) as pool:
            heard = await ask(pool)
            assert heard.lost
            assert b"evil" not in heard.body
            assert pool.lease(UP, Hearing()) is None

    asyncio.run(talk())


def test_an_upstream_that_closes_in_the_middle_is_lost() -> None:
    async def talk() -> None:
        async with upstream(
            answering(b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\nhalf", close=True)
        ) as pool:
            heard = await ask(pool)
            assert (heard.body, heard.lost) == (b"half", "the upstream closed the connection")

    asyncio.run(talk())


def test_a_switch_of_protocols_hands_over_what_came_after_it() -> None:
    reply = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nframe"

    async def talk() -> None:
        async with upstream(answering(reply)) as pool:
            heard = await ask(pool)
            assert heard.tunnel == b"frame"

    asyncio.run(talk())


def test_a_pooled_connection_that_the_upstream_closed_is_not_leased() -> None:
    async def talk() -> None:
        async with upstream(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", close=True)) as pool:
            await ask(pool)
            await asyncio.sleep(0.05)
            assert pool.lease(UP, Hearing()) is None

    asyncio.run(talk())


def test_bytes_nobody_asked_for_drop_the_connection() -> None:
    async def talk() -> None:
        async with upstream(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")) as pool:
            await ask(pool)
            idle = pool._homes[UP].idle[0]
            idle.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
            assert pool.lease(UP, Hearing()) is None

    asyncio.run(talk())


def test_an_inner_address_is_refused_at_connect_time() -> None:
    async def talk() -> None:
        async with upstream(answering(b""), allow=()) as pool:
            with pytest.raises(AddressRefused, match="allow_addresses"):
                await pool.connect(UP, Hearing())

    asyncio.run(talk())


def test_more_connections_than_allowed_are_refused() -> None:
    async def talk() -> None:
        async with upstream(answering(b""), most=1) as pool:
            await pool.connect(UP, Hearing())
            with pytest.raises(UpstreamUnreachable, match="connections"):
                await pool.connect(UP, Hearing())

    asyncio.run(talk())


def test_a_closed_port_is_unreachable_and_says_which_setting() -> None:
    async def talk() -> None:
        async with upstream(answering(b"")) as pool:
            home = pool._homes[UP]
        with pytest.raises(UpstreamUnreachable, match=r"upstreams\.up\.url"):
            await UpstreamPool({UP: home}).connect(UP, Hearing())

    asyncio.run(talk())


def test_the_secret_is_in_no_representation() -> None:
    async def talk() -> None:
        async with upstream(answering(b"")) as pool:
            assert "sk-up" not in repr(pool.address(UP))
            assert pool.address(UP).credential == b"authorization: Bearer sk-up\r\n"
            assert pool.address(UP).path == b"/base"

    asyncio.run(talk())
