"""Receivers by e-mail: one connection a notice, over TLS unless the settings say otherwise."""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from chatelaine.adapters.notify.address import checked, told
from chatelaine.model.error import AddressRefused
from chatelaine.model.notice import Notice, PutOff, Reception, Refused, Taken
from chatelaine.model.words import Instant

_PERMANENT = 500
_AUTHENTICATION = frozenset({530, 534, 535, 538})
"""Somebody may mend a password: these are tried again."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """How a mail server is reached, and for whom it takes mail."""

    host: str
    port: int
    wrapped: bool
    """TLS from the first byte."""
    upgraded: bool
    """TLS by STARTTLS; a server that has none is not sent anything."""
    login: tuple[str, str] | None
    sender: str
    recipients: Sequence[str]


class _Client(smtplib.SMTP):
    """Connects to the addresses that were checked; TLS from the first byte where there is a context."""

    def __init__(self, wrap: ssl.SSLContext | None, *, seconds: float) -> None:
        self._wrap = wrap
        super().__init__(timeout=seconds)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        fault = OSError(f"{host} has no address")
        for address in checked(host, [str(entry[4][0]) for entry in found]):
            try:
                plain = socket.create_connection((address, port), timeout)
            except OSError as error:
                fault = error
                continue
            return self._wrap.wrap_socket(plain, server_hostname=host) if self._wrap is not None else plain
        raise fault

    def abort(self) -> None:
        """Wake whoever waits on the connection: it is over."""
        held = self.sock
        if held is not None:
            try:
                held.shutdown(socket.SHUT_RDWR)
            except OSError:
                held.close()


class SmtpReceiver:
    """Mails notices."""

    def __init__(
        self,
        render: Callable[[Notice], bytes],
        mailbox: Mailbox,
        *,
        context: ssl.SSLContext,
        patience: timedelta,
    ) -> None:
        self._render = render
        self._mailbox = mailbox
        self._context = context
        self._patience = patience.total_seconds()

    async def deliver(self, notice: Notice, at: Instant) -> Reception:
        """Mail a notice, and return what the server said."""
        del at
        client = _Client(self._context if self._mailbox.wrapped else None, seconds=self._patience)
        # A thread cannot be stopped; its connection can, and then it ends.
        sending = asyncio.create_task(asyncio.to_thread(self._send, client, self._render(notice)))
        try:
            done, _ = await asyncio.wait({sending}, timeout=self._patience)
            if done:
                return sending.result()
            return PutOff(f"{self._mailbox.host} did not take it within {self._patience:g} s")
        finally:
            client.abort()

    def _send(self, client: _Client, message: bytes) -> Reception:
        try:
            return self._converse(client, message)
        except smtplib.SMTPException as error:
            return _meaning(error)
        except OSError as error:
            return PutOff(f"{self._mailbox.host}: {told(error)}")
        except AddressRefused as error:
            return PutOff(error.message)
        finally:
            client.close()

    def _converse(self, client: _Client, message: bytes) -> Reception:
        box = self._mailbox
        # STARTTLS checks the certificate against the name that is kept here.
        client._host = box.host  # type: ignore[attr-defined]  # noqa: SLF001 - smtplib offers no other way
        client.connect(box.host, box.port)
        if box.upgraded:
            client.starttls(context=self._context)
        if box.login is not None:
            client.login(*box.login)
        refused = client.sendmail(box.sender, box.recipients, message)
        # The mail is taken: how the goodbye goes changes nothing.
        with suppress(smtplib.SMTPException, OSError):
            client.quit()
        if not refused:
            return Taken()
        # Some have it: sending it again would send it to them twice.
        return Refused(f"not taken for {', '.join(sorted(refused))}; the others have it")


def _meaning(error: smtplib.SMTPException) -> Reception:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        fault = f"no recipient was taken: {', '.join(map(str, codes))}"
        return Refused(fault) if all(code >= _PERMANENT for code in codes) else PutOff(fault)
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else ""
        fault = f"answered {error.smtp_code}: {said}"
        final = error.smtp_code >= _PERMANENT and error.smtp_code not in _AUTHENTICATION
        return Refused(fault) if final and not isinstance(error, smtplib.SMTPConnectError) else PutOff(fault)
    return PutOff(str(error) or type(error).__name__)
