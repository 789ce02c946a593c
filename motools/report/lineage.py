"""The lineage of all results of a page: a drawing, and a table with who made what, when, at which commit."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from motools.atom.lineage import Ancestry
from motools.report.collect import Results
from motools.report.html import Html, el, plain, table

__all__ = ["lineage"]

MOST = 60
"""Boxes in the drawing; of more, nobody sees what hangs together."""
_WIDTH, _HEIGHT, _ACROSS, _DOWN = 172, 46, 44, 14
_AXES = 16
"""What a box is higher by where some say what varies."""


def lineage(results: Results) -> Html:
    """Empty where nothing has a lineage."""
    nodes = _nodes(results)
    names = {id: _name(results, id, node) for id, node in nodes.items()}
    columns = ["result", "id", "made from", "by", "when", "code"]
    rows = [
        [
            names[id],
            el("code", id[: id.rindex("-") + 11] if "-" in id else id, title=id),
            ", ".join(names.get(origin, origin) for origin in node.atom.made_from.values()) or "—",
            node.record.user if node.record else "not recorded",
            node.record.started[:16].replace("T", " ") + " UTC" if node.record else "",
            node.code,
        ]
        for id, node in nodes.items()
    ]
    if len(nodes) > MOST:
        picture = el("p", f"The {len(nodes)} results are too many for a drawing; the table has them all.")
    else:
        picture = el(
            "div",
            _drawing(nodes, names),
            class_="scroll picture wide",
            tabindex="0",
            role="region",
            aria_label="lineage",
        )
    return Html(
        picture
        + el(
            "details", el("summary", f"All {len(rows)} results"), table(columns, [list(r) for r in rows], numbers=False)
        )
    )


def _nodes(results: Results) -> dict[str, Ancestry]:
    """Everything that the page's results were made from, each once, ancestors first."""
    nodes: dict[str, Ancestry] = {}

    def visit(node: Ancestry) -> None:
        if node.atom.id not in nodes:
            for parent in node.parents.values():
                if not isinstance(parent, str):
                    visit(parent)
            nodes.setdefault(node.atom.id, node)

    used = {id for entry in results.entries for id in entry.atom.made_from.values()}
    for entry in results.entries:
        if entry.atom.id not in used:
            visit(results.ancestry(entry))
    return nodes


def _name(results: Results, id: str, node: Ancestry) -> str:
    """As an arm is called, and with the seed, which tells one training from the others."""
    if id not in results.by_id:
        return node.atom.kind
    entry = results.by_id[id]
    seed = f" seed={entry.axes['seed']}" if "seed" in entry.axes else ""
    return results.name_of(entry) + seed


def _drawing(nodes: Mapping[str, Ancestry], names: Mapping[str, str]) -> Html:
    """Boxes from left to right, each to the right of all that it was made from, and beside what is made from it."""
    level = _levels(nodes)
    places: dict[str, tuple[int, int]] = {}
    height = [0] * (max(level.values(), default=0) + 1)
    for id in nodes:
        places[id] = level[id], height[level[id]]
        height[level[id]] += 1
    rows = max(height)
    tall = _HEIGHT + (_AXES if any(" " in name for name in names.values()) else 0)
    corner = {
        id: (x * (_WIDTH + _ACROSS) + 4, round((y + (rows - height[x]) / 2) * (tall + _DOWN)) + 4)
        for id, (x, y) in places.items()
    }
    lines, boxes = [], []
    for id, node in nodes.items():
        x, y = corner[id]
        for origin in node.atom.made_from.values():
            if origin in corner:
                left, top = corner[origin][0] + _WIDTH, corner[origin][1] + tall // 2
                middle, down = (left + x) // 2, y + tall // 2
                lines.append(f'<path d="M{left} {top}C{middle} {top} {middle} {down} {x} {down}"></path>')
        who = node.record.user.partition(" <")[0] if node.record else "not recorded"
        commit = node.record.commit[:7] if node.record and node.record.commit else ""
        more = f"{commit}{'*' if commit and node.record and node.record.dirty else ''} {who}".strip()
        name, _, axes = names[id].partition(" ")
        told = f'<text x="{x + 10}" y="{y + 35}" class="small">{_fitting(axes, 24)}</text>' if axes else ""
        kind = node.atom.kind if node.atom.kind in ("dataset", "model", "eval") else "other"
        boxes.append(
            f'<g class="{kind}"><title>{escape(plain(f"{names[id]}: {id}"))}</title>'
            f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{tall}" rx="6"></rect>'
            f'<text x="{x + 10}" y="{y + 19}">{_fitting(name, 20)}</text>{told}'
            f'<text x="{x + 10}" y="{y + (51 if axes else 36)}" class="small">'
            f"{_fitting(more, 24, end=False)}</text></g>"
        )
    wide, high = len(height) * (_WIDTH + _ACROSS) - _ACROSS + 8, rows * (tall + _DOWN) - _DOWN + 8
    return Html(
        f'<svg role="img" aria-label="lineage" class="lineage" width="{wide}" height="{high}" '
        f'viewBox="0 0 {wide} {high}">{"".join(lines)}{"".join(boxes)}</svg>'
    )


def _levels(nodes: Mapping[str, Ancestry]) -> dict[str, int]:
    depth: dict[str, int] = {}
    for id, node in nodes.items():  # ancestors come first
        depth[id] = 1 + max((depth[o] for o in node.atom.made_from.values() if o in depth), default=-1)
    level = dict.fromkeys(nodes, max(depth.values(), default=0))
    for id, node in reversed([*nodes.items()]):
        for origin in node.atom.made_from.values():
            if origin in level:
                level[origin] = min(level[origin], level[id] - 1)
    return level


def _fitting(text: str, most: int, end: bool = True) -> str:
    """As much of a text as a box has room for: the end of a name, which tells it from others, or the beginning."""
    text = plain(text).replace("\n", " ")
    if len(text) > most:
        text = f"…{text[1 - most :]}" if end else f"{text[: most - 1]}…"
    return escape(text)
