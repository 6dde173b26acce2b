"""What all forms have in common: a notice as plain values, and JSON that any parser reads."""

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from chatelaine.core.notice.text import iso
from chatelaine.model.notice import Notice, NoticeKind

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

JSON_HEADER: Final = ("content-type", "application/json")

EVENT_TYPES: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.INCIDENT_OPENED: "incident.opened",
    NoticeKind.CONTAINED: "incident.contained",
    NoticeKind.ACTION_NEEDED: "incident.action_needed",
    NoticeKind.CLOSED: "incident.closed",
    NoticeKind.TEST: "test",
}


def event_type(notice: Notice) -> str:
    """Return the type of a notice as programs read it."""
    return EVENT_TYPES[notice.kind]


def severity_word(notice: Notice) -> str:
    """Return the severity in lower case."""
    return notice.severity.name.lower()


def told(notice: Notice) -> dict[str, JSON]:
    """Return a notice as plain values; the names stay."""
    facts: list[JSON] = [{"name": name, "value": value} for name, value in notice.facts]
    links: list[JSON] = [{"title": link.title, "url": link.url} for link in notice.links]
    return {
        "id": notice.id,
        "at": iso(notice.at),
        "kind": notice.kind.value,
        "severity": severity_word(notice),
        "title": notice.title,
        "summary": notice.summary,
        "incident": notice.incident or None,
        "key": notice.key or None,
        "owner": notice.owner or None,
        "facts": facts,
        "links": links,
    }


def write(value: JSON) -> bytes:
    """Return JSON in ASCII on one line: half surrogates and line separators harm no parser."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")
