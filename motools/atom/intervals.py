"""Confidence intervals, 95 % unless told otherwise: of one share, and of the difference of two means or shares.

Which of them a comparison takes, `motools.atom` decides. Samples are taken for draws from a larger set of
questions, and clusters of them (questions about one passage, wordings of one question) for draws from a larger set of
clusters: an interval says what other questions might have given, not what another training might have.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist, fmean, variance

__all__ = ["LEVEL", "Mean", "mean_of", "newcombe", "quantile", "tango", "welch", "wilson"]

LEVEL = 0.95
Ends = tuple[float, float]


@dataclass(frozen=True)
class Mean:
    """A mean of samples, the square of its standard error, and how many units that rests on: samples, or clusters.

    The error of a single unit is not known: it is not a number then.
    """

    value: float
    squared: float
    units: int

    def interval(self, level: float = LEVEL) -> Ends | None:
        """Student's, with one degree of freedom less than units; None where there is no spread to compute it from."""
        if not self.squared > 0:
            return None
        half = quantile(self.units - 1, level) * math.sqrt(self.squared)
        return self.value - half, self.value + half


def mean_of(values: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Mean:
    """The mean of one or more values; values of one cluster, one each, count as one draw.

    The error is the cluster-robust one known as CR1: the deviations of a cluster are added up before they are squared,
    and the sum is made larger by G / (G - 1) for G clusters. With clusters of one value it is the usual standard error.
    Liang and Zeger, Biometrika 73 (1986) 13; Miller, "Adding Error Bars to Evals" (arXiv 2411.00640), section 2.2;
    the degrees of freedom, G - 1, and the factor after Cameron and Miller, J. Human Resources 50 (2015) 317.
    """
    value, count = fmean(values), len(values)
    sums: dict[Hashable, float] = {}
    for number, cluster in zip(values, range(count) if clusters is None else clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + number - value
    units = len(sums)
    if units < 2:
        return Mean(value, math.nan, units)
    if units == count:
        return Mean(value, variance(values) / count, units)
    squared = math.fsum(total**2 for total in sums.values()) / count**2 * units / (units - 1)
    # What is left of rounding is no spread.
    return Mean(value, squared if squared > 1e-24 * max(abs(number) for number in values) ** 2 else 0.0, units)


def welch(first: Mean, second: Mean, level: float = LEVEL) -> Ends | None:
    """Of the second mean less the first, of other samples: Welch's interval, with the degrees of freedom of Welch and
    Satterthwaite (Biometrika 34, 1947, 28), clusters in place of samples where there are any."""
    parts = [(mean.squared, mean.units - 1) for mean in (first, second)]
    squared = sum(part for part, _ in parts)
    if not squared > 0:
        return None
    freedom = 1 / sum((part / squared) ** 2 / units for part, units in parts if part)
    half = quantile(freedom, level) * math.sqrt(squared)
    return second.value - first.value - half, second.value - first.value + half


def wilson(hits: int, count: int, level: float = LEVEL) -> Ends:
    """Of a share of one or more samples, also where it is 0 or 1. Wilson, J. Am. Statistical Ass. 22 (1927) 209."""
    z = _normal(level)
    share, more = hits / count, z * z / count
    middle = (share + more / 2) / (1 + more)
    half = z / (1 + more) * math.sqrt(share * (1 - share) / count + more / (4 * count))
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == count else middle + half)


def newcombe(hits: tuple[int, int], counts: tuple[int, int], level: float = LEVEL) -> Ends:
    """Of the second share less the first, of other samples: from Wilson's intervals of both.

    Newcombe, Statistics in Medicine 17 (1998) 873, method 10.
    """
    one, two = hits[0] / counts[0], hits[1] / counts[1]
    (low, high), (other_low, other_high) = (wilson(hits[i], counts[i], level) for i in (0, 1))
    value = two - one
    return (
        value - math.hypot(two - other_low, high - one),
        value + math.hypot(other_high - two, one - low),
    )


def tango(gains: int, losses: int, count: int, level: float = LEVEL) -> Ends:
    """Of the second share less the first, of the same samples, given how many are right in the second only, and in the
    first only: the differences that a score test would not reject. Tango, Statistics in Medicine 17 (1998) 891.
    """
    z = _normal(level)

    def score(difference: float) -> float:
        """How many standard errors, at this difference, what was seen lies above it."""
        apart = gains - losses - count * difference
        b = -gains - losses + (2 * count - gains + losses) * difference
        share = (math.sqrt(max(b * b + 8 * count * losses * difference * (1 - difference), 0.0)) - b) / (4 * count)
        spread = count * (2 * share + difference * (1 - difference))
        return apart / math.sqrt(spread) if spread > 0 else math.copysign(math.inf, apart) if apart else 0.0

    value = (gains - losses) / count

    def end(outer: float, goal: float) -> float:
        inner = value
        for _ in range(60):
            middle = (inner + outer) / 2
            if abs(score(middle)) < goal:
                inner = middle
            else:
                outer = middle
        return inner

    return end(-1.0, z), end(1.0, z)


@cache
def _normal(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


@cache
def quantile(freedom: float, level: float = LEVEL) -> float:
    """How many standard errors to each side of a mean hold `level` of Student's distribution; freedom is 1 or more."""
    low, high = 0.0, 13.0  # it is 12.7 at a freedom of 1, and falls from there
    while _within(high, freedom) < level:
        high *= 2
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < level else (low, middle)
    return low


def _within(errors: float, freedom: float, steps: int = 100) -> float:
    """How much of Student's distribution lies within so many standard errors of 0, by Simpson's rule."""
    angle = math.atan(errors / math.sqrt(freedom))
    weights = [1, *[4, 2] * (steps // 2 - 1), 4, 1]
    heights = (math.cos(angle * step / steps) ** (freedom - 1) for step in range(steps + 1))
    area: float = sum(weight * height for weight, height in zip(weights, heights, strict=True)) * angle / steps / 3
    return 2 * area * math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(math.pi)
