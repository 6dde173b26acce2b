"""Keys with a stable egress: few networks, and none of them new for days.

A stolen key is looked at as the theft begins, a harmless key-day as its day begins: by the same rule, so
that what is found there and what is raised in vain there can be set against each other.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from watch_month import DAY, SHIFT, Alarms, Floats, Ints, Month

STABLE = 6
"""A key has a stable egress where it showed at most so many /24s before, and at least one."""
QUIET = 10 * DAY
"""None of them may be new in the seconds before."""
_SPAN = 1e9
"""More seconds than a month has: key × span + second orders both at once."""

Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]


def stable(month: Month, keys: Ints, at: Floats) -> Bools:
    """Tell of each key whether its owner had a stable egress just before a second of the month."""
    own = month.frame.lazy().filter(pl.col("att") == 0)
    found = own.group_by("key", pl.col("ip") // 256).agg(pl.col("ts").min()).collect()
    born = np.sort(found["key"].to_numpy() * _SPAN + found["ts"].to_numpy())
    first, before = np.searchsorted(born, keys * _SPAN), np.searchsorted(born, keys * _SPAN + at)
    old = np.searchsorted(born, keys * _SPAN + np.maximum(at - QUIET, 0.0))
    held = before - first
    return np.asarray((held > 0) & (held <= STABLE) & (old == before), np.bool_)


def stable_stolen(month: Month) -> set[int]:
    """Return the stolen keys that had a stable egress as the theft began."""
    keys = np.array(sorted(month.truth), np.int64)
    return set(keys[stable(month, keys, month.first[keys])].tolist())


def stable_days(month: Month, days: Ints) -> Ints:
    """Return those of these key-days that began with a stable egress."""
    return days[stable(month, days // SHIFT, (days % SHIFT * DAY).astype(np.float64))]


def stable_rate(months: Sequence[Alarms], threshold: float) -> tuple[float, int]:
    """Return the false alarms per 1,000 key-days with a stable egress, and how many such days there are."""
    days, false = 0, 0
    for alarms in months:
        raised = alarms.false.filter(pl.col("score") >= threshold)["day"].to_numpy()
        days += len(stable_days(alarms.month, alarms.month.key_days))
        false += len(stable_days(alarms.month, raised))
    return 1000 * false / max(1, days), days
