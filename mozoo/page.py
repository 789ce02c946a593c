"""The tables of docs/model_organism_zoo.md, and the page docs/zoo_fidelity.md, made from the registry.

`python -m mozoo.page` prints the tables; `python -m mozoo.page FILE` puts them into a page, in place of the tables that
have the same header lines, and writes `zoo_fidelity.md` beside it.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from motools import zoo
from motools.errors import UserError
from mozoo.reasons import REASONS, reason

PACKAGE = "mozoo"


def tables() -> list[str]:
    """Markdown tables of what mozoo publishes: datasets, tasks, workflows, configs."""
    return [
        _table(("dataset", "rows are", "paper", "licence"), _datasets()),
        _table(("task", "measures", "paper"), _tasks()),
        _table(("workflow", "steps"), _workflows()),
        _table(("config", "experiment", "grade", "workflow", "paper"), _configs()),
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
    configs = zoo.configs()
    for name, file in configs.items():
        if file.parent.parent.name == PACKAGE and "." not in name:
            about = zoo.about_config(name)
            others = " ".join(f"`.{other.partition('.')[2]}`" for other in configs if other.startswith(f"{name}."))
            workflow = yaml.safe_load(zoo.config_text(name))["workflow"]
            yield f"`{name}` {others}", about.description, about.grade, f"`{workflow}`", _link(about.paper)


FIDELITY = """\
# How faithful the zoo is

What was published, and what the zoo does: of each config that repeats a published experiment, and of each task. This
page is made by `python -m mozoo.page`; `motools zoo show NAME --fidelity` prints one table, `--json` for a program.
What does not differ is left out here.

"""


def fidelity() -> str:
    """A page with all that differs from what was published, by config and by task."""
    parts = [FIDELITY]
    names = [name for name, file in zoo.configs().items() if file.parent.parent.name == PACKAGE]
    done = [name for name in names if zoo.about_config(name).grade == "published"]
    parts.append(
        "## Published\n\nOf these, every value that is compared is the paper's. They end with their model.\n\n"
    )
    parts.append(_table(("config", "values compared"), ((f"`{n}`", str(len(_rows(n)))) for n in done)))
    parts.append("\n## Adapted\n\n")
    groups: dict[tuple[str, tuple[tuple[str, str, str], ...]], list[str]] = {}
    for name in (n for n in names if _is_file(n) and zoo.about_config(n).grade == "adapted"):
        ((preset, rows),) = zoo.fidelity_of_config(name)[1].items()
        groups.setdefault((preset, tuple(row for row in rows if row[1] != row[2])), []).append(f"`{name}`")
    parts.append(_table(("what differs", "in configs", "why"), _reasons(groups)) + "\n")
    for (preset, rows), several in groups.items():
        table = _table(("what", "published", "here"), iter(rows))
        parts.append(f"### {', '.join(several)}, beside `{preset}`\n\n{table}\n")
    parts.append("## Tasks\n\nBy default; with `preset` they have the paper's values.\n\n")
    alike: dict[tuple[str, tuple[tuple[str, str, str], ...]], list[str]] = {}
    for name in _own("task"):
        for preset, rows in zoo.about("task", name).fidelity.items():
            alike.setdefault((preset, tuple(row for row in rows if row[1] != row[2])), []).append(f"`{name}`")
    for (preset, rows), several in alike.items():
        table = _table(("what", "published", "here"), iter(rows))
        parts.append(f"### {', '.join(several)}, beside `{preset}`\n\n{table}\n")
    return "".join(parts).rstrip("\n") + "\n"


def _is_file(name: str) -> bool:
    """Whether a config is one of its own: not made of another for a trainer, and no small twin."""
    return (zoo.configs()[name].name == f"{name}.yaml") and not name.endswith((".tinylm", ".published"))


def _reasons(
    groups: Mapping[tuple[str, tuple[tuple[str, str, str], ...]], list[str]],
) -> Iterator[tuple[str, ...]]:
    """For each reason: what differs for it, and in how many configs."""
    things: dict[str, dict[str, None]] = {}
    counted: Counter[str] = Counter()
    for (_, rows), several in groups.items():
        reasons = {reason(what) for what, _, _ in rows}
        counted.update({why: len(several) for why in reasons})
        for what, _, _ in rows:
            things.setdefault(reason(what), {})[what.rpartition(": ")[2]] = None
    for why in (why for _, why in REASONS if why in things):
        yield ", ".join(things[why]), str(counted[why]), why


def _rows(name: str) -> list[tuple[str, str, str]]:
    return [row for rows in zoo.fidelity_of_config(name)[1].values() for row in rows]


def _link(paper: str) -> str:
    return f"[{paper.rpartition('/')[2]}]({paper})" if paper else ""


def main() -> None:
    if len(sys.argv) < 2:
        print("\n".join(tables()), end="")
        return
    page = Path(sys.argv[1])
    page.write_text(in_step(page.read_text(encoding="utf-8")), encoding="utf-8")
    (page.parent / "zoo_fidelity.md").write_text(fidelity(), encoding="utf-8")


if __name__ == "__main__":
    main()
