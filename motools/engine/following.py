"""A step's log as it grows, until no run is going on that could add to it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress

from motools.code.search_path import PipelineFolder
from motools.engine.failures import log_path
from motools.training import jobs

__all__ = ["follow"]

PAUSE = 0.2
"""Seconds between looks."""
QUEUE_PAUSE = 5.0
"""Seconds between looks at a cluster's queue."""


def follow(place: PipelineFolder, step: str) -> Iterator[str]:
    """The text of a step's log in the parts in which it comes; a log that is begun anew is told from its start.

    Ends when the project has no run, and a cluster's queue no job of the step: at once, where there is none. Where
    there is no log yet, it is waited for.
    """
    path = log_path(place, step)
    at, inode, look, queued = 0, 0, 0.0, False
    while True:
        going_on = _is_running(place)  # before reading, so that what its last step has said is read
        if not going_on and time.monotonic() >= look:
            queued, look = jobs.is_queued(place.project, place.folder, step), time.monotonic() + QUEUE_PAUSE
        going_on = going_on or queued
        with suppress(FileNotFoundError), path.open("rb") as file:
            stat = path.stat()
            if stat.st_ino != inode or stat.st_size < at:
                at, inode = 0, stat.st_ino
            file.seek(at)
            if data := file.read():
                at += len(data)
                yield data.decode("utf-8", errors="replace")
        if not going_on:
            return
        time.sleep(PAUSE)


def _is_running(place: PipelineFolder) -> bool:
    """Whether the process that the lock of the project's runs names lives.

    The lock itself is not touched, or a run that begins just now would take us for another.
    """
    try:
        holder = re.match(r"process (\d+)", (place.project.private / "run.lock").read_text(encoding="utf-8"))
    except OSError:
        return False
    if holder is None:
        return False
    try:
        os.kill(int(holder[1]), 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        pass
    return True
