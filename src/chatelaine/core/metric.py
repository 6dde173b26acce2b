"""Every metric the service shows to its operators: names, labels, and which values a label may have.

A label value that is not listed becomes ``other``, so that no caller can make series.
There is no label for a key, an address, a user or a user agent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chatelaine.model.exchange import EndReason, Operation, RefusalReason
from chatelaine.model.key import KeyState

PREFIX = "chatelaine_"
OTHER = "other"

LATENCY = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
    120.0,
    300.0,
    600.0,
)
"""Seconds: OpenTelemetry's GenAI buckets, and three above for long generations."""

OVERHEAD = (0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0)
"""Seconds of the gate's own work."""

PUSH = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds from a change of a key to its last acknowledgement; the bar is 0.2."""


class Kind(StrEnum):
    """What Prometheus calls the type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; ``scale`` turns what is counted into the unit that is shown."""

    name: str
    help: str
    kind: Kind
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    scale: float = 1.0


CONFIGURED = frozenset({"provider", "route", "upstream", "model", "sink", "version"})
"""Labels whose values come from the cards and the settings when a process starts."""

LABELS: Mapping[str, frozenset[str]] = {
    "operation": frozenset(Operation),
    "outcome": frozenset(EndReason) | frozenset(RefusalReason),
    "stage": frozenset({"total", "head", "authenticate", "decide", "reserve", "journal", "settle"}),
    "direction": frozenset({"input", "output", "cached", "cache_write", "audio_input", "audio_output"}),
    "class": frozenset({"connect", "timeout", "broken", "refused", "tls", "address", "4xx", "429", "5xx"}),
    "state": frozenset(KeyState),
    "result": frozenset({"ok", "refused", "retried", "dead"}),
    "process": frozenset({"hub", "gate"}),
    "standing": frozenset({"ready", "starting", "draining", "missing"}),
    "kind": frozenset({"opened", "ended", "interrupted", "refused", "key", "admin"}),
}
"""Labels whose values are closed."""

REQUESTS = "requests_total"
REQUEST_DURATION = "request_duration_seconds"
OVERHEAD_DURATION = "overhead_duration_seconds"
FIRST_CHUNK = "time_to_first_chunk_seconds"
TOKENS = "tokens_total"
COST = "cost_usd_total"
REQUEST_BYTES = "request_bytes_total"
REPLY_BYTES = "reply_bytes_total"
IN_FLIGHT = "in_flight_requests"
CONNECTIONS = "connections_open"
CONNECTIONS_REFUSED = "connections_refused_total"
UPSTREAM_ERRORS = "upstream_errors_total"
UPSTREAM_RETRIES = "upstream_retries_total"
UPSTREAM_OPEN = "upstream_circuit_open"
UPSTREAM_CONNECTIONS = "upstream_connections"
KEYS = "keys"
KEY_CHANGE = "key_change_duration_seconds"
EVENTS = "events_total"
EVENT_QUEUE = "event_queue_depth"
EVENTS_DROPPED = "events_dropped_total"
JOURNAL_AVAILABLE = "journal_available"
JOURNAL_GROUP = "journal_group_duration_seconds"
JOURNAL_FAILURES = "journal_failures_total"
CAPTURES = "captures_total"
CAPTURES_LOST = "captures_lost_total"
SINK_DELIVERIES = "sink_deliveries_total"
RELOADS = "config_reloads_total"
RELOAD_FAILURES = "config_reload_failures_total"
WORKERS = "workers"
BUILD = "build_info"


def _counter(name: str, text: str, *labels: str, scale: float = 1.0) -> Metric:
    return Metric(name, text, Kind.COUNTER, labels, scale=scale)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, text, Kind.GAUGE, labels)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...] = LATENCY) -> Metric:
    return Metric(name, text, Kind.HISTOGRAM, labels, buckets)


METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        _counter(
            REQUESTS, "Exchanges by how they ended or why they were refused.", "provider", "route", "outcome"
        ),
        _histogram(
            REQUEST_DURATION,
            "Seconds from the head of a request to the end of its reply.",
            "provider",
            "operation",
        ),
        _histogram(
            OVERHEAD_DURATION, "Seconds of the gate's own work on an exchange.", "stage", buckets=OVERHEAD
        ),
        _histogram(
            FIRST_CHUNK, "Seconds from the head of a request to the first byte of its reply.", "provider"
        ),
        _counter(
            TOKENS, "Tokens used, as upstreams report them or as estimated.", "provider", "model", "direction"
        ),
        _counter(COST, "US dollars spent, by the price table in force.", "provider", scale=1e-9),
        _counter(REQUEST_BYTES, "Bytes of request bodies forwarded.", "provider"),
        _counter(REPLY_BYTES, "Bytes of reply bodies forwarded.", "provider"),
        _gauge(IN_FLIGHT, "Exchanges under way."),
        _gauge(CONNECTIONS, "Connections of clients that are open."),
        _counter(
            CONNECTIONS_REFUSED,
            "Connections refused before a request: handshake, overload, head timeout.",
            "outcome",
        ),
        _counter(UPSTREAM_ERRORS, "Failures of upstreams by class.", "upstream", "class"),
        _counter(
            UPSTREAM_RETRIES,
            "Exchanges sent to another upstream, nothing having been sent before.",
            "upstream",
        ),
        _gauge(UPSTREAM_OPEN, "Workers whose circuit breaker keeps off this upstream.", "upstream"),
        _gauge(UPSTREAM_CONNECTIONS, "Connections to upstreams that are open.", "upstream"),
        _gauge(KEYS, "Virtual keys by state.", "state"),
        _histogram(KEY_CHANGE, "Seconds from a change of a key until every worker has it.", buckets=PUSH),
        _counter(EVENTS, "Events appended to the journal.", "kind"),
        _gauge(EVENT_QUEUE, "Events appended that are not durable yet."),
        _counter(EVENTS_DROPPED, "Events that could not be recorded."),
        _gauge(JOURNAL_AVAILABLE, "Workers whose records can be made durable."),
        _histogram(JOURNAL_GROUP, "Seconds to make a group of records durable.", buckets=OVERHEAD),
        _counter(JOURNAL_FAILURES, "Groups of records that could not be made durable."),
        _counter(CAPTURES, "Exchanges whose content is captured."),
        _counter(
            CAPTURES_LOST,
            "Times that content to be captured was lost: no room in memory, or the disk did not take it.",
        ),
        _counter(
            SINK_DELIVERIES, "Attempts to deliver a notice, by receiver and how they ended.", "sink", "result"
        ),
        _counter(RELOADS, "Reloads of settings and address files by result.", "result"),
        _counter(RELOAD_FAILURES, "Reloads of settings and address files that were refused."),
        _gauge(WORKERS, "Gate workers by how they stand.", "standing"),
        _gauge(BUILD, "Always 1; the label names the release.", "version"),
    )
}


def label_values(configured: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """Return the values each label may have, given those that the settings and cards name."""
    return {**LABELS, **{name: configured.get(name, frozenset()) for name in CONFIGURED}}


def bound(metric: Metric, labels: tuple[str, ...], values: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """Return labels with every value that is not listed replaced by ``other``.

    Raises:
        ValueError: the number of labels is not the metric's.
    """
    if len(labels) != len(metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {len(labels)} of them")
    return tuple(
        value if value in values[name] else OTHER for name, value in zip(metric.labels, labels, strict=True)
    )


def reference() -> str:
    """Return the page of the docs that lists every metric."""
    rows = "\n".join(
        f"| `{PREFIX}{metric.name}` | {metric.kind} | {_listed(metric.labels)} | {metric.help} |"
        for metric in METRICS.values()
    )
    closed = "\n".join(
        f"| `{name}` | {_listed(tuple(sorted(values)))} |" for name, values in sorted(LABELS.items())
    )
    return (
        "# Metrics\n\n"
        "`GET /metrics` on the admin port, summed over all gate workers. This page is generated from "
        "`core/metric.py`.\n\nNo label ever carries a key, an address, a user or a user agent; a value that "
        f"is not listed is shown as `{OTHER}`.\n\n"
        f"| metric | type | labels | what it says |\n|---|---|---|---|\n{rows}\n\n"
        f"## Values of labels\n\n| label | values |\n|---|---|\n{closed}\n"
        f"| {_listed(tuple(sorted(CONFIGURED)))} | as the settings and the providers' cards name them |\n"
    )


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"
