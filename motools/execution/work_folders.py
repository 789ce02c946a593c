"""Work folders: made for an execution, and removed with the processes that it has left."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from motools.base import secrets
from motools.repo.hashing import walk_files
from motools.repo.project import Project

__all__ = ["WORK", "drop_secrets", "end_processes", "locks_of", "make_work_folder", "remove_work_folder"]

WORK = "MOTOOLS_WORK"
"""Names the work folder, in the environment of what a step starts."""


def make_work_folder(folder: Path) -> Mapping[str, str]:
    """Make a work folder, empty; returns what the environment of all that is started for it must say."""
    remove_work_folder(folder)
    folder.mkdir(parents=True)
    return {WORK: str(folder)}


def remove_work_folder(folder: Path) -> None:
    """Remove a work folder; where a killed run left it, what it had started may still be writing into it."""
    if os.path.lexists(folder):
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


def drop_secrets(kept: Path) -> None:
    """What a step keeps for its next execution is given up where a provider's answer had the key in it."""
    with suppress(FileNotFoundError):  # another process has just given it up
        if not kept.is_dir() or secrets.found_in(walk_files(kept)) is None:
            return
        shutil.rmtree(kept, ignore_errors=True)


def locks_of(project: Project) -> Path:
    """Where the keys are held that are being executed, for all who share the cache."""
    folder = project.cache / "locks"
    with suppress(OSError):  # a cache that may only be read
        project.store.make(folder)
    return folder
