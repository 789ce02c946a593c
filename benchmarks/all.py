"""Every benchmark, one after the other, in one table; `--markdown` puts it into docs/benchmarks.md."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from measure import COLUMNS, Figure, machine, row, table

HERE = Path(__file__).resolve().parent
NAMES = (
    *("startup", "noop", "change_last", "parallel", "memory", "sweep", "experiments", "profile_1000", "trace"),
    *("large_atoms", "large_outputs", "join", "history"),
)
PAGE = HERE.parent / "docs" / "benchmarks.md"
HEADING = "## Figures\n"


def measured(name: str, folder: Path, arguments: list[str]) -> list[Figure] | None:
    """The figures of one benchmark, which runs in a process and a folder of its own; None where it failed."""
    command = [sys.executable, str(HERE / f"{name}.py"), "--json", "--folder", str(folder), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        return None  # it has said why on standard error
    fields = Figure.__dataclass_fields__
    measurements = json.loads(done.stdout)["figures"]
    return [Figure(**{key: value for key, value in each.items() if key in fields}) for each in measurements]


def markdown(rows: Sequence[Sequence[str]], on: dict[str, Any], small: bool) -> str:
    """The last section of the page: when, on what, and the table."""
    size = "Small sizes" if small else "Full sizes"
    when = f"{size}, {time.strftime('%Y-%m-%d')}, {on['system']}, {on['cores']} cores, Python {on['python']}"
    lines = [f"| {' | '.join(cells)} |" for cells in [COLUMNS, ["---"] * len(COLUMNS), *rows]]
    text = f"{when}; the load average was {on['load']} at the start and {machine()['load']} at the end."
    return f"{HEADING}\n{text}\n\n" + "\n".join(lines) + "\n"


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--small", action="store_true", help="less of everything: a glance, not a verdict")
    parser.add_argument("--markdown", action="store_true", help="write the table into docs/benchmarks.md, too")
    parser.add_argument("--only", metavar="NAME,NAME", default=",".join(NAMES), help="only these")
    arguments = parser.parse_args()
    on = machine()
    figures: dict[str, list[Figure]] = {}
    failed = []
    with tempfile.TemporaryDirectory(prefix="motools-benchmark-") as folder:
        # Removed after the last one: a file system is slow for minutes where much was deleted.
        for name in arguments.only.split(","):
            print(f"{name} ...", file=sys.stderr, flush=True)
            of_one = measured(name, Path(folder, name), ["--small"] if arguments.small else [])
            if of_one is None:
                failed.append(name)
            else:
                figures[name] = of_one
    rows = [row(figure) for of_one in figures.values() for figure in of_one]
    if arguments.json:
        print(json.dumps({name: [each.as_dict() for each in of_one] for name, of_one in figures.items()}, indent=2))
    else:
        print(table([COLUMNS, *rows]))
    if arguments.markdown:
        head = PAGE.read_text(encoding="utf-8").partition(HEADING)[0]
        PAGE.write_text(head + markdown(rows, on, arguments.small), encoding="utf-8")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
