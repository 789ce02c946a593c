"""Results as a table: a row for each end of a pipeline, chosen, sorted and grouped, and written in other forms."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from motools.base.foreign_text import visible
from motools.base.values import is_key
from motools.errors import AtomError, did_you_mean, listed
from motools.report.known_figures import Figure
from motools.statistics import mean_of

if TYPE_CHECKING:
    import pandas

__all__ = ["STATES", "Row", "State", "Table"]

State = Literal["current", "stale", "failed", "running", "not run"]
STATES: tuple[State, ...] = ("current", "stale", "failed", "running", "not run")


@dataclass(frozen=True)
class Row:
    """One end of a pipeline, or the mean of several.

    Attributes:
        folder: the pipeline's, below the project's root.
        name: the output.
        axes: what varies -> its value here, as a text.
        state: `current`; `stale`: what it was made with has changed since; `failed`, when it was last tried, itself or
            what it needs; `running`; `not run`.
        why: why it is not current, in words.
        figures: by metric, as `task.score.metric`; of a result that is not current none, unless they were asked for.
        atom: its id; None where there is none, and of a mean.
        made: when it was executed, UTC time in ISO 8601.
        seconds: how long that took.
        cost: in the project's currency, of its own execution; None where no price is known.
        tokens: what that used.
        models: the models that it is of.
        count: how many results it stands for.
        current: how many of these are current, and have a part in its means.
    """

    folder: str
    name: str
    axes: Mapping[str, str]
    state: State
    why: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    atom: str | None = None
    made: str | None = None
    seconds: float | None = None
    cost: float | None = None
    tokens: int = 0
    models: tuple[str, ...] = ()
    count: int = 1
    current: int = 1

    def as_dict(self) -> dict[str, Any]:
        return {
            "folder": self.folder,
            "name": self.name,
            "axes": dict(self.axes),
            "state": self.state,
            "why": list(self.why),
            "metrics": {name: figure.as_dict() for name, figure in self.figures.items()},
            "atom": self.atom,
            "made": self.made,
            "seconds": self.seconds,
            "cost": self.cost,
            "tokens": self.tokens,
            "count": self.count,
            "current": self.current,
        }


@dataclass(frozen=True)
class Table:
    """Rows, in the order of the pipelines; each method gives another table.

    Attributes:
        currency: that of the costs.
        notes: what the rows do not tell, a sentence each.
    """

    rows: Sequence[Row]
    currency: str = "USD"
    notes: Sequence[str] = ()

    # -- what is in it ------------------------------------------------------------

    @property
    def axes(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row.axes))

    @property
    def metrics(self) -> list[str]:
        return list(dict.fromkeys(name for row in self.rows for name in row.figures))

    @property
    def main_metrics(self) -> list[str]:
        """Those that are means of samples or of trainings; where there are none, scores rather than counts."""
        means = dict.fromkeys(n for row in self.rows for n, each in row.figures.items() if each.n)
        return list(means) or [name for name in self.metrics if is_key(name)] or self.metrics

    def as_dicts(self) -> list[dict[str, Any]]:
        return [row.as_dict() for row in self.rows]

    # -- choosing -----------------------------------------------------------------

    def where(self, holds: Mapping[str, Any] | None = None, /, **also: Any) -> Table:
        """The rows where an axis, `folder`, `name` or `state` has a value, or one of a list of values.

        Raises:
            AtomError: there is no such column.
        """
        asked = {
            name: [_text(each) for each in (value if isinstance(value, (list, tuple, set)) else [value])]
            for name, value in {**(holds or {}), **also}.items()
        }
        for name in asked:
            self._known(name, [*self.axes, "folder", "name", "state"])
        return replace(self, rows=[r for r in self.rows if all(_cell(r, n) in values for n, values in asked.items())])

    def only(self, *patterns: str) -> Table:
        """The same rows with some metrics: their whole names, the ends of them, or patterns such as `*.accuracy`.

        Raises:
            AtomError: no metric fits one of them.
        """
        kept: dict[str, None] = {}
        for pattern in patterns:
            fitting = [name for name in self.metrics if _fits(name, pattern)]
            if not fitting:
                hint = did_you_mean(pattern, self.metrics)
                raise AtomError(f"No metric fits {pattern!r}.{hint} There are: {listed(self.metrics)}.")
            kept |= dict.fromkeys(fitting)
        rows = [replace(r, figures={n: r.figures[n] for n in kept if n in r.figures}) for r in self.rows]
        return replace(self, rows=rows)

    def sorted(self, by: str, descending: bool = False) -> Table:
        """By an axis, a metric or `folder`, `name`, `state`, `made`, `cost`, `seconds`; what has no value comes last.

        Raises:
            AtomError: there is no such column.
        """
        metrics = [name for name in self.metrics if _fits(name, by)]
        if metrics and by not in self.axes:
            if len(metrics) > 1 and by not in metrics:
                raise AtomError(f"{by!r} is several metrics: {listed(metrics)}. Write the whole name of one.")
            by = by if by in metrics else metrics[0]
        else:
            self._known(by, [*self.axes, "folder", "name", "state", "made", "cost", "seconds", *self.metrics])
        known = [row for row in self.rows if _sortable(row, by) is not None]
        other = [row for row in self.rows if _sortable(row, by) is None]
        known.sort(key=lambda row: _order(_sortable(row, by)), reverse=descending)
        return replace(self, rows=[*known, *other])

    def over(self, *names: str) -> Table:
        """The means over axes such as `seed`, each with the 95 % interval that other trainings leave open.

        Only current results have a part in them. Of rows that do not vary by these axes each stays as it is.

        Raises:
            AtomError: there is no such axis, or two results of one mean are of one model: they are no two trainings.
        """
        for name in names:
            self._known(name, self.axes)
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.rows:
            left = {name: value for name, value in row.axes.items() if name not in names}
            apart = () if left != dict(row.axes) else (len(groups),)
            groups.setdefault((row.folder, row.name, *left.items(), *apart), []).append(row)
        return replace(self, rows=[_mean_row(rows, names) for rows in groups.values()])

    def _known(self, name: str, names: Sequence[str]) -> None:
        if name not in names:
            raise AtomError(f"There is no column {name!r}.{did_you_mean(name, names)} Known: {listed(names)}.")

    # -- other forms ---------------------------------------------------------------

    def flat(self) -> list[dict[str, Any]]:
        """A mapping a row, the same columns in each: axes under their names, figures as `metric`, `metric low`, ..."""
        axes, metrics = self.axes, self.metrics
        parts = ("low", "high", "n") if not any(row.count > 1 for row in self.rows) else ("low", "high", "trainings")
        told = []
        for row in self.rows:
            line: dict[str, Any] = {"folder": row.folder, "name": row.name}
            line |= {_apart(name, line): row.axes.get(name) for name in axes}
            for name in metrics:
                figure = row.figures.get(name)
                line[name] = figure.value if figure else None
                line |= {f"{name} {part}": getattr(figure, part) if figure else None for part in parts}
            about = {"state": row.state, "made": row.made, "seconds": row.seconds, "cost": row.cost}
            told.append(line | about | {"tokens": row.tokens, "atom": row.atom, "count": row.count})
        return told

    def to_csv(self) -> str:
        text, rows = io.StringIO(), self.flat()
        writer = csv.writer(text, lineterminator="\n")
        for line in [[*rows[0]], *([*row.values()] for row in rows)] if rows else []:
            writer.writerow([visible(cell, True) if isinstance(cell, str) else cell for cell in line])
        return text.getvalue()

    def to_pandas(self) -> pandas.DataFrame:
        """A data frame with the columns of `flat`; axes whose values are all numbers are numbers there."""
        import pandas

        frame = pandas.DataFrame(self.flat())
        for name in self.axes:
            numbers = [_number(row.axes.get(name)) for row in self.rows]
            if name in frame and all(
                number is not None or name not in row.axes for number, row in zip(numbers, self.rows, strict=True)
            ):
                frame[name] = numbers
        return frame

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Headings and the text of each row, for people: what is the same in all rows is left out."""
        columns: dict[str, list[str]] = {}
        if len({row.folder for row in self.rows}) > 1:
            columns["folder"] = [row.folder for row in self.rows]
        if len({row.name for row in self.rows}) > 1:
            columns["result"] = [row.name for row in self.rows]
        columns |= {name: [row.axes.get(name, "") for row in self.rows] for name in self.axes}
        grouped = any(row.count > 1 for row in self.rows)
        for metric, short in _short(self.main_metrics).items():
            figures = [row.figures.get(metric) for row in self.rows]
            columns[short] = [f"{each.value:.4g}" if each else "" for each in figures]
            if any(each and each.low is not None for each in figures):
                columns[f"{short}, 95 %"] = [_interval(each) for each in figures]
        sizes = [_sizes(row, grouped) for row in self.rows]
        if any(sizes):
            columns["trainings" if grouped else "n"] = sizes
        if any(row.cost for row in self.rows):
            columns[f"cost ({self.currency})"] = ["" if row.cost is None else f"{row.cost:.4f}" for row in self.rows]
        columns["age"] = [_age(row.made) for row in self.rows]
        columns["state"] = [row.state for row in self.rows]
        return [*columns], [list(line) for line in zip(*columns.values(), strict=True)]

    def __repr__(self) -> str:
        headings, rows = self.cells()
        widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in (headings, *rows)
        )
        return "\n".join([*(visible(line) for line in lines), *self.notes])

    def _repr_html_(self) -> str:
        from html import escape

        headings, rows = self.cells()
        head = "".join(f"<th>{escape(visible(cell, True))}</th>" for cell in headings)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(visible(cell, True))}</td>' for cell in line)}</tr>" for line in rows
        )
        notes = "".join(f"<p>{escape(visible(note))}</p>" for note in self.notes)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}"


