"""Stages by the thousand, one of which takes what two thirds of the others make: first run and no-op, against `doit`.

`doit` runs a command of the shell for each task, as a pipeline of commands does, and then functions of its own process.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from measure import Figure, in_turns, main, parser, seconds, settle
from projects import executed, make_doit_join, make_join, run


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or 1
    stages = arguments.stages or (30 if arguments.small else 3000)
    inputs = 2 * stages // 3
    first: dict[str, list[float]] = {"motools": [], "commands": [], "functions": []}
    at_once = []
    for turn in range(n):
        project = make_join(folder / f"motools-{turn}", stages, inputs)
        peers = {
            kind: make_doit_join(folder / f"{kind}-{turn}", stages, inputs, kind == "commands")
            for kind in ("commands", "functions")
        }
        settle()
        for kind, peer in peers.items():
            first[kind].append(seconds(peer, "doit", "-v0"))
        first["motools"].append(seconds(project, "motools", "run", "-q"))
        at_once.append(seconds(project, "motools", "run", "-q"))
        assert len(executed(project)) == stages, "not every stage ran once"
    what = f"{stages} stages, one of {inputs} inputs"
    took = {name: median(times) for name, times in first.items()}
    yield Figure(f"{what}, first run", took["motools"], "doit, a command a task", took["commands"], 3.0, n)
    yield Figure(f"{what}, first run", took["motools"], "doit, a function a task", took["functions"], None, n)
    settle()
    run(project, "motools", "run", "-q")
    later = in_turns(
        arguments.repeats or 5,
        motools=lambda: seconds(project, "motools", "run", "-q"),
        doit=lambda: seconds(peers["commands"], "doit", "-v0"),
    )
    yield Figure(f"{what}, nothing changed, right after a run", median(at_once), "a second", 1.0, 1.0, n)
    yield Figure(f"{what}, nothing changed, later", later["motools"], "a second", 1.0, 1.0, n)
    yield Figure(f"{what}, nothing changed, later", later["motools"], "doit, a command a task", later["doit"], None, n)


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--stages", type=int, help="how many (default: 3000; small: 30)")
    main(about, measure)
