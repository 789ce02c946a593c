"""One lock a file, for all processes that see it; the kernel lets go of it when its holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from motools.base.files import make_folder
from motools.base.foreign_text import visible
from motools.base.lock_holders import take

__all__ = ["file_lock", "is_at", "open_lock"]


@contextmanager
def file_lock(path: Path) -> Iterator[None]:
    """Hold a name, for all who see the file; the kernel lets go of it when the process ends, however it ends.

    What a process that was killed had forked is ended, where it still holds the name.
    """

    def say_for_whom(holder: str) -> None:
        print(visible(f"Waiting for {holder}, which is at the same work and holds {path}."), file=sys.stderr)

    make_folder(path.parent)
    while True:
        handle = open_lock(path)
        try:
            take(handle, path, say_for_whom, may_end=True)
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


def open_lock(path: Path) -> int:
    """A file to lock, made where it is not there.

    It is opened for writing, without which NFS refuses an exclusive lock (EBADF), and all who share the folder may do
    so, whatever the umask; nothing is ever written to it.
    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:  # another user's, as an earlier version has made it, or where nothing may be written
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o666)
    with suppress(OSError):
        os.fchmod(handle, 0o666)
    return handle


def is_at(path: Path, fd: int) -> bool:
    """Whether a path still names the file that is open; of a locked file NFS tells anew whether it has a name."""
    try:
        now = os.fstat(fd)
        return now.st_nlink > 0 and os.path.samestat(os.stat(path), now)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ESTALE):
            return False
        raise