def _mean_row(rows: Sequence[Row], names: Sequence[str]) -> Row:
    """One row for several that differ by the axes named."""
    if len(rows) == 1 and not any(name in rows[0].axes for name in names):
        return rows[0]
    first, current = rows[0], [row for row in rows if row.state == "current"]
    models = [row.models for row in current if row.models]
    for each in models:
        if models.count(each) > 1:
            raise AtomError(
                f"{listed(names)}: {models.count(each)} results of one mean are of one model, {listed(each)}: they are "
                "no two trainings. Leave out the axis that does not change the training."
            )
    axes = {name: value for name, value in first.axes.items() if name not in names}
    state: State = "current" if len(current) == len(rows) else next(r.state for r in rows if r.state != "current")
    why = tuple(dict.fromkeys(reason for row in rows for reason in row.why))
    costs = [row.cost for row in current if row.cost is not None]
    return Row(
        first.folder,
        first.name,
        axes,
        state,
        why,
        {metric: _mean([r.figures[metric] for r in current if metric in r.figures]) for metric in _metrics(current)},
        made=max((row.made for row in current if row.made), default=None),
        seconds=sum(row.seconds or 0.0 for row in current),
        cost=sum(costs) if costs else None,
        tokens=sum(row.tokens for row in current),
        models=tuple(dict.fromkeys(model for each in models for model in each)),
        count=len(rows),
        current=len(current),
    )


