"""The tables of docs/model_organism_zoo.md, made from the registry.

`python -m mozoo.page` prints them; `python -m mozoo.page FILE` puts them into a page, in place of the tables that have
the same header lines.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

from motools import zoo
from motools.errors import UserError

PACKAGE = "mozoo"


def tables() -> list[str]:
    """Markdown tables of what mozoo publishes: datasets, tasks, workflows, configs."""
    return [
        _table(("dataset", "rows are", "paper", "licence"), _datasets()),
        _table(("task", "measures", "paper"), _tasks()),
        _table(("workflow", "steps"), _workflows()),
        _table(("config", "experiment", "workflow", "paper"), _configs()),
    ]


def in_step(text: str) -> str:
    """A page with its tables brought up to date.

    Raises:
        UserError: the page lacks one of the tables.
    """
    for table in tables():
        header = table.partition("\n")[0]
        old = re.compile(rf"^{re.escape(header)}\n(?:\|.*\n?)*", re.MULTILINE)
        if not old.search(text):
            raise UserError(f"The page has no table with the header {header!r}: write that line where it belongs.")
        text = old.sub(lambda _, new=table: new, text, count=1)  # type: ignore[misc]
    return text


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    written = "".join(f"| {' | '.join(cells)} |\n" for cells in rows)
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n{written}"


def _own(kind: zoo.Kind) -> list[str]:
    return [name for name, point in zoo.published(kind).items() if point.module.partition(".")[0] == PACKAGE]


def _datasets() -> Iterator[tuple[str, ...]]:
    for name in _own("dataset"):
        about = zoo.about("dataset", name)
        pinned = "" if about.pinned else " (not pinned)"
        yield f"`{name}`", f"{about.description}{pinned}", _link(about.paper), about.licence


def _tasks() -> Iterator[tuple[str, ...]]:
    for name in _own("task"):
        about = zoo.about("task", name)
        yield f"`{name}`", about.description, _link(about.paper)


def _workflows() -> Iterator[tuple[str, ...]]:
    for name in _own("workflow"):
        yield f"`{name}`", zoo.lookup("workflow", name).description


def _configs() -> Iterator[tuple[str, ...]]:
    known = zoo.configs()
    for name, file in known.items():
        if file.parent.parent.name == PACKAGE and "." not in name:
            about = zoo.about_config(name)
            others = " ".join(f"`.{other.partition('.')[2]}`" for other in known if other.startswith(f"{name}."))
            workflow = yaml.safe_load(zoo.config_text(name))["workflow"]
            yield f"`{name}` {others}", about.description, f"`{workflow}`", _link(about.paper)


def _link(paper: str) -> str:
    return f"[{paper.rpartition('/')[2]}]({paper})" if paper else ""


def main() -> None:
    if len(sys.argv) < 2:
        print("\n".join(tables()), end="")
        return
    page = Path(sys.argv[1])
    page.write_text(in_step(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
