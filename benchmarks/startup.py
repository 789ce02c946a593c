"""How fast the command line answers: `motools --help` against `dvc --help`."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, in_turns, main, parser, seconds


def measure(folder: Path, arguments: Namespace) -> Iterator[Figure]:
    n = arguments.repeats or (5 if arguments.small else 21)
    calls = {name: lambda name=name: seconds(folder, name, "--help") for name in ("motools", "dvc")}
    times = in_turns(n, **calls)
    yield Figure("--help", times["motools"], "dvc --help", times["dvc"], 1.0, n)


if __name__ == "__main__":
    main(parser(__doc__), measure)
