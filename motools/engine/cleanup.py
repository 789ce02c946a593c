"""What killed runs have left behind is ended and removed."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from motools.base.files import sweep
from motools.base.lock_holders import end, left_behind, try_to
from motools.base.locks import is_at, open_lock
from motools.code.search_path import PipelineFolder
from motools.definition.context import kept_folder
from motools.execution import ended_jobs, finished_work
from motools.execution.work_folders import drop_secrets, end_processes, locks_of, remove_work_folder
from motools.repo.project import Project

__all__ = ["clean_up"]

KEPT_FOR = 30 * 24 * 3600.0
"""In seconds; then what a step kept for its next execution is given up."""


def clean_up(place: PipelineFolder) -> None:
    """Remove what killed processes left: locks, work folders, half-written files; not what is still in use."""
    project = place.project
    locks, works = locks_of(project), project.private / "work"
    for path in [*locks.glob("*"), *works.glob("*")]:
        with suppress(OSError):  # in use, just removed, or another user's
            handle = open_lock(locks / path.name)
            try:
                if _take_now(handle, locks / path.name) and is_at(locks / path.name, handle):
                    _end_or_keep(project, works / path.name)
                    (locks / path.name).unlink(missing_ok=True)
            finally:
                os.close(handle)
    finished_work.drop_known(project)
    _forget_old(project)
    ended_jobs.remove_folders(project, KEPT_FOR)
    outs = [place.folder / name for name in ("atoms", "runs", "logs", "metrics")]
    private = [project.private, project.private / "unchanged", project.root / ".dvc" / "tmp", project.store.scratch]
    for folder in (place.folder, *outs, *private):
        sweep(folder)


def _take_now(handle: int, lock: Path) -> bool:
    """Take a lock that nobody holds who lives, but for what a killed process has left behind: that is ended."""
    return try_to(handle) or (all(end(holder) for holder in left_behind(lock)) and try_to(handle))


def _forget_old(project: Project) -> None:
    """Remove what steps kept for their next execution, and atoms that were looked into, a month after the last use."""
    for path in [*(project.private / "kept").glob("*"), *(project.private / "atoms").glob("*")]:
        with suppress(FileNotFoundError):  # another process was quicker
            if path.stat().st_mtime < time.time() - KEPT_FOR:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
            elif path.parent.name == "kept":
                drop_secrets(path)


def _end_or_keep(project: Project, work: Path) -> None:
    """Remove a killed process's work folder, and what was observed if that is of no use to the next execution; the
    result of a function that had finished is put aside."""
    if finished_work.is_finished(work):
        end_processes(work)
        finished_work.put_aside(project, work)
    remove_work_folder(work)
    kept = kept_folder(project, work.name)
    if not kept.is_dir():
        kept.with_name(f"{kept.name}.trace").unlink(missing_ok=True)
