"""Stages that only wait, all at once: what their run takes beyond one start-up, against the sleep of one of them.

The start-up is the run of a project with one stage that does not wait.
"""

from __future__ import annotations

import itertools
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, in_turns, main, parser, seconds
from projects import make_waiting


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or (1 if arguments.small else 5)
    stages = arguments.stages
    pause = 1.0 if arguments.small else 3.0
    numbers = itertools.count()

    def first_run(stages: int, pause: float) -> float:
        project = make_waiting(folder / str(next(numbers)), stages, pause)
        return seconds(project, "motools", "run", "-q", "--jobs", str(arguments.stages))

    times = in_turns(n, one=lambda: first_run(1, 0), many=lambda: first_run(stages, pause))
    what = f"{stages} stages that sleep {pause:g} s, --jobs {stages}, less one start-up of {times['one']:.2f} s"
    # the sleep is shorter in the small one, so there the rest weighs more
    yield Figure(what, times["many"] - times["one"], "the sleep", pause, None if arguments.small else 1.15, n)


if __name__ == "__main__":
    about = parser(__doc__)
    about.add_argument("--stages", type=int, default=8, help="how many (default: 8)")
    main(about, measure)
