"""Which estimate fits: shares have Wilson's and Newcombe's; all else, and clusters, Student's and Welch's."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from motools.statistics.estimates import Estimate, Mean, Student, mean_of, welch
from motools.statistics.shares import Newcombe, PairedNewcombe, Wilson

__all__ = ["Contrast", "of_one", "of_pairs", "of_trainings", "of_two"]

Clusters = Sequence[Hashable] | None
Contrast = Student | Newcombe
"""Of two means or shares."""


def of_one(values: Sequence[float], clusters: Clusters = None) -> Estimate:
    """The mean of one or more values: a share has Wilson's interval, any other mean Student's; of clusters with CR1."""
    mean = mean_of(values, clusters)
    if _are_shares(values):
        if _are_draws(mean, values):
            return Wilson(mean.value, mean.units)
        if mean.units > 1:  # where all answers are alike, as many draws as there are clusters
            least = 1 / (4 * len(values) ** 2)
            draws = mean.value * (1 - mean.value) / max(mean.squared, least) or mean.units
            return Wilson(mean.value, draws, mean.units - 1)
    return mean.estimate


def of_pairs(first: Sequence[float], second: Sequence[float], clusters: Clusters = None) -> Contrast:
    """The second mean less the first, of the same samples: the mean of their differences.

    Raises:
        ValueError: there are not as many of one as of the other.
    """
    apart = [two - one for one, two in zip(first, second, strict=True)]
    mean = mean_of(apart, clusters)
    if _are_shares(first, second) and _are_draws(mean, apart):
        both, loss, gain = (
            mean.units * sum(pair == kind for pair in zip(first, second, strict=True)) / len(apart)
            for kind in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0))
        )
        return PairedNewcombe.of_table(both, loss, gain, mean.units)
    return mean.estimate


def of_two(
    first: Sequence[float], second: Sequence[float], clusters: Clusters = None, others: Clusters = None
) -> Contrast:
    """The second mean less the first, of other samples; the clusters are those of the first and of the second."""
    means = mean_of(first, clusters), mean_of(second, others)
    if _are_shares(first, second) and all(_are_draws(*each) for each in zip(means, (first, second), strict=True)):
        hits = tuple(round(mean.value * mean.units) for mean in means)
        return Newcombe.of((hits[0], hits[1]), (means[0].units, means[1].units))
    return welch(*means)


def of_trainings(
    first: Sequence[float], second: Sequence[float], paired: bool, fixed: tuple[bool, bool] = (False, False)
) -> Student | None:
    """The second mean less the first, a number a training: what other trainings, on these questions, might have given.

    Args:
        paired: each training of the second has the seed of that of the first.
        fixed: the first, or the second, is a model that was not trained: there is one of it, and no other.

    Returns:
        None where one training stands for all that its recipe might have given.
    """
    for one, many, is_fixed, sign in ((first, second, fixed[0], 1), (second, first, fixed[1], -1)):
        if is_fixed and len(one) == 1 and len(many) > 1:
            mean = mean_of(many)
            return Student(sign * (mean.value - one[0]), mean.squared, mean.units - 1)
    if min(len(first), len(second)) < 2:
        return None
    if paired:
        return mean_of([two - one for one, two in zip(first, second, strict=True)]).estimate
    return welch(mean_of(first), mean_of(second))


def _are_shares(*columns: Sequence[float]) -> bool:
    return all(value in (0.0, 1.0) for values in columns for value in values)


def _are_draws(mean: Mean, values: Sequence[float]) -> bool:
    """Whether each sample is one draw, or all are alike: then each cluster is one draw."""
    return mean.units == len(values) or (mean.units > 1 and len(set(values)) == 1)
