"""Differences between evaluations: of each mean, with a 95 % confidence interval computed from the samples.

Where both evaluations have the same samples, these are paired: the interval is that of the mean of the differences
sample by sample, which is far narrower than that of two means apart. Epochs of a sample are averaged first. Samples
that the task counts as one draw (`stderr(cluster=...)`) are one draw here too. See Miller, "Adding Error Bars to
Evals", https://arxiv.org/abs/2411.00640 (sections 2.2 and 4.2). The intervals, by what the scores are:

- of the same samples: Student's for the mean difference; of shares (every score 0 or 1) Tango's score interval;
- of other samples: Welch's; of shares Newcombe's;
- of clusters: Student's or Welch's with cluster-robust errors (CR1) and clusters less one as degrees of freedom.

They, and where they are from, are in `motools.intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from motools.atom.columns import Key, Values, columns_of, is_mean, metric_names
from motools.atom.intervals import Ends, mean_of, newcombe, tango, welch

if TYPE_CHECKING:
    from motools.atom.atom import EvalAtom

__all__ = ["MEANS", "Difference", "differences", "independent", "paired"]

MEANS = ("mean", "accuracy")
"""The metrics that are the mean of their samples' scores."""


@dataclass(frozen=True)
class Difference:
    """The second mean less the first, of the samples that have a part in it.

    Attributes:
        low: the lower end of the 95 % confidence interval; None where there is no spread to compute one from.
        high: the upper end, or None.
        counts: how many samples of each have a part in it; of pairs, twice the same number.
        left_out: samples without a score, of pairs those where either lacks one.
        paired: whether the samples are the same.
        first: the mean of the first, over those samples: of pairs not over all that the first has scored.
        second: that of the second.
        clusters: how many clusters the samples are in, of pairs twice the same number; None where each is one draw.
    """

    value: float
    low: float | None
    high: float | None
    counts: tuple[int, int]
    left_out: int
    paired: bool
    first: float = math.nan
    second: float = math.nan
    clusters: tuple[int, int] | None = None

    @property
    def n(self) -> str:
        return self._said(self.counts)

    @property
    def drawn(self) -> str:
        """How many draws it rests on, in words: `12 in 4 clusters`."""
        return self.n if self.clusters is None else f"{self.n} in {self._said(self.clusters)} clusters"

    def _said(self, counts: tuple[int, int]) -> str:
        return str(counts[0]) if self.paired else f"{counts[0]} and {counts[1]}"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def differences(first: EvalAtom, second: EvalAtom) -> dict[str, Difference]:
    """By metric, as `task.score.metric`: every mean that both have, and that the mean of their samples' scores is.

    Other metrics (standard errors, counts, medians) have no interval that could be computed so.
    """
    columns, others = columns_of(first), columns_of(second)
    metrics = second.metrics
    found = {}
    for (task, score, metric), value in metric_names(first):
        other = metrics.get(task, {}).get(score, {}).get(metric)
        one, two = columns.get((task, score)), others.get((task, score))
        if metric not in MEANS or one is None or two is None:
            continue
        if not (is_mean(value, one.values) and is_mean(other, two.values)):
            continue
        same = one.values.keys() == two.values.keys()
        difference = (paired if same else independent)(one.values, two.values, one.clusters, two.clusters)
        if difference is not None:
            found[f"{task}.{score}.{metric}"] = difference
    return found


def paired(
    first: Values,
    second: Values,
    clusters: Mapping[Key, Hashable] | None = None,
    others: Mapping[Key, Hashable] | None = None,
) -> Difference | None:
    """From the same samples; None where no sample has both scores.

    Args:
        clusters: the cluster of each sample that is in one, as the first evaluation has it; `others`, as the second.
    """
    known = ((key, first[key], second[key]) for key in first)
    pairs = {key: (one, two) for key, one, two in known if one is not None and two is not None}
    if not pairs:
        return None
    ones, twos = [one for one, _ in pairs.values()], [two for _, two in pairs.values()]
    apart = [two - one for one, two in zip(ones, twos, strict=True)]
    groups = _groups(pairs, {**(others or {}), **(clusters or {})})
    mean = mean_of(apart, groups)
    units = None if mean.units == len(apart) else (mean.units, mean.units)
    ends = mean.interval()
    if _are_shares(ones, twos) and (units is None or (ends is None and len(set(apart)) == 1 and mean.units > 1)):
        # Where all clusters are of one mind, each is one draw.
        count, gain = mean.units, {number: apart.count(number) * mean.units // len(apart) for number in (1.0, -1.0)}
        ends = tango(gain[1.0], gain[-1.0], count)
    counts = (len(apart), len(apart))
    return _difference(fmean(ones), fmean(twos), ends, counts, len(first) - len(apart), True, units, mean.value)


def independent(
    first: Values,
    second: Values,
    clusters: Mapping[Key, Hashable] | None = None,
    others: Mapping[Key, Hashable] | None = None,
) -> Difference | None:
    """From different samples; None where either has no score. The clusters are those of the first and the second."""
    known = [{key: value for key, value in values.items() if value is not None} for values in (first, second)]
    one, two = ([*values.values()] for values in known)
    if not one or not two:
        return None
    groups = [_groups(values, given or {}) for values, given in zip(known, (clusters, others), strict=True)]
    means = (mean_of(one, groups[0]), mean_of(two, groups[1]))
    counts = (len(one), len(two))
    draws = (means[0].units, means[1].units)
    units = None if draws == counts else draws
    ends = welch(*means)
    if _are_shares(one, two) and (units is None or (ends is None and len(set(one)) == len(set(two)) == 1)):
        hits = tuple(round(mean.value * mean.units) for mean in means)
        ends = newcombe((hits[0], hits[1]), draws)
    left_out = len(first) + len(second) - sum(counts)
    return _difference(means[0].value, means[1].value, ends, counts, left_out, False, units)


def _groups(keys: Mapping[Key, Any], clusters: Mapping[Key, Hashable]) -> list[Hashable]:
    """The cluster of each sample; one that is in none is its own."""
    return [("cluster", clusters[key]) if key in clusters else ("sample", key) for key in keys]


def _are_shares(*columns: Sequence[float]) -> bool:
    return all(value in (0.0, 1.0) for values in columns for value in values)


def _difference(
    first: float,
    second: float,
    ends: Ends | None,
    counts: tuple[int, int],
    left_out: int,
    pairs: bool,
    units: tuple[int, int] | None,
    value: float | None = None,
) -> Difference:
    low, high = ends or (None, None)
    value = second - first if value is None else value
    return Difference(value, low, high, counts, left_out, pairs, first, second, units)
