"""Comparison: the metrics of several evaluations side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from motools.atom.atom import EvalAtom
from motools.atom.eval_differences import Difference, differences
from motools.base.values import flat
from motools.repo.survey import Survey


@dataclass(frozen=True)
class Comparison:
    """One row a metric (`task.score.metric`), one column an evaluation; None where it has no such metric.

    Attributes:
        differences: of two evaluations, by metric: the second less the first, with its confidence interval.
    """

    columns: tuple[str, ...]
    rows: Mapping[str, tuple[Any, ...]]
    differences: Mapping[str, Difference] = field(default_factory=dict)

    def as_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain values, with the names by which the evaluations were asked for."""
        return {
            "evaluations": [{"name": name, "id": id} for name, id in zip(names, self.columns, strict=True)],
            "metrics": {name: list(values) for name, values in self.rows.items()},
            "differences": {name: difference.as_dict() for name, difference in self.differences.items()},
        }


def compare(evals: Sequence[EvalAtom]) -> Comparison:
    """The metrics of evaluations, in the order in which they first appear; of two, also the differences."""
    every = [flat(atom.metrics) for atom in evals]
    names = list(dict.fromkeys(name for metrics in every for name in metrics))
    rows = {name: tuple(metrics.get(name) for metrics in every) for name in names}
    return Comparison(tuple(atom.id for atom in evals), rows, differences(*evals) if len(evals) == 2 else {})


def titles(asked: Sequence[str], evals: Sequence[EvalAtom], survey: Survey) -> list[str]:
    """What to call evaluations: those that were asked for by id, by the folder and the output where they stand."""
    outs = survey.outs if any(_is_id(text, atom) for text, atom in zip(asked, evals, strict=True)) else {}
    found = []
    for text, atom in zip(asked, evals, strict=True):
        places = outs.get(f"{atom.md5}.dir", []) if _is_id(text, atom) else []
        if places:
            folder = places[0].folder.relative_to(survey.project.root).as_posix()
            text = places[0].path.rpartition("/")[2]
            text = text if folder == "." else f"{folder}/{text}"
        found.append(text)
    return found


def _is_id(text: str, atom: EvalAtom) -> bool:
    return atom.id.startswith(text) or atom.md5.startswith(text)
