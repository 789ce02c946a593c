"""Metrics as columns: the value of each sample, found in what an evaluation recorded."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motools.atom.atom import EvalAtom

__all__ = ["Column", "as_number", "dotted", "key_of", "pooled", "scores_of"]

Key = tuple[Any, ...]
Values = Mapping[Key, float | None]
"""A number for each sample; None where it has no score."""
_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}
_LARGEST = 1e150
"""The square of a larger number is none."""


@dataclass(frozen=True)
class Column:
    """One score of an evaluation: a number for each sample, and the cluster that a sample is in, where it is in one."""

    values: Values
    clusters: Mapping[Key, Hashable] = field(default_factory=dict)


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
    return float(value) if abs(value) < _LARGEST else None


def metric_names(atom: EvalAtom) -> Iterator[tuple[tuple[str, str, str], Any]]:
    """(task, score, metric) -> its value; where a step of one's own writes fewer names, the first are empty."""
    for names, value in _named(atom.metrics):
        task, score, metric = ("", "", *names)[-3:]
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        yield (task, score, metric), as_number(value) if is_number and abs(value) >= _LARGEST else value


def _named(values: Mapping[str, Any], *above: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and len(above) < 2:
            yield from _named(value, *above, name)
        else:
            yield (*above, name), value


def dotted(name: Sequence[str]) -> str:
    """`task.score.metric`."""
    return ".".join(filter(None, name))


def key_of(sample: Mapping[str, Any]) -> Key:
    """What tells a sample from others, in any evaluation: its id; a number, which is its place in the dataset, with
    its input."""
    id = sample.get("id")
    return (id,) if isinstance(id, str) else (_hashable(id), _hashable(sample.get("input")))


def _hashable(value: Any) -> Hashable:
    return value if isinstance(value, Hashable) else json.dumps(value, sort_keys=True)


def scores_of(sample: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Scorer -> what it says of a sample; what is no mapping, as a step of one's own may write it, is the value."""
    scores = sample.get("scores")
    told = scores.items() if isinstance(scores, Mapping) else ()
    return {scorer: score if isinstance(score, Mapping) else {"value": score} for scorer, score in told}


def is_mean(value: Any, column: Values) -> bool:
    numbers = [number for number in column.values() if number is not None]
    return isinstance(value, (int, float)) and bool(numbers) and math.isclose(value, fmean(numbers), abs_tol=1e-9)


def columns_of(atom: EvalAtom) -> dict[tuple[str, str], Column]:
    """(task, score) -> every sample's number, the mean over its epochs; scores have the names that metrics have."""
    of_task: dict[str, list[Mapping[str, Any]]] = {}
    tasks = list(atom.metrics)
    for sample in atom.samples():
        of_task.setdefault(str(sample.get("task", tasks[0] if tasks else "")), []).append(sample)
    by_score: dict[tuple[str, str], Column] = {}
    for task, samples in of_task.items():
        labels = _labels(samples)
        columns = {where: _column(samples, *where) for where in dict.fromkeys(labels.values())}
        by_score |= {(task, label): columns[where] for label, where in labels.items()}
    return by_score


def pooled(columns: Sequence[Column]) -> Column:
    """One column of several trainings: for each sample the mean of those that have a score of it."""
    values: dict[Key, float | None] = {}
    for key in dict.fromkeys(key for column in columns for key in column.values):
        numbers = [number for column in columns if (number := column.values.get(key)) is not None]
        values[key] = fmean(numbers) if numbers else None
    clusters = {key: cluster for column in reversed(columns) for key, cluster in column.clusters.items()}
    return Column(values, clusters)


def _labels(samples: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str | None]]:
    """Where each score stands in a sample: in which scorer's, and under which key of a dictionary."""
    places: dict[str, tuple[str, str | None]] = {}
    for sample in samples:
        for scorer, score in scores_of(sample).items():
            value = score.get("value")
            for key in [None] if not isinstance(value, Mapping) else value:
                name = scorer if key is None else key
                # As `motools.evals.inspect.logs` tells apart what has one name: by the scorer, then by the reducer.
                for label in (name, f"{name}/{scorer}", f"{name}/mean", f"{name}/{scorer}/mean"):
                    if value is not None:
                        places.setdefault(label, (scorer, key))
    return places


def _column(samples: Sequence[Mapping[str, Any]], scorer: str, key: str | None) -> Column:
    epochs: dict[Key, list[float]] = {}
    clusters: dict[Key, Hashable] = {}
    for sample in samples:
        name = key_of(sample)
        over_epochs = epochs.setdefault(name, [])
        score = scores_of(sample).get(scorer, {})
        value, cluster = (_of(score.get(part), key) for part in ("value", "cluster"))
        if isinstance(within := sample.get("clusters"), Mapping) and isinstance(cluster, str) and cluster in within:
            clusters[name] = json.dumps(within[cluster], sort_keys=True)
        number = as_number(value if key is None or isinstance(score.get("value"), Mapping) else None)
        if number is not None:
            over_epochs.append(number)
    values = {key: fmean(numbers) if numbers else None for key, numbers in epochs.items()}
    return Column(values, clusters)


def _of(part: Any, key: str | None) -> Any:
    """What is told of one score of a dictionary, or of all of them."""
    return part.get(key) if isinstance(part, Mapping) else part
