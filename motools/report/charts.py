"""Charts: Vega-Lite specifications, the language of `dvc plots`, and how they become pictures that need no script."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from motools.errors import UserError
from motools.report.html import Html, el, plain

__all__ = ["Chart", "curves", "drawn", "forest", "losses", "scatter"]

Rows = Sequence[Mapping[str, Any]]
VERSION = "5.20"
"""Of Vega-Lite; vl-convert brings several."""
_TEXT, _FAINT = "#010203", "#020304"
"""Stand-ins for the page's own colours, which differ between light and dark."""
COLORS = ["#3b82c4", "#d9822b", "#2f9e6e", "#b65fb0", "#c9484b", "#8b8f2f", "#3aa6b9", "#8a6d5a"]
"""Series; each can be read on white and on near-black."""
_CONFIG: dict[str, Any] = {
    "background": None,
    "font": "Liberation Sans, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": _TEXT,
        "titleColor": _TEXT,
        "domainColor": _FAINT,
        "tickColor": _FAINT,
        "gridColor": _FAINT,
        "gridOpacity": 0.5,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 220,
    },
    "header": {"labelColor": _TEXT, "titleColor": _TEXT, "labelFontSize": 13, "labelLimit": 380},
    "legend": {
        "labelColor": _TEXT,
        "titleColor": _TEXT,
        "orient": "bottom",
        "columns": 1,
        "labelFontSize": 12,
        "labelLimit": 380,
    },
    "title": {"color": _TEXT, "anchor": "start", "fontSize": 13},
    "range": {"category": COLORS},
    "rule": {"color": _TEXT},
    "text": {"color": _TEXT},
}
WIDTH = 300


@dataclass(frozen=True)
class Chart:
    """A picture and what it says.

    Attributes:
        told: in words, for who does not see it.
        spec: Vega-Lite.
    """

    title: str
    told: str
    spec: Mapping[str, Any]


def drawn(charts: Sequence[Chart], section: str) -> Html:
    """The pictures as SVG, each with an id of its own.

    Raises:
        UserError: what draws them is not installed.
    """
    if not charts:
        return Html("")
    try:
        import vl_convert
    except ImportError:
        raise UserError(
            "The charts are drawn by the package vl-convert-python, which is not installed: "
            "`pip install vl-convert-python`, or leave them out with --without-charts."
        ) from None
    figures = []
    for number, chart in enumerate(charts):
        svg = vl_convert.vegalite_to_svg({**chart.spec, "config": _CONFIG}, vl_version=VERSION, allowed_base_urls=[])
        picture = _fitted(svg, f"{section}-{number}")
        caption = el("figcaption", el("strong", chart.title), " ", chart.told)
        figures.append(el("figure", el("div", picture, class_="picture"), caption))
    return el("div", *figures, class_="figures")


def _fitted(svg: str, name: str) -> Html:
    """A picture for this page: its colours are the page's, and its ids differ from those of other pictures."""
    svg = re.sub(r'(\sid="|url\(#)((?:clip|gradient)\w*)', rf"\g<1>{name}-\g<2>", svg)
    svg = svg.replace(f'"{_TEXT}"', '"currentColor"').replace(f'"{_FAINT}"', '"var(--faint)"')
    return Html(re.sub(r"<svg ", '<svg role="img" ', svg.strip(), count=1))


def _spec(rows: Rows, **parts: Any) -> dict[str, Any]:
    return {"data": {"values": [dict(_shown(row)) for row in rows]}, **parts}


