"""Texts on their way to other people's systems: without credentials, bounded, and printable."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from msgspec.structs import replace

from chatelaine.core.redact import redact
from chatelaine.model.notice import Notice, NoticeLink
from chatelaine.model.words import SECOND, Instant

TITLE_MAX: Final = 200
SUMMARY_MAX: Final = 2000
WORD_MAX: Final = 255
"""Ids and names; also the longest dedup key of PagerDuty."""
FACTS_MAX: Final = 20
FACT_NAME_MAX: Final = 64
FACT_MAX: Final = 500
LINKS_MAX: Final = 5
URL_MAX: Final = 2000

_CUT: Final = "…"
_BAD: Final = "\ufffd"
_SHRINKS: Final = (500, 200, 80, 30, 10, 4)
_WORD_LEAST: Final = 20
"""Our own ids are shorter, so they are never cut."""


def clean(text: str, *, most: int) -> str:
    """Return a text on one line, without credentials and control characters, of ``most`` characters at most.

    Among what goes are the marks that turn the direction of writing, which make a text read as another.
    """
    return _bounded(_printable(redact(text), keep=""), most)


def clean_lines(text: str, *, most: int) -> str:
    """Return a text as ``clean`` does, with its line breaks kept."""
    lines = redact(text).replace("\r\n", "\n").replace("\r", "\n")
    return _bounded(_printable(lines, keep="\n"), most)


def _printable(text: str, *, keep: str) -> str:
    return "".join(
        letter if letter.isprintable() or letter in keep else (" " if letter.isspace() else _BAD)
        for letter in text
    )


def _bounded(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}{_CUT}"


def is_link(url: str) -> bool:
    """Tell whether a URL may be shown to people as a link."""
    if len(url) > URL_MAX or not url.isascii() or any(letter in url for letter in ' <>"\\|^`{}'):
        return False
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return url.isprintable() and parts.scheme in {"http", "https"} and named


def cleaned(notice: Notice) -> Notice:
    """Return a notice fit to be kept and sent: bounded, printable, without credentials, links that are links.

    Doing it twice changes nothing.
    """
    return replace(
        notice,
        title=clean(notice.title, most=TITLE_MAX),
        summary=clean_lines(notice.summary, most=SUMMARY_MAX),
        incident=clean(notice.incident, most=WORD_MAX),
        key=clean(notice.key, most=WORD_MAX),
        owner=clean(notice.owner, most=WORD_MAX),
        dedup=clean(notice.dedup, most=WORD_MAX),
        facts=tuple(
            (clean(name, most=FACT_NAME_MAX), clean(value, most=FACT_MAX))
            for name, value in notice.facts[:FACTS_MAX]
        ),
        links=tuple(
            NoticeLink(clean(link.title, most=FACT_NAME_MAX), link.url)
            for link in notice.links[:LINKS_MAX]
            if is_link(link.url) and redact(link.url) == link.url
        ),
    )


def fitted(notice: Notice, render: Callable[[Notice], bytes], *, most: int) -> bytes:
    """Return a notice rendered, its texts cut shorter until it has ``most`` bytes at most.

    With everything cut a form is a few hundred bytes long; ``most`` must not be less.
    """
    rendered = render(notice)
    for length in _SHRINKS:
        if len(rendered) <= most:
            break
        rendered = render(_shrunk(notice, length))
    return rendered


def _shrunk(notice: Notice, length: int) -> Notice:
    word = max(length, _WORD_LEAST)
    return replace(
        notice,
        title=_bounded(notice.title, word),
        summary=_bounded(notice.summary, length),
        incident=_bounded(notice.incident, word),
        key=_bounded(notice.key, word),
        owner=_bounded(notice.owner, word),
        facts=tuple(
            (_bounded(name, word), _bounded(value, length)) for name, value in notice.facts[: length // 10]
        ),
        links=notice.links[: length // 100],
    )


def moment(at: Instant) -> datetime:
    """Return an instant as a date and time in UTC, to the microsecond."""
    return datetime.fromtimestamp(at // SECOND, UTC) + timedelta(microseconds=at % SECOND // 1000)


def iso(at: Instant) -> str:
    """Return an instant in ISO 8601 in UTC, to the millisecond."""
    return moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
