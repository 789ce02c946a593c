"""A change that only the last of three steps depends on: `motools run` against `dvc repro`, each in its own project.

Beside them `doit`, where the file that the last of three tasks makes is gone.
"""

from __future__ import annotations

import itertools
import re
import shutil
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, in_turns, main, parser, seconds, settle
from projects import executed, make_doit, make_sweep, run


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or (3 if arguments.small else 11)
    engines = {"motools": ("motools", "run", "-q"), "dvc": ("dvc", "repro", "-q")}
    projects = {name: make_sweep(folder / name, trainings=1) for name in engines}
    settle()
    for name, words in engines.items():
        run(projects[name], *words)
    work = make_doit(folder / "doit", trainings=1)
    run(work, "doit")
    settle()
    seeds = itertools.count(1)

    def changed(name: str) -> float:
        change_last(projects[name], next(seeds))
        return seconds(projects[name], *engines[name])

    def last_gone() -> float:
        shutil.rmtree(work / "results_0")
        return seconds(work, "doit")

    calls = {**{name: lambda name=name: changed(name) for name in engines}, "doit": last_gone}
    times = in_turns(n, **calls)
    for project in projects.values():
        first, changes = executed(project)[:3], executed(project)[3:]
        assert first == ["dataset", "model_0", "results_0"]
        assert len(changes) >= n, "something did not run although it had changed"
        assert set(changes) == {"results_0"}, "something ran although it had not changed"
    yield Figure("the last of 3 steps changed", times["motools"], "dvc repro", times["dvc"], 0.5, n)
    yield Figure("the last of 3 steps changed", times["motools"], "doit", times["doit"], 3.0, n)


def change_last(project: Path, seed: int) -> None:
    """Another seed for the last step."""
    path = project / "params.yaml"
    head, last = path.read_text().split("evaluate_0:")
    path.write_text(f"{head}evaluate_0:{re.sub('seed: [0-9]+', f'seed: {seed}', last)}")


if __name__ == "__main__":
    main(parser(__doc__), measure)
