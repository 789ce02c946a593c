"""How a pipeline is run: one value, from what a person types to what carries it out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["RunOptions"]

_PLACES = 8
"""How many steps that do not say what they keep busy run at once, at least."""


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Attributes:
        stages: which steps to run, see `Workflow.select`; None for all, and then the stages written by hand, too.
        jobs: how many steps may run at once; None for eight or, if this machine has more, as many as it has cores, and
            of those steps that say how many cores they keep busy as many as have room on it.
        user: who is recorded; None for git's user.
        force: execute what is at hand.
        fail_fast: start nothing more after a failure.
        wait: for another run in the project to end; else refuse to run beside it.
        without_remote: execute what only the remote may have, without asking it.
        executor: where steps run instead of in warm workers of this machine; it must see the same files.
        on: the executor of motools.yaml that all steps run on, `here` for none; None: where motools.yaml says.
    """

    stages: str | Sequence[str] | None = None
    jobs: int | None = None
    user: str | None = None
    force: bool = False
    fail_fast: bool = False
    wait: bool = True
    without_remote: bool = False
    executor: Executor | None = None
    on: str | None = None

    def has_room(self, running: Iterable[float | None], cores: float | None) -> bool:
        """Whether a step may start beside those that run; one alone always may.

        Args:
            running: how many cores each of those keeps busy, None of those that do not say so: most wait for others.
        """
        busy = list(running)
        if self.jobs is not None:
            return _fits([1.0 if each is None else each for each in busy], 1.0 if cores is None else cores, self.jobs)
        if cores is None:
            waiting = busy.count(None)
            return waiting < _PLACES or waiting < (os.cpu_count() or 1)
        return _fits([each for each in busy if each is not None], cores, os.cpu_count() or 1)


def _fits(running: Sequence[float], cores: float, room: float) -> bool:
    return not running or sum(running) + cores <= room + 1e-9
