"""What the charts of a page show, read from results."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from motools.atom.columns import columns_of
from motools.atom.comparison import Line
from motools.atom.eval_differences import MEANS
from motools.base.foreign_text import read_json
from motools.errors import MotoolsError
from motools.report.charts import Chart, curves, forest, losses, scatter
from motools.report.collect import Entry, Group, Results

__all__ = ["dose_curves", "forests", "label", "loss_curves", "means", "scatters"]

POINTS = 300
"""Of one loss curve: no page is wide enough for more."""
SERIES = 24
"""Loss curves in one chart."""
_X, _Y = ("epoch", "step"), {"loss": "training", "train_loss": "training", "valid_loss": "validation"}


def label(metric: str) -> str:
    """A metric as people say it: `task score`; what is no plain mean keeps its name."""
    task, _, rest = metric.partition(".")
    score, _, kind = rest.rpartition(".")
    return f"{task} {score}" if kind in ("mean", "accuracy") else f"{task} {rest}".strip()


def means(group: Group) -> dict[str, dict[str, Line]]:
    """Metric -> arm -> its line, of the metrics that are means, whether or not their samples are there."""
    by_metric: dict[str, dict[str, Line]] = {}
    for line in group.comparison.lines:
        if line.metric.rpartition(".")[2] in MEANS:
            by_metric.setdefault(line.metric, {})[line.arm] = line
    return by_metric


def forests(results: Results) -> list[Chart]:
    """Differences to the first arm; of a group of one arm, its values."""
    charts = []
    for group in results.groups:
        compared = len(group.arms) > 1
        rows = [row for line in group.comparison.lines for row in _intervals(line, compared)]
        if rows:
            first = group.arms[0].name
            title = f"Difference to {first}" if compared else "Values"
            told = (
                "with 95 % intervals; one that holds 0 does not tell the two apart." if compared else "with intervals."
            )
            charts.append(forest(rows, title, told, compared))
    return charts


def _intervals(line: Line, compared: bool) -> Iterator[dict[str, Any]]:
    about = {"metric": label(line.metric), "arm": line.arm}
    if not compared and line.n is not None:
        low, high = line.questions or (line.value, line.value)
        yield about | {"value": line.value, "low": low, "high": high, "kind": "over questions"}
    if compared and line.difference is not None:
        for kind, said in (("questions", line.difference.questions), ("trainings", line.difference.trainings)):
            if said is not None:
                low, high = said.ends or (said.value, said.value)
                yield about | {"value": said.value, "low": low, "high": high, "kind": f"over {kind}"}


def scatters(results: Results) -> list[Chart]:
    """Alignment against coherence, an answer a point, where a task scores both."""
    charts = []
    for group in results.groups:
        for task in group.tasks:
            rows = []
            for arm in group.arms:
                for evaluation in arm.evals:
                    columns = columns_of(evaluation)
                    pair = [columns.get((task, score)) for score in ("coherence", "alignment")]
                    if pair[0] is None or pair[1] is None:
                        continue
                    for key, x in pair[0].values.items():
                        y = pair[1].values.get(key)
                        if x is not None and y is not None:
                            rows.append({"x": x, "y": y, "arm": arm.name})
            if rows:
                told = "each dot is a question; low and to the right are coherent answers that mean harm."
                charts.append(scatter(rows, "coherence", "alignment", task, told))
    return charts


def dose_curves(results: Results) -> list[Chart]:
    """Each mean over each axis that has two numbers or more, a line for what else differs."""
    charts = []
    for group in results.groups:
        numbers = {axis: values for axis, values in _axes(results, group).items() if len({*values.values()}) > 1}
        for axis, at in numbers.items():
            for metric, lines in means(group).items():
                rows = [row for name, line in lines.items() for row in _points(group.entries[name], line, axis, at)]
                told = "a dot is a training, the line their mean, the bars 95 % intervals over questions."
                charts.append(curves(rows, axis, label(metric), told))
    return charts


def _axes(results: Results, group: Group) -> dict[str, dict[str, float]]:
    """Axis -> arm -> where it is on it: axes of sweeps, doses, and hyperparameters that differ."""
    by_axis: dict[str, dict[str, float]] = {}
    for name, entries in group.entries.items():
        chosen = _hyperparameters(results, entries[0])
        for axis, value in {**chosen, **entries[0].axes}.items():
            number = _number(value)
            if axis != "seed" and number is not None:
                by_axis.setdefault(axis, {})[name] = number
    return {axis: at for axis, at in by_axis.items() if len({*at.values()}) > 1}


def _hyperparameters(results: Results, entry: Entry) -> Mapping[str, Any]:
    for id in entry.atom.made_from.values():
        if id in results.by_id:
            chosen = results.by_id[id].atom.metadata.get("hyperparameters")
            return chosen if isinstance(chosen, dict) else {}
    return {}


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _points(entries: list[Entry], line: Line, axis: str, at: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    if line.arm not in at:
        return
    others = [f"{name}={value}" for name, value in entries[0].axes.items() if name not in (axis, "seed")]
    if line.value is None:
        return
    where = {"at": at[line.arm], "line": " ".join(others) or "mean"}
    low, high = line.questions or (None, None)
    yield where | {"value": line.value, "low": low, "high": high, "kind": "mean"}
    for value in line.values:
        yield where | {"value": value, "low": None, "high": None, "kind": "training"}


def loss_curves(results: Results) -> list[Chart]:
    """What trainings say in `loss.json`: a chart for each unit, epochs or steps."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for entry in results.of_kind("model"):
        unit, points = _losses(entry)
        if points:
            about = {"model": entry.atom.id, "arm": results.name_of(entry)}
            rows.setdefault(unit, []).extend({**row, **about} for row in points)
    charts = []
    for unit, every in rows.items():
        models = list(dict.fromkeys(row["model"] for row in every))
        told = f"{len(models)} trainings" if len(models) > 1 else every[0]["arm"]
        if len(models) > SERIES:
            told += f", of which the first {SERIES} are drawn"
            every = [row for row in every if row["model"] in models[:SERIES]]
        charts.append(losses(every, unit, f"of {told}."))
    return charts


def _losses(entry: Entry) -> tuple[str, list[dict[str, Any]]]:
    try:
        told = read_json(entry.atom.read_file("data/loss.json") or b"[]")
    except (MotoolsError, ValueError):
        return "", []
    told = [row for row in told if isinstance(row, dict)] if isinstance(told, list) else []
    unit = next((name for name in _X if told and name in told[0]), "")
    points = [
        {"at": row[unit], "loss": row[name], "of": of}
        for row in told
        for name, of in _Y.items()
        if unit and _is_figure(row.get(name)) and _is_figure(row.get(unit))
    ]
    return unit, [*_thinned(points)]


def _is_figure(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _thinned(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """As many points as can be seen, each the mean of those next to it."""
    for of in dict.fromkeys(row["of"] for row in rows):
        points = [row for row in rows if row["of"] == of]
        size = -(-len(points) // POINTS)
        for start in range(0, len(points), size):
            part = points[start : start + size]
            yield {**part[-1], "loss": fmean(row["loss"] for row in part)}
