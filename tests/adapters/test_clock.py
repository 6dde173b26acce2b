"""The clocks."""

from datetime import timedelta

from chatelaine.adapters.clock import ManualClock, SystemClock


def test_a_manual_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock(1_000)
    assert clock.now() == clock.now() == 1_000
    clock.advance(timedelta(seconds=2))
    assert clock.now() == 2_000_001_000
    assert clock.elapsed() == 2_000_000_000


def test_a_jump_moves_the_wall_clock_and_no_duration() -> None:
    clock = ManualClock()
    before = clock.now()
    clock.jump(timedelta(hours=-1))
    assert clock.now() == before - 3_600_000_000_000
    assert clock.elapsed() == 0


def test_the_system_clock_goes_on() -> None:
    clock = SystemClock()
    assert clock.now() > 1_700_000_000_000_000_000
    assert clock.elapsed() <= clock.elapsed()
