"""The folder of each job that a cluster's queue has: what the job reads, its answer, and the lock of handing one in."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from motools.errors import BackendError
from motools.executors.job import Answer
from motools.repo.project import Project

__all__ = ["answer_file", "one_at_a_time", "queued", "read_answer"]


def queued(project: Project) -> Path:
    """Where each job has a folder, named by its key in the journal."""
    return project.private / "queued"


def answer_file(project: Project, key: str, attempt: str) -> Path:
    """Where the answer of a key's attempt is, or will be."""
    return queued(project) / key / f"{attempt}.json"


def read_answer(project: Project, key: str, attempt: str) -> Answer | None:
    """What has come of a job; None where it has not ended, or was ended from outside."""
    try:
        return Answer.loads(answer_file(project, key, attempt).read_bytes())
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


@contextmanager
def one_at_a_time(project: Project, patience: float | None = None) -> Iterator[int]:
    """Hand in, or end, while nobody else of this project does, not even an sbatch that a killed run has left behind:
    it holds the open file, too, that is given here.

    Args:
        patience: seconds to wait for others; None: as long as it takes.

    Raises:
        BackendError: patience is at its end.
    """
    path = queued(project) / "lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    until = None if patience is None else time.monotonic() + patience
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if until is None else fcntl.LOCK_NB))
                break
            except BlockingIOError:
                if until is not None and time.monotonic() > until:
                    raise BackendError(
                        "A run is handing in a job, and SLURM does not answer it yet: try again when it has."
                    ) from None
                time.sleep(0.1)
        try:
            yield file.fileno()
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
