"""Limits as arithmetic: what a meter's row becomes when a reservation is asked, settled or released.

Money counts by UTC day and month, requests and tokens by a window of one minute that slides over
two buckets. A clock that jumps back never gives anything back: a row only rolls forward.
"""

from chatelaine.model.exchange import RefusalReason, Reservation
from chatelaine.model.limit import Allowance, Charge, MeterRow, Shortfall
from chatelaine.model.words import SECOND, Instant

MINUTE = 60
DAY = 86_400
_DAYS_TO_MARCH_0000 = 719_468
_DAYS_AN_ERA = 146_097
_JANUARY = 10
"""Months from March to January."""

EMPTY = MeterRow(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
"""The row of a key that has used nothing."""


def month_of(day: int) -> int:
    """Return months since January 1970 for days since 1970-01-01 (Gregorian, proleptic)."""
    shifted = day + _DAYS_TO_MARCH_0000
    era, day_of_era = divmod(shifted, _DAYS_AN_ERA)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    from_march = (5 * day_of_year + 2) // 153
    year = year_of_era + era * 400 + (from_march >= _JANUARY)
    return (year - 1970) * 12 + (from_march + 2) % 12


def roll(row: MeterRow, now: Instant) -> MeterRow:
    """Return the row at an instant: days, months and minutes that are over are dropped."""
    seconds = now // SECOND
    minute = seconds // MINUTE
    if minute <= row.minute:
        return row
    day = seconds // DAY
    requests_before, tokens_before = (row.requests, row.tokens) if minute == row.minute + 1 else (0, 0)
    if day <= row.day:
        return MeterRow(
            row.day,
            row.day_settled,
            row.month,
            row.month_settled,
            minute,
            0,
            0,
            requests_before,
            tokens_before,
            row.held,
            row.parallel,
        )
    month = month_of(day)
    month_settled = row.month_settled if month <= row.month else 0
    return MeterRow(
        day,
        0,
        max(month, row.month),
        month_settled,
        minute,
        0,
        0,
        requests_before,
        tokens_before,
        row.held,
        row.parallel,
    )


def admit(
    row: MeterRow, allowance: Allowance, asked: Reservation, now: Instant
) -> tuple[MeterRow, Shortfall | None]:
    """Return the row with a reservation taken, or as it was with the limit that has no room for it."""
    row = roll(row, now)
    seconds = now // SECOND
    tokens = asked.input_tokens + asked.output_tokens
    short = _short_of_money(row, allowance, asked, seconds) or _short_of_pace(row, allowance, tokens, seconds)
    if short is not None:
        return row, short
    return (
        MeterRow(
            row.day,
            row.day_settled,
            row.month,
            row.month_settled,
            row.minute,
            row.requests + 1,
            row.tokens + tokens,
            row.requests_before,
            row.tokens_before,
            row.held + asked.cost,
            row.parallel + 1,
        ),
        None,
    )


def _short_of_money(
    row: MeterRow, allowance: Allowance, asked: Reservation, seconds: int
) -> Shortfall | None:
    wanted = row.held + asked.cost
    if allowance.spend_per_day is not None and row.day_settled + wanted > allowance.spend_per_day:
        return Shortfall(RefusalReason.BUDGET_DAY, DAY - seconds % DAY)
    if allowance.spend_per_month is not None and row.month_settled + wanted > allowance.spend_per_month:
        return Shortfall(RefusalReason.BUDGET_MONTH, DAY - seconds % DAY)
    return None


def _short_of_pace(row: MeterRow, allowance: Allowance, tokens: int, seconds: int) -> Shortfall | None:
    if allowance.parallel is not None and row.parallel >= allowance.parallel:
        return Shortfall(RefusalReason.PARALLEL_LIMIT, 1)
    left = MINUTE - seconds % MINUTE
    if (
        allowance.requests_per_minute is not None
        and (row.requests + 1) * MINUTE + row.requests_before * left > allowance.requests_per_minute * MINUTE
    ):
        return Shortfall(RefusalReason.REQUEST_RATE, left)
    if (
        allowance.tokens_per_minute is not None
        and (row.tokens + tokens) * MINUTE + row.tokens_before * left > allowance.tokens_per_minute * MINUTE
    ):
        return Shortfall(RefusalReason.TOKEN_RATE, left)
    return None


def settle(row: MeterRow, charge: Charge, now: Instant) -> MeterRow:
    """Return the row with a reservation given back and what was really used counted."""
    row = roll(row, now)
    reserved = charge.reserved
    spare = reserved.input_tokens + reserved.output_tokens - charge.tokens
    return MeterRow(
        row.day,
        row.day_settled + charge.cost,
        row.month,
        row.month_settled + charge.cost,
        row.minute,
        row.requests,
        max(row.tokens - spare, 0),
        row.requests_before,
        row.tokens_before,
        row.held - reserved.cost,
        row.parallel - 1,
    )


def release(row: MeterRow, asked: Reservation, now: Instant) -> MeterRow:
    """Return the row with the reservation of an exchange given back that never went upstream."""
    row = roll(row, now)
    return MeterRow(
        row.day,
        row.day_settled,
        row.month,
        row.month_settled,
        row.minute,
        max(row.requests - 1, 0),
        max(row.tokens - asked.input_tokens - asked.output_tokens, 0),
        row.requests_before,
        row.tokens_before,
        row.held - asked.cost,
        row.parallel - 1,
    )
