"""No caller can tell an unknown kid from a wrong secret by the time the refusal takes."""

import importlib.util
from inspect import isdatadescriptor
from pathlib import Path
from types import ModuleType

import pytest

from chatelaine.core.key.identify import identify
from chatelaine.core.key.token import mint, new_kid
from chatelaine.model.key import Identity, Standing
from chatelaine.model.words import Instant


@pytest.fixture(scope="module")
def timing() -> ModuleType:
    path = Path(__file__).resolve().parents[3] / "bench" / "timing.py"
    found = importlib.util.spec_from_file_location("bench_timing", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_a_difference_that_is_there_is_found(timing: ModuleType) -> None:
    durations = {b"short": 100, b"long": 103}
    jitter = iter(range(10_000_000))

    def take(token: bytes) -> int:
        return durations[token] + next(jitter) * 7919 % 61

    samples = timing.interleave(take, [b"short"] * 20_000, [b"long"] * 20_000, seed=1)
    assert abs(timing.compare(*samples).t) > timing.BAR


def test_nothing_in_the_roster_can_tell_an_unknown_kid_from_a_wrong_secret(timing: ModuleType) -> None:
    # What the bench times (make bench NAME=timing) cannot differ by more than this: the answers are
    # equal, and what is asked of the roster is the one look-up of a digest, which misses both times.
    roster, kids, chance = timing.made_up_roster(2_000, seed=7)
    strangers = [new_kid(chance.randbytes(16)) for _ in kids]
    # A compiled class has no __slots__; either kind has a descriptor for each attribute.
    held = {
        name for name, value in vars(type(roster)).items() if isdatadescriptor(value) and name[:2] != "__"
    }
    assert held - {"_digests", "_peppers"} == {"_by_digest", "_entries"}
    # The table by kid is for keys that proved themselves; without it nothing changes.
    roster._entries = {}
    for kid in (*kids, *strangers):
        token = mint("live", kid, bytes(32)).encode()
        assert identify(token, roster, Instant(1)) == Identity(Standing.UNPROVEN, None, kid)
