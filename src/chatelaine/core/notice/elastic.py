"""Elasticsearch's bulk interface, with the fields of the Elastic Common Schema (ECS 8)."""

from collections.abc import Mapping
from typing import Final

from msgspec import DecodeError, Struct, json

from chatelaine.core.notice.form import JSON, event_type, severity_word, write
from chatelaine.core.notice.http import judge, judge_status
from chatelaine.core.notice.text import fitted, iso
from chatelaine.model.detection import Severity
from chatelaine.model.notice import Answer, Notice, Origin, Posting, PutOff, Reception, Taken
from chatelaine.model.words import Instant

DATA_STREAM: Final = "logs-chatelaine.notice-default"
_LARGEST: Final = 500_000
_SEVERITIES: Final[Mapping[Severity, int]] = {
    Severity.INFO: 0,
    Severity.LOW: 21,
    Severity.MEDIUM: 47,
    Severity.HIGH: 73,
    Severity.CRITICAL: 99,
}
"""The risk scores of Elastic's own rules."""
_EXISTS: Final = 409


class _Item(Struct, frozen=True):
    status: int = 0


class _Bulk(Struct, frozen=True):
    items: tuple[dict[str, _Item], ...]


def elastic(notice: Notice, *, url: str, credential: str, index: str, origin: Origin) -> Posting:
    """Return the request: one document, created under the notice's id, so that a repeat makes no second."""
    action = write({"create": {"_index": index or DATA_STREAM, "_id": notice.id}})

    def body(shown: Notice) -> bytes:
        return b"%s\n%s\n" % (action, write(_document(shown, origin)))

    headers = (("content-type", "application/x-ndjson"), ("authorization", f"ApiKey {credential}"))
    return Posting(f"{url.rstrip('/')}/_bulk", headers, fitted(notice, body, most=_LARGEST))


def _document(notice: Notice, origin: Origin) -> JSON:
    facts: list[JSON] = [{"name": name, "value": value} for name, value in notice.facts]
    return {
        "@timestamp": iso(notice.at),
        "ecs": {"version": "8.17.0"},
        "message": notice.title,
        "event": {
            "id": notice.id,
            "kind": "event" if notice.kind.value == "test" else "alert",
            "category": ["intrusion_detection"],
            "type": ["info"],
            "action": event_type(notice),
            "severity": _SEVERITIES[notice.severity],
            "reason": notice.summary,
            "dataset": "chatelaine.notice",
            "provider": "chatelaine",
            **({"url": notice.links[0].url} if notice.links else {}),
        },
        "log": {"level": severity_word(notice)},
        "observer": {
            "vendor": "Chatelaine",
            "product": "Chatelaine",
            "version": origin.version,
            "hostname": origin.host,
        },
        "organization": {"id": notice.owner},
        "chatelaine": {"incident": notice.incident, "key": notice.key, "facts": facts},
    }


def judge_bulk(answer: Answer, now: Instant) -> Reception:
    """Return how a bulk request ended: its own status may be 200 where its one document was refused."""
    whole = judge(answer, now)
    if not isinstance(whole, Taken):
        return whole
    try:
        (held,) = json.decode(answer.body, type=_Bulk).items
        (item,) = held.values()
    except (DecodeError, UnicodeDecodeError, ValueError):
        return PutOff("the answer is no bulk answer: is this Elasticsearch?")
    # It exists: an earlier attempt came through and its answer did not.
    return Taken() if item.status == _EXISTS else judge_status(item.status)
