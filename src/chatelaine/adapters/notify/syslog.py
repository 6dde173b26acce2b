"""Receivers of syslog: in datagrams (RFC 5426), and octet-counted on TCP or TLS (RFC 6587, RFC 5425)."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from enum import Enum, auto

from chatelaine.adapters.notify.address import addresses, connect, told
from chatelaine.core.notice.syslog import counted
from chatelaine.model.error import AddressRefused
from chatelaine.model.notice import Notice, PutOff, Reception, Taken
from chatelaine.model.words import Instant

_GRACE = 0.2
"""Seconds that a server is given to close what it does not want; syslog itself never answers."""


class Transport(Enum):
    """How syslog travels."""

    DATAGRAM = auto()
    """Lost without a word where nobody listens."""
    STREAM = auto()


class SyslogReceiver:
    """Sends notices to a syslog server; a context makes a stream TLS."""

    def __init__(
        self,
        render: Callable[[Notice], bytes],
        server: tuple[str, int],
        transport: Transport,
        *,
        context: ssl.SSLContext | None,
        patience: timedelta,
    ) -> None:
        self._render = render
        self._server = server
        self._transport = transport
        self._context = context
        self._patience = patience.total_seconds()

    async def deliver(self, notice: Notice, at: Instant) -> Reception:
        """Send a notice; taken means that the network took it, since syslog says no more."""
        del at
        send = self._datagram if self._transport is Transport.DATAGRAM else self._stream
        try:
            async with asyncio.timeout(self._patience):
                return await send(self._render(notice))
        except TimeoutError:
            return PutOff(f"{self._server[0]} did not take it within {self._patience:g} s")
        except OSError as error:
            return PutOff(f"{self._server[0]}: {told(error)}")
        except AddressRefused as error:
            return PutOff(error.message)

    async def _datagram(self, message: bytes) -> Reception:
        host, port = self._server
        address = (await addresses(host, port, socket.SOCK_DGRAM))[0]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(address, port)
        )
        transport.sendto(message)
        # Closing lets the loop send what it still holds.
        transport.close()
        return Taken()

    async def _stream(self, message: bytes) -> Reception:
        reader, writer = await connect(*self._server, self._context, patience=self._patience)
        try:
            writer.write(counted(message))
            await writer.drain()
            # Half closed first: a server that has gone answers with a reset, which is then seen.
            if writer.can_write_eof():
                writer.write_eof()
            with suppress(TimeoutError):
                async with asyncio.timeout(_GRACE):
                    await reader.read(1)
            writer.close()
            await writer.wait_closed()
        finally:
            writer.transport.abort()
        return Taken()
