"""Measuring: commands taken in turns, their medians, and the table or JSON that every benchmark prints of them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from projects import environment

Measure = Callable[[Path, Namespace], Iterable["Figure"]]


@dataclass(frozen=True)
class Figure:
    """One line of a table: ours against a peer's of the same run.

    Attributes:
        what: what was measured.
        ours: seconds, or MB.
        against: the peer.
        peer: the peer's seconds or MB.
        at_most: what the ratio may be; None where it only informs.
        n: how many times each was measured; the figures are medians.
        unit: of `ours` and `peer`.
    """

    what: str
    ours: float
    against: str
    peer: float
    at_most: float | None
    n: int
    unit: str = "s"

    @property
    def ratio(self) -> float:
        return self.ours / self.peer

    @property
    def verdict(self) -> str:
        if self.at_most is None:
            return ""
        return "yes" if self.ratio <= self.at_most else "NO"

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "ratio": self.ratio, "met": None if self.at_most is None else self.verdict == "yes"}


COLUMNS = ("what", "motools", "against", "peer", "ratio", "at most", "n", "met")


def row(figure: Figure) -> tuple[str, ...]:
    values = (f"{value:.4g} {figure.unit}" for value in (figure.ours, figure.peer))
    limit = "" if figure.at_most is None else f"{figure.at_most:.3g}"
    return (
        figure.what,
        next(values),
        figure.against,
        next(values),
        f"{figure.ratio:.3g}",
        limit,
        str(figure.n),
        figure.verdict,
    )


def table(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as what is in them, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *others = widths
    lines = (
        [row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others, strict=True))] for row in rows
    )
    return "\n".join("  ".join(line).rstrip() for line in lines)


def machine() -> dict[str, Any]:
    """What the figures were taken on; `load` is the machine's load average, other jobs' and ours."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "system": platform.system(),
        "cores": cores,
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


# -- clocks ----------------------------------------------------------------------


def seconds(folder: Path, *words: str) -> float:
    """The wall time of a command, which must succeed."""
    env = environment()  # outside of what is timed
    began = time.perf_counter()
    done = subprocess.run(words, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    took = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(
            f"{words} in {folder} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return took


def in_turns(n: int, **calls: Callable[[], float]) -> dict[str, float]:
    """The median of each call's figures; the calls take turns, so that a busy moment of the machine meets all.

    A round before the first that counts brings files into the page cache, where there are several that count.
    """
    for call in calls.values() if n > 1 else ():
        call()
    by_call: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(n):
        for name, call in calls.items():
            by_call[name].append(call())
    return {name: statistics.median(values) for name, values in by_call.items()}


def settle() -> None:
    """Wait until nothing in a project is so young that its stat cannot be trusted, as it is in a person's project."""
    time.sleep(2.5)


# -- the command line of every benchmark -------------------------------------------


def numbers(text: str) -> list[int]:
    """`100,300` as numbers."""
    return [int(part) for part in text.split(",") if part]


def parser(about: str | None) -> ArgumentParser:
    parser = ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--small", action="store_true", help="less of everything: a glance, not a verdict")
    parser.add_argument("--folder", type=Path, help="where to work and to leave it (default: a temporary folder)")
    parser.add_argument("--repeats", type=int, help="how many times each is measured")
    return parser


def main(about: ArgumentParser, measure: Measure) -> None:
    """Measure and print."""
    arguments = about.parse_args()
    with tempfile.TemporaryDirectory(prefix="motools-benchmark-") as folder:
        where: Path = arguments.folder or Path(folder)
        where.mkdir(parents=True, exist_ok=True)
        figures = list(measure(where, arguments))
    if arguments.json:
        name = Path(sys.argv[0]).stem
        plain = [figure.as_dict() for figure in figures]
        print(json.dumps({"benchmark": name, "machine": machine(), "figures": plain}, indent=2))
    else:
        print(table([COLUMNS, *map(row, figures)]))
