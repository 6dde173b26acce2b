"""What every meter promises to the gate, whichever adapter counts."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatelaine.adapters.memory_meter import MemoryMeter
from chatelaine.adapters.meter import SharedMeter
from chatelaine.model.exchange import RefusalReason, Reservation
from chatelaine.model.limit import Allowance, Charge, MeterRow, Shortfall
from chatelaine.model.words import SECOND, Instant, NanoUsd, WorkerNumber
from chatelaine.ports import Meter

NOW = Instant(1_795_435_200 * SECOND)


class Readable(Meter, Protocol):
    """A meter whose rows can be looked at, as every one of ours can."""

    def row(self, slot: int) -> MeterRow: ...


@contextmanager
def in_memory(_: Path) -> Iterator[Readable]:
    yield MemoryMeter()


@contextmanager
def shared(directory: Path) -> Iterator[Readable]:
    with closing(SharedMeter(directory / "meter", WorkerNumber(1), 2)) as meter:
        yield meter


Make = Callable[[Path], "contextmanager[Readable]"]
every_meter = pytest.mark.parametrize("make", [in_memory, shared])


def ask(cost: int, tokens: int = 0) -> Reservation:
    return Reservation(tokens, 0, NanoUsd(cost))


@every_meter
def test_a_reservation_is_held_then_settled_and_never_counted_twice(make: Make, tmp_path: Path) -> None:
    limits = Allowance(spend_per_day=NanoUsd(10), parallel=2)
    with make(tmp_path) as meter:
        assert meter.reserve(3, limits, ask(6, 40), NOW) is None
        assert meter.reserve(3, limits, ask(5), NOW) == Shortfall(RefusalReason.BUDGET_DAY, 43_200)
        assert (meter.row(3).held, meter.row(3).parallel, meter.row(3).tokens) == (6, 1, 40)
        meter.settle(3, Charge(ask(6, 40), NanoUsd(2), 15, NOW), NOW)
        assert (meter.row(3).held, meter.row(3).parallel, meter.row(3).tokens) == (0, 0, 15)
        assert (meter.row(3).day_settled, meter.row(3).month_settled) == (2, 2)
        assert meter.reserve(3, limits, ask(8), NOW) is None


@every_meter
def test_a_release_gives_everything_back_but_the_request(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as meter:
        assert meter.reserve(0, Allowance(), ask(6, 40), NOW) is None
        meter.release(0, ask(6, 40), NOW, NOW)
        row = meter.row(0)
        assert (row.held, row.parallel, row.tokens, row.requests, row.day_settled) == (0, 0, 0, 1, 0)


@every_meter
def test_slots_do_not_know_each_other_however_far_apart(make: Make, tmp_path: Path) -> None:
    with make(tmp_path) as meter:
        for slot in (0, 1, 255, 256, 70_000):
            assert meter.reserve(slot, Allowance(parallel=1), ask(slot), NOW) is None
            assert meter.reserve(slot, Allowance(parallel=1), ask(1), NOW) is not None
        assert [meter.row(slot).held for slot in (0, 1, 2, 255, 256, 257, 70_000)] == [
            *(0, 1, 0, 255, 256, 0, 70_000)
        ]


@every_meter
@pytest.mark.parametrize("number", [-1, 10**30])
def test_hostile_numbers_neither_refund_nor_break_the_row(make: Make, tmp_path: Path, number: int) -> None:
    with make(tmp_path) as meter:
        assert meter.reserve(0, Allowance(), ask(number), NOW) is not None
        assert meter.reserve(0, Allowance(), ask(5, number), NOW) is not None
        assert meter.reserve(0, Allowance(), ask(5, 5), NOW) is None
        meter.settle(0, Charge(ask(5, 5), NanoUsd(number), number, NOW), NOW)
        meter.settle(0, Charge(ask(5, 5), NanoUsd(1), 1, NOW), NOW)
        row = meter.row(0)
        assert row.day_settled >= 1
        assert (row.held, row.parallel) == (0, 0)


steps = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["reserve", "settle", "release"]),
        st.integers(0, 50),
        st.integers(0, 4000),
    ),
    max_size=40,
)


@settings(max_examples=50)
@given(steps)
def test_the_file_and_the_memory_count_alike(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, str, int, int]]
) -> None:
    limits = Allowance(requests_per_minute=6, tokens_per_minute=200, parallel=3, spend_per_day=NanoUsd(120))
    with shared(tmp_path_factory.mktemp("meter")) as one, in_memory(Path()) as other:
        now = NOW
        for slot, what, amount, seconds in steps:
            now = Instant(now + seconds * SECOND)
            for meter in (one, other):
                if what == "reserve":
                    meter.reserve(slot, limits, ask(amount, amount), now)
                elif meter.row(slot).parallel and meter.row(slot).held >= amount:
                    charge = Charge(ask(amount, amount), NanoUsd(amount // 2), amount // 3, now)
                    meter.settle(slot, charge, now) if what == "settle" else meter.release(
                        slot, ask(amount, amount), now, now
                    )
            assert one.row(slot) == other.row(slot)
