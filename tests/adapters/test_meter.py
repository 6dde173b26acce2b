"""The meter's file: shared by processes, cleared of the dead, begun anew when it must be."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from msgspec.structs import astuple

from chatelaine.adapters.meter import SharedMeter
from chatelaine.core.limit import month_of
from chatelaine.model.error import MeterError
from chatelaine.model.exchange import Reservation
from chatelaine.model.limit import Allowance, Charge, Spent
from chatelaine.model.words import SECOND, Instant, NanoUsd, WorkerNumber

NOW = Instant(1_795_435_200 * SECOND)
DAY = NOW // SECOND // 86_400
HUB, ONE, TWO = map(WorkerNumber, range(3))
FIVE = Reservation(1, 1, NanoUsd(5))


@pytest.fixture
def meters(tmp_path: Path) -> Iterator[list[SharedMeter]]:
    """The hands of the hub and of two workers on one meter, each with a file of its own."""
    with ExitStack() as open_ones:
        yield [
            open_ones.enter_context(closing(SharedMeter(tmp_path / "meter", who, 2)))
            for who in (HUB, ONE, TWO)
        ]


def test_workers_see_what_the_others_hold(meters: list[SharedMeter]) -> None:
    hub, one, two = meters
    limits = Allowance(parallel=3, spend_per_day=NanoUsd(16))
    assert one.reserve(0, limits, FIVE, NOW) is None
    assert two.reserve(0, limits, FIVE, NOW) is None
    assert one.reserve(0, limits, FIVE, NOW) is None
    assert two.reserve(0, limits, FIVE, NOW) is not None
    two.settle(0, Charge(FIVE, NanoUsd(6), 2, NOW), NOW)
    assert astuple(hub.row(0))[-2:] == (10, 2)
    assert hub.row(0).day_settled == 6


def test_a_dead_workers_columns_are_cleared_and_no_others(meters: list[SharedMeter]) -> None:
    hub, one, two = meters
    for slot in (0, 1, 999):
        one.reserve(slot, Allowance(), FIVE, NOW)
        one.reserve(slot, Allowance(), FIVE, NOW)
        two.reserve(slot, Allowance(), FIVE, NOW)
    hub.charge(1, NanoUsd(10), NOW)
    hub.clear_worker(ONE)
    assert [astuple(hub.row(slot))[-2:] for slot in (0, 1, 2, 999)] == [(5, 1), (5, 1), (0, 0), (5, 1)]
    assert hub.row(1).day_settled == 10
    # What a worker gives back that was cleared is not taken from the others.
    one.release(0, FIVE, NOW)
    assert astuple(hub.row(0))[-2:] == (5, 1)
    two.release(0, FIVE, NOW)
    assert astuple(hub.row(0))[-2:] == (0, 0)


def test_a_worker_killed_between_two_stores_leaves_no_hold_behind_once_it_is_cleared(
    meters: list[SharedMeter], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, one, two = meters
    limits = Allowance(spend_per_day=NanoUsd(100))
    assert two.reserve(0, limits, FIVE, NOW) is None
    assert one.reserve(0, limits, FIVE, NOW) is None

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("_write", "_write_own"):
        with monkeypatch.context() as killed:
            killed.setattr(f"chatelaine.adapters.meter.{name}", die)
            with pytest.raises(KeyboardInterrupt):
                one.reserve(0, limits, FIVE, NOW)
            with pytest.raises(KeyboardInterrupt):
                one.settle(0, Charge(FIVE, NanoUsd(4), 2, NOW), NOW)
        # The others go on, and nobody gets more than there is.
        assert hub.row(0).held + hub.row(0).day_settled <= 100
        assert two.reserve(0, limits, FIVE, NOW) is None
    hub.clear_worker(ONE)
    assert astuple(hub.row(0))[-2:] == (15, 3)


def test_a_file_grows_for_all_when_one_needs_a_slot(meters: list[SharedMeter]) -> None:
    _, one, two = meters
    assert one.reserve(100_000, Allowance(), FIVE, NOW) is None
    assert two.row(100_000).held == 5
    assert two.reserve(3, Allowance(), FIVE, NOW) is None
    assert one.row(3).held == 5


@pytest.mark.parametrize("slot", [-1, 1 << 24, 1 << 60])
def test_a_slot_that_cannot_be_is_refused(meters: list[SharedMeter], slot: int) -> None:
    with pytest.raises(MeterError, match="slot"):
        meters[1].reserve(slot, Allowance(), FIVE, NOW)


def test_a_full_disk_refuses_a_new_slot_and_keeps_the_old_ones(
    meters: list[SharedMeter], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(MeterError, match="No space left"):
        meters[1].reserve(5000, Allowance(), FIVE, NOW)
    assert meters[1].reserve(0, Allowance(), FIVE, NOW) is None


def spend(path: Path, workers: int = 2) -> bool:
    """Spend 5 in slot 0; return whether the meter was begun anew for it."""
    with closing(SharedMeter(path, ONE, workers)) as meter:
        meter.charge(0, NanoUsd(5), NOW)
        return meter.begun_anew


def spent(path: Path, workers: int = 2) -> int:
    with closing(SharedMeter(path, HUB, workers)) as meter:
        return meter.row(0).day_settled


def test_what_was_spent_outlives_every_process(tmp_path: Path) -> None:
    assert spend(tmp_path / "meter")
    assert not spend(tmp_path / "meter")
    assert spent(tmp_path / "meter") == 10


@pytest.mark.parametrize("damage", ["workers", "magic", "empty", "short"])
def test_a_file_that_is_not_this_meter_is_begun_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "meter"
    spend(path)
    if damage != "workers":
        whole = path.read_bytes()
        path.write_bytes({"magic": b"?" + whole[1:], "empty": b"", "short": whole[:20]}[damage])
    workers = 3 if damage == "workers" else 2
    assert spend(path, workers)
    assert spent(path, workers) == 5


def test_a_meter_in_use_is_not_begun_anew_under_its_users(tmp_path: Path, meters: list[SharedMeter]) -> None:
    meters[1].charge(0, NanoUsd(5), NOW)
    with pytest.raises(MeterError, match="in use for 2 workers, not for 3"):
        SharedMeter(tmp_path / "meter", ONE, 3)
    assert meters[2].row(0).day_settled == 5


def test_after_a_loss_of_power_it_asks_to_be_rebuilt_and_a_clean_end_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, boot = tmp_path / "meter", tmp_path / "boot_id"
    monkeypatch.setattr("chatelaine.adapters.meter._BOOT", boot)
    boot.write_text("first\n")
    lost = SharedMeter(path, ONE, 2)
    lost.charge(0, NanoUsd(5), NOW)
    # The machine goes down: nobody closes the meter, and its locks are gone.
    for file in (lost._users, lost._file):
        os.close(file)
    boot.write_text("second\n")
    with closing(SharedMeter(path, HUB, 2)) as meter:
        assert meter.begun_anew
        month = month_of(DAY)
        meter.rebuild({0: Spent(DAY, 3, month, 30), 1: Spent(DAY, 4, month, 4)})
        assert astuple(meter.row(0))[:4] == (DAY, 5, month, 30)
        assert astuple(meter.row(1))[:4] == (DAY, 4, month, 4)
    boot.write_text("third\n")
    with closing(SharedMeter(path, HUB, 2)) as meter:
        assert not meter.begun_anew


def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match=r"nowhere/meter: No such file.*\n.*storage\.directory"):
        SharedMeter(tmp_path / "nowhere" / "meter", ONE, 2)
    with pytest.raises(MeterError, match="worker 3 of 2"):
        SharedMeter(tmp_path / "meter", WorkerNumber(3), 2)
