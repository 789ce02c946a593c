"""How often the 95 % intervals of `motools.statistics` hold the truth: samples are drawn whose truth is known."""

from __future__ import annotations

import json
import math
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from measure import table
from scipy.special import ndtri

from motools.statistics import Ends, Newcombe, PairedNewcombe, Wilson, mean_of, of_one, of_pairs, of_trainings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "statistics.md"
COLUMNS = ("interval", "n", "all truths", "p = 0.02", "p = 0.5", "mean width", "94 to 97 %")
Draw = Callable[[np.random.Generator, float | None], tuple[float, Ends | None]]
"""Samples of a truth, `p` or, where that is None, drawn evenly: the truth, and the interval that is to hold it."""


def share(n: int) -> Draw:
    ends = [Wilson(hits / n, n).interval() for hits in range(n + 1)]

    def draw(rng: np.random.Generator, p: float | None) -> tuple[float, Ends | None]:
        p = rng.random() if p is None else p
        return p, ends[rng.binomial(n, p)]

    return draw


def pairs(n: int, correlation: float) -> Draw:
    """Two shares, drawn apart or both p; `correlation` is that of how easy a question is for the one and the other."""

    @cache
    def ends(both: int, losses: int, gains: int) -> Ends:
        return PairedNewcombe.of_table(both, losses, gains, n).interval()

    def draw(rng: np.random.Generator, p: float | None) -> tuple[float, Ends | None]:
        one, two = rng.random(2) if p is None else (p, p)
        ease = math.sqrt(correlation) * rng.normal(size=n)
        noise = math.sqrt(1 - correlation) * rng.normal(size=(2, n))
        first, second = ease + noise[0] < ndtri(one), ease + noise[1] < ndtri(two)
        counts = (int((first & second).sum()), int((first & ~second).sum()), int((~first & second).sum()))
        return two - one, ends(*counts)

    return draw


def others(n: int) -> Draw:
    """Two shares of other questions."""

    @cache
    def ends(first: int, second: int) -> Ends:
        return Newcombe.of((first, second), (n, n)).interval()

    def draw(rng: np.random.Generator, p: float | None) -> tuple[float, Ends | None]:
        one, two = rng.random(2) if p is None else (p, p)
        return two - one, ends(int(rng.binomial(n, one)), int(rng.binomial(n, two)))

    return draw


