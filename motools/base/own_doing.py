"""What MOTools does for itself while a step is executed, and nobody is to take for the step's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

__all__ = ["own_doing", "spare"]

_sparing: list[Callable[[], AbstractContextManager[None]]] = []


def spare(aside: Callable[[], AbstractContextManager[None]]) -> None:
    """From now on, `own_doing` happens within what this makes: for whoever looks at what this process does."""
    _sparing.append(aside)


@contextmanager
def own_doing() -> Iterator[None]:
    with ExitStack() as stack:
        for aside in _sparing:
            stack.enter_context(aside())
        yield
