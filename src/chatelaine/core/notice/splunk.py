"""Splunk's HTTP Event Collector."""

from typing import Final

from chatelaine.core.notice.form import JSON, JSON_HEADER, write
from chatelaine.core.notice.text import fitted
from chatelaine.core.notice.webhook import as_json
from chatelaine.model.notice import Notice, Origin, Posting

SOURCETYPE: Final = "chatelaine:incident"
COLLECTOR: Final = "/services/collector/event"
_LARGEST: Final = 500_000


def splunk(notice: Notice, *, url: str, credential: str, index: str, origin: Origin) -> Posting:
    """Return the request; without an index the collector's own is used."""

    def body(shown: Notice) -> bytes:
        chosen: dict[str, JSON] = {"index": index} if index else {}
        return write(
            {
                "time": notice.at // 1_000_000 / 1000,
                "host": origin.host,
                "source": "chatelaine",
                "sourcetype": SOURCETYPE,
                **chosen,
                "event": as_json(shown, origin),
            }
        )

    headers = (JSON_HEADER, ("authorization", f"Splunk {credential}"))
    return Posting(url.rstrip("/") + COLLECTOR, headers, fitted(notice, body, most=_LARGEST))
