"""Estimates: a value, its interval, and what else follows from how it was drawn; means and their differences.

What is drawn are samples from a larger set of questions; clusters of them (questions about one passage, wordings of
one question) from a larger set of clusters; or trainings from all that the same recipe could have given. An interval
speaks of the units that it was computed from, and of no other.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean, variance

from motools.statistics.student import quantile, tail

__all__ = ["LEVEL", "POWER", "Ends", "Estimate", "Mean", "Student", "mean_of", "welch"]

LEVEL = 0.95
POWER = 0.8
Ends = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """A mean, a share, or the difference of two.

    Each kind says how many standard errors `value` lies above a number (`score`), and of how many degrees of freedom
    they are. All else follows, so that interval, p and equivalence never disagree. None stands where there is no
    spread to compute from.
    """

    value: float

    @property
    def freedom(self) -> float:
        """Of Student's distribution; infinite for the normal one."""
        return math.inf

    def score(self, at: float) -> float | None:
        """How many standard errors the value lies above `at`; falls as `at` grows."""
        raise NotImplementedError

    def interval(self, level: float = LEVEL) -> Ends | None:
        """The numbers that are no more than the quantile of `level` away."""
        raise NotImplementedError

    def p(self, at: float = 0.0) -> float | None:
        """Two-sided: `at` is outside of the interval at the level 1 - p, and of every lower one."""
        score = self.score(at)
        return None if score is None else min(1.0, 2 * tail(abs(score), self.freedom))

    def p_within(self, margin: float) -> float | None:
        """That it is no farther from 0 than the margin: the larger p of two one-sided tests.

        Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15 (1987) 657 (TOST).
        """
        above, below = self.score(-margin), self.score(margin)
        if above is None or below is None:
            return None
        return max(tail(above, self.freedom), tail(-below, self.freedom))

    def at_most(self, level: float = LEVEL) -> float | None:
        """The least margin that such a test would grant at this level: *no difference larger than this*."""
        ends = self.interval(2 * level - 1)
        return None if ends is None else max(abs(end) for end in ends)


@dataclass(frozen=True)
class Student(Estimate):
    """With the square of its standard error, and the degrees of freedom of that. Student, Biometrika 6 (1908) 1."""

    squared: float
    degrees: float

    @property
    def freedom(self) -> float:
        return self.degrees

    def score(self, at: float) -> float | None:
        return (self.value - at) / math.sqrt(self.squared) if self.squared > 0 else None

    def interval(self, level: float = LEVEL) -> Ends | None:
        if not self.squared > 0:
            return None
        half = quantile(self.degrees, level) * math.sqrt(self.squared)
        return self.value - half, self.value + half

    def detectable(self, level: float = LEVEL, power: float = POWER) -> float | None:
        """The true value that a test would miss `1 - power` of the time: both quantiles times the error, 2.8 errors of
        many samples. Bloom, Evaluation Review 19 (1995) 547; Miller, arXiv 2411.00640, section 5."""
        if not self.squared > 0:
            return None
        return (quantile(self.degrees, level) + quantile(self.degrees, 2 * power - 1)) * math.sqrt(self.squared)


@dataclass(frozen=True)
class Mean:
    """A mean of samples, the square of its standard error, and how many units that rests on: samples, or clusters.

    The error of a single unit is not known: it is not a number then.
    """

    value: float
    squared: float
    units: int

    @property
    def estimate(self) -> Student:
        """With one degree of freedom less than units."""
        return Student(self.value, self.squared, self.units - 1)


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


def welch(first: Mean, second: Mean) -> Student:
    """Of the second mean less the first, of other samples: with the degrees of freedom of Welch and Satterthwaite
    (Biometrika 34, 1947, 28), clusters in place of samples where there are any."""
    parts = [(mean.squared, mean.units - 1) for mean in (first, second)]
    squared = sum(part for part, _ in parts)
    value = second.value - first.value
    if not squared > 0:
        return Student(value, squared, math.nan)
    return Student(value, squared, 1 / sum((part / squared) ** 2 / units for part, units in parts))
