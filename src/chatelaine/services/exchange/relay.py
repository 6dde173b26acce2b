"""The reply's way to the caller: framed anew, read in passing, and never carrying the provider key."""

from chatelaine.core.exchange.head import Head
from chatelaine.core.exchange.reply import (
    LAST_CHUNK,
    bodiless,
    find_header,
    relay_head,
    upstream_id,
)
from chatelaine.model.capture import Part
from chatelaine.model.exchange import ReplyHead
from chatelaine.model.words import ExchangeId
from chatelaine.ports import CallerLine, Recording
from chatelaine.services.exchange.room import Tap

_STARS = b"*" * 4096


class SecretStraddled(Exception):
    """A provider key stood across two parts of a reply, of which the first is already sent."""


class Relay:
    """Passes one reply on: the caller reads the same body bytes, only the framing is ours."""

    __slots__ = (
        "_chunked",
        "_line",
        "_outrun",
        "_pending",
        "_secret",
        "_silent",
        "_tail",
        "keep",
        "recording",
        "reply_bytes",
        "tap",
        "told",
    )

    def __init__(self, line: CallerLine, tap: Tap, secret: bytes, *, outrun: int) -> None:
        self._line = line
        self._secret = secret
        self._tail = b""
        self._pending = b""
        self._chunked = False
        self._silent = False
        self._outrun = outrun
        self.recording: Recording | None = None
        """Keeps what passes, where that is asked for."""
        self.tap = tap
        self.keep = True
        """Whether the caller's connection can serve another exchange after this reply."""
        self.told: ReplyHead | None = None
        self.reply_bytes = 0

    def start(self, reply: ReplyHead, asked: Head, exchange: ExchangeId, *, known: bool) -> None:
        """Prepare the head; it travels with the first bytes of the body.

        Args:
            reply: the upstream's.
            asked: the request's.
            exchange: told as the request id.
            known: whether the client is of the key's habit: an error tells it where its limits stand.
        """
        self.told = reply
        self._silent = bodiless(reply.status, asked.method)
        framing = self._frame(reply, asked)
        if not self.keep:
            framing += b"connection: close\r\n"
        self._pending = relay_head(
            reply, exchange=exchange, secret=self._secret, framing=framing, known=known
        )

    def _frame(self, reply: ReplyHead, asked: Head) -> bytes:
        self.keep = asked.keep_alive
        if self._silent:
            declared = find_header(reply, b"content-length")
            return b"content-length: %d\r\n" % int(declared) if declared else b""
        if reply.length is not None:
            return b"content-length: %d\r\n" % reply.length
        if asked.version == "1.1":
            self._chunked = True
            return b"transfer-encoding: chunked\r\n"
        # RFC 9112 §6.3: HTTP/1.0 knows no chunks, so the body ends with the connection.
        self.keep = False
        return b""

    def start_tunnel(self, reply: ReplyHead, exchange: ExchangeId) -> None:
        """Tell the caller that the protocols are switched."""
        self.told = reply
        self.keep = False
        framing = b"connection: upgrade\r\nupgrade: websocket\r\n"
        self._line.write(
            relay_head(reply, exchange=exchange, secret=self._secret, framing=framing, known=False)
        )

    def pass_on(self, data: bytes, *, ended: bool) -> None:
        """Send what came to the caller, in one write.

        Raises:
            SecretStraddled: the reply would carry the provider key.
        """
        out, self._pending = self._pending, b""
        if data and not self._silent:
            if self._secret:
                data = self._without_secret(data)
            self.reply_bytes += len(data)
            self.tap.feed(data)
            if self.recording is not None:
                self.recording.add(Part.REPLY, data)
            if self._chunked:
                out += b"%x\r\n%b\r\n" % (len(data), data)
            else:
                out = out + data if out else data
        if ended and self._chunked:
            out += LAST_CHUNK
        if out:
            self._line.write(out)

    def pass_raw(self, data: bytes) -> None:
        """Send bytes of a tunnel to the caller."""
        self.reply_bytes += len(data)
        self.tap.feed(data)
        if self.recording is not None:
            self.recording.add(Part.REPLY, data)
        self._line.write(data)

    def _without_secret(self, data: bytes) -> bytes:
        secret = self._secret
        if data.find(secret) >= 0:
            data = data.replace(secret, _STARS[: len(secret)])
        reach = len(secret) - 1
        if (self._tail + data[:reach]).find(secret) >= 0:
            raise SecretStraddled
        self._tail = (self._tail + data)[-reach:] if len(data) < reach else data[-reach:]
        return data

    def outruns(self) -> bool:
        """Tell whether the reply has given more tokens than were reserved for it."""
        return self.tap.output_estimate() > self._outrun

    @property
    def status(self) -> int:
        """The status the caller was told; 0 before there is one."""
        return self.told.status if self.told is not None else 0

    @property
    def upstream_id(self) -> str:
        """The upstream's own request id."""
        return upstream_id(self.told) if self.told is not None else ""
