"""The load generator of ``make bench NAME=tls``: it counts what was answered, and nothing else."""

import asyncio
import json
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from chatelaine.adapters.tls import own_certificate, server_context

pytestmark = pytest.mark.wire

SOURCE = Path(__file__).resolve().parents[2] / "bench" / "tls_load.c"
BODY = b'{"model":"m"}'
FINE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
REFUSED = b'HTTP/1.1 429 "no"\r\ncontent-length: 0\r\n\r\n'
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("cc") or not Path("/usr/include/openssl/ssl.h").exists():
        pytest.skip("needs a C compiler and OpenSSL's headers: apt-get install gcc libc6-dev libssl-dev")
    out = tmp_path_factory.mktemp("tls_load") / "tls_load"
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-o", str(out), str(SOURCE), "-lssl", "-lcrypto"]
    subprocess.run(command, check=True)
    return out


def answering(answer: bytes, *, heads: list[bytes] | None = None) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                assert await reader.readexactly(len(BODY)) == BODY
                if heads is not None:
                    heads.append(head)
                # In two parts: an answer need not come at once.
                writer.write(answer[:20])
                await writer.drain()
                writer.write(answer[20:])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            writer.transport.abort()

    return serve


async def load(
    generator: Path, folder: Path, serve: Serve, *more: str, tls: bool = True
) -> tuple[int, bytes]:
    """Run the generator against a server for 0.4 s; return its exit code and what it said."""
    (folder / "body").write_bytes(BODY)
    context = server_context(*own_certificate(folder / "certificate", ("localhost",))) if tls else None
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    command = [str(generator), "-p", str(port), "-c", "4", "-w", "0.1", "-d", "0.4"]
    async with server:
        process = await asyncio.create_subprocess_exec(
            *command, *more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said, _ = await process.communicate()
    return process.returncode or 0, said


def ran(generator: Path, folder: Path, serve: Serve, *more: str) -> dict[str, object]:
    code, said = asyncio.run(load(generator, folder, serve, *more))
    assert code == 0, said
    told = json.loads(said)
    assert isinstance(told, dict)
    return told


def test_requests_go_out_whole_and_their_answers_are_counted(generator: Path, tmp_path: Path) -> None:
    heads: list[bytes] = []
    serve = answering(FINE, heads=heads)
    told = ran(generator, tmp_path, serve, "-b", str(tmp_path / "body"), "-H", "x-one: 1", "-H", "x-two: 2")
    assert 0 < int(str(told["n"])) <= len(heads)
    assert (told["bad_status"], told["bad_conn"]) == (0, 0)
    assert 0 < float(str(told["p50"])) <= float(str(told["p99"]))
    assert str(told["tls"]).startswith("TLSv1.3 ")
    assert all(b"\r\nx-one: 1\r\nx-two: 2\r\ncontent-length: 13\r\n" in head for head in heads)


def test_an_answer_that_is_not_200_is_not_counted_but_told(generator: Path, tmp_path: Path) -> None:
    told = ran(generator, tmp_path, answering(REFUSED), "-b", str(tmp_path / "body"))
    assert told["n"] == 0
    assert int(str(told["bad_status"])) > 0
    assert str(told["bad"]).startswith("HTTP/1.1 429  no ")


def test_an_answer_whose_end_is_not_told_by_its_head_ends_the_run(generator: Path, tmp_path: Path) -> None:
    serve = answering(CHUNKED)
    code, said = asyncio.run(load(generator, tmp_path, serve, "-b", str(tmp_path / "body")))
    assert code == 2
    assert b"an answer without content-length" in said


def test_full_handshakes_are_counted(generator: Path, tmp_path: Path) -> None:
    told = ran(generator, tmp_path, answering(FINE), "-k")
    assert int(str(told["n"])) > 0
    assert told["bad_conn"] == 0
    assert str(told["tls"]).startswith("TLSv1.3 ")


def test_a_server_that_hangs_up_before_the_handshake_counts_as_broken(
    generator: Path, tmp_path: Path
) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    code, said = asyncio.run(load(generator, tmp_path, hang_up, "-k", tls=False))
    assert code == 0, said
    told = json.loads(said)
    assert told["n"] == 0
    assert told["bad_conn"] > 0


def test_without_a_port_or_work_it_says_what_it_wants(generator: Path) -> None:
    said = subprocess.run([str(generator), "-c", "4"], check=False, capture_output=True, text=True)
    assert said.returncode == 2
    assert "wants -p" in said.stderr
