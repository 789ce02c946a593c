"""Which modules have been loaded since a moment: to look at each of a thousand takes longer than a small step."""

from __future__ import annotations

import sys

__all__ = ["loaded_since"]


def loaded_since(mark: str | None) -> tuple[list[str], str | None]:
    """The names of the modules that were loaded after the one of a name, or all where it is not there any more; and
    the name to ask with the next time."""
    new = []
    for name in reversed(sys.modules):
        if name == mark:
            break
        new.append(name)
    return new[::-1], new[0] if new else mark
