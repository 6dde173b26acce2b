"""Statistics: how surprising a value is, and whether gaps between events keep a period."""

from collections.abc import Sequence
from math import cos, erfc, log10, sqrt, tau

_CONTRARY = -1.0


def surprise(weight: float, *, total: float, kinds: int) -> float:
    """Return minus the decimal logarithm of a value's probability; 0 where nothing is known.

    The estimate is Witten and Bell's (IEEE Transactions on Information Theory 37, 1991, method C): something
    new is as likely as it was until now, ``kinds / (total + kinds)``. So a new network says much on a key
    that has lived on one, and little on a key that changes them daily.

    Args:
        weight: how often the value was seen; 0 where never.
        total: how often any value was seen.
        kinds: how many different values were.
    """
    if kinds <= 0 or total <= 0:
        return 0.0
    return -log10((weight or kinds) / (total + kinds))


def off_beat(gaps: Sequence[float], period: float) -> float:
    """Return the chance that gaps without a rhythm would keep a period as well as these do.

    Rayleigh's test against a known direction (the V-test; Mardia and Jupp, Directional Statistics, 2000,
    6.3): each gap is a point on a circle as long as the period, and those of a rhythm gather at its start.
    A gap shorter than half a period lies there too, by being short: it counts as evidence against.
    """
    if not gaps:
        return 1.0
    drawn = sum(cos(tau * gap / period) if gap >= period / 2 else _CONTRARY for gap in gaps)
    return 0.5 * erfc(drawn / sqrt(len(gaps)))
