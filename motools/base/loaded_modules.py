"""Which modules have been loaded since a moment: to look at each of a thousand takes longer than a small step."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

__all__ = ["Mark", "asked_once", "loaded_since"]


class Mark(NamedTuple):
    """The module that was loaded last at a moment, and how many there were."""

    name: str
    module: ModuleType | None
    total: int


def loaded_since(mark: Mark | None) -> tuple[list[str], Mark]:
    """The names of the modules that were loaded after a mark, or all where its module is not there any more or was
    loaded anew itself; and the mark to ask with the next time."""
    new: list[str] = []
    for name in reversed(sys.modules):
        is_marked = mark is not None and name == mark.name and sys.modules.get(name) is mark.module
        if is_marked and len(sys.modules) - len(new) <= mark.total:  # type: ignore[union-attr]
            break
        new.append(name)
    last = next(reversed(sys.modules))
    return new[::-1], Mark(last, sys.modules.get(last), len(sys.modules))


def asked_once(is_one: Callable[[str], bool]) -> Callable[[], list[str]]:
    """A function that gives the names of the loaded modules of which something is true, and asks that once of each."""
    mark: Mark | None = None
    names: dict[str, None] = {}

    def now() -> list[str]:
        nonlocal mark
        new, mark = loaded_since(mark)
        names.update(dict.fromkeys(filter(is_one, new)))
        return [name for name in names if name in sys.modules]

    return now
