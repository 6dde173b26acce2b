"""What no type can say of a receiver: what its kind needs, and what means nothing to it."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from chatelaine.core.exchange.reach import carried
from chatelaine.core.notice.http import is_forbidden, is_inner
from chatelaine.model.notice import ReceiverKind
from chatelaine.model.settings import Carriage, NotifySettings

Said = tuple[str, str, str]
"""The name of a setting within its receiver, what is wrong with it, and what mends it."""

_K: Final = ReceiverKind
_NEEDS: Final[Mapping[ReceiverKind, tuple[str, ...]]] = {
    _K.WEBHOOK: ("url", "secret"),
    _K.SLACK: ("secret",),
    _K.PAGERDUTY: ("secret",),
    _K.EMAIL: ("host", "sender", "recipients"),
    _K.SYSLOG: ("host",),
    _K.SPLUNK: ("url", "secret"),
    _K.ELASTIC: ("url", "secret"),
}
_MAY_HAVE: Final[Mapping[ReceiverKind, tuple[str, ...]]] = {
    _K.WEBHOOK: ("former_secrets", "plain", "ca_file"),
    _K.SLACK: ("plain", "ca_file"),
    _K.PAGERDUTY: ("url", "plain", "ca_file"),
    _K.EMAIL: ("port", "carriage", "plain", "user", "secret", "ca_file"),
    _K.SYSLOG: ("port", "carriage", "plain", "format", "ca_file"),
    _K.SPLUNK: ("index", "plain", "ca_file"),
    _K.ELASTIC: ("index", "plain", "ca_file"),
}
_OWN: Final = tuple(dict.fromkeys(name for kind in _K for name in (*_NEEDS[kind], *_MAY_HAVE[kind])))
_WHAT: Final = {
    "url": "write where it is: url: https://…",
    "secret": "say where its secret is read from: secret: env:NAME",
    "host": "write the server: host: logs.example.org",
    "sender": "write the address mails come from: sender: chatelaine@example.org",
    "recipients": "write the addresses mails go to: recipients: [security@example.org]",
}
_CARRIAGES: Final[Mapping[ReceiverKind, tuple[Carriage, ...]]] = {
    _K.EMAIL: (Carriage.STARTTLS, Carriage.TLS, Carriage.TCP),
    _K.SYSLOG: (Carriage.TLS, Carriage.TCP, Carriage.UDP),
}
_PORTS: Final[Mapping[tuple[ReceiverKind, Carriage], int]] = {
    (_K.EMAIL, Carriage.STARTTLS): 587,
    (_K.EMAIL, Carriage.TLS): 465,
    (_K.EMAIL, Carriage.TCP): 25,
    (_K.SYSLOG, Carriage.TLS): 6514,
    (_K.SYSLOG, Carriage.TCP): 601,
    (_K.SYSLOG, Carriage.UDP): 514,
}
_ENCRYPTED: Final = (Carriage.TLS, Carriage.STARTTLS)
_ADDRESS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}")
_INDEX: Final = re.compile(r"[a-z0-9_][a-z0-9._-]{0,199}")


def carriage_of(receiver: NotifySettings) -> Carriage:
    """Return how mail or syslog travels to a receiver."""
    return receiver.carriage or _CARRIAGES[receiver.kind][0]


def port_of(receiver: NotifySettings) -> int:
    """Return the port of a mail or syslog server."""
    return receiver.port or _PORTS[receiver.kind, carriage_of(receiver)]


def check_receiver(receiver: NotifySettings) -> Iterator[Said]:
    """Yield every contradiction within one receiver."""
    kind = receiver.kind
    if not isinstance(kind, ReceiverKind):
        # It could not be read, which is told; nothing can be said of the rest.
        return
    for name in _NEEDS[kind]:
        if not getattr(receiver, name):
            yield name, f"a receiver of kind {kind} needs it", _WHAT[name]
    known = {*_NEEDS[kind], *_MAY_HAVE[kind]}
    for name in _OWN:
        if getattr(receiver, name) and name not in known:
            yield name, f"it means nothing to a receiver of kind {kind}", "take it out"
    yield from _check_way(receiver)
    yield from _check_mail(receiver)
    if receiver.index is not None and not _INDEX.fullmatch(receiver.index):
        yield "index", "it is no name of an index", "use lower case, digits, dots, dashes and underscores"


def _check_way(receiver: NotifySettings) -> Iterator[Said]:
    if receiver.url is not None and "url" in {*_NEEDS[receiver.kind], *_MAY_HAVE[receiver.kind]}:
        parts = urlsplit(receiver.url)
        yield from _check_host("url", parts.hostname or "")
        yield from _check_plain("url", parts.hostname or "", receiver, encrypted=parts.scheme == "https")
    allowed = _CARRIAGES.get(receiver.kind)
    if allowed is None or receiver.host is None:
        return
    yield from _check_host("host", receiver.host)
    if receiver.carriage not in {None, *allowed}:
        yield "carriage", f"{receiver.kind} does not travel so", f"one of: {', '.join(allowed)}"
    else:
        encrypted = carriage_of(receiver) in _ENCRYPTED
        yield from _check_plain("carriage", receiver.host, receiver, encrypted=encrypted)


def _check_host(name: str, host: str) -> Iterator[Said]:
    try:
        address = carried(ip_address(host))
    except ValueError:
        return
    if is_forbidden(address):
        yield (
            name,
            f"nothing is ever sent to {host}: it is link-local, a cloud's metadata service or multicast",
            "name another host",
        )


def _check_plain(name: str, host: str, receiver: NotifySettings, *, encrypted: bool) -> Iterator[Said]:
    if not encrypted and not receiver.plain and not is_inner(host):
        yield (
            name,
            f"notices would cross the network to {host} in clear",
            "use TLS, or set plain: true where that network is trusted",
        )


def _check_mail(receiver: NotifySettings) -> Iterator[Said]:
    given = [("sender", receiver.sender or "")]
    given += [(f"recipients.{place}", address) for place, address in enumerate(receiver.recipients)]
    for name, address in given:
        if address and not _ADDRESS.fullmatch(address):
            yield name, "it is no mail address", "write it bare, in ASCII: security@example.org"
    if receiver.kind is ReceiverKind.EMAIL and (receiver.user is None) != (receiver.secret is None):
        missing = "user" if receiver.user is None else "secret"
        yield missing, "it is missing", "a mail server's user and password go together"
