"""Sweeps of N stages (1 prepare, N/2 train, N/2 evaluate): first run against `dvc repro` and `doit`, growth, the no-op.

`dvc repro` takes minutes at 300 stages: `--dvc 100` leaves that out.
"""

from __future__ import annotations

import statistics
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, in_turns, main, numbers, parser, seconds, settle
from projects import executed, make_doit, make_sweep

FASTER = {100: 1 / 10, 300: 1 / 20}  # what the ratio to `dvc repro` may be


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or (1 if arguments.small else 3)
    sizes = numbers(arguments.sizes or ("10,100" if arguments.small else "100,300,1000"))
    with_dvc = numbers(arguments.dvc or ("10" if arguments.small else "100,300"))
    taken: dict[int, list[float]] = {size: [] for size in sizes}
    dvc: dict[int, list[float]] = {size: [] for size in with_dvc}
    at_once: dict[int, list[float]] = {size: [] for size in sizes}
    doit: dict[str, list[float]] = {"command": [], "function": []}
    for turn in range(n):  # each in new projects: a file system is slow where much was deleted just before
        projects = {size: make_sweep(folder / f"{size}-{turn}", size // 2) for size in sizes}
        quick = [size for size in with_dvc if turn == 0 or size <= 100]  # one of minutes is enough
        peers = {size: make_sweep(folder / f"{size}-{turn}-dvc", size // 2) for size in quick}
        settle()
        for size, project in projects.items():
            taken[size].append(first_run(project, "motools", "run", "-q"))
            at_once[size].append(seconds(project, "motools", "run", "-q"))
        for kind, times in doit.items():
            work = make_doit(folder / f"doit-{kind}-{turn}", sizes[-1] // 2, kind == "command")
            times.append(seconds(work, "doit"))
        for size, project in peers.items():
            dvc[size].append(first_run(project, "dvc", "repro", "-q"))
    first = {size: statistics.median(times) for size, times in taken.items()}
    for size, times in dvc.items():
        at_most = FASTER.get(size)
        yield Figure(
            f"{size} stages, first run", first[size], "dvc repro", statistics.median(times), at_most, len(times)
        )
    small, large = sizes[0], sizes[-1]
    at_most = 1.2 * large / small
    yield Figure(f"{large} stages, first run", first[large], f"{small} stages", first[small], at_most, n)
    for kind, at_most in (("command", 1.5), ("function", None)):
        against, peer = f"doit, a {kind} a task", statistics.median(doit[kind])
        yield Figure(f"{large} stages, first run", first[large], against, peer, at_most, n)
    n = arguments.repeats or (3 if arguments.small else 9)
    for size, at_most in ((small, 1.0), (large, 3.0)):
        yield from nothing_changed(projects[size], size, at_once[size], n, at_most)


def first_run(project: Path, *words: str) -> float:
    took = seconds(project, *words)
    stages = (project / "dvc.yaml").read_text().count("cmd: ")
    assert len(executed(project)) == stages, f"{words} executed {len(executed(project))} of {stages} stages"
    return took


def nothing_changed(project: Path, size: int, at_once: list[float], n: int, at_most: float) -> Iterator[Figure]:
    """Right after a run, then when all files are old; `at_most` is in tenths of a second where `import yaml` takes
    one or less."""
    settle()
    seconds(project, "motools", "run", "-q")  # the first one from now on knows the files by their stats
    times = in_turns(
        n,
        motools=lambda: seconds(project, "motools", "run", "-q"),
        yaml=lambda: seconds(project, sys.executable, "-c", "import yaml"),
    )
    against, peer = "import yaml", max(0.1, times["yaml"])
    yield Figure(
        f"{size} stages, nothing changed, right after a run",
        statistics.median(at_once),
        against,
        peer,
        at_most,
        len(at_once),
    )
    yield Figure(f"{size} stages, nothing changed, later", times["motools"], against, peer, at_most, n)


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--sizes", metavar="N,N", help="how many stages (default: 100,300,1000; small: 10,100)")
    about.add_argument(
        "--dvc", metavar="N,N", help="of these, where to run `dvc repro` too (default: 100,300; small: 10)"
    )
    main(about, measure)
