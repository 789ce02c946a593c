"""Work folders, and what a killed run leaves of them: found, ended and removed by the next one."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from motools import aside, secrets
from motools.code import Place
from motools.context import is_at, kept_folder
from motools.files import sweep
from motools.holders import end, left_behind, try_to
from motools.repo import Project
from motools.store import walk_files

__all__ = ["WORK", "begin_work", "clear_up", "drop_secrets", "end_processes", "end_work", "locks_of"]

KEPT_FOR = 30 * 24 * 3600.0
"""In seconds; then what a step kept for its next execution is given up."""
WORK = "MOTOOLS_WORK"
"""Names the work folder, in the environment of what a step starts."""


def clear_up(place: Place) -> None:
    """Remove what killed processes left: locks, work folders, half-written files; not what is still in use."""
    project = place.project
    locks, works = locks_of(project), project.private / "work"
    for path in [*locks.glob("*"), *works.glob("*")]:
        with suppress(OSError):  # in use, just removed, or another user's
            handle = os.open(locks / path.name, os.O_RDONLY | os.O_CREAT, 0o666)
            try:
                if _take_now(handle, locks / path.name) and is_at(locks / path.name, handle):
                    _end_or_keep(project, works / path.name)
                    (locks / path.name).unlink(missing_ok=True)
            finally:
                os.close(handle)
    aside.drop_known(project)
    _forget_old(project)
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


def begin_work(folder: Path) -> Mapping[str, str]:
    """Make a work folder, empty; returns what the environment of all that is started for it must say."""
    end_work(folder)
    folder.mkdir(parents=True)
    return {WORK: str(folder)}


def end_work(folder: Path) -> None:
    """Remove a work folder; where a killed run left it, what it had started may still be writing into it."""
    end_processes(folder)
    shutil.rmtree(folder, ignore_errors=True)


def end_processes(folder: Path) -> None:
    """End what was started for a work folder and is still there."""
    if not folder.exists():
        return
    mark = f"{WORK}={folder}".encode()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in environment.read_bytes().split(b"\0"):
                os.kill(int(environment.parent.name), signal.SIGKILL)


def _end_or_keep(project: Project, work: Path) -> None:
    """Remove a killed process's work folder, and what was observed if that is of no use to the next execution; the
    result of a function that had finished is put aside."""
    if aside.is_finished(work):
        end_processes(work)
        aside.put_aside(project, work)
    end_work(work)
    kept = kept_folder(project, work.name)
    if not kept.is_dir():
        kept.with_name(f"{kept.name}.trace").unlink(missing_ok=True)


def drop_secrets(kept: Path) -> None:
    """What a step keeps for its next execution is given up where a provider's answer had the key in it."""
    with suppress(FileNotFoundError):  # another process has just given it up
        if secrets.found_in(walk_files(kept)) is None:
            return
        shutil.rmtree(kept, ignore_errors=True)


def locks_of(project: Project) -> Path:
    """Where the keys are held that are being executed, for all who share the cache."""
    folder = project.cache / "locks"
    with suppress(OSError):  # a cache that may only be read
        project.store.make(folder)
    return folder
