"""Student's distribution, of which the normal one is the limit: tails and quantiles."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

__all__ = ["quantile", "tail"]


def tail(errors: float, freedom: float = math.inf) -> float:
    """How likely more than so many standard errors are, on one side.

    By the incomplete beta function: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.7.1.
    """
    if math.isinf(errors):
        return 0.0 if errors > 0 else 1.0
    if math.isinf(freedom):
        return math.erfc(errors / math.sqrt(2)) / 2
    beyond = _beta(freedom / (freedom + errors * errors), freedom / 2, 0.5) / 2
    return beyond if errors >= 0 else 1 - beyond


@cache
def quantile(freedom: float, level: float) -> float:
    """How many standard errors to each side of a mean hold `level` of the distribution; freedom is 1 or more."""
    if math.isinf(freedom):
        return NormalDist().inv_cdf((1 + level) / 2)
    low, high, beyond = 0.0, 16.0, (1 - level) / 2
    while tail(high, freedom) > beyond:
        high *= 2
    while True:
        middle = (low + high) / 2
        if not low < middle < high:  # they are neighbours among the floating-point numbers
            return high
        low, high = (middle, high) if tail(middle, freedom) > beyond else (low, middle)


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8) as Lentz
    evaluates it (Applied Optics 15, 1976, 668)."""
    if x in (0.0, 1.0):
        return x
    if x > (a + 1) / (a + b + 2):  # on the other side the fraction converges quickly
        return 1 - _beta(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    c, d = 1.0, 1 / (1 - (a + b) * x / (a + 1))
    total, m = d, 0
    while True:
        m += 1
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d, c = 1 / (1 + term * d), 1 + term / c
            step *= c * d
        total *= step
        if abs(step - 1) < 1e-15 or m > 100_000:
            return front * total
