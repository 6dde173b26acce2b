"""Odds: the little arithmetic by which detections weigh numbers; it knows nothing of what they count."""

from math import erfc, exp, lgamma, log, log2, sqrt
from typing import Final

_STEPS: Final = 300
_ENOUGH: Final = 1e-12
_TINY: Final = 1e-300


def beta_above(threshold: float, successes: float, failures: float) -> float:
    """Return the chance that a rate of which Beta(successes, failures) is believed lies above a threshold."""
    if threshold <= 0:
        return 1.0
    if threshold >= 1:
        return 0.0
    if threshold < successes / (successes + failures):
        return 1 - _incomplete_beta(threshold, successes, failures)
    return _incomplete_beta(1 - threshold, failures, successes)


def _incomplete_beta(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function by its continued fraction (DLMF 8.17.22)."""
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1 - x)) / a
    fraction, above, below = 1.0, 1.0, 0.0
    for step in range(_STEPS):
        part = _part(step, x, a, b)
        below = 1 / _not_nothing(1 + part * below)
        above = _not_nothing(1 + part / above)
        fraction *= above * below
        if abs(1 - above * below) < _ENOUGH:
            break
    return min(max(front * (fraction - 1), 0.0), 1.0)


def _part(step: int, x: float, a: float, b: float) -> float:
    half, odd = divmod(step, 2)
    if step == 0:
        return 1.0
    if odd:
        return -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
    return half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))


def _not_nothing(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def g_test(hits: float, trials: float, share: float) -> float:
    """Return how likely a number of hits as far off is, where a share is usual (G-test, one degree).

    Args:
        hits: how often it was seen.
        trials: how often it could have been seen; more than 0.
        share: its usual share; 0 and 1 are taken for a thousandth off.
    """
    usual = min(max(share, 0.001), 0.999)
    g = 2 * (_against(hits, trials * usual) + _against(trials - hits, trials * (1 - usual)))
    return erfc(sqrt(max(g, 0.0) / 2))


def _against(seen: float, expected: float) -> float:
    return seen * log(seen / expected) if seen else 0.0


def jensen_shannon(first: float, second: float) -> float:
    """Return the Jensen-Shannon divergence, in bits, of two shares of one thing against all the rest.

    Telling fewer things apart never raises it: it is a lower bound for the whole histograms.
    """
    return max(_entropy((first + second) / 2) - (_entropy(first) + _entropy(second)) / 2, 0.0)


def _entropy(share: float) -> float:
    if share <= 0 or share >= 1:
        return 0.0
    return -share * log2(share) - (1 - share) * log2(1 - share)
