import asyncio
import select
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import uvloop

from chatelaine.adapters.peek import peek, read_greeting, read_proxy_header
from chatelaine.adapters.tls import own_certificate, server_context
from chatelaine.core.exchange.hello import lacking
from chatelaine.model.error import WireError
from chatelaine.model.exchange import Greeting

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "hello"
HELLO = (GOLDEN / "openai-python.bin").read_bytes()
JA4 = "t13d3112h1_e8f1e7e78f70_d41ae481755e"
PROXY = bytes.fromhex("0d0a0d0a000d0a515549540a2111000c") + bytes([203, 0, 113, 9, 10, 0, 0, 1, 0, 7, 1, 187])

pytestmark = pytest.mark.wire

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Give a connection over loopback: the caller's end, and ours, which does not block."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        caller = socket.create_connection(server.getsockname())
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours, _ = server.accept()
    ours.setblocking(False)
    with caller, ours:
        yield caller, ours


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


async def while_sending(reading: Awaitable[Any], send: Callable[[], Awaitable[None]]) -> Any:
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(send())
        return await reading


def test_a_hello_is_read_and_stays_to_be_read(pair: Pair) -> None:
    caller, ours = pair
    caller.sendall(HELLO)
    assert run(read_greeting(ours)) == Greeting(JA4, "1.3", "http/1.1", "localhost")
    assert ours.recv(len(HELLO)) == HELLO
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


def test_a_hello_that_comes_a_byte_at_a_time_costs_a_few_looks(pair: Pair) -> None:
    caller, ours = pair
    looks = 0

    def counted(data: bytes) -> int:
        nonlocal looks
        looks += 1
        return lacking(data)

    async def trickle() -> None:
        for place in range(len(HELLO)):
            caller.send(HELLO[place : place + 1])
            await asyncio.sleep(0)

    assert run(while_sending(peek(ours, counted), trickle)) == HELLO
    assert looks <= 5


def test_a_caller_that_stops_half_way_burns_no_cpu(pair: Pair) -> None:
    caller, ours = pair
    caller.sendall(HELLO[:100])

    async def wait() -> float:
        start = time.process_time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await read_greeting(ours)
        return time.process_time() - start

    assert run(wait()) < 0.05
    assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1


def test_where_the_kernel_wakes_us_early_we_pause_longer_and_longer() -> None:
    # SO_RCVLOWAT does not keep a Unix socket's poll quiet.
    caller, ours = socket.socketpair()
    ours.setblocking(False)
    looks = 0

    def counted(data: bytes) -> int:
        nonlocal looks
        looks += 1
        return lacking(data)

    async def wait() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await peek(ours, counted)

    with caller, ours:
        caller.sendall(HELLO[:100])
        run(wait())
        assert looks <= 8
        caller.sendall(HELLO[100:])
        assert run(peek(ours, counted)) == HELLO


@pytest.mark.parametrize("said", [b"", HELLO[:3], HELLO[:100]])
def test_a_caller_that_leaves_before_it_has_greeted_is_noticed(pair: Pair, said: bytes) -> None:
    caller, ours = pair

    async def leave() -> None:
        await asyncio.sleep(0)
        caller.sendall(said)
        await asyncio.sleep(0.01)
        caller.shutdown(socket.SHUT_WR)

    start = time.monotonic()
    with pytest.raises((ConnectionError, ExceptionGroup)):
        run(while_sending(read_greeting(ours), leave))
    assert time.monotonic() - start < 5


def test_a_caller_that_resets_is_noticed(pair: Pair) -> None:
    caller, ours = pair

    async def reset() -> None:
        caller.sendall(HELLO[:100])
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        caller.close()
        await asyncio.sleep(0)

    with pytest.raises((ConnectionError, ExceptionGroup)):
        run(while_sending(read_greeting(ours), reset))


def test_plain_http_is_refused_at_its_first_byte(pair: Pair) -> None:
    caller, ours = pair
    caller.sendall(b"G")
    with pytest.raises(WireError):
        run(read_greeting(ours))


def test_a_proxy_header_is_taken_off_and_what_follows_stays(pair: Pair) -> None:
    caller, ours = pair
    caller.sendall(PROXY + HELLO)
    assert run(read_proxy_header(ours, "10.0.0.1")) == "203.0.113.9"
    assert run(read_greeting(ours)).ja4 == JA4
    assert ours.recv(len(HELLO)) == HELLO


def test_a_proxy_header_may_trickle_in(pair: Pair) -> None:
    caller, ours = pair

    async def trickle() -> None:
        for place in range(len(PROXY)):
            caller.send(PROXY[place : place + 1])
            await asyncio.sleep(0)

    assert run(while_sending(read_proxy_header(ours, "10.0.0.1"), trickle)) == "203.0.113.9"
    with pytest.raises(BlockingIOError):
        ours.recv(1)


def test_a_hop_that_speaks_for_itself_keeps_its_address(pair: Pair) -> None:
    caller, ours = pair
    caller.sendall(bytes.fromhex("0d0a0d0a000d0a515549540a20000000"))
    assert run(read_proxy_header(ours, "10.0.0.1")) == "10.0.0.1"


def test_a_connection_without_the_header_is_refused(pair: Pair) -> None:
    caller, ours = pair
    caller.sendall(HELLO)
    with pytest.raises(WireError):
        run(read_proxy_header(ours, "10.0.0.1"))


class Echo(asyncio.Protocol):
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.close()


def test_the_handshake_goes_on_after_the_peek_as_if_nothing_had_been(pair: Pair, tmp_path: Path) -> None:
    caller, ours = pair
    certificate, key = own_certificate(tmp_path, ("localhost",))

    def talk() -> bytes:
        context = ssl.create_default_context(cafile=str(certificate))
        context.set_alpn_protocols(["http/1.1"])
        caller.settimeout(10)
        caller.sendall(PROXY)
        with context.wrap_socket(caller, server_hostname="localhost") as tls:
            tls.sendall(b"hello")
            return tls.recv(5)

    async def serve() -> tuple[Greeting, bytes]:
        loop = asyncio.get_running_loop()
        client = loop.run_in_executor(None, talk)
        async with asyncio.timeout(10):
            assert await read_proxy_header(ours, "10.0.0.1") == "203.0.113.9"
            greeting = await read_greeting(ours)
            await loop.connect_accepted_socket(Echo, ours, ssl=server_context(certificate, key))
            return greeting, await client

    greeting, answer = run(serve())
    assert answer == b"hello"
    assert (greeting.server_name, greeting.alpn) == ("localhost", "http/1.1")


def test_hang_ups_can_be_told_on_this_platform() -> None:
    assert hasattr(select, "POLLRDHUP")
