"""Slack's incoming webhooks: blocks of plain text, so that nothing in a notice is read as a command.

Block Kit reference: a header has 150 characters, a section 3000, a field 2000, a section ten fields.
"""

from collections.abc import Mapping
from typing import Final

from chatelaine.core.notice.form import JSON, JSON_HEADER, severity_word, write
from chatelaine.core.notice.text import fitted, iso
from chatelaine.model.detection import Severity
from chatelaine.model.notice import Notice, NoticeKind, Posting

_LARGEST: Final = 40_000
_HEADER_MAX: Final = 150
_BUTTON_MAX: Final = 75
_FIELDS_MAX: Final = 10
_MARKS: Final[Mapping[Severity, str]] = {
    Severity.INFO: "⚪",
    Severity.LOW: "🔵",
    Severity.MEDIUM: "🟡",
    Severity.HIGH: "🟠",
    Severity.CRITICAL: "🔴",
}
_SAID: Final[Mapping[NoticeKind, str]] = {
    NoticeKind.INCIDENT_OPENED: "incident opened",
    NoticeKind.CONTAINED: "contained",
    NoticeKind.ACTION_NEEDED: "action needed",
    NoticeKind.CLOSED: "closed",
    NoticeKind.TEST: "test",
}
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_STYLES: Final = str.maketrans({letter: f"\u200b{letter}" for letter in "*_~`@#"})
"""A zero-width space before a mark of style keeps Slack from reading it."""


def escape(text: str) -> str:
    """Return a text with Slack's three control characters replaced, so that it mentions and links nobody."""
    return text.translate(_ENTITIES)


def slack(notice: Notice, *, url: str) -> Posting:
    """Return the request."""
    return Posting(url, (JSON_HEADER,), fitted(notice, _body, most=_LARGEST))


def _body(notice: Notice) -> bytes:
    # Shown in notifications and where blocks are not: Slack reads it as mrkdwn.
    fallback = escape(_headline(notice)).translate(_STYLES)
    blocks: list[JSON] = [
        {"type": "header", "text": _plain(_headline(notice), most=_HEADER_MAX)},
        {"type": "section", "text": _plain(notice.summary or notice.title)},
        *_fields(notice),
        *_buttons(notice),
        {"type": "context", "elements": [_plain(f"{iso(notice.at)} · {notice.id}")]},
    ]
    return write({"text": fallback, "blocks": blocks, "unfurl_links": False, "unfurl_media": False})


def _headline(notice: Notice) -> str:
    return f"{_MARKS[notice.severity]} {severity_word(notice)}, {_SAID[notice.kind]}: {notice.title}"


def _fields(notice: Notice) -> list[JSON]:
    known = (("Key", notice.key), ("Owner", notice.owner), ("Incident", notice.incident), *notice.facts)
    shown: list[JSON] = [_plain(f"{name}\n{value}") for name, value in known if value]
    return [{"type": "section", "fields": shown[:_FIELDS_MAX]}] if shown else []


def _buttons(notice: Notice) -> list[JSON]:
    buttons: list[JSON] = [
        {"type": "button", "text": _plain(link.title, most=_BUTTON_MAX), "url": link.url}
        for link in notice.links
    ]
    return [{"type": "actions", "elements": buttons}] if buttons else []


def _plain(text: str, *, most: int = 2000) -> JSON:
    escaped = escape(text)
    while len(escaped) > most:
        text = text[: len(text) - max(1, (len(escaped) - most) // len("&amp;"))]
        escaped = escape(text)
    return {"type": "plain_text", "text": escaped or "-", "emoji": False}
