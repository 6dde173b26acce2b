"""Receivers built from the settings, and what the delivery loop waits by."""

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from chatelaine import __version__
from chatelaine.adapters.notify import HttpReceiver, Mailbox, SmtpReceiver, SyslogReceiver, Transport
from chatelaine.adapters.secret import read_secret
from chatelaine.adapters.tls import client_context
from chatelaine.app.settings_notify import carriage_of, port_of
from chatelaine.app.wire import CLOCK
from chatelaine.core.notice.elastic import elastic, judge_bulk
from chatelaine.core.notice.http import is_inner, judge
from chatelaine.core.notice.mail import mail
from chatelaine.core.notice.pagerduty import EVENTS_URL, pagerduty
from chatelaine.core.notice.slack import slack
from chatelaine.core.notice.splunk import splunk
from chatelaine.core.notice.syslog import DATAGRAM_MAX, FORMS, MESSAGE_MAX
from chatelaine.core.notice.text import is_link
from chatelaine.core.notice.webhook import read_key, webhook
from chatelaine.model.detection import Severity
from chatelaine.model.error import SecretUnreadable
from chatelaine.model.notice import Notice, Origin, Posting, ReceiverKind
from chatelaine.model.settings import Carriage, NotifySettings, Secret, SyslogFormat
from chatelaine.model.words import SECOND, Instant, OwnerId, ReceiverName
from chatelaine.ports import Receiver
from chatelaine.services.notice import Subscription

_Render = Callable[[Notice, Instant], Posting]


def subscriptions(
    receivers: Sequence[NotifySettings], origin: Origin | None = None
) -> dict[ReceiverName, Subscription]:
    """Return the receivers of the settings, ready to be delivered to.

    Raises:
        SecretUnreadable: a secret is not where the settings say, or is none of its kind.
        SettingsError: a file of authorities cannot be used.
    """
    speaker = origin or Origin(socket.gethostname(), __version__)
    return {
        one.name: Subscription(
            receiver=receiver(one, speaker),
            least=Severity[one.min_severity.name],
            owners=frozenset(map(OwnerId, one.owners)),
        )
        for one in receivers
    }


def receiver(one: NotifySettings, origin: Origin) -> Receiver:
    """Return one receiver.

    Raises:
        SecretUnreadable: its secret is not where the settings say, or is none of its kind.
        SettingsError: its file of authorities cannot be used.
    """
    return _BUILDERS[one.kind](one, origin)


def _webhook(one: NotifySettings, origin: Origin) -> Receiver:
    del origin
    keys = [read_key(read_secret(secret)) for secret in (_secret_of(one), *one.former_secrets)]
    return _http(one, lambda notice, at: webhook(notice, url=one.url or "", keys=keys, at=at))


def _slack(one: NotifySettings, origin: Origin) -> Receiver:
    del origin
    url = _text(one)
    parts = urlsplit(url) if is_link(url) else urlsplit("")
    in_clear = parts.scheme == "http" and (one.plain or is_inner(parts.hostname or ""))
    if parts.scheme != "https" and not in_clear:
        raise SecretUnreadable(
            f"the secret of receiver {one.name} is no https:// URL",
            hint="for Slack it is the whole URL of an incoming webhook",
        )
    return _http(one, lambda notice, _: slack(notice, url=url))


def _pagerduty(one: NotifySettings, origin: Origin) -> Receiver:
    url, key = one.url or EVENTS_URL, _text(one)
    return _http(one, lambda notice, _: pagerduty(notice, url=url, routing_key=key, origin=origin))


def _splunk(one: NotifySettings, origin: Origin) -> Receiver:
    render = partial(splunk, url=one.url or "", credential=_text(one), index=one.index or "", origin=origin)
    return _http(one, lambda notice, _: render(notice))


def _elastic(one: NotifySettings, origin: Origin) -> Receiver:
    render = partial(elastic, url=one.url or "", credential=_text(one), index=one.index or "", origin=origin)
    return HttpReceiver(
        lambda notice, _: render(notice),
        judge_bulk,
        context=client_context(one.ca_file),
        patience=one.patience,
    )


def _http(one: NotifySettings, render: _Render) -> Receiver:
    return HttpReceiver(render, judge, context=client_context(one.ca_file), patience=one.patience)


def _email(one: NotifySettings, origin: Origin) -> Receiver:
    carriage, sender = carriage_of(one), one.sender or ""
    box = Mailbox(
        host=one.host or "",
        port=port_of(one),
        wrapped=carriage is Carriage.TLS,
        upgraded=carriage is Carriage.STARTTLS,
        login=(one.user, _text(one)) if one.user is not None else None,
        sender=sender,
        recipients=one.recipients,
    )
    render = partial(mail, sender=sender, recipients=one.recipients, origin=origin)
    return SmtpReceiver(render, box, context=client_context(one.ca_file), patience=one.patience)


def _syslog(one: NotifySettings, origin: Origin) -> Receiver:
    carriage = carriage_of(one)
    datagram = carriage is Carriage.UDP
    form = FORMS[one.format or SyslogFormat.JSON]
    return SyslogReceiver(
        partial(form, origin=origin, most=DATAGRAM_MAX if datagram else MESSAGE_MAX),
        (one.host or "", port_of(one)),
        Transport.DATAGRAM if datagram else Transport.STREAM,
        context=client_context(one.ca_file) if carriage is Carriage.TLS else None,
        patience=one.patience,
    )


_BUILDERS: Final[Mapping[ReceiverKind, Callable[[NotifySettings, Origin], Receiver]]] = {
    ReceiverKind.WEBHOOK: _webhook,
    ReceiverKind.SLACK: _slack,
    ReceiverKind.PAGERDUTY: _pagerduty,
    ReceiverKind.EMAIL: _email,
    ReceiverKind.SYSLOG: _syslog,
    ReceiverKind.SPLUNK: _splunk,
    ReceiverKind.ELASTIC: _elastic,
}


def _secret_of(one: NotifySettings) -> Secret:
    if one.secret is None:
        raise SecretUnreadable(
            f"receiver {one.name} has no secret", hint="say where it is read from: secret: env:NAME"
        )
    return one.secret


def _text(one: NotifySettings) -> str:
    """Return a receiver's secret as a text that can stand in a header or a URL."""
    value = read_secret(_secret_of(one)).decode("utf-8", "replace").strip()
    if not value.isascii() or not value.isprintable():
        raise SecretUnreadable(
            f"the secret of receiver {one.name} has characters that no credential has",
            hint="put the credential alone there, on one line",
        )
    return value


class Bell:
    """What the delivery loop waits by: an instant, or somebody who rings because there is something new."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Let whoever waits look at once; to be called on the loop."""
        self._rung.set()

    async def wait(self, until: Instant) -> None:
        """Wait until an instant, or until it is rung."""
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0, until - CLOCK.now()) / SECOND):
                await self._rung.wait()
        self._rung.clear()
