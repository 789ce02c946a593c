"""One run at a time in a clone."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from motools.atom import records
from motools.base import lock_holders
from motools.engine.reporter import Reporter
from motools.errors import ProjectError
from motools.repo.project import Project

__all__ = ["one_run"]


@contextmanager
def one_run(
    project: Project, reporter: Reporter, wait: bool = True, before_waiting: Callable[[], object] = lambda: None
) -> Iterator[None]:
    """Hold the lock of a project's runs; the kernel releases that of a run that was killed.

    Args:
        before_waiting: raises what would be refused when the other run has ended, which may be in hours.

    Raises:
        ProjectError: another run holds it, and `wait` is false.
    """
    project.private.mkdir(exist_ok=True)
    path = project.private / "run.lock"
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
        if not lock_holders.try_to(file.fileno()):
            before_waiting()
            holder = path.read_text().partition("\n")[0] or "another process"
            if not wait and not lock_holders.left_behind(path):
                raise ProjectError(f"Another run is active in {project.root}: {holder}.")
            lock_holders.take(file.fileno(), path, lambda _: reporter.note(f"waiting for another run: {holder}"))
        # Over what a killed run has left there, so that nobody sees it empty meanwhile.
        told = f"process {os.getpid()}, since {records.now()}, on {socket.gethostname()}\n".encode()
        try:
            file.truncate(os.pwrite(file.fileno(), told, 0))
        except OSError:  # the disk is full
            file.truncate(0)
        try:
            yield
        finally:
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)  # processes that an executor has forked meanwhile share it
