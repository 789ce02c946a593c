"""Fewer of the same: a spread sample of many like cases, and all of them with `pytest --all` (`make test-all`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

ALL = False
"""Whether every case is tried out; set by conftest."""

T = TypeVar("T")


def sample(cases: Sequence[T], most: int, axes: Callable[[T], Sequence[Any]] = lambda case: ()) -> list[T]:
    """Some of the cases, in their order: each value of each axis at least once, and up to `most` spread evenly."""
    if ALL:
        return list(cases)
    values = [{(axis, repr(value)) for axis, value in enumerate(axes(case))} for case in cases]
    chosen: list[int] = []
    missing = set().union(*values)
    while missing:
        best = max(range(len(cases)), key=lambda number: len(values[number] & missing))
        chosen.append(best)
        missing -= values[best]
    spread = (number * len(cases) // most for number in range(most))
    chosen += [number for number in spread if number not in chosen][: max(0, most - len(chosen))]
    return [cases[number] for number in sorted(chosen)]
