"""ArcSight's Common Event Format: a header split by bars, and pairs of names and values."""

from collections.abc import Iterator, Mapping
from typing import Final

from chatelaine.core.notice.form import event_type
from chatelaine.core.notice.text import clean
from chatelaine.model.detection import Severity
from chatelaine.model.notice import Notice, Origin

_MESSAGE_MAX: Final = 1023
_CUSTOM_MAX: Final = 4000
_SEVERITIES: Final[Mapping[Severity, int]] = {
    Severity.INFO: 1,
    Severity.LOW: 3,
    Severity.MEDIUM: 5,
    Severity.HIGH: 8,
    Severity.CRITICAL: 10,
}
_LINES: Final = {"\n": r"\n", "\r": r"\r"}
_IN_HEADER: Final = str.maketrans({"\\": r"\\", "|": r"\|"})
_IN_VALUE: Final = str.maketrans({"\\": r"\\", "=": r"\="} | _LINES)


def cef(notice: Notice, origin: Origin) -> bytes:
    """Return a notice in CEF, in UTF-8 and on one line."""
    head = ("Chatelaine", "Chatelaine", origin.version, event_type(notice), notice.title)
    fields = "|".join(clean(field, most=_MESSAGE_MAX).translate(_IN_HEADER) for field in head)
    pairs = " ".join(f"{name}={value.translate(_IN_VALUE)}" for name, value in _pairs(notice) if value)
    line = f"CEF:0|{fields}|{_SEVERITIES[notice.severity]}|{pairs}"
    return line.encode("utf-8", "replace")


def _pairs(notice: Notice) -> Iterator[tuple[str, str]]:
    yield "rt", str(notice.at // 1_000_000)
    yield "externalId", notice.id
    yield "cat", notice.kind.value
    yield "msg", notice.summary[:_MESSAGE_MAX]
    for number, (label, value) in enumerate(_custom(notice), 1):
        if value:
            yield f"cs{number}Label", label
            yield f"cs{number}", value[:_CUSTOM_MAX]
    if notice.links:
        yield "request", notice.links[0].url[:_MESSAGE_MAX]


def _custom(notice: Notice) -> tuple[tuple[str, str], ...]:
    facts = "; ".join(f"{name}: {value}" for name, value in notice.facts)
    return (("incident", notice.incident), ("key", notice.key), ("owner", notice.owner), ("facts", facts))
