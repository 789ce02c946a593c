"""One result as a row of a table, and several as one: the means, with the intervals that trainings leave open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any, Literal

from motools.errors import AtomError, listed
from motools.report.known_figures import Figure
from motools.statistics import mean_of

__all__ = ["Row", "State", "axes_of", "mean_row", "metrics_of"]

State = Literal["current", "stale", "failed", "running", "not run"]


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


def mean_row(rows: Sequence[Row], names: Sequence[str]) -> Row:
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
        {metric: _mean([r.figures[metric] for r in current if metric in r.figures]) for metric in metrics_of(current)},
        made=max((row.made for row in current if row.made), default=None),
        seconds=sum(row.seconds or 0.0 for row in current),
        cost=sum(costs) if costs else None,
        tokens=sum(row.tokens for row in current),
        models=tuple(dict.fromkeys(model for each in models for model in each)),
        count=len(rows),
        current=len(current),
    )


def axes_of(rows: Sequence[Row]) -> list[str]:
    """What any of them varies by, in the order of the rows."""
    return list(dict.fromkeys(name for row in rows for name in row.axes))


def metrics_of(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.figures))


def _mean(figures: Sequence[Figure]) -> Figure:
    """The mean over trainings, with Student's interval, as `motools compare` has it over trainings."""
    values = [figure.value for figure in figures]
    low, high = (mean_of(values).estimate.interval() if len(values) > 1 else None) or (None, None)
    counts = [figure.n for figure in figures if figure.n is not None]
    return Figure(fmean(values), low, high, sum(counts) if counts else None, None, len(values))
