"""Differences between evaluations: of each mean, with what their samples, and their trainings, say of it.

Where both evaluations have the same samples, these are paired: the interval is that of the mean of the differences
sample by sample, which is far narrower than that of two means apart. Epochs of a sample are averaged first, and so are
the trainings of an arm. Samples that the task counts as one draw (`stderr(cluster=...)`) are one draw here too. See
Miller, "Adding Error Bars to Evals", https://arxiv.org/abs/2411.00640 (sections 2.2 and 4.2). The intervals, by what
the scores are:

- of the same samples: Student's for the mean difference; of shares (every score 0 or 1) Newcombe's for pairs;
- of other samples: Welch's; of shares Newcombe's;
- of clusters: Student's or Welch's with cluster-robust errors (CR1) and clusters less one as degrees of freedom;
- of trainings, where both arms have several: Welch's of a mean a training, or Student's where they share their seeds.

They, and where they are from, are in `motools.statistics`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from motools.atom.columns import Column, Key, Values, columns_of, dotted, is_mean, metric_names, pooled
from motools.atom.trainings import Training, refuse_repeated, training_of
from motools.statistics import Contrast, Ends, Estimate, holm, mean_of, of_one, of_pairs, of_trainings, of_two

if TYPE_CHECKING:
    from motools.atom.atom import EvalAtom

__all__ = ["MEANS", "Arm", "Difference", "Said", "differences", "holm_adjusted", "independent", "paired"]

MEANS = ("mean", "accuracy")
"""The metrics that are the mean of their samples' scores."""
Name = TypeVar("Name")


