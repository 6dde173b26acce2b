"""Receivers over HTTP: one request on one connection, no redirects, the answer bounded in size and time.

A client of our own of a hundred lines: it connects to the very address it has checked, and all of it is
over when its time is, however slowly the other side drips.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import SplitResult, urlsplit

import httptools

from chatelaine.adapters.notify.address import connect, told
from chatelaine.model.error import AddressRefused, WireError
from chatelaine.model.notice import Answer, Notice, Posting, PutOff, Reception
from chatelaine.model.words import Instant

_BODY_MAX = 64 * 1024
"""Bytes of an answer's body that are read."""
_HEAD_MAX = 64 * 1024
_READ = 16 * 1024
_PORTS = {"http": 80, "https": 443}


@dataclass(slots=True)
class _Reply:
    """An answer as it is parsed; httptools calls the methods."""

    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    complete: bool = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, data: bytes) -> None:
        """Take the next part of the body."""
        self.body += data

    def on_message_complete(self) -> None:
        """Take the end."""
        self.complete = True


class HttpReceiver:
    """Posts notices in one form to one URL."""

    def __init__(
        self,
        render: Callable[[Notice, Instant], Posting],
        judge: Callable[[Answer, Instant], Reception],
        *,
        context: ssl.SSLContext,
        patience: timedelta,
    ) -> None:
        self._render = render
        self._judge = judge
        self._context = context
        self._patience = patience.total_seconds()

    async def deliver(self, notice: Notice, at: Instant) -> Reception:
        """Post a notice, and return what the answer means."""
        posting = self._render(notice, at)
        try:
            async with asyncio.timeout(self._patience):
                return self._judge(await self._post(posting), at)
        except TimeoutError:
            return PutOff(f"no answer within {self._patience:g} s")
        except OSError as error:
            return PutOff(f"{_host(posting)}: {told(error)}")
        except (AddressRefused, WireError) as error:
            return PutOff(error.message)

    async def _post(self, posting: Posting) -> Answer:
        parts = urlsplit(posting.url)
        context = self._context if parts.scheme == "https" else None
        port = parts.port or _PORTS[parts.scheme]
        reader, writer = await connect(parts.hostname or "", port, context, patience=self._patience)
        try:
            writer.write(_head(posting, parts) + posting.body)
            # A server may answer and close before it has read it all: the answer is what counts.
            with suppress(ConnectionError):
                await writer.drain()
            return await _read(reader)
        finally:
            # At once: after a timeout nothing more is owed to the other side.
            writer.transport.abort()


def _host(posting: Posting) -> str:
    """Return a URL's host for messages; the rest of it may be secret."""
    return urlsplit(posting.url).hostname or ""


def _head(posting: Posting, parts: SplitResult) -> bytes:
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    fields = (
        ("host", parts.netloc),
        ("user-agent", "chatelaine"),
        ("content-length", str(len(posting.body))),
        ("connection", "close"),
        *posting.headers,
    )
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    if any(not line.isascii() or not line.isprintable() for line in lines):
        # A secret with a line break in it would begin a header of its own.
        raise WireError("the URL or a secret of this receiver has characters that no header may have")
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii")


async def _read(reader: asyncio.StreamReader) -> Answer:
    """Return the answer; a body is read as far as it may go.

    Raises:
        WireError: what comes is no HTTP, or too much of it.
    """
    reply = _Reply()
    parser = httptools.HttpResponseParser(reply)
    taken = 0
    try:
        while not reply.complete and len(reply.body) <= _BODY_MAX and taken <= _HEAD_MAX + _BODY_MAX:
            data = await reader.read(_READ)
            if not data:
                break
            taken += len(data)
            parser.feed_data(data)
    except httptools.HttpParserError as error:
        raise WireError(f"the answer is no HTTP: {type(error).__name__}") from error
    status = int(parser.get_status_code())
    if not status:
        raise WireError("the connection was closed without an answer")
    return Answer(status, tuple(reply.headers), bytes(reply.body[:_BODY_MAX]))
