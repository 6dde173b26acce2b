"""Limits as arithmetic: what a meter's row becomes when a reservation is asked, settled or released.

Money counts by UTC day and month and is held for the worst case; requests and tokens count by a
window of one minute that slides over two buckets. A day or a month never turns back: a clock that
jumps back, and forward again, gives no money back.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.exchange import RefusalReason, Reservation
from chatelaine.model.limit import Allowance, Charge, MeterRow, Shortfall, Spent
from chatelaine.model.words import SECOND, ExchangeId, Instant, NanoUsd

MOST: Final = 1 << 46
"""NanoUsd or tokens that one exchange may ask for or be charged: 70,000 dollars. A peer's number is
not to overflow a row of 64-bit integers."""

MINUTE: Final = 60
DAY: Final = 86_400
_MINUTE: Final = MINUTE * SECOND
_MINUTES_A_DAY: Final = 1440
_DAYS_TO_MARCH_0000: Final = 719_468
_DAYS_AN_ERA: Final = 146_097
_LONGEST_MONTH: Final = 31
_JANUARY: Final = 10
"""Months from March to January."""

EMPTY: Final = MeterRow(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
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


def _days_to_next_month(day: int) -> int:
    month, near, far = month_of(day), 1, _LONGEST_MONTH
    while near < far:
        middle = (near + far) // 2
        if month_of(day + middle) > month:
            far = middle
        else:
            near = middle + 1
    return near


def roll(row: MeterRow, now: Instant) -> MeterRow:
    """Return the row at an instant: what belongs to days, months and minutes gone by is dropped."""
    minute = now // _MINUTE
    if minute in {row.minute, row.minute - 1}:
        return row
    day, day_settled, month, month_settled = row.day, row.day_settled, row.month, row.month_settled
    if minute // _MINUTES_A_DAY > day:
        day, day_settled = minute // _MINUTES_A_DAY, 0
        if month_of(day) > month:
            month, month_settled = month_of(day), 0
    requests, tokens, requests_before, tokens_before = 0, 0, 0, 0
    if minute == row.minute + 1:
        requests_before, tokens_before = row.requests, row.tokens
    elif minute < row.minute:
        # The clock jumped back: what was counted counts on, from the minute it is now.
        requests, tokens = row.requests, row.tokens
        requests_before, tokens_before = row.requests_before, row.tokens_before
    return MeterRow(
        day,
        day_settled,
        month,
        month_settled,
        minute,
        requests,
        tokens,
        requests_before,
        tokens_before,
        row.held,
        row.parallel,
    )


def admit(
    row: MeterRow, allowance: Allowance, asked: Reservation, now: Instant
) -> tuple[MeterRow, Shortfall | None]:
    """Return the row with a reservation taken, or as it was with the limit that has no room for it."""
    if now // _MINUTE != row.minute:
        row = roll(row, now)
    cost, tokens = asked.cost, asked.input_tokens + asked.output_tokens
    if not (0 <= cost <= MOST and 0 <= tokens <= MOST):
        return row, Shortfall(RefusalReason.BUDGET_DAY, DAY)
    short = _short_of_money(row, allowance, cost, now) or _short_of_pace(row, allowance, tokens, now)
    if short is not None:
        return row, short
    return MeterRow(
        row.day,
        row.day_settled,
        row.month,
        row.month_settled,
        row.minute,
        row.requests + 1,
        row.tokens + tokens,
        row.requests_before,
        row.tokens_before,
        row.held + cost,
        row.parallel + 1,
    ), None


def _short_of_money(row: MeterRow, allowance: Allowance, cost: int, now: Instant) -> Shortfall | None:
    a_day, a_month = allowance.spend_per_day, allowance.spend_per_month
    if a_day is not None and row.day_settled + row.held + cost > a_day:
        return Shortfall(RefusalReason.BUDGET_DAY, (row.day + 1) * DAY - now // SECOND)
    if a_month is not None and row.month_settled + row.held + cost > a_month:
        turn = row.day + _days_to_next_month(row.day)
        return Shortfall(RefusalReason.BUDGET_MONTH, turn * DAY - now // SECOND)
    return None


def _short_of_pace(row: MeterRow, allowance: Allowance, tokens: int, now: Instant) -> Shortfall | None:
    if allowance.parallel is not None and row.parallel >= allowance.parallel:
        return Shortfall(RefusalReason.PARALLEL_LIMIT, 1)
    most = allowance.requests_per_minute
    if most is not None and row.requests + row.requests_before >= most:
        left = _left(row, now)
        if (row.requests + 1 - most) * MINUTE + row.requests_before * left > 0:
            wait = _wait(most - 1, row.requests, row.requests_before, left)
            return Shortfall(RefusalReason.REQUEST_RATE, wait)
    most = allowance.tokens_per_minute
    if most is not None and row.tokens + row.tokens_before + tokens > most:
        left = _left(row, now)
        if (row.tokens + tokens - most) * MINUTE + row.tokens_before * left > 0:
            wait = _wait(most - tokens, row.tokens, row.tokens_before, left)
            return Shortfall(RefusalReason.TOKEN_RATE, wait)
    return None


def _left(row: MeterRow, now: Instant) -> int:
    """Return the seconds of the row's minute that are left: the weight of the minute before it."""
    # Begun seconds count as left, which rounds the weight up.
    return MINUTE - max(now // SECOND - row.minute * MINUTE, 0)


def _wait(room: int, current: int, before: int, left: int) -> int:
    """Return seconds until the window holds at most ``room``, if nothing is added to it."""
    if room < 0:
        return MINUTE
    if current <= room:
        return max(left - (room - current) * MINUTE // before, 1)
    return left + MINUTE - room * MINUTE // current


def settle(row: MeterRow, charge: Charge, now: Instant) -> MeterRow:
    """Return the row with a reservation given back and what was really used counted."""
    if now // _MINUTE != row.minute:
        row = roll(row, now)
    reserved = charge.reserved
    spare = reserved.input_tokens + reserved.output_tokens - _within(charge.tokens)
    return _give_back(row, reserved.cost, _within(charge.cost), spare, charge.reserved_at)


def release(row: MeterRow, asked: Reservation, now: Instant, reserved_at: Instant) -> MeterRow:
    """Return the row with the reservation of an exchange given back that never went upstream."""
    return _give_back(roll(row, now), asked.cost, 0, asked.input_tokens + asked.output_tokens, reserved_at)


def spend(row: MeterRow, cost: NanoUsd, now: Instant) -> MeterRow:
    """Return the row with money counted that was spent at an instant."""
    row, cost = roll(row, now), NanoUsd(_within(cost))
    return replace(row, day_settled=row.day_settled + cost, month_settled=row.month_settled + cost)


def _within(number: int) -> int:
    """Return a peer's number as it may be counted: it neither refunds nor overflows."""
    return number if 0 <= number <= MOST else min(max(number, 0), MOST)


def _give_back(row: MeterRow, cost: int, spent: int, spare: int, reserved_at: Instant) -> MeterRow:
    used, used_before = row.tokens, row.tokens_before
    # Tokens go back to the minute they were reserved in: another's would lose what is still used.
    ago = row.minute - reserved_at // _MINUTE
    if spare < 0 or ago == 0:
        used = max(used - spare, 0)
    elif ago == 1:
        used_before = max(used_before - spare, 0)
    return MeterRow(
        row.day,
        row.day_settled + spent,
        row.month,
        row.month_settled + spent,
        row.minute,
        row.requests,
        used,
        row.requests_before,
        used_before,
        max(row.held - cost, 0),
        max(row.parallel - 1, 0),
    )


def totals(events: Iterable[Event], now: Instant) -> dict[int, Spent]:
    """Return what each meter slot spent in the present day and month, from the journal.

    An exchange that was opened and has no end counts with its worst case.
    """
    day = now // SECOND // DAY
    month = month_of(day)
    spent: dict[int, Spent] = {}
    open_ones: dict[ExchangeId, ExchangeOpened] = {}

    def count(slot: int, at: Instant, cost: int) -> None:
        on = at // SECOND // DAY
        if month_of(on) < month:
            return
        before = spent.get(slot, Spent(day, 0, month, 0))
        in_day = before.day_settled + (cost if on >= day else 0)
        spent[slot] = Spent(day, in_day, month, before.month_settled + cost)

    for event in events:
        if isinstance(event, ExchangeOpened):
            open_ones[event.exchange] = event
        elif isinstance(event, ExchangeEnded | ExchangeInterrupted):
            opened = open_ones.pop(event.exchange, None)
            slot = event.slot if event.slot >= 0 or opened is None else opened.slot
            if slot >= 0:
                count(slot, event.at, event.cost if isinstance(event, ExchangeEnded) else event.charged)
    for opened in open_ones.values():
        count(opened.slot, opened.at, opened.reserved.cost)
    return spent


def restore(row: MeterRow, spent: Spent) -> MeterRow:
    """Return the row with what was spent at least what a total says; the larger of the two counts."""
    day_settled = row.day_settled if row.day == spent.day else 0
    month_settled = row.month_settled if row.month == spent.month else 0
    return replace(
        row,
        day=spent.day,
        day_settled=max(day_settled, spent.day_settled),
        month=spent.month,
        month_settled=max(month_settled, spent.month_settled),
    )
