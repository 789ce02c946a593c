"""The clock of a file system, as its files show it: what was written before a moment and what after it can be told.

A file that was last written in the same tick as it was read may be written again without its stat showing it. One
whose times lie before a moment, that was made before it was read, cannot: a later write has the moment's time or a
later one.
"""

from __future__ import annotations

import os
from typing import NamedTuple

__all__ = ["Moment", "moment"]


class Moment(NamedTuple):
    """A point of time on the clock of one file system."""

    device: int
    time: int  # ns

    def is_after_writing(self, stat: os.stat_result) -> bool:
        """Whether a file of the same file system was last written before this, whatever has become of its names."""
        return stat.st_dev == self.device and stat.st_mtime_ns < self.time

    def is_after(self, stat: os.stat_result) -> bool:
        """Whether a file of the same file system was last written, renamed or linked before this."""
        return self.is_after_writing(stat) and stat.st_ctime_ns < self.time


def moment(folder: str | os.PathLike[str]) -> Moment | None:
    """Now, where a folder lies; None where nothing can be written there."""
    path = os.path.join(folder, f".motools-{os.getpid()}-now")  # `files.sweep` knows this name
    try:
        handle = os.open(path, os.O_CREAT | os.O_WRONLY, 0o600)
    except OSError:
        return None
    try:
        os.utime(handle)
        stat = os.fstat(handle)
        os.unlink(path)
    except OSError:
        return None
    finally:
        os.close(handle)
    return Moment(stat.st_dev, min(stat.st_mtime_ns, stat.st_ctime_ns))
