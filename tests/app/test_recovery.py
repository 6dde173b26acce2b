"""What the hub sets right after a death: ends, charges, holds and totals."""

import asyncio
from pathlib import Path

import pytest

from chatelaine.adapters.clock import SystemClock
from chatelaine.adapters.journal import SegmentJournal, read_segments
from chatelaine.adapters.meter import SharedMeter
from chatelaine.app.recovery import durable, rebuild_totals, recover_worker
from chatelaine.model.error import JournalError
from chatelaine.model.event import Event, ExchangeEnded, ExchangeInterrupted, ExchangeOpened
from chatelaine.model.exchange import (
    Asked,
    Caller,
    Client,
    EndReason,
    Greeting,
    Network,
    Reservation,
    Served,
    Target,
    Usage,
)
from chatelaine.model.journal import Position
from chatelaine.model.limit import Allowance
from chatelaine.model.settings import JournalSettings
from chatelaine.model.words import (
    SECOND,
    ExchangeId,
    Instant,
    KeyId,
    NanoUsd,
    OwnerId,
    ProviderId,
    UpstreamName,
    WorkerNumber,
)

CLOCK = SystemClock()
ONE = WorkerNumber(1)
CALLER = Caller(KeyId("abcdefghi"), OwnerId("acme"), "bot")
TARGET = Target(UpstreamName("a"), ProviderId("openai"))
HELD = Reservation(10, 10, NanoUsd(500))


def opened(name: str, at: Instant | None = None) -> ExchangeOpened:
    return ExchangeOpened(
        at=CLOCK.now() if at is None else at,
        exchange=ExchangeId(name),
        worker=ONE,
        caller=CALLER,
        client=Client(Network("192.0.2.1"), Greeting(), "1.1", "Host", "0" * 12),
        asked=Asked(),
        target=TARGET,
        reserved=HELD,
        slot=3,
        policy="p",
    )


def ended(name: str, cost: int, at: Instant | None = None) -> ExchangeEnded:
    return ExchangeEnded(
        at=CLOCK.now() if at is None else at,
        exchange=ExchangeId(name),
        worker=ONE,
        caller=CALLER,
        target=TARGET,
        reason=EndReason.COMPLETED,
        status=200,
        served=Served(),
        usage=Usage(),
        cost=NanoUsd(cost),
        first_byte_us=1,
        duration_us=1,
        request_bytes=1,
        reply_bytes=1,
    )


async def write(folder: Path, *events: Event) -> None:
    journal = SegmentJournal(folder, ONE, JournalSettings(), CLOCK)
    for event in events:
        journal.append(event)
    await durable(journal)
    journal.close()


def read(folder: Path) -> list[Event]:
    return [event for _, event in read_segments(folder, ONE, Position(0, 0))]


def test_what_a_dead_worker_left_open_is_ended_charged_and_let_go(tmp_path: Path) -> None:
    meter = SharedMeter(tmp_path / "meter", WorkerNumber(0), 2)
    worker = SharedMeter(tmp_path / "meter", ONE, 2)
    for _ in range(2):
        assert worker.reserve(3, Allowance(), HELD, CLOCK.now()) is None
    worker.close()

    async def test() -> None:
        await write(tmp_path / "journal", opened("a" * 24), opened("b" * 24), ended("a" * 24, 100))
        assert await recover_worker(ONE, tmp_path / "journal", meter) == 1
        assert await recover_worker(ONE, tmp_path / "journal", meter) == 0, "and once is enough"

    asyncio.run(test())
    ends = [event for event in read(tmp_path / "journal") if isinstance(event, ExchangeInterrupted)]
    assert [(end.exchange, end.charged) for end in ends] == [("b" * 24, 500)]
    row = meter.row(3)
    assert (row.held, row.parallel, row.day_settled, row.month_settled) == (0, 0, 500, 500)
    meter.close()


def test_a_worker_that_lives_is_not_recovered(tmp_path: Path) -> None:
    async def test() -> None:
        meter = SharedMeter(tmp_path / "meter", WorkerNumber(0), 2)
        journal = SegmentJournal(tmp_path / "journal", ONE, JournalSettings(), CLOCK)
        journal.append(opened("a" * 24))
        await durable(journal)
        with pytest.raises(JournalError):
            await recover_worker(ONE, tmp_path / "journal", meter)
        journal.close()
        meter.close()

    asyncio.run(test())


def test_totals_are_counted_anew_from_the_journal_by_day_and_month(tmp_path: Path) -> None:
    day = 86_400 * SECOND
    now = Instant(1_720_000_000 * SECOND)  # 2024-07-03: the month has two days before.
    at = [Instant(now - 40 * day), Instant(now - 5 * day), Instant(now - day), now]
    events: list[Event] = []
    for number, when in enumerate(at):
        events += [opened(f"{number:024}", when), ended(f"{number:024}", 10 ** (number + 1), when)]
    asyncio.run(write(tmp_path / "journal", *events))
    meter = SharedMeter(tmp_path / "meter", WorkerNumber(0), 2)
    assert meter.begun_anew
    rebuild_totals(tmp_path / "journal", meter, now=now)
    row = meter.row(3)
    assert row.day_settled == 10_000
    assert row.month_settled == 11_000, "June's is June's"
    meter.close()
    again = SharedMeter(tmp_path / "meter", WorkerNumber(0), 2)
    assert not again.begun_anew
    again.close()
    others = SharedMeter(tmp_path / "meter", WorkerNumber(0), 3)
    assert others.begun_anew, "another number of workers is another meter"
    others.close()
