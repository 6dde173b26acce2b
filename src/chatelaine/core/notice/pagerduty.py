"""PagerDuty's Events API, version 2: one alert for each incident, triggered, acknowledged and resolved."""

from collections.abc import Mapping
from typing import Final

from chatelaine.core.notice.form import JSON, JSON_HEADER, event_type, write
from chatelaine.core.notice.text import WORD_MAX, fitted, iso
from chatelaine.model.detection import Severity
from chatelaine.model.notice import Notice, NoticeKind, Origin, Posting

EVENTS_URL: Final = "https://events.pagerduty.com/v2/enqueue"

_LARGEST: Final = 500_000
"""The API takes 512 kB."""
_SUMMARY_MAX: Final = 1024
_ACTIONS: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.INCIDENT_OPENED: "trigger",
    NoticeKind.ACTION_NEEDED: "trigger",
    NoticeKind.CONTAINED: "acknowledge",
    NoticeKind.CLOSED: "resolve",
    NoticeKind.TEST: "trigger",
}
_SEVERITIES: Final[Mapping[Severity, str]] = {
    Severity.INFO: "info",
    Severity.LOW: "info",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "critical",
}


def pagerduty(notice: Notice, *, url: str, routing_key: str, origin: Origin) -> Posting:
    """Return the request; repeats and later notices of an incident meet in one alert by its dedup key."""

    def body(shown: Notice) -> bytes:
        return write({"routing_key": routing_key, **_event(shown, origin)})

    return Posting(url, (JSON_HEADER,), fitted(notice, body, most=_LARGEST))


def _event(notice: Notice, origin: Origin) -> dict[str, JSON]:
    links: list[JSON] = [{"href": link.url, "text": link.title} for link in notice.links]
    return {
        "event_action": _ACTIONS[notice.kind],
        "dedup_key": notice.thread[:WORD_MAX],
        "client": "Chatelaine",
        "links": links,
        "payload": {
            "summary": notice.title[:_SUMMARY_MAX],
            "source": origin.host,
            "severity": _SEVERITIES[notice.severity],
            "timestamp": iso(notice.at),
            "component": "chatelaine",
            "group": notice.owner,
            "class": event_type(notice),
            "custom_details": _details(notice),
        },
    }


def _details(notice: Notice) -> JSON:
    known = {"what": notice.summary, "key": notice.key, "incident": notice.incident, "notice": notice.id}
    return {**{name: value for name, value in notice.facts if name not in known}, **known}
