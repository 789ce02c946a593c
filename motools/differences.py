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

import json
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from motools.intervals import Ends, mean_of, newcombe, quantile, tango, welch

if TYPE_CHECKING:
    from motools.atom import EvalAtom

__all__ = ["MEANS", "Column", "Difference", "as_number", "differences", "independent", "paired", "quantile"]

Key = tuple[Any, ...]
Values = Mapping[Key, float | None]
"""A number for each sample; None where it has no score."""

MEANS = ("mean", "accuracy")
"""The metrics that are the mean of their samples' scores."""
_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


@dataclass(frozen=True)
class Column:
    """One score of an evaluation: a number for each sample, and the cluster that a sample is in, where it is in one."""

    values: Values
    clusters: Mapping[Key, Hashable] = field(default_factory=dict)


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
    columns, others = _columns(first), _columns(second)
    metrics = second.metrics
    found = {}
    for (task, score, metric), value in _metrics(first):
        other = metrics.get(task, {}).get(score, {}).get(metric)
        one, two = columns.get((task, score)), others.get((task, score))
        if metric not in MEANS or one is None or two is None:
            continue
        if not (_is_mean(value, one.values) and _is_mean(other, two.values)):
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


def as_number(value: Any) -> float | None:
    """A score's value as Inspect counts it (`value_to_float`); None for no score, and for lists and mappings."""
    if isinstance(value, str):
        try:
            number = _GRADES.get(value, _WORDS.get(value.lower()))
            number = float(value) if number is None else number
        except ValueError:
            return 0.0
        return number if math.isfinite(number) else 0.0
    if not isinstance(value, (bool, int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _metrics(atom: EvalAtom) -> Iterator[tuple[tuple[str, str, str], Any]]:
    for task, scores in atom.metrics.items():
        for score, metrics in scores.items():
            for metric, value in metrics.items():
                yield (task, score, metric), value


def _is_mean(value: Any, column: Values) -> bool:
    known = [number for number in column.values() if number is not None]
    return isinstance(value, (int, float)) and bool(known) and math.isclose(value, fmean(known), abs_tol=1e-9)


def _columns(atom: EvalAtom) -> dict[tuple[str, str], Column]:
    """(task, score) -> every sample's number, the mean over its epochs; scores have the names that metrics have."""
    of_task: dict[str, list[Mapping[str, Any]]] = {}
    tasks = list(atom.metrics)
    for sample in atom.samples():
        of_task.setdefault(sample.get("task", tasks[0] if tasks else ""), []).append(sample)
    return {
        (task, label): _column(samples, scorer, key)
        for task, samples in of_task.items()
        for label, (scorer, key) in _labels(samples).items()
    }


def _labels(samples: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str | None]]:
    """Where each score stands in a sample: in which scorer's, and under which key of a dictionary."""
    found: dict[str, tuple[str, str | None]] = {}
    for sample in samples:
        for scorer, score in sample["scores"].items():
            keys = list(score["value"]) if isinstance(score["value"], Mapping) else [None]
            for key in keys:
                name = scorer if key is None else key
                # As `motools.evals.readout` tells apart what has one name: by the scorer, then by the reducer.
                for label in (name, f"{name}/{scorer}", f"{name}/mean", f"{name}/{scorer}/mean"):
                    if score["value"] is not None:
                        found.setdefault(label, (scorer, key))
    return found


def _column(samples: Sequence[Mapping[str, Any]], scorer: str, key: str | None) -> Column:
    epochs: dict[Key, list[float]] = {}
    clusters: dict[Key, Hashable] = {}
    for sample in samples:
        # With its input: ids that Inspect gives are places in the dataset, the same in any dataset.
        name = (sample["id"], sample["input"])
        known = epochs.setdefault(name, [])
        score = sample["scores"].get(scorer, {})
        value, cluster = (_of(score.get(part), key) for part in ("value", "cluster"))
        if cluster is not None and cluster in sample.get("clusters", {}):
            clusters[name] = json.dumps(sample["clusters"][cluster], sort_keys=True)
        number = as_number(value if key is None or isinstance(score.get("value"), Mapping) else None)
        if number is not None:
            known.append(number)
    values = {key: fmean(numbers) if numbers else None for key, numbers in epochs.items()}
    return Column(values, clusters)


def _of(told: Any, key: str | None) -> Any:
    """What is told of one score of a dictionary, or of all of them."""
    return told.get(key) if isinstance(told, Mapping) else told
