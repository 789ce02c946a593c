"""Results as a table: a row for each end of a pipeline, chosen, sorted, grouped, and given in other forms."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from motools.base.values import is_key
from motools.errors import AtomError, did_you_mean, listed
from motools.report import table_forms
from motools.report.rows import Row, axes_of, mean_row, metrics_of

if TYPE_CHECKING:
    import pandas

__all__ = ["Table"]


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
        return axes_of(self.rows)

    @property
    def metrics(self) -> list[str]:
        return metrics_of(self.rows)

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
            self._check_column(name, [*self.axes, "folder", "name", "state"])
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
            self._check_column(by, [*self.axes, "folder", "name", "state", "made", "cost", "seconds", *self.metrics])
        with_value = [row for row in self.rows if _sortable(row, by) is not None]
        other = [row for row in self.rows if _sortable(row, by) is None]
        with_value.sort(key=lambda row: _order(_sortable(row, by)), reverse=descending)
        return replace(self, rows=[*with_value, *other])

    def over(self, *names: str) -> Table:
        """The means over axes such as `seed`, each with the 95 % interval that other trainings leave open.

        Only current results have a part in them. Of rows that do not vary by these axes each stays as it is.

        Raises:
            AtomError: there is no such axis, or two results of one mean are of one model: they are no two trainings.
        """
        for name in names:
            self._check_column(name, self.axes)
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in self.rows:
            left = {name: value for name, value in row.axes.items() if name not in names}
            apart = () if left != dict(row.axes) else (len(groups),)
            groups.setdefault((row.folder, row.name, *left.items(), *apart), []).append(row)
        return replace(self, rows=[mean_row(rows, names) for rows in groups.values()])

    def _check_column(self, name: str, names: Sequence[str]) -> None:
        if name not in names:
            raise AtomError(f"There is no column {name!r}.{did_you_mean(name, names)} Known: {listed(names)}.")

    # -- other forms ---------------------------------------------------------------

    def flat(self) -> list[dict[str, Any]]:
        """A mapping a row, the same columns in each: axes under their names, figures as `metric`, `metric low`, ..."""
        return table_forms.flat(self.rows)

    def to_csv(self) -> str:
        return table_forms.as_csv(self.rows)

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
        return table_forms.cells(self.rows, self.main_metrics, self.currency)

    def __repr__(self) -> str:
        return table_forms.as_text(*self.cells(), self.notes)

    def _repr_html_(self) -> str:
        return table_forms.as_html(*self.cells(), self.notes)


def _text(value: Any) -> str:
    """A value as a name of an instance says it."""
    from motools.definition.axes import label

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
    attributes = {"made": row.made, "cost": row.cost, "seconds": row.seconds}
    return attributes[name] if name in attributes else _cell(row, name)


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
