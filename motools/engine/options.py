"""How a pipeline is run: one value, from what a person types to what carries it out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["RunOptions"]


@dataclass(frozen=True)
class RunOptions:
    """How to run.

    Attributes:
        stages: which steps to run, see `Workflow.select`; None for all, and then the stages written by hand, too.
        jobs: how many cores the steps may keep busy at once; None for those of this machine.
        user: who is recorded; None for git's user.
        force: execute what is at hand.
        fail_fast: start nothing more after a failure.
        wait: for another run in the project to end; else refuse to run beside it.
        without_remote: execute what only the remote may have, without asking it.
        executor: where steps run instead of in warm workers of this machine; it must see the same files.
    """

    stages: str | Sequence[str] | None = None
    jobs: int | None = None
    user: str | None = None
    force: bool = False
    fail_fast: bool = False
    wait: bool = True
    without_remote: bool = False
    executor: Executor | None = None

    @property
    def cores(self) -> int:
        return self.jobs or os.cpu_count() or 1