def _clustered(rng: np.random.Generator, p: float, sizes: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Answers, 0 or 1, whose correlation within a cluster is 0.2: each cluster has a share of its own around p."""
    own = rng.beta(p * 4, (1 - p) * 4, len(sizes))
    return (rng.random(sizes.sum()) < np.repeat(own, sizes)).astype(float)


def clusters(n: int, sizes: tuple[int, int], paired: bool = False) -> Draw:
    """A share, or the difference of two on the same questions, in n clusters of so many to so many questions."""

    def draw(rng: np.random.Generator, p: float | None) -> tuple[float, Ends | None]:
        counts = rng.integers(sizes[0], sizes[1] + 1, n)
        names = np.repeat(np.arange(n), counts).tolist()
        one, two = rng.random(2) if p is None else (p, p)
        second = _clustered(rng, two, counts).tolist()
        if not paired:
            return two, of_one(second, names).interval()
        return two - one, of_pairs(_clustered(rng, one, counts).tolist(), second, names).interval()

    return draw


def normal(n: int) -> Draw:
    """A mean of scores that are no shares."""

    def draw(rng: np.random.Generator, p: float | None) -> tuple[float, Ends | None]:
        truth = rng.random() if p is None else p
        return truth, mean_of(rng.normal(truth, 0.3, n).tolist()).estimate.interval()

    return draw


def grouped(n: int) -> Draw:
    """The same, in n clusters of 5, a fifth of whose spread is that of the clusters."""

    def draw(rng: np.random.Generator, p: float | None) -> tuple[float, Ends | None]:
        truth = rng.random() if p is None else p
        values = rng.normal(truth, 0.3 * math.sqrt(0.2), n).repeat(5) + rng.normal(0, 0.3 * math.sqrt(0.8), 5 * n)
        return truth, of_one(values.tolist(), np.repeat(np.arange(n), 5).tolist()).interval()

    return draw


def trainings(n: int) -> Draw:
    """Two arms of n trainings each, of which one varies twice as much from seed to seed."""

    def draw(rng: np.random.Generator, p: float | None) -> tuple[float, Ends | None]:
        one, two = rng.random(2) if p is None else (p, p)
        estimate = of_trainings(rng.normal(one, 0.05, n).tolist(), rng.normal(two, 0.1, n).tolist(), False)
        return two - one, None if estimate is None else estimate.interval()

    return draw


SCENES: tuple[tuple[str, int, Draw], ...] = (
    *(("one share", n, share(n)) for n in (8, 20, 100)),
    *(("two shares, same questions", n, pairs(n, 0.0)) for n in (8, 20, 100)),
    *(("the same, answers alike (0.5)", n, pairs(n, 0.5)) for n in (8, 20, 100)),
    *(("two shares, other questions", n, others(n)) for n in (8, 20, 100)),
    *(("a mean of other scores", n, normal(n)) for n in (8, 20, 100)),
    *(("a share in clusters of 5", n, clusters(n, (5, 5))) for n in (6, 20)),
    *(("a share in clusters of 2 to 8", n, clusters(n, (2, 8))) for n in (6, 20)),
    *(("a mean of other scores in clusters of 5", n, grouped(n)) for n in (6, 20)),
    *(("two shares in clusters of 5, same questions", n, clusters(n, (5, 5), True)) for n in (6, 20)),
    *(("two arms of trainings", n, trainings(n)) for n in (3, 5)),
)


def measure(draws: int, seed: int) -> Iterator[dict[str, Any]]:
    for place, (what, n, draw) in enumerate(SCENES):
        held: dict[str, float] = {}
        widths = []
        for name, p in (("all", None), ("0.02", 0.02), ("0.5", 0.5)):
            rng, hits = np.random.default_rng([seed, place, int(100 * (p or 0))]), 0
            for _ in range(draws):
                truth, ends = draw(rng, p)
                # No interval is a miss.
                hits += ends is not None and ends[0] - 1e-9 <= truth <= ends[1] + 1e-9
                if p is None and ends is not None:
                    widths.append(ends[1] - ends[0])
            held[name] = hits / draws
        met = bool(0.94 <= held["all"] <= 0.97)
        width = float(sum(widths) / len(widths))
        yield {"what": what, "n": n, "held": held, "width": width, "draws": draws, "met": met}


def rows(figures: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    return [
        (
            *(each["what"], str(each["n"])),
            *(f"{100 * each['held'][name]:.1f} %" for name in ("all", "0.02", "0.5")),
            *(f"{each['width']:.2f}", "yes" if each["met"] else "no"),
        )
        for each in figures
    ]


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--small", action="store_true", help="few draws: a glance, not a verdict")
    parser.add_argument("--draws", type=int, default=None, help="draws of each figure (default 20000; small 300)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true", help="write the table into docs/statistics.md, too")
    arguments = parser.parse_args()
    draws = arguments.draws or (300 if arguments.small else 20_000)
    figures = list(measure(draws, arguments.seed))
    if arguments.markdown:
        lines = [f"| {' | '.join(cells)} |" for cells in [COLUMNS, ["---"] * len(COLUMNS), *rows(figures)]]
        said = f"`benchmarks/coverage.py`, {time.strftime('%Y-%m-%d')}, {draws:,} draws a figure, seed {arguments.seed}"
        before, _, after = PAGE.read_text(encoding="utf-8").partition("### The table\n")
        rest = after.partition("### Another method\n")[2]
        text = f"{before}### The table\n\n{said}:\n\n" + "\n".join(lines) + f"\n\n### Another method\n{rest}"
        PAGE.write_text(text, encoding="utf-8")
    if arguments.json:
        json.dump({"benchmark": "coverage", "figures": figures}, sys.stdout, indent=2)
        print()
    else:
        print(table([COLUMNS, *rows(figures)]))


if __name__ == "__main__":
    main()