@dataclass(frozen=True)
class Said:
    """What draws of one kind, questions or trainings, say of a difference; None: nothing, for they have no spread.

    Attributes:
        low: the lower end of the 95 % confidence interval.
        high: the upper end.
        p: that there is no difference, two-sided.
        at_most: no difference is larger, at 5 %.
        detectable: a true difference of this size would be missed one time in five.
        p_within: that the difference is no larger than the margin asked for; None where none was.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    at_most: float | None = None
    detectable: float | None = None
    p_within: float | None = None

    @property
    def ends(self) -> Ends | None:
        return None if self.low is None or self.high is None else (self.low, self.high)

    @classmethod
    def by(cls, estimate: Contrast, margin: float | None = None) -> Said:
        low, high = estimate.interval() or (None, None)
        within = None if margin is None else estimate.p_within(margin)
        return cls(estimate.value, low, high, estimate.p(), estimate.at_most(), estimate.detectable(), within)


@dataclass(frozen=True)
class Difference:
    """The second mean less the first, of the samples that have a part in it.

    Attributes:
        questions: what other questions might have given, from the same trainings.
        counts: how many samples of each have a part in it; of pairs, twice the same number.
        left_out: samples without a score, of pairs those where either lacks one.
        paired: whether the samples are the same.
        first: the mean of the first, over those samples: of pairs not over all that the first has scored.
        second: that of the second.
        clusters: how many clusters the samples are in, of pairs twice the same number; None where each is one draw.
        trainings: what other trainings might have given, on the same questions; None where that cannot be told.
        seeds: how many trainings each has.
        same_seeds: whether they were compared seed by seed.
        p_holm: the larger p, adjusted for the others of its family; None before `holm_adjusted`.
        p_within_holm: likewise that of the margin.
    """

    questions: Said
    counts: tuple[int, int]
    left_out: int
    paired: bool
    first: float = math.nan
    second: float = math.nan
    clusters: tuple[int, int] | None = None
    trainings: Said | None = None
    seeds: tuple[int, int] = (1, 1)
    same_seeds: bool = False
    p_holm: float | None = None
    p_within_holm: float | None = None

    @property
    def value(self) -> float:
        return self.questions.value

    @property
    def low(self) -> float | None:
        return self.questions.low

    @property
    def high(self) -> float | None:
        return self.questions.high

    def larger(self, figure: Literal["p", "p_within", "at_most", "detectable"]) -> float | None:
        """A figure over questions or over trainings, whichever is larger: what can be said in both respects."""
        figures = (getattr(said, figure) for said in (self.questions, self.trainings) if said is not None)
        return max((number for number in figures if number is not None), default=None)

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
        told = asdict(self)
        return {**told.pop("questions"), **told}


class Arm:
    """Evaluations of what one recipe gave: one of each training, or one alone.

    Raises:
        AtomError: two of them are of one model.
    """

    def __init__(self, *evals: EvalAtom, name: str = "") -> None:
        self.name, self.evals = name, evals
        if len(evals) > 1:
            refuse_repeated(name, [each.id for each in evals], self.trainings)

    @cached_property
    def trainings(self) -> list[Training]:
        return [training_of(each) for each in self.evals]

    @cached_property
    def metrics(self) -> dict[tuple[str, str, str], list[Any]]:
        """(task, score, metric) -> what it is in each evaluation; None where that has none."""
        every = [dict(metric_names(each)) for each in self.evals]
        return {
            name: [metrics.get(name) for metrics in every]
            for name in dict.fromkeys(n for metrics in every for n in metrics)
        }

    @cached_property
    def _columns(self) -> list[dict[tuple[str, str], Column]]:
        return [columns_of(each) for each in self.evals]

    @property
    def has_samples(self) -> bool:
        return any(self._columns)

    @cached_property
    def means(self) -> dict[tuple[str, str, str], dict[int, Column]]:
        """(task, score, metric) -> the samples of each evaluation, by its place, where the metric is their mean."""
        by_metric: dict[tuple[str, str, str], dict[int, Column]] = {}
        for name, values in self.metrics.items():
            columns = {place: of_eval[name[:2]] for place, of_eval in enumerate(self._columns) if name[:2] in of_eval}
            told = [place for place, value in enumerate(values) if value is not None]
            if name[2] in MEANS and told and all(p in columns and is_mean(values[p], columns[p].values) for p in told):
                by_metric[name] = {place: columns[place] for place in told}
        return by_metric

    def estimates(self, name: tuple[str, str, str]) -> tuple[Estimate, int, int | None, Estimate | None]:
        """A mean over its questions, how many samples and clusters it is of, and over its trainings."""
        column, each = pooled([*self.means[name].values()]), self._of_each(name)
        numbers = {key: value for key, value in column.values.items() if value is not None}
        groups = _groups(numbers, column.clusters)
        clusters = len(set(groups))
        over = None if len(each) < 2 else mean_of(each).estimate
        return of_one([*numbers.values()], groups), len(numbers), None if clusters == len(numbers) else clusters, over

    def _of_each(self, name: tuple[str, str, str]) -> list[float]:
        return [fmean(v for v in column.values.values() if v is not None) for column in self.means[name].values()]

    def less(self, control: Arm, name: tuple[str, str, str], margin: float | None = None) -> Difference | None:
        """How far it lies above the control; None where either has no such mean of its samples."""
        if name not in self.means or name not in control.means:
            return None
        first, second = (pooled([*arm.means[name].values()]) for arm in (control, self))
        difference = _between(first, second, margin)
        if difference is None:
            return None
        (ones, before), (twos, after) = (
            (arm._of_each(name), [arm.trainings[place] for place in arm.means[name]]) for arm in (control, self)
        )
        order = _by_seed(before, after)
        fixed = before[0].fixed, after[0].fixed
        over = of_trainings(ones, twos if order is None else [twos[i] for i in order], order is not None, fixed)
        return replace(
            difference,
            trainings=None if over is None else Said.by(over, margin),
            seeds=(len(ones), len(twos)),
            same_seeds=order is not None,
        )


def _by_seed(first: Sequence[Training], second: Sequence[Training]) -> list[int] | None:
    """Where the second has the seed of each of the first; None where they do not have the same seeds, one each."""
    ones, twos = ([training.seed for training in each] for each in (first, second))
    if None in ones or None in twos or len(ones) < 2 or len(ones) != len(twos):
        return None
    if any(ones.count(seed) != 1 or twos.count(seed) != 1 for seed in ones):
        return None
    return [twos.index(seed) for seed in ones]


def differences(first: EvalAtom | Arm, second: EvalAtom | Arm, margin: float | None = None) -> dict[str, Difference]:
    """By metric, as `task.score.metric`: every mean that both have, and that the mean of their samples' scores is.

    Other metrics (standard errors, counts, medians) have no interval that could be computed so.

    Args:
        margin: also tell how surely a difference is no larger than this.
    """
    one, two = (each if isinstance(each, Arm) else Arm(each) for each in (first, second))
    by_name = {name: two.less(one, name, margin) for name in one.metrics if name[2] in MEANS}
    return {dotted(name): difference for name, difference in by_name.items() if difference is not None}


def holm_adjusted(family: Mapping[Name, Difference]) -> dict[Name, Difference]:
    """The same, each with its p adjusted for all others; those without a p stay as they are."""
    every = {name: p for name, each in family.items() if (p := each.larger("p")) is not None}
    within = {name: p for name, each in family.items() if (p := each.larger("p_within")) is not None}
    adjusted, inside = (dict(zip(p_values, holm([*p_values.values()]), strict=True)) for p_values in (every, within))
    return {
        name: replace(each, p_holm=adjusted.get(name), p_within_holm=inside.get(name)) for name, each in family.items()
    }


def _between(first: Column, second: Column, margin: float | None) -> Difference | None:
    """Paired where at least half of the smaller one's samples are in the other too: samples of both that were taken for
    others would make the interval too wide, and a few pairs alone say less than all samples."""
    shared = len(first.values.keys() & second.values.keys())
    compared = paired if 2 * shared >= min(len(first.values), len(second.values)) else independent
    return compared(first.values, second.values, first.clusters, second.clusters, margin)


def paired(
    first: Values,
    second: Values,
    clusters: Mapping[Key, Hashable] | None = None,
    others: Mapping[Key, Hashable] | None = None,
    margin: float | None = None,
) -> Difference | None:
    """From the same samples; None where no sample has both scores.

    Args:
        clusters: the cluster of each sample that is in one, as the first evaluation has it; `others`, as the second.
        margin: as `differences` has it.
    """
    scores = ((key, first[key], second.get(key)) for key in first)
    pairs = {key: (one, two) for key, one, two in scores if one is not None and two is not None}
    if not pairs:
        return None
    ones, twos = [one for one, _ in pairs.values()], [two for _, two in pairs.values()]
    groups = _groups(pairs, {**(others or {}), **(clusters or {})})
    said, count, units = Said.by(of_pairs(ones, twos, groups), margin), len(pairs), len(set(groups))
    left_out = len(first.keys() | second.keys()) - count
    drawn = None if units == count else (units, units)
    return Difference(said, (count, count), left_out, True, fmean(ones), fmean(twos), drawn)


def independent(
    first: Values,
    second: Values,
    clusters: Mapping[Key, Hashable] | None = None,
    others: Mapping[Key, Hashable] | None = None,
    margin: float | None = None,
) -> Difference | None:
    """From different samples; None where either has no score. The clusters are those of the first and the second."""
    scores = [{key: value for key, value in values.items() if value is not None} for values in (first, second)]
    one, two = ([*values.values()] for values in scores)
    if not one or not two:
        return None
    groups = [_groups(values, given or {}) for values, given in zip(scores, (clusters, others), strict=True)]
    said = Said.by(of_two(one, two, *groups), margin)
    counts, draws = (len(one), len(two)), (len(set(groups[0])), len(set(groups[1])))
    left_out = len(first) + len(second) - sum(counts)
    return Difference(said, counts, left_out, False, fmean(one), fmean(two), None if draws == counts else draws)


def _groups(keys: Mapping[Key, Any], clusters: Mapping[Key, Hashable]) -> list[Hashable]:
    """The cluster of each sample; one that is in none is its own."""
    return [("cluster", clusters[key]) if key in clusters else ("sample", key) for key in keys]
