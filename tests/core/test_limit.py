"""Limits: no interleaving exceeds a cap, no clock refunds, and a wait that is told is long enough."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple, replace

from chatelaine.core.codec import decode
from chatelaine.core.limit import (
    EMPTY,
    MOST,
    admit,
    month_of,
    release,
    restore,
    roll,
    settle,
    spend,
    totals,
)
from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.exchange import RefusalReason, Reservation
from chatelaine.model.limit import Allowance, Charge, MeterRow, Spent
from chatelaine.model.words import NEVER, SECOND, ExchangeId, Instant, NanoUsd

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "events"
UNIX = date(1970, 1, 1)
NOON = Instant(int(datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()) * SECOND)
UNLIMITED = Allowance()


def after(seconds: float) -> Instant:
    return Instant(NOON + int(seconds * SECOND))


def ask(cost: int = 0, tokens: int = 0) -> Reservation:
    return Reservation(tokens, 0, NanoUsd(cost))


def take(row: MeterRow, allowance: Allowance, asked: Reservation, now: Instant) -> MeterRow:
    row, short = admit(row, allowance, asked, now)
    assert short is None
    return row


def refuse(
    row: MeterRow, allowance: Allowance, asked: Reservation, now: Instant
) -> tuple[RefusalReason, int]:
    rolled, short = admit(row, allowance, asked, now)
    assert short is not None
    assert rolled == roll(row, now)
    return short.reason, short.retry_after


@given(st.dates(date(1900, 1, 1), date(2400, 1, 1)))
def test_months_are_those_of_the_calendar(on: date) -> None:
    assert month_of((on - UNIX).days) == (on.year - 1970) * 12 + on.month - 1


# One machine for all properties: what may be done to a row, at a clock that wanders.

steps = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "release"]),
        st.integers(0, 60),
        st.integers(0, 60),
        st.sampled_from([0, 0, 0, 0, 1, 20, 59, 60, 61, 3600, 86_400, 40 * 86_400, -1, -60, -86_400]),
    ),
    max_size=60,
)


@dataclass
class Walk:
    """A row and everything it should be, counted the slow way."""

    allowance: Allowance
    row: MeterRow = EMPTY
    now: Instant = NOON

    def __post_init__(self) -> None:
        self.under_way: list[tuple[Reservation, Instant]] = []
        self.costs: list[tuple[int, int]] = []

    def step(self, what: str, cost: int, tokens: int, seconds: int) -> None:
        self.now = Instant(max(self.now + seconds * SECOND, 86_400 * SECOND))
        if what == "reserve":
            self.row, short = admit(self.row, self.allowance, ask(cost, tokens), self.now)
            if short is None:
                self.under_way.append((ask(cost, tokens), self.now))
            else:
                assert short.retry_after >= 1
        elif self.under_way:
            reserved, reserved_at = self.under_way.pop(cost % len(self.under_way))
            if what == "release":
                self.row = release(self.row, reserved, self.now, reserved_at)
                return
            used = NanoUsd(min(cost, reserved.cost))
            charge = Charge(reserved, used, min(tokens, reserved.input_tokens), reserved_at)
            self.row = settle(self.row, charge, self.now)
            self.costs.append((self.row.day, used))


@given(steps, st.integers(0, 150), st.integers(0, 150))
def test_settled_and_held_never_exceed_a_cap_whatever_comes_in_whatever_order(
    steps: list[tuple[str, int, int, int]], a_day: int, a_month: int
) -> None:
    walk = Walk(Allowance(spend_per_day=NanoUsd(a_day), spend_per_month=NanoUsd(a_month), parallel=4))
    for step in steps:
        walk.step(*step)
        row = walk.row
        assert row.day_settled + row.held <= a_day
        assert row.month_settled + row.held <= a_month
        assert row.parallel == len(walk.under_way) <= 4
        assert row.held == sum(reserved.cost for reserved, _ in walk.under_way)


@given(steps)
def test_what_was_spent_on_a_day_is_never_forgotten_by_a_clock_that_wanders(
    steps: list[tuple[str, int, int, int]],
) -> None:
    walk = Walk(UNLIMITED)
    for step in steps:
        walk.step(*step)
    row = roll(walk.row, walk.now)
    spent = [(day, cost) for day, cost in walk.costs if day >= row.day]
    assert row.day_settled == sum(cost for _, cost in spent)
    in_month = [cost for day, cost in walk.costs if month_of(day) >= row.month]
    assert row.month_settled == sum(in_month)


@given(steps, st.integers(0, 100), st.integers(0, 200))
def test_no_bucket_ever_holds_more_than_a_minute_may(
    steps: list[tuple[str, int, int, int]], requests: int, tokens: int
) -> None:
    walk = Walk(Allowance(requests_per_minute=requests, tokens_per_minute=tokens))
    for step in steps:
        walk.step(*step)
        assert 0 <= walk.row.requests <= requests
        assert 0 <= walk.row.tokens <= tokens


# The day of a row is never behind its minute.
rows = st.builds(
    MeterRow,
    st.just(NOON // (86_400 * SECOND)),
    *[st.integers(0, 200), st.integers(0, 900), st.integers(0, 200)],
    st.just(NOON // (60 * SECOND)),
    *[st.integers(0, 200)] * 6,
)


@given(
    rows,
    st.one_of(
        st.builds(Allowance, requests_per_minute=st.integers(1, 200)),
        st.builds(Allowance, tokens_per_minute=st.integers(60, 200)),
        st.builds(Allowance, spend_per_day=st.integers(60, 200).map(NanoUsd)),
    ),
    st.integers(0, 60),
    st.integers(0, 59),
    st.data(),
)
def test_who_waits_as_long_as_told_is_let_in_and_who_waits_a_second_less_is_not(
    row: MeterRow, allowance: Allowance, amount: int, second: int, data: st.DataObject
) -> None:
    row = replace(row, held=0, parallel=0)
    now = after(second)
    row, short = admit(row, allowance, ask(amount, amount), now)
    if short is not None:
        told = short.retry_after
        assert told <= (86_400 if allowance.spend_per_day is not None else 120)
        take(row, allowance, ask(amount, amount), Instant(now + told * SECOND))
        for less in {told - 1, data.draw(st.integers(0, told - 1))}:
            refuse(row, allowance, ask(amount, amount), Instant(now + less * SECOND))


@given(rows, st.integers(0, 30_000), st.integers(60, 200), st.integers(0, 60))
def test_who_waits_as_long_as_told_is_let_in_also_where_the_clock_jumped_back(
    row: MeterRow, day: int, most: int, amount: int
) -> None:
    row, allowance = replace(row, day=day, held=0, parallel=0), Allowance(spend_per_day=NanoUsd(most))
    row, short = admit(row, allowance, ask(amount, amount), NOON)
    if short is not None:
        ahead = max(row.day - NOON // (86_400 * SECOND), 0)
        assert short.retry_after <= (ahead + 1) * 86_400
        take(row, allowance, ask(amount, amount), Instant(NOON + short.retry_after * SECOND))


def test_each_limit_is_named_with_the_seconds_until_there_is_room() -> None:
    row = take(EMPTY, UNLIMITED, ask(10, 100), after(15))
    assert refuse(row, Allowance(parallel=1), ask(), after(15)) == (RefusalReason.PARALLEL_LIMIT, 1)
    # The minute turns in 45 s; from there the one request weighs less by the second.
    assert refuse(row, Allowance(requests_per_minute=1), ask(), after(15)) == (
        RefusalReason.REQUEST_RATE,
        105,
    )
    assert refuse(row, Allowance(tokens_per_minute=150), ask(0, 100), after(15)) == (
        RefusalReason.TOKEN_RATE,
        75,
    )
    day = Allowance(spend_per_day=NanoUsd(19))
    assert refuse(row, day, ask(10), after(15)) == (RefusalReason.BUDGET_DAY, 12 * 3600 - 15)
    month = Allowance(spend_per_month=NanoUsd(19))
    assert refuse(row, month, ask(10), after(15)) == (RefusalReason.BUDGET_MONTH, 7 * 86_400 + 43_200 - 15)
    assert refuse(EMPTY, Allowance(tokens_per_minute=5), ask(0, 6), NOON) == (RefusalReason.TOKEN_RATE, 60)


@pytest.mark.parametrize(
    ("first", "days"),
    [("2026-01-31", 1), ("2026-02-01", 28), ("2028-02-01", 29), ("2026-12-01", 31), ("2026-04-30", 1)],
)
def test_a_month_is_over_when_the_calendar_says_so(first: str, days: int) -> None:
    now = Instant((date.fromisoformat(first) - UNIX).days * 86_400 * SECOND)
    assert refuse(EMPTY, Allowance(spend_per_month=NanoUsd(0)), ask(1), now) == (
        RefusalReason.BUDGET_MONTH,
        days * 86_400,
    )


def test_the_older_minute_weighs_less_by_the_second() -> None:
    row = EMPTY
    limit = Allowance(requests_per_minute=60)
    for _ in range(60):
        row = take(row, limit, ask(), NOON)
    assert refuse(row, limit, ask(), after(59)) == (RefusalReason.REQUEST_RATE, 2)
    row = take(row, limit, ask(), after(61))
    assert refuse(row, limit, ask(), after(61))[0] is RefusalReason.REQUEST_RATE
    assert take(row, limit, ask(), after(62)).requests == 2


def test_tokens_not_used_go_back_to_the_minute_they_were_reserved_in_and_to_no_other() -> None:
    first = take(EMPTY, UNLIMITED, ask(0, 100), NOON)
    second = take(first, UNLIMITED, ask(0, 70), after(60))
    charge = Charge(ask(0, 100), NanoUsd(0), 30, NOON)
    settled = settle(second, charge, after(61))
    assert (settled.tokens_before, settled.tokens) == (30, 70)
    assert settle(second, charge, after(121)).tokens_before == 70
    unknown = settle(second, msgspec.structs.replace(charge, reserved_at=NEVER), after(61))
    assert (unknown.tokens_before, unknown.tokens) == (100, 70)
    outrun = settle(second, msgspec.structs.replace(charge, tokens=150), after(61))
    assert (outrun.tokens_before, outrun.tokens) == (100, 120)
    released = release(first, ask(0, 100), after(1), NOON)
    assert (released.tokens, released.requests, released.parallel) == (0, 1, 0)


def test_a_clock_that_jumps_back_a_day_and_forward_again_refunds_nothing() -> None:
    limit = Allowance(spend_per_day=NanoUsd(10))
    row = settle(take(EMPTY, limit, ask(10), NOON), Charge(ask(10), NanoUsd(10), 0), NOON)
    for seconds in (-86_400, 0, -40 * 86_400, 3600):
        assert refuse(row, limit, ask(1), after(seconds))[0] is RefusalReason.BUDGET_DAY
        row = roll(row, after(seconds))
    take(row, limit, ask(10), after(86_400))


def test_a_clock_that_jumps_far_ahead_and_back_does_not_stop_the_minutes() -> None:
    limit = Allowance(requests_per_minute=1)
    row = take(EMPTY, limit, ask(), after(86_400 * 365))
    assert refuse(row, limit, ask(), NOON)[0] is RefusalReason.REQUEST_RATE
    row = roll(row, NOON)
    take(row, limit, ask(), after(121))


@pytest.mark.parametrize("number", [-1, -(10**30), MOST + 1, 10**30])
def test_a_number_no_exchange_can_have_is_refused_and_never_overflows_or_refunds(number: int) -> None:
    for asked in (ask(number), ask(0, number)):
        assert refuse(EMPTY, UNLIMITED, asked, NOON)[0] is RefusalReason.BUDGET_DAY
    row = take(EMPTY, UNLIMITED, ask(5, 5), NOON)
    settled = settle(row, Charge(ask(5, 5), NanoUsd(number), number, NOON), NOON)
    assert settled.day_settled == settled.month_settled == min(max(number, 0), MOST)
    assert 0 <= settled.tokens <= MOST + 5
    assert spend(EMPTY, NanoUsd(number), NOON).day_settled == settled.day_settled


def test_what_is_given_back_twice_does_not_go_below_nothing() -> None:
    row = take(EMPTY, UNLIMITED, ask(5, 5), NOON)
    for _ in range(3):
        row = release(row, ask(5, 5), NOON, NOON)
    assert (row.held, row.parallel, row.tokens) == (0, 0, 0)


# Totals from the journal.


def event(kind: str, exchange: str, seconds: float, **more: object) -> Event:
    one = decode((GOLDEN / f"exchange.{kind}.v1.json").read_bytes())
    assert isinstance(one, ExchangeOpened | ExchangeEnded | ExchangeInterrupted)
    return msgspec.structs.replace(one, exchange=ExchangeId(exchange), at=after(seconds), **more)


def test_totals_count_ends_interruptions_and_the_worst_case_of_what_has_no_end() -> None:
    month_ago, day_ago = -31 * 86_400, -86_400
    journal = [
        event("opened", "old", month_ago),
        event("ended", "old", month_ago, cost=NanoUsd(1_000_000)),
        event("opened", "over", day_ago),
        event("ended", "over", 0, cost=NanoUsd(100), slot=-1),
        event("ended", "b", day_ago, cost=NanoUsd(20), slot=8),
        event("interrupted", "c", 0, charged=NanoUsd(3), slot=8),
        event("opened", "d", 0, slot=9, reserved=Reservation(1, 1, NanoUsd(5))),
        event("ended", "stray", 0, cost=NanoUsd(7), slot=-1),
    ]
    day = NOON // SECOND // 86_400
    month = month_of(day)
    assert totals(journal, NOON) == {
        7: Spent(day, 100, month, 100),
        8: Spent(day, 3, month, 23),
        9: Spent(day, 5, month, 5),
    }


def test_a_row_takes_the_larger_of_what_it_and_the_journal_say() -> None:
    day = NOON // SECOND // 86_400
    spent = Spent(day, 50, month_of(day), 70)
    assert astuple(restore(EMPTY, spent))[:4] == (day, 50, month_of(day), 70)
    row = spend(EMPTY, NanoUsd(60), NOON)
    assert astuple(restore(row, spent))[:4] == (day, 60, month_of(day), 70)
    assert astuple(restore(replace(row, day=day - 1), spent))[:4] == (day, 50, month_of(day), 70)
    assert restore(restore(row, spent), spent) == restore(row, spent)
