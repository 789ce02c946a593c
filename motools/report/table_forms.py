"""Rows in other forms: a mapping each, CSV, and cells for people."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from motools.base.foreign_text import visible
from motools.report.known_figures import Figure
from motools.report.rows import Row, axes_of, metrics_of

__all__ = ["as_csv", "as_html", "as_text", "cells", "flat"]


def flat(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A mapping a row, the same columns in each: axes under their names, figures as `metric`, `metric low`, ..."""
    axes, metrics = axes_of(rows), metrics_of(rows)
    parts = ("low", "high", "n") if not any(row.count > 1 for row in rows) else ("low", "high", "trainings")
    told = []
    for row in rows:
        line: dict[str, Any] = {"folder": row.folder, "name": row.name}
        line |= {_apart(name, line): row.axes.get(name) for name in axes}
        for name in metrics:
            figure = row.figures.get(name)
            line[name] = figure.value if figure else None
            line |= {f"{name} {part}": getattr(figure, part) if figure else None for part in parts}
        about = {"state": row.state, "made": row.made, "seconds": row.seconds, "cost": row.cost}
        told.append(line | about | {"tokens": row.tokens, "atom": row.atom, "count": row.count})
    return told


def as_csv(rows: Sequence[Row]) -> str:
    text, lines = io.StringIO(), flat(rows)
    writer = csv.writer(text, lineterminator="\n")
    for line in [[*lines[0]], *([*each.values()] for each in lines)] if lines else []:
        writer.writerow([visible(cell, True) if isinstance(cell, str) else cell for cell in line])
    return text.getvalue()


def cells(rows: Sequence[Row], metrics: Sequence[str], currency: str) -> tuple[list[str], list[list[str]]]:
    """Headings and the text of each row, for people, with some of the metrics: what is the same in all rows is left
    out."""
    columns: dict[str, list[str]] = {}
    if len({row.folder for row in rows}) > 1:
        columns["folder"] = [row.folder for row in rows]
    if len({row.name for row in rows}) > 1:
        columns["result"] = [row.name for row in rows]
    columns |= {name: [row.axes.get(name, "") for row in rows] for name in axes_of(rows)}
    grouped = any(row.count > 1 for row in rows)
    for metric, short in _short(metrics).items():
        figures = [row.figures.get(metric) for row in rows]
        columns[short] = [f"{each.value:.4g}" if each else "" for each in figures]
        if any(each and each.low is not None for each in figures):
            columns[f"{short}, 95 %"] = [_interval(each) for each in figures]
    sizes = [_sizes(row, grouped) for row in rows]
    if any(sizes):
        columns["trainings" if grouped else "n"] = sizes
    if any(row.cost for row in rows):
        columns[f"cost ({currency})"] = ["" if row.cost is None else f"{row.cost:.4f}" for row in rows]
    columns["age"] = [_age(row.made) for row in rows]
    columns["state"] = [row.state for row in rows]
    return [*columns], [list(line) for line in zip(*columns.values(), strict=True)]


def as_text(headings: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (headings, *rows)
    )
    return "\n".join([*(visible(line) for line in lines), *notes])


def as_html(headings: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str]) -> str:
    from html import escape

    head = "".join(f"<th>{escape(visible(cell, True))}</th>" for cell in headings)
    body = "".join(f"<tr>{''.join(f'<td>{escape(visible(cell, True))}</td>' for cell in line)}</tr>" for line in rows)
    said = "".join(f"<p>{escape(visible(note))}</p>" for note in notes)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{said}"


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
    often = Counter(end for own in every for end in dict.fromkeys(own))
    return {
        metric: next((end for end in own if often[end] == 1), metric)
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
