"""Where a first run of 1,000 stages spends its time, and what grows faster than the number of stages.

The main process is profiled at 100 and at 1,000 stages. Calls are counted, so that a quadratic step shows on a
busy machine too. With `--steps`, what the worker of each step does is profiled as well.
"""

from __future__ import annotations

import os
import pstats
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from measure import Figure, main, numbers, parser, seconds, settle
from projects import make_sweep

# Runs the steps in the main process and profiles them alone.
STEPS = """\
import cProfile, sys
from concurrent.futures import Executor, Future
from pathlib import Path
from motools.code.search_path import pipeline_folder
from motools.engine.pipeline import Pipeline
from motools.engine.options import RunOptions
from motools.engine.prepared import prepare_folder
from motools.engine.run import execute

profile = cProfile.Profile()

class Here(Executor):
    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_result(profile.runcall(fn, *args, **kwargs))
        return future

asked = Pipeline(pipeline_folder(Path()), lambda: prepare_folder(Path()))
execute([asked], RunOptions(executor=Here(), jobs=1))
profile.dump_stats(sys.argv[1])
"""

WAITING = "<method 'get' of '_queue.SimpleQueue' objects>"  # for the steps

Stats = dict[tuple[str, int, str], tuple[int, int, float, float, Any]]


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    small, large = numbers(arguments.sizes or ("10,100" if arguments.small else "100,1000"))
    projects = {size: make_sweep(folder / str(size), size // 2) for size in (small, large)}
    settle()
    words = [sys.executable, "-m", "cProfile", "-o"]
    for size, project in projects.items():
        seconds(project, *words, str(folder / f"{size}.profile"), "-m", "motools", "run", "-q")
    few, many = (read(folder / f"{size}.profile") for size in (small, large))
    if not arguments.json:
        show(folder / f"{large}.profile", f"main process, {large} stages", arguments.top)
        show_growth(few, many, small, large)
    if arguments.steps:
        steps = make_sweep(folder / "steps", small // 2)
        seconds(steps, sys.executable, "-c", STEPS, str(folder / "steps.profile"))
        show(folder / "steps.profile", f"the work of {small} steps", arguments.top)
    calls = {size: sum(entry[1] for entry in stats.values()) / 1e3 for size, stats in ((small, few), (large, many))}
    at_most = 1.2 * large / small
    yield Figure(f"{large} stages, calls", calls[large], f"{small} stages", calls[small], at_most, 1, "thousand")
    name, before, now = next(iter(grown(few, many, small, large)), ("none", small, large))
    what = f"{large} stages, calls of what grows fastest ({name})"
    limit = None if arguments.small else at_most  # at few stages, what is done once and at the ends weighs too much
    yield Figure(what, now / 1e3, f"{small} stages", before / 1e3, limit, 1, "thousand")


def read(path: Path) -> Stats:
    return pstats.Stats(str(path)).stats  # type: ignore[attr-defined]


def grown(few: Stats, many: Stats, small: int, large: int) -> list[tuple[str, int, int]]:
    """Our functions whose calls grew by more than the number of stages, fastest first: name, calls before, calls.

    Those that are called less than once a stage are left out: they say nothing of growth.
    """
    functions = []
    for key, entry in many.items():
        file, line, name = key
        now, before = entry[1], max(1, few[key][1]) if key in few else 1
        ours = f"{os.sep}motools{os.sep}" in file and "site-packages" not in file
        if ours and now >= large and now / before > large / small:
            functions.append((f"{Path(file).name}:{line} {name}", before, now))
    return sorted(functions, key=lambda each: each[1] / each[2])


def show(path: Path, what: str, top: int) -> None:
    print(f"-- {what}, by cumulative time, then by own time")
    stats = pstats.Stats(str(path), stream=sys.stdout).strip_dirs()
    for order in ("cumulative", "tottime"):
        stats.sort_stats(order).print_stats(top)


def show_growth(few: Stats, many: Stats, small: int, large: int) -> None:
    """Calls of ours, then own time of all functions: a step in C has no calls to count."""
    print(f"-- calls that grew by more than the number of stages did, {small} -> {large}")
    for name, before, now in grown(few, many, small, large):
        print(f"{now / before:8.1f} times  {before:>9} -> {now:<9} {name}")
    print("-- own time that grew by more than twice as much (which a busy machine blurs)")
    total = sum(entry[2] for key, entry in many.items() if key[2] != WAITING)
    for key, entry in sorted(many.items(), key=lambda each: -each[1][2]):
        file, line, name = key
        own, before = entry[2], few[key][2] if key in few else 0.0
        if name != WAITING and own > total / 200 and own > 2 * large / small * before:
            print(
                f"{own / max(before, 1e-6):8.0f} times  {before:9.3f} -> {own:<7.3f} s {Path(file).name}:{line} {name}"
            )
    print()


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--sizes", metavar="N,N", help="two numbers of stages (default: 100,1000; small: 10,100)")
    about.add_argument("--steps", action="store_true", help="profile what the steps do, too")
    about.add_argument("--top", type=int, default=30, help="how many lines of each list (default: 30)")
    main(about, measure)
