"""What commands answer with: tables on a terminal, tab-separated lines elsewhere, JSON when asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from motools.base.foreign_text import visible, visible_json
from motools.base.terminal import STYLES
from motools.base.values import flat, is_key

if TYPE_CHECKING:
    from motools.atom.costs import Spent
    from motools.repo.settings import Settings


def print_json(value: Any) -> None:
    print(visible_json(value))


def print_for_programs(text: str) -> None:
    """CSV, Markdown and the like as they are; on a terminal, which would obey control characters, visible."""
    print(visible(text) if sys.stdout.isatty() else text, end="")


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on a terminal; tab-separated lines elsewhere, which `cut` and `awk` read.

    No word is cut in two, however narrow the terminal is: what does not fit side by side stands one below the other.
    """
    columns, *cells = [[visible(str(cell), True) for cell in row] for row in (columns, *rows)]
    if not sys.stdout.isatty():
        for row in (columns, *cells):
            print("\t".join(row))
        return
    from rich.table import Table
    from rich.text import Text

    from motools.base.terminal import console

    screen = console()
    widths = _widths([columns, *cells], screen.width)
    if widths is None:
        for row in cells:
            screen.print(Text(row[0], style="bold"), soft_wrap=False)
            for name, cell in zip(columns[1:], row[1:], strict=True):
                if cell:
                    screen.print(Text.assemble((f"  {name}: ", "dim"), (cell, STYLES.get(cell, ""))), soft_wrap=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, width in zip(columns, widths, strict=True):
        table.add_column(Text(column), width=width, overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    screen.print(table, soft_wrap=False)


def fits(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bool:
    """Whether a table would have its columns side by side."""
    if not sys.stdout.isatty():
        return True
    from motools.base.terminal import console

    cells = [[visible(str(cell), True) for cell in row] for row in rows]
    return _widths([columns, *cells], console().width) is not None


def _widths(lines: Sequence[Sequence[str]], most: int) -> list[int] | None:
    """How wide each column is to be, so that every word fits into its own; None where they do not fit side by side."""
    from rich.cells import cell_len

    columns = list(zip(*lines, strict=True))
    least = [max(cell_len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    wanted = [max(map(cell_len, column)) for column in columns]
    left = most - sum(least) - 2 * (len(columns) - 1)  # two spaces between columns
    if left < 0:
        return None
    widths = list(least)
    by_need = sorted(range(len(columns)), key=lambda i: wanted[i] - least[i])
    for done, i in enumerate(by_need):
        more = min(wanted[i] - least[i], left // (len(columns) - done))
        widths[i] += more
        left -= more
    return widths


def money(amount: float | None) -> str:
    """An amount to a hundredth of a cent, which is what a thousand tokens of a small model cost."""
    return "" if amount is None else f"{amount:.4f}"


def show_used(parts: Sequence[Spent], settings: Settings) -> None:
    """A line on standard error with what a run used, if it used any tokens."""
    from motools.atom.costs import total

    used = total(parts)
    if not used.tokens:
        return
    cost = f", {money(used.cost)} {settings.currency}" if used.cost is not None else ""
    lacking = f" (without {', '.join(used.unpriced)}: no price in motools.yaml)" if cost and used.unpriced else ""
    print(visible(f"This run used {used}{cost}{lacking}."), file=sys.stderr)


def shown(value: Any) -> str:
    """A value in a cell: numbers short, the rest as JSON."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def show_stages(stages: list[dict[str, Any]], quiet: bool, as_json: bool) -> None:
    """A line a stage: what happened to it, how long that took, its atoms, its first metric and how many more."""
    if as_json:
        print_json(stages)
    if as_json or quiet:
        return
    short = slice(None, -20) if sys.stdout.isatty() else slice(None)  # 12 digits find an atom as well
    rows = []
    for stage in stages:
        metrics = [f"{name} {shown(value)}" for name, value in flat(stage["metrics"]).items() if is_key(name)]
        key = " ".join([*metrics[:1], *([f"({len(metrics) - 1} more)"] if metrics[1:] else [])])
        atoms = " ".join(atom[short] for atom in stage["atoms"].values())
        where = [stage["folder"]] if "folder" in stage else []
        rows.append([*where, stage["stage"], stage["status"], f"{stage['seconds']:.1f}", atoms, key])
    several = any("folder" in stage for stage in stages)
    print_table([*(["folder"] if several else []), "stage", "status", "seconds", "atom", "metric"], rows)
