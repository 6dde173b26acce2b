"""Nouns of detections as people govern them: how each fares, and what another threshold would have done."""

from msgspec import Struct

from chatelaine.model.detection import Card
from chatelaine.model.incident import RuleRecord
from chatelaine.model.words import DetectionId, ExchangeId, Instant, KeyId


class RuleLine(Struct, frozen=True):
    """A detection with its record."""

    card: Card
    record: RuleRecord


class Trial(Struct, frozen=True):
    """How an item did on its own vectors."""

    item: str
    vectors: int
    faults: tuple[tuple[str, str], ...]
    """(where, what)."""


class Backtest(Struct, frozen=True, kw_only=True):
    """What a detection finds in what was recorded."""

    detection: DetectionId
    thresholds: dict[str, float]
    since: Instant
    events: int
    """Events that were watched; those before ``since`` teach habits alone."""
    events_since: int
    """Those of them, since then."""
    found: int
    keys: tuple[tuple[KeyId, int], ...]
    """How often on each key, the most often first."""
    alerts: int
    """Alerts that it would have been part of."""
    alone: int
    """Keys on which it found something and nothing else did."""
    examples: tuple[tuple[Instant, KeyId, ExchangeId, str], ...]
    faults: tuple[str, ...]
    """Where journals were damaged, so that something may be missing."""


class Suggestion(Struct, frozen=True):
    """Another threshold, by what people said of what was found."""

    threshold: str
    now: float
    proposed: float | None
    """None where nothing can be told; ``why`` says what is missing."""
    true_kept: int
    true_all: int
    false_dropped: int
    false_all: int
    why: str
