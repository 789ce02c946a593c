"""Comparison: arms of evaluations side by side, each against the first; the figures that a paper's table needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from motools.atom.atom import EvalAtom
from motools.atom.columns import dotted
from motools.atom.eval_differences import Arm, Difference, holm_adjusted
from motools.base.values import flat
from motools.errors import AtomError, did_you_mean
from motools.repo import pipeline
from motools.repo.survey import Survey
from motools.statistics import Ends


@dataclass(frozen=True)
class Line:
    """One metric of one arm.

    Attributes:
        value: the metric; where an arm has several trainings, the mean over its questions, or of what each has.
        values: of each of its evaluations.
        questions: of a mean: the 95 % confidence interval over questions; None where there is no spread.
        trainings: of a mean: that over trainings, where there are several.
        n: how many samples it is the mean of, and in how many `clusters`; None of what is no mean of them.
        difference: to the control.
    """

    metric: str
    arm: str
    value: Any
    values: tuple[Any, ...]
    questions: Ends | None = None
    trainings: Ends | None = None
    n: int | None = None
    clusters: int | None = None
    difference: Difference | None = None

    def as_dict(self) -> dict[str, Any]:
        (low, high), (trainings_low, trainings_high) = (
            ends or (None, None) for ends in (self.questions, self.trainings)
        )
        return {
            "metric": self.metric,
            "arm": self.arm,
            "value": self.value,
            "low": low,
            "high": high,
            "trainings_low": trainings_low,
            "trainings_high": trainings_high,
            "n": self.n,
            "clusters": self.clusters,
            "trainings": len(self.values),
            "difference": None if self.difference is None else self.difference.as_dict(),
        }


@dataclass(frozen=True)
class Comparison:
    """A line a metric and arm, by metric in the order in which they first appear.

    Attributes:
        arms: their names; the first is the control.
        columns: the ids of all evaluations, arm by arm.
        rows: metric -> its value in each evaluation; None where that has no such metric.
        family: how many differences Holm's adjustment is for.
        notes: what the figures do not tell, a sentence each.
    """

    arms: tuple[str, ...]
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[Any, ...]]
    lines: tuple[Line, ...]
    family: int = 0
    notes: tuple[str, ...] = ()
    margin: float | None = None

    @property
    def differences(self) -> dict[str, dict[str, Difference]]:
        """Metric -> arm -> its difference to the control."""
        differences: dict[str, dict[str, Difference]] = {}
        for line in self.lines:
            if line.difference is not None:
                differences.setdefault(line.metric, {})[line.arm] = line.difference
        return differences

    def as_dict(self, names: Sequence[str]) -> dict[str, Any]:
        """Plain values, with the names by which the evaluations were asked for."""
        return {
            "evaluations": [{"name": name, "id": id} for name, id in zip(names, self.columns, strict=True)],
            "metrics": {name: list(values) for name, values in self.rows.items()},
            "arms": list(self.arms),
            "lines": [line.as_dict() for line in self.lines],
            "differences": [
                {"metric": each.metric, "arm": each.arm, **each.difference.as_dict()}
                for each in self.lines
                if each.difference is not None
            ],
            "family": self.family,
            "margin": self.margin,
            "notes": list(self.notes),
        }


def compare(arms: Sequence[EvalAtom | Arm], primary: Sequence[str] = (), margin: float | None = None) -> Comparison:
    """The metrics of arms, or of evaluations that are one each, and how far each differs from the first.

    Args:
        primary: the metrics that are one family for Holm's adjustment, in place of all that both arms have; the others
            have no adjusted p.
        margin: also tell how surely each difference is no larger than this.

    Raises:
        AtomError: a primary metric that is none, a margin of 0 or less, two evaluations of one model in an arm.
    """
    if margin is not None and not 0 < margin < math.inf:
        raise AtomError(f"A margin of {margin:g} holds no difference, or all: give a number above 0, such as 0.05.")
    named_arms = [arm if isinstance(arm, Arm) else Arm(arm, name=arm.id) for arm in arms]
    every = [flat(each.metrics) for arm in named_arms for each in arm.evals]
    names = dict.fromkeys(name for arm in named_arms for name in arm.metrics)
    by_arm = {
        (name, place): named_arms[place].less(named_arms[0], name, margin)
        for name in names
        for place in range(1, len(named_arms))
    }
    there = {key: difference for key, difference in by_arm.items() if difference is not None}
    texts = {dotted(name): name for name in names}
    for metric in primary:
        if metric not in texts:
            hint = did_you_mean(metric, texts)
            raise AtomError(f"--primary {metric}: the evaluations have no such metric.{hint}")
    family = {key: each for key, each in there.items() if not primary or dotted(key[0]) in primary}
    there |= holm_adjusted(family)
    lines = tuple(
        _line(arm, name, there.get((name, place)))
        for name in names
        for place, arm in enumerate(named_arms)
        if name in arm.metrics
    )
    rows = {m: tuple(metrics.get(m) for metrics in every) for m in dict.fromkeys(n for each in every for n in each)}
    size = sum(each.larger("p") is not None for each in family.values())
    return Comparison(
        tuple(arm.name for arm in named_arms),
        tuple(each.id for arm in named_arms for each in arm.evals),
        rows,
        lines,
        size,
        tuple(_notes(named_arms, lines, size)),
        margin,
    )


def _line(arm: Arm, name: tuple[str, str, str], difference: Difference | None) -> Line:
    values = tuple(value for value in arm.metrics[name] if value is not None)
    line = Line(dotted(name), arm.name, values[0] if values else None, values)
    if name in arm.means:
        over, n, clusters, trainings = arm.estimates(name)
        return replace(
            line,
            value=over.value if len(values) > 1 else values[0],
            questions=over.interval(),
            trainings=None if trainings is None else trainings.interval(),
            n=n,
            clusters=clusters,
            difference=difference,
        )
    numbers = [value for value in values if isinstance(value, (int, float))]
    return replace(line, value=fmean(numbers)) if len(numbers) == len(values) > 1 else line


def _notes(arms: Sequence[Arm], lines: Sequence[Line], family: int) -> Iterator[str]:
    compared = [line.difference for line in lines if line.difference is not None]
    if any(difference.trainings is None for difference in compared) and _alone(arms):
        yield (
            f"One training each ({', '.join(_alone(arms))}): the intervals say what other questions might have given, "
            "and nothing about retraining."
        )
    fixed = [arm.name for arm in arms if len(arm.evals) == 1 and arm.trainings[0].fixed]
    if fixed and any(difference.trainings is not None for difference in compared):
        yield f"Taken as they are, for they were not trained here: {', '.join(fixed)}."
    if any(difference.trainings is not None for difference in compared):
        yield "p, at most and detectable: over questions or over trainings, whichever is larger."
    if family > 1:
        yield f"Holm's p is adjusted for {family} comparisons."
    if any(difference.larger("detectable") is not None for difference in compared):
        yield "Detectable: a true difference of this size would be missed 1 time in 5, a smaller one more often."
    sampled = {arm.name for arm in arms if arm.has_samples}
    for line in lines:
        if line.n is None and line.metric.rpartition(".")[2] in ("mean", "accuracy") and line.arm in sampled:
            yield f"{line.metric} of {line.arm} is not the mean of its samples' scores, so it has no interval."


def _alone(arms: Sequence[Arm]) -> list[str]:
    """The arms of one training; where none was trained here, all of one, for they may have been trained elsewhere."""
    single = [arm for arm in arms if len(arm.evals) == 1]
    return [arm.name for arm in [arm for arm in single if not arm.trainings[0].fixed] or single]


def titles(texts: Sequence[str], evals: Sequence[EvalAtom], survey: Survey) -> list[str]:
    """What to call evaluations: those that were asked for by id, by the folder and the output where they stand."""
    outs = survey.outs if any(_is_id(text, atom) for text, atom in zip(texts, evals, strict=True)) else {}
    labels = []
    for text, atom in zip(texts, evals, strict=True):
        places = outs.get(f"{atom.md5}.dir", []) if _is_id(text, atom) else []
        if places:
            folder = places[0].folder.relative_to(survey.project.root).as_posix()
            text = pipeline.name_at(places[0].path)
            text = text if folder == "." else f"{folder}/{text}"
        labels.append(text)
    return labels


def _is_id(text: str, atom: EvalAtom) -> bool:
    return atom.id.startswith(text) or atom.md5.startswith(text)
