"""The most memory that a process held: the main process of a run of many stages, and a step that prepares many rows."""

from __future__ import annotations

import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, main, parser, settle
from projects import environment, make_rows, make_sweep

# Runs the command line in a process that says at its end how much it held itself, without its children.
WATCHED = """\
import sys
from motools.cli.app import main

def held():
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except FileNotFoundError:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)

try:
    main()
finally:
    print("held", held())
"""


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    stages = arguments.stages or (100 if arguments.small else 1000)
    rows = arguments.rows or (100_000 if arguments.small else 1_000_000)
    sweep = make_sweep(folder / "sweep", stages // 2)
    prepared = make_rows(folder / "rows", rows)
    settle()
    held = peak(sweep, "run", "-q")
    yield Figure(f"{stages} stages, main process", held, "the limit", 400, 1.0, 1, "MB")
    held = peak(prepared, "step", "run", "rows.py:workflow", "prepare_dataset")
    count = sum(1 for _ in (prepared / "atoms" / "prepared_dataset" / "data" / "dataset.jsonl").open())
    assert count == rows, f"{count} rows were prepared"
    yield Figure(f"preparing {rows} rows", held, "the limit", 300, 1.0, 1, "MB")


def peak(folder: Path, *words: str) -> float:
    """In MB of a million bytes."""
    command = [sys.executable, "-c", WATCHED, *words]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"motools {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return int(done.stdout.split("held ")[-1]) * 1024 / 1e6


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--stages", type=int, help="(default: 1000; small: 100)")
    about.add_argument("--rows", type=int, help="(default: 1000000; small: 100000)")
    main(about, measure)
