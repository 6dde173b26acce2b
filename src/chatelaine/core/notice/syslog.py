"""A notice as one syslog message (RFC 5424) that holds JSON or CEF, and its frame on a stream (RFC 6587)."""

from collections.abc import Callable, Mapping
from typing import Final

from chatelaine.core.notice.cef import cef
from chatelaine.core.notice.form import write
from chatelaine.core.notice.text import fitted, moment
from chatelaine.core.notice.webhook import as_json
from chatelaine.model.detection import Severity
from chatelaine.model.notice import Notice, Origin

MESSAGE_MAX: Final = 8000
"""What rsyslog and its kin take as they come; RFC 5424 asks for 2048 at least."""
DATAGRAM_MAX: Final = 2000
"""RFC 5426, 3.2: receivers should take 2048 bytes in a datagram."""

_FACILITY: Final = 13
"""The audit log (RFC 5424, table 1)."""
_SEVERITIES: Final[Mapping[Severity, int]] = {
    Severity.INFO: 6,
    Severity.LOW: 5,
    Severity.MEDIUM: 4,
    Severity.HIGH: 3,
    Severity.CRITICAL: 2,
}
_HOST_MAX: Final = 255
_NOTHING: Final = "-"


def syslog_json(notice: Notice, *, origin: Origin, most: int) -> bytes:
    """Return a message whose body is the webhook's JSON; it is ASCII, so it needs no byte order mark."""
    return fitted(notice, lambda shown: _message(shown, origin, write(as_json(shown, origin))), most=most)


def syslog_cef(notice: Notice, *, origin: Origin, most: int) -> bytes:
    """Return a message whose body is CEF in UTF-8."""
    return fitted(notice, lambda shown: _message(shown, origin, cef(shown, origin)), most=most)


FORMS: Final[Mapping[str, Callable[..., bytes]]] = {"json": syslog_json, "cef": syslog_cef}


def _message(notice: Notice, origin: Origin, body: bytes) -> bytes:
    priority = _FACILITY * 8 + _SEVERITIES[notice.severity]
    at = moment(notice.at).isoformat(timespec="microseconds").replace("+00:00", "Z")
    head = f"<{priority}>1 {at} {_host(origin.host)} chatelaine - {notice.kind.value} - "
    return head.encode("ascii") + body


def _host(name: str) -> str:
    """Return a host's name as the header has it: printable ASCII without blanks (RFC 5424, 6.2.4)."""
    kept = "".join(letter for letter in name if "!" <= letter <= "~")
    return kept[:_HOST_MAX] or _NOTHING


def counted(message: bytes) -> bytes:
    """Return a message in a frame of a stream: its length, a blank, itself (RFC 6587, 3.4.1)."""
    return b"%d %s" % (len(message), message)
