"""What `.motools` keeps of files and jobs that are gone: told as a value, and removed."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from motools.engine.cleanup import KEPT_FOR
from motools.execution import ended_jobs
from motools.execution.side_files import notes_of_gone
from motools.repo.project import Project
from motools.training.journal import JobEntry

__all__ = ["Leftovers", "leftovers", "remove_leftovers"]


@dataclass(frozen=True)
class Leftovers:
    """What can go.

    Attributes:
        notes: of files that a step had left beside its outputs.
        jobs: as the journal has them.
    """

    notes: list[Path]
    jobs: list[JobEntry]


def leftovers(project: Project) -> Leftovers:
    """What nobody will ask for; of jobs, none that may still run."""
    return Leftovers(notes_of_gone(project), ended_jobs.unneeded(project, KEPT_FOR))


def remove_leftovers(project: Project) -> None:
    """Remove it, as it is now: the caller holds the lock of runs, so that no step and no job begins meanwhile."""
    left = leftovers(project)
    for note in left.notes:
        note.unlink(missing_ok=True)
        with suppress(OSError):  # there are others of the file
            note.parent.rmdir()
    for entry in left.jobs:
        ended_jobs.forget(project, entry)