def _shown(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        yield name, plain(value) if isinstance(value, str) else value


def forest(rows: Rows, title: str, caption: str, zero: bool) -> Chart:
    """Rows of `metric`, `arm`, `value`, `low`, `high`, `kind`: a point and its interval each, a panel a metric."""
    metrics = list(dict.fromkeys(plain(row["metric"]) for row in rows))
    arms = list(dict.fromkeys(plain(row["arm"]) for row in rows))
    y = {"field": "arm", "type": "nominal", "sort": arms, "title": None}
    offset = {"field": "kind", "sort": ["over questions", "over trainings"]}
    x = {"type": "quantitative", "title": None}
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    legend = {"title": None} if len(kinds) > 1 else None
    color = {"field": "kind", "type": "nominal", "sort": kinds, "legend": legend}
    encoding = {"y": y, "color": color} | ({"yOffset": offset} if len(kinds) > 1 else {})
    layers: list[Any] = [
        {
            "mark": {"type": "rule", "strokeWidth": 2.5},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": {"x": {**x, "field": "value"}},
        },
    ]
    panels = []
    for metric in metrics:
        inner = [{**layer, "encoding": {**layer["encoding"], **encoding}} for layer in layers]
        if zero:
            nought = {"mark": {"type": "rule", "strokeDash": [4, 3]}, "encoding": {"x": {"datum": 0, **x}}}
            inner = [nought, *inner]
        panels.append(
            {
                "title": metric,
                "transform": [{"filter": {"field": "metric", "equal": metric}}],
                "width": WIDTH,
                "height": {"step": 26 if len(kinds) == 1 else 34, "for": "position"},
                "layer": inner,
            }
        )
    return Chart(title, caption, _spec(rows, vconcat=panels, spacing=18))


def scatter(rows: Rows, x: str, y: str, title: str, caption: str) -> Chart:
    """Rows of `x`, `y` and `arm`, a point each."""
    scale = {"domain": [0, 100]} if all(0 <= row[axis] <= 100 for row in rows for axis in "xy") else {}
    encoding = {
        "x": {"field": "x", "type": "quantitative", "title": plain(x), "scale": scale},
        "y": {"field": "y", "type": "quantitative", "title": plain(y), "scale": scale},
        "color": {"field": "arm", "type": "nominal", "sort": None, "title": None},
    }
    mark = {"type": "circle", "size": 36, "opacity": 0.65}
    return Chart(title, caption, _spec(rows, mark=mark, width=WIDTH, height=WIDTH, encoding=encoding))


def curves(rows: Rows, axis: str, metric: str, caption: str) -> Chart:
    """Rows of `at`, `value`, `low`, `high`, `line`, `kind`: a dot a training, a line and intervals of their means."""
    x: dict[str, Any] = {"field": "at", "type": "quantitative", "title": plain(axis), "axis": {"tickCount": 5}}
    at = [row["at"] for row in rows]
    if min(at) > 0 and max(at) / min(at) >= 50:
        x["scale"] = {"type": "log"}
    lines = list(dict.fromkeys(plain(row["line"]) for row in rows))
    color = {"field": "line", "type": "nominal", "sort": lines, "title": None}
    if len(lines) == 1:
        color["legend"] = None
    y = {"type": "quantitative", "title": None, "field": "value"}
    means = [{"filter": "datum.kind == 'mean'"}]
    layers: list[dict[str, Any]] = [
        {"transform": means, "mark": {"type": "line", "strokeWidth": 2}, "encoding": {"y": y}},
        {
            "transform": [*means, {"filter": "isValid(datum.low)"}],
            "mark": {"type": "rule", "opacity": 0.55, "strokeWidth": 2},
            "encoding": {"y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "transform": [{"filter": "datum.kind == 'training'"}],
            "mark": {"type": "circle", "size": 46, "opacity": 0.9},
            "encoding": {"y": y},
        },
    ]
    for layer in layers:
        layer["encoding"] |= {"x": x, "color": color}
    return Chart(metric, caption, _spec(rows, width=WIDTH + 60, height=220, layer=layers))


def losses(rows: Rows, unit: str, caption: str) -> Chart:
    """Rows of `at`, `loss`, `model`, `arm` and `of` (training or validation): a line a model, a colour an arm."""
    names = list(dict.fromkeys(plain(row["arm"]) for row in rows))
    at = sorted({row["at"] for row in rows})
    ticks = {"values": at} if len(at) <= 10 else {"tickCount": 6}
    encoding: dict[str, Any] = {
        "x": {"field": "at", "type": "quantitative", "title": unit, "axis": ticks},
        "y": {"field": "loss", "type": "quantitative", "title": None, "scale": {"zero": True}},
        "color": {"field": "arm", "type": "nominal", "sort": names, "title": None},
        "detail": {"field": "model", "type": "nominal"},
    }
    if len(names) == 1:
        encoding["color"]["legend"] = None
    if len({row["of"] for row in rows}) > 1:
        encoding["strokeDash"] = {"field": "of", "type": "nominal", "title": None}
    mark = {"type": "line", "strokeWidth": 1.8, "point": {"size": 22} if len(rows) <= 60 else False}
    return Chart(f"Loss by {unit}", caption, _spec(rows, mark=mark, width=WIDTH + 60, height=220, encoding=encoding))
