"""What an HTTP answer means for a notice, and where notices are never sent."""

from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from chatelaine.core.notice.text import clean, moment
from chatelaine.model.notice import Answer, PutOff, Reception, Refused, Taken
from chatelaine.model.words import Instant

_FOR_GOOD: Final = frozenset({400, 405, 410, 411, 413, 414, 415, 422, 431, 501, 505})
"""What another attempt with the same bytes would meet again; a wrong credential somebody may mend."""
_SAID_MAX: Final = 120
_SECONDS_MAX: Final = 9
"""Digits of a Retry-After that are read: thirty years."""

_FORBIDDEN: Final = tuple(
    ip_network(block)
    for block in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local: metadata of AWS, Azure, Google, DigitalOcean and others
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure's wire server
        "192.0.0.192/32",  # Oracle
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fe80::/10",
        "fd00:ec2::/32",  # AWS
        "fd20:ce::/32",  # Google
        "fd00:42::42/128",  # Scaleway
        "ff00::/8",
    )
)


def is_forbidden(address: IPv4Address | IPv6Address) -> bool:
    """Tell whether nothing is ever sent to an address, whoever configured it.

    Those are link-local addresses, the metadata services of clouds, which give credentials to whoever
    asks, and multicast. Inner networks are allowed: there SIEMs live.
    """
    return any(address in block for block in _FORBIDDEN if block.version == address.version)


def is_inner(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def judge(answer: Answer, now: Instant) -> Reception:
    """Return how an attempt ended that was answered so."""
    wait = next((value for name, value in answer.headers if name.lower() == "retry-after"), "")
    return judge_status(answer.status, after=retry_after(wait, now), said=answer.body)


def judge_status(status: int, *, after: timedelta | None = None, said: bytes = b"") -> Reception:
    """Return what a status means; redirects are not followed, since they lead where nobody configured."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Taken()
    words = clean(said.decode("utf-8", "replace").strip(), most=_SAID_MAX)
    fault = f"answered {status}{f': {words}' if words else ''}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Refused(f"answered {status}: redirects are not followed")
    return Refused(fault) if status in _FOR_GOOD else PutOff(fault, after)


def retry_after(value: str, now: Instant) -> timedelta | None:
    """Return how long a receiver asks to be left alone: seconds or a date (RFC 9110, 10.2.3), or None."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=int(text)) if len(text) <= _SECONDS_MAX else None
    try:
        until = parsedate_to_datetime(text)
        return max(until - moment(now), timedelta())
    except (TypeError, ValueError, OverflowError):
        return None
