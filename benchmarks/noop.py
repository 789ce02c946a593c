"""Three stages, nothing changed: `motools run` against `dvc repro` in the same folder, and `doit` on the same work."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, in_turns, main, parser, seconds, settle
from projects import executed, make_doit, make_sweep, run


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or (5 if arguments.small else 21)
    project = make_sweep(folder / "project", trainings=1)
    work = make_doit(folder / "doit", trainings=1)
    settle()
    run(project, "motools", "run", "-q")
    run(work, "doit")
    settle()
    calls = {
        "motools": lambda: seconds(project, "motools", "run", "-q"),
        "dvc": lambda: seconds(project, "dvc", "repro", "-q"),
        "doit": lambda: seconds(work, "doit"),
    }
    times = in_turns(n, **calls)
    assert len(executed(project)) == len(executed(work)) == 3, "something ran although nothing had changed"
    what = "3 stages, nothing changed"
    yield Figure(what, times["motools"], "dvc repro", times["dvc"], 1 / 3, n)
    yield Figure(what, times["motools"], "doit", times["doit"], 2.0, n)


if __name__ == "__main__":
    main(parser(__doc__), measure)
