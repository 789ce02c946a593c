"""A step's log as it grows, until no run is going on that could add to it."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from motools.code.search_path import PipelineFolder
from motools.engine.failures import log_path
from motools.training import jobs

__all__ = ["follow"]

PAUSE = 0.2
"""Seconds between looks."""
QUEUE_PAUSE = 5.0
"""Seconds between looks at a cluster's queue."""


def follow(place: PipelineFolder, step: str, say: Callable[[str], None]) -> Iterator[str]:
    """The text of a step's log in the parts in which it comes; a log that is begun anew is told from its start.

    Ends when the project has no run, and a cluster's queue no job of the step: at once, where there is none. Where
    there is no log yet, it is waited for.

    Args:
        say: hears once of a run on another host, of which nobody can see from here whether it lives.
    """
    path = log_path(place, step)
    at, inode, look, queued, told = 0, 0, 0.0, False, False
    while True:
        process, host = _holder(place)  # before reading, so that what its last step has said is read
        is_here = host in ("", socket.gethostname())
        if process and not is_here and not told:
            say(
                f"The run goes on at {host} (process {process}), as .motools/run.lock says; if it was killed there, "
                "nobody can see that from here: Ctrl-C ends this."
            )
            told = True
        going_on = bool(process) and (not is_here or _lives(process))
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


def _holder(place: PipelineFolder) -> tuple[int, str]:
    """The process and the host that the lock of the project's runs names, which a run empties when it ends; 0 for none.

    The lock itself is not touched, or a run that begins just now would take us for another.
    """
    with suppress(OSError, UnicodeDecodeError):
        text = (place.project.private / "run.lock").read_text(encoding="utf-8")
        if holder := re.match(r"process (\d+)(?:, since .*, on (.+))?", text):
            return int(holder[1]), holder[2] or ""
    return 0, ""


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is another user's
        pass
    return True
