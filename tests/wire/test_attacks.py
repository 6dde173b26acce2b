"""Attacks on the gate as HTTP, on real sockets: each is refused with the right status, and recorded."""

import resource
import socket
import ssl
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from house import House, house

pytestmark = pytest.mark.wire
BODY = b'{"model":"gpt-4o-mini","max_tokens":9,"messages":[{"role":"user","content":"Hello"}]}'
SETTINGS = "  timeouts: {head: 2s, body: 2s, keep_alive: 60s, handshake: 3s}\n  sizes: {head: 16384}\n"
POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: gate\r\nUser-Agent: attacker/1\r\n"
SIZED = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, model_port: int) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("plain")
    with house(folder, model=model_port, tls=False, gate=SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def bearer(plain: House) -> bytes:
    return b"Authorization: Bearer %b\r\n" % plain.issue().encode()


def said(port: int, *parts: bytes, seconds: float = 6.0) -> bytes:
    """Send bytes and return everything that is answered before the gate closes, or falls silent."""
    told = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as line:
        for part in parts:
            line.sendall(part)
        line.settimeout(seconds)
        try:
            while data := line.recv(65536):
                told += data
                if told.count(b"HTTP/1.1 ") and b"connection: close" not in told:
                    line.settimeout(0.3)
        except TimeoutError:
            return told
        except ConnectionResetError:
            return told + b"<reset>"
    return told


def upgrade(protocol: bytes) -> bytes:
    return b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocol


TE = b"Transfer-Encoding"


@dataclass(frozen=True)
class Attack:
    """What is sent behind a good start, or instead of it, and what must be answered."""

    name: str
    status: int
    reason: str
    parts: tuple[bytes, ...]


def attack(name: str, status: int, reason: str, *rest: bytes, start: bytes = POST + b"%b") -> Attack:
    return Attack(name, status, reason, (start, *rest))


M = "malformed_request"
AUDIO = b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: gate\r\n%b"
REALTIME = b"GET /v1/realtime?model=m HTTP/1.1\r\nHost: g\r\n%b"
ATTACKS = [
    attack("a length beside chunks", 400, M, SIZED, TE, b": chunked\r\n\r\n", CHUNKED),
    attack("chunks beside a length", 400, M, TE, b": chunked\r\n", SIZED, b"\r\n", CHUNKED),
    attack("two lengths", 400, M, SIZED, b"Content-Length: 1\r\n\r\n", BODY),
    attack("a list of lengths", 400, M, b"Content-Length: 5, 5\r\n\r\nhello"),
    attack("a signed length", 400, M, b"Content-Length: +5\r\n\r\nhello"),
    attack("an endless length", 400, M, b"Content-Length: 99999999999999999999\r\n\r\n"),
    attack("an unknown coding", 400, M, TE, b": xchunked\r\n\r\n", CHUNKED),
    attack("a coding behind a vertical tab", 400, M, TE, b":\x0bchunked\r\n\r\n", CHUNKED),
    attack("a coding twice", 400, M, TE, b": chunked, chunked\r\n\r\n", CHUNKED),
    attack("chunked not last", 400, M, TE, b": chunked, identity\r\n\r\n", CHUNKED),
    attack("a space before the colon", 400, M, TE, b" : chunked\r\n\r\n", CHUNKED),
    attack("a folded header", 400, M, b"X: y\r\n z\r\n\r\n"),
    attack("a bare LF", 400, M, b"X: y\n", SIZED, b"\r\n", BODY),
    attack("a bare CR", 400, M, b"X: y\rZ: z\r\n", SIZED, b"\r\n", BODY),
    attack("a NUL", 400, M, b"X: \x00\r\n\r\n"),
    attack("a chunk size that overflows", 400, M, TE, b": chunked\r\n\r\nfffffffffffffffff\r\n"),
    attack("a negative chunk size", 400, M, TE, b": chunked\r\n\r\n-5\r\nhello\r\n"),
    attack("a chunk longer than its size", 400, M, TE, b": chunked\r\n\r\n2\r\nhello\r\n"),
    attack("a huge chunk extension", 400, M, TE, b": chunked\r\n\r\n5;", b"x" * 900_000),
    attack("a huge trailer", 400, M, TE, b": chunked\r\n\r\n0\r\nx: ", b"x" * 900_000),
    attack("no Host", 400, M, SIZED, b"\r\n", BODY, start=POST.replace(b"Host: gate\r\n", b"") + b"%b"),
    attack("two Hosts", 400, M, b"Host: b\r\n", SIZED, b"\r\n", BODY),
    attack("two bearers", 400, M, b"Authorization: Bearer x\r\n", SIZED, b"\r\n", BODY),
    attack("two credentials", 400, "credential_conflict", b"x-api-key: other\r\n", SIZED, b"\r\n", BODY),
    attack("a nominated credential", 400, M, b"Connection: authorization\r\n", SIZED, b"\r\n", BODY),
    attack("a large head", 431, "head_too_large", b"X: " + b"x" * 20_000, b"\r\n", SIZED, b"\r\n", BODY),
    attack("an endless head", 431, "head_too_large", b"X: ", b"x" * 900_000),
    attack("too many headers", 431, "head_too_large", b"X: y\r\n" * 300, SIZED, b"\r\n", BODY),
    attack("an endless target", 431, "head_too_large", b"x" * 900_000, start=b"GET /"),
    attack("a large body", 413, "body_too_large", b"Content-Length: 99999999999\r\n\r\n"),
    attack("another expectation", 417, "expectation", b"Expect: a-miracle\r\n", SIZED, b"\r\n", BODY),
    attack("a switch to HTTP/2", 400, "upgrade_refused", upgrade(b"h2c"), SIZED, b"\r\n", BODY),
    attack("a switch on a plain route", 400, "upgrade_refused", upgrade(b"websocket"), b"\r\n"),
    attack(
        "a switch with a body",
        400,
        "upgrade_refused",
        upgrade(b"websocket"),
        SIZED,
        b"\r\n",
        BODY,
        start=REALTIME,
    ),
    attack("HTTP/2 itself", 400, M, start=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    attack("a later version", 505, "version_unknown", start=b"GET /v1/models HTTP/2.0\r\nHost: g\r\n%b\r\n"),
    attack("a tunnel", 501, "method_unknown", start=b"CONNECT internal:22 HTTP/1.1\r\nHost: i\r\n%b\r\n"),
    attack("a method of WebDAV", 501, "method_unknown", start=b"PROPFIND / HTTP/1.1\r\nHost: g\r\n%b\r\n"),
    attack("TLS on a plain port", 400, M, start=b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    attack(
        "a split target",
        505,
        "version_unknown",
        start=b"GET /v1/models\r\nX: y HTTP/1.1\r\nHost: g\r\n%b\r\n",
    ),
    attack(
        "a model hidden in an upload that is no form",
        415,
        "media_type",
        b"Content-Type: application/json\r\n",
        SIZED,
        b"\r\n",
        BODY,
        start=AUDIO,
    ),
    attack(
        "a form with two boundaries",
        400,
        M,
        b"Content-Type: multipart/form-data; boundary=a; boundary=b\r\n",
        SIZED,
        b"\r\n",
        BODY,
        start=AUDIO,
    ),
    attack("a dawdling head", 408, "head_timeout", b"X: "),
    attack("a dawdling body", 408, "body_timeout", SIZED, b"\r\n", BODY[:5]),
]


@pytest.fixture(scope="module")
def told(plain: House, bearer: bytes) -> dict[str, tuple[bytes, dict[str, Any] | None]]:
    """Run every attack; return what each was answered, and the refusal recorded under its id."""
    assert plain.asked() == []
    answers = {each.name: said(plain.port, b"".join(each.parts).replace(b"%b", bearer)) for each in ATTACKS}
    assert plain.asked() == [], "an attack went upstream"
    recorded = {
        _inside(line)["exchange"]: _inside(line) for line in plain.events() if "refused" in line["kind"]
    }
    return {name: (answer, recorded.get(_id(answer))) for name, answer in answers.items()}


def _inside(line: dict[str, Any]) -> dict[str, Any]:
    return dict(line.get("event", line))


def _id(answer: bytes) -> str:
    return answer.partition(b"x-chatelaine-request-id: ")[2].partition(b"\r\n")[0].decode()


@pytest.mark.parametrize("made", ATTACKS, ids=[each.name for each in ATTACKS])
def test_an_attack_is_refused_with_its_status_and_recorded(
    told: dict[str, tuple[bytes, dict[str, Any] | None]], made: Attack
) -> None:
    answer, refused = told[made.name]
    assert answer.split(b" ", 2)[:2] == [b"HTTP/1.1", b"%d" % made.status], answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1
    assert refused is not None
    assert (refused["status"], refused["reason"]) == (made.status, made.reason)
    assert refused["client"]["network"]["ip"] == "127.0.0.1"


def test_a_hidden_second_request_is_never_served(plain: House, bearer: bytes) -> None:
    before = len(plain.asked())
    hidden = b"GET /v1/models HTTP/1.1\r\nHost: gate\r\n%b\r\n" % bearer
    for framing in (
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\nX: y\r\n",
    ):
        told = said(plain.port, POST + bearer + framing + b"\r\n0\r\n\r\n" + hidden)
        assert told.count(b"HTTP/1.1 ") == 1
    assert len(plain.asked()) == before


def test_a_body_that_drips_is_refused(plain: House, bearer: bytes) -> None:
    asked = POST + bearer + b"Content-Length: 100000\r\n\r\n"
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", plain.port), timeout=0.2) as line:
        line.sendall(asked)
        told = b""
        while not told and time.monotonic() < began + 10:
            line.sendall(b" ")
            try:
                told = line.recv(65536)
            except TimeoutError:
                continue
    assert told.startswith(b"HTTP/1.1 408 ")
    assert _refused(plain, told) == "body_timeout"


def test_a_flood_of_pipelined_requests_is_answered_or_broken_off_and_the_gate_serves_on(
    plain: House, bearer: bytes
) -> None:
    asked = POST + bearer + b"Expect: 100-continue\r\n" + SIZED + b"\r\n"
    flood = b"GET / HTTP/1.1\r\nHost: g\r\n\r\n" * 10_000
    with socket.create_connection(("127.0.0.1", plain.port), timeout=10) as line:
        line.sendall(asked)
        assert line.recv(100).startswith(b"HTTP/1.1 100 ")
        # The first request ends with the flood's first bytes, so that all the rest waits for its reply.
        line.sendall(BODY + flood)
        told = b""
        try:
            while data := line.recv(65536):
                told += data
        except ConnectionResetError:
            pass
    statuses = [int(piece[:3]) for piece in told.split(b"HTTP/1.1 ")[1:]]
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {403, 503}
    assert statuses.count(503) <= 1
    assert len(said(plain.port, POST + bearer + SIZED + b"\r\n" + BODY)) > 0


def _refused(running: House, told: bytes) -> str:
    """Return the reason recorded for an answer."""
    found = [_inside(line) for line in running.events() if "refused" in line["kind"]]
    return next(str(event["reason"]) for event in found if event["exchange"] == _id(told))


def test_the_answer_to_a_flood_is_not_lost_to_a_reset(plain: House, bearer: bytes) -> None:
    flood = POST + bearer + b"Content-Length: 99999999999\r\n\r\n" + b"x" * 4_000_000
    told = said(plain.port, flood)
    assert told.startswith(b"HTTP/1.1 413 ")
    assert b"<reset>" not in told


def test_a_callers_line_breaks_split_no_reply(plain: House, bearer: bytes) -> None:
    for target in (b"/v1/models?x=%0d%0aset-cookie:%20a=b", b"/nowhere/%0d%0aset-cookie:%20a=b"):
        told = said(plain.port, b"GET " + target + b" HTTP/1.1\r\nHost: gate\r\n" + bearer + b"\r\n")
        head = told.partition(b"\r\n\r\n")[0].lower()
        assert b"\r\nset-cookie" not in head


def resident(running: House) -> int:
    """Return the resident bytes of all processes of a house."""
    total, waiting = 0, [running.process.pid]
    while waiting:
        folder = Path(f"/proc/{waiting.pop()}")
        total += int((folder / "statm").read_text().split()[1]) * resource.getpagesize()
        for task in folder.glob("task/*/children"):
            waiting.extend(map(int, task.read_text().split()))
    return total


def p99(port: int, bearer: bytes, *, rounds: int = 400) -> float:
    """Return the 99th percentile of real requests, one after another, in milliseconds."""
    asked = POST + bearer + SIZED + b"\r\n" + BODY
    taken = []
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        for _ in range(rounds):
            start = time.perf_counter()
            line.sendall(asked)
            told = b""
            while not told.endswith(b"}"):
                told += line.recv(65536)
            taken.append((time.perf_counter() - start) * 1000)
    return statistics.quantiles(taken, n=100)[98]


@pytest.mark.slow
def test_ten_thousand_idle_connections_cost_little_and_slow_nobody(
    plain: House, bearer: bytes, record_property: Any
) -> None:
    wanted = 10_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted + 500:
        pytest.skip(f"only {hard} open files are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted + 500, hard))
    idle: list[socket.socket] = []
    try:
        before, alone = resident(plain), p99(plain.port, bearer)
        idle.extend(socket.create_connection(("127.0.0.1", plain.port), timeout=20) for _ in range(wanted))
        crowded = p99(plain.port, bearer)
        each = (resident(plain) - before) / wanted
    finally:
        for line in idle:
            line.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    record_property("bytes_each", each)
    record_property("p99_ms", (alone, crowded))
    print(f"{each:.0f} bytes a connection; p99 {alone:.2f} ms alone, {crowded:.2f} ms among them")  # noqa: T201 - the figures are asked for
    assert 0 < each < 16_000
    assert crowded < max(3 * alone, alone + 10)


@pytest.mark.parametrize(
    "greeting", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"\x00" * 70_000, b"\x16"]
)
def test_what_is_no_client_hello_is_dropped_and_others_are_served(
    gate: House, token: str, greeting: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", gate.port), timeout=20) as line:
        line.sendall(greeting)
        context = ssl.create_default_context(cafile=str(gate.certificate))
        asked = POST + b"Authorization: Bearer " + token.encode() + b"\r\n" + SIZED + b"\r\n" + BODY
        with (
            socket.create_connection(("127.0.0.1", gate.port), timeout=20) as other,
            context.wrap_socket(other, server_hostname="localhost") as secure,
        ):
            secure.sendall(asked)
            assert secure.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_head_request_on_a_path_that_is_allowed_ends_with_its_reply_and_the_line_serves_on(
    tmp_path: Path, model_port: int
) -> None:
    with house(tmp_path, model=model_port, tls=False, gate="  unknown_routes: allow\n") as running:
        bearer = b"Authorization: Bearer %b\r\n" % running.issue().encode()
        asked = b"HEAD /v1/new HTTP/1.1\r\nHost: gate\r\n" + bearer + b"\r\n"
        with socket.create_connection(("127.0.0.1", running.port), timeout=10) as line:
            for _ in range(3):
                line.sendall(asked)
                told = line.recv(65536)
                assert told.startswith(b"HTTP/1.1 ")
                assert told.endswith(b"\r\n\r\n")
                assert b"content-length: " in told.lower()
            line.sendall(POST + bearer + SIZED + b"\r\n" + BODY)
            assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
        ended = [_inside(event) for event in running.events() if event["kind"] == "exchange.ended"]
        assert [event["reason"] for event in ended] == ["completed"] * 4