def _metrics(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.figures))


def _mean(figures: Sequence[Figure]) -> Figure:
    """The mean over trainings, with Student's interval, as `motools compare` has it over trainings."""
    values = [figure.value for figure in figures]
    low, high = (mean_of(values).estimate.interval() if len(values) > 1 else None) or (None, None)
    counts = [figure.n for figure in figures if figure.n is not None]
    return Figure(fmean(values), low, high, sum(counts) if counts else None, None, len(values))


def _text(value: Any) -> str:
    """A value as a name of an instance says it."""
    from motools.definition.sweep import label

    return value if isinstance(value, str) else label(value)


def _cell(row: Row, name: str) -> str | None:
    return (
        row.axes.get(name)
        if name in row.axes
        else {"folder": row.folder, "name": row.name, "state": row.state}.get(name)
    )


def _sortable(row: Row, name: str) -> Any:
    if name in row.axes:
        return row.axes[name]
    if name in row.figures:
        return row.figures[name].value
    known = {"made": row.made, "cost": row.cost, "seconds": row.seconds}
    return known[name] if name in known else _cell(row, name)


def _order(value: Any) -> tuple[Any, ...]:
    number = _number(value)
    return (0, number, "") if number is not None else (1, 0.0, str(value))


def _number(value: Any) -> float | None:
    if isinstance(value, (int, float)):
        return value
    try:
        return float(value) if re.fullmatch(r"[-+]?[0-9.]+(e[-+]?[0-9]+)?", str(value)) else None
    except ValueError:
        return None


def _fits(metric: str, pattern: str) -> bool:
    return metric == pattern or metric.endswith(f".{pattern}") or fnmatchcase(metric, pattern)


def _apart(name: str, line: Mapping[str, Any]) -> str:
    """An axis that is called as another column is."""
    return f"axis {name}" if name in {*line, "state", "made", "seconds", "cost", "tokens", "atom", "count"} else name


def _short(metrics: Sequence[str]) -> dict[str, str]:
    """Metric -> the shortest end of it, of whole words, that no other ends with; a mean is named by its score."""

    def ends(metric: str) -> Iterator[str]:
        parts = metric.split(".")
        plain = parts[:-1] if parts[-1] in ("mean", "accuracy") and len(parts) > 1 else parts
        yield from (".".join(plain[-n:]) for n in range(1, len(plain) + 1))
        yield metric

    every = [[*ends(metric)] for metric in metrics]
    return {
        metric: next((e for e in own if sum(e in other for other in every) == 1), metric)
        for metric, own in zip(metrics, every, strict=True)
    }


def _interval(figure: Figure | None) -> str:
    return (
        "" if figure is None or figure.low is None or figure.high is None else f"{figure.low:.3g} to {figure.high:.3g}"
    )


def _sizes(row: Row, grouped: bool) -> str:
    """How many samples, or trainings, the figures rest on."""
    if grouped:
        return f"{row.current} of {row.count}" if row.current < row.count else str(row.count)
    sizes = sorted({figure.n for figure in row.figures.values() if figure.n is not None})
    return "" if not sizes else str(sizes[0]) if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"


def _age(made: str | None) -> str:
    """How long ago, in the largest unit of which there is more than one."""
    if made is None:
        return ""
    try:
        seconds = (datetime.now(UTC) - datetime.fromisoformat(made)).total_seconds()
    except (ValueError, TypeError):
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"
