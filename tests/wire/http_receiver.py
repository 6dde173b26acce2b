"""An HTTP server that takes notices, checks their signatures, and answers as it is told."""

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class HttpReceiver:
    """What has come, and what is answered next: a status with headers and body, or raw bytes; then 200."""

    port: int = 0
    seen: list[Received] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes] | bytes | None] = field(default_factory=list)
    """None: no answer comes until the test is over."""
    over: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "", *, scheme: str = "http") -> str:
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    @property
    def ids(self) -> list[str]:
        return [one.headers["webhook-id"] for one in self.seen]


def verify(received: Received, key: bytes) -> bool:
    """Check a request as a receiver does: written from the standard, apart from the code that signs."""
    heads = received.headers
    signed = f"{heads['webhook-id']}.{heads['webhook-timestamp']}.".encode() + received.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    versions = [given.partition(",") for given in heads["webhook-signature"].split(" ")]
    return any(name == "v1" and hmac.compare_digest(value, expected) for name, _, value in versions)


class Handler(BaseHTTPRequestHandler):
    """Notes a request and answers it."""

    protocol_version = "HTTP/1.1"
    state: HttpReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        heads = {name.lower(): value for name, value in self.headers.items()}
        self.state.seen.append(Received(self.path, heads, body))
        answer = self.state.answers.pop(0) if self.state.answers else (200, {}, b"ok")
        self.close_connection = True
        if answer is None:
            self.state.over.wait(30)
        elif isinstance(answer, bytes):
            self.wfile.write(answer)
        else:
            self._answer(*answer)

    def do_GET(self) -> None:
        self.do_POST()

    def _answer(self, status: int, headers: dict[str, str], said: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(said))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Says nothing of clients that leave: they are part of the tests."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


@contextmanager
def http_receiver(certificate: tuple[Path, Path] | None = None) -> Iterator[HttpReceiver]:
    """Run the server on a free port, over TLS where there is a certificate and its key."""
    state = HttpReceiver()
    server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"state": state}))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        state.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
