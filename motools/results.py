"""Results side by side: the metrics of several evaluations in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from motools.atom import EvalAtom


@dataclass(frozen=True)
class Comparison:
    """One row a metric (`task.score.metric`), one column an evaluation; None where it has no such metric."""

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[float | None, ...]]


def compare(evals: Sequence[EvalAtom]) -> Comparison:
    """The metrics of evaluations, in the order in which they first appear."""
    flat = [
        {
            f"{task}.{score}.{metric}": value
            for task, scores in atom.metrics.items()
            for score, metrics in scores.items()
            for metric, value in metrics.items()
        }
        for atom in evals
    ]
    names = list(dict.fromkeys(name for metrics in flat for name in metrics))
    return Comparison(tuple(atom.id for atom in evals), {n: tuple(m.get(n) for m in flat) for n in names})
