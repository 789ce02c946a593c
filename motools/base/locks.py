"""One lock a file, for all processes that see it; the kernel lets go of it when its holder ends."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from motools.base.files import make_folder
from motools.base.lock_holders import take

__all__ = ["file_lock"]


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a name, for all who see the file; the kernel lets go of it when the process ends, however it ends.

    What a process that was killed had forked is ended, where it still holds the name.
    """
    make_folder(path.parent)
    while True:
        handle = os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)  # others need no right to write to it
        try:
            take(handle, path, _say_for_whom, may_end=True)
            if not is_at(path, handle):
                continue  # whoever held it is done with it and has removed it
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
                fcntl.flock(handle, fcntl.LOCK_UN)  # a child that is left behind shares it, and others wait for it
            return
        finally:
            os.close(handle)


def _say_for_whom(holder: str) -> None:
    print(f"Waiting for {holder}, which is at the same work.", file=sys.stderr)


def is_at(path: Path, fd: int) -> bool:
    """Whether a path still names the file that is open."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
