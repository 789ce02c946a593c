"""Ctrl-C and SIGTERM in a run: they are events like others, so that nothing is left half-way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from motools.errors import MotoolsError

__all__ = ["Interrupted", "Signals", "StoppedHere", "interruptible", "uninterrupted"]


class StoppedHere(KeyboardInterrupt):
    """A signal, raised where what is going on may end anywhere; it is among the events, too."""


class Interrupted(MotoolsError):
    """Ctrl-C or SIGTERM: what had finished is kept; `keys` are those of the steps that were stopped."""

    exit_code = 130

    def __init__(self, message: str, keys: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.keys = keys


class _Here(threading.local):
    may_stop = False


_here = _Here()


@contextmanager
def interruptible() -> Iterator[None]:
    """For what may take long here, and is either undone or done again wherever it ends: large files are restored or
    hashed, another command's lock is waited for. A signal raises `StoppedHere` in it."""
    _here.may_stop = True
    try:
        yield
    finally:
        _here.may_stop = False


@contextmanager
def uninterrupted() -> Iterator[None]:
    """For what must not end half-way within what is interruptible."""
    before, _here.may_stop = _here.may_stop, False
    try:
        yield
    finally:
        _here.may_stop = before


class Signals:
    """Both signals while a run goes on; `heard` says whether there was one, answered yet or not."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self.heard = False
        self._tell = tell
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._hear)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _: Any) -> None:
        self.heard = True
        self._tell(number)
        if _here.may_stop:
            _here.may_stop = False
            raise StoppedHere
