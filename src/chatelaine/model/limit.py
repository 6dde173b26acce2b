"""What is counted per key: the meter's row, what an exchange asks of it, and what it answers."""

from dataclasses import dataclass
from typing import NamedTuple

from msgspec import Struct

from chatelaine.model.exchange import RefusalReason, Reservation
from chatelaine.model.words import NEVER, Instant, NanoUsd


class MeterRow(Struct, frozen=True, gc=False):
    """The counters of one key, over all workers but for the two that each worker keeps."""

    day: int
    """Days since 1970-01-01 UTC."""
    day_settled: int
    """NanoUsd spent on ``day``."""
    month: int
    """Months since January 1970 UTC."""
    month_settled: int
    minute: int
    """Minutes since 1970-01-01 UTC."""
    requests: int
    tokens: int
    requests_before: int
    """In the minute before ``minute``."""
    tokens_before: int
    held: int
    """NanoUsd reserved by exchanges under way, over all workers."""
    parallel: int
    """Exchanges under way, over all workers."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """The limits of a key in the meter's units; None means not limited."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    parallel: int | None = None
    spend_per_day: NanoUsd | None = None
    spend_per_month: NanoUsd | None = None


class Shortfall(Struct, frozen=True):
    """A limit that a reservation does not fit under."""

    reason: RefusalReason
    retry_after: int
    """Seconds until it may fit."""


class Charge(Struct, frozen=True):
    """What an exchange turned out to cost, against what was reserved for it."""

    reserved: Reservation
    cost: NanoUsd
    tokens: int
    reserved_at: Instant = NEVER
    """When the reservation was taken: tokens not used go back to that minute; NEVER: to none."""


class Spent(NamedTuple):
    """What a key spent in the day and the month that a total was drawn up for."""

    day: int
    """Days since 1970-01-01 UTC."""
    day_settled: int
    """NanoUsd."""
    month: int
    """Months since January 1970 UTC."""
    month_settled: int
