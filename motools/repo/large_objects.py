"""Large objects that have been hashed, known by what shows that nobody has written to them since.

An object of the cache is write-protected, and what a folder has of it is a second name for it. Making and
removing names changes its ctime, so that what tells are its inode, size and mtime, which a later write changes.
DVC goes by the protection alone.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

__all__ = ["LARGE", "PROTECTED", "LargeObjects"]

LARGE = 1 << 24
"""Bytes from which on a file of a result is not copied: the cache and the folder have it under two names."""

PROTECTED = 0o444
"""The mode of an object that DVC trusts without looking into it."""

_LINE = re.compile(r"(\d+ \d+ \d+ \d+) ([0-9a-f]{32})")


class LargeObjects:
    """What is known of one project's objects: a file to which every process appends. Losing it costs time only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0  # bytes
        self._md5s: dict[str, str] = {}

    def md5(self, about: os.stat_result) -> str | None:
        """What a file hashes to, by its stat; None where that is not known."""
        if about.st_size < LARGE or stat.S_IMODE(about.st_mode) != PROTECTED:
            return None
        self._look()
        return self._md5s.get(_stamp(about))

    def learn(self, md5: str, about: os.stat_result) -> None:
        """Remember what a file hashes to, if it is a large object.

        Args:
            about: its stat now; its mtime was before the file was read, in an earlier tick of the clock.
        """
        if about.st_size >= LARGE and stat.S_IMODE(about.st_mode) == PROTECTED and self.md5(about) != md5:
            with suppress(OSError):  # a full disk: it is hashed again, that is all
                self._path.parent.mkdir(exist_ok=True)
                handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
                try:
                    os.write(handle, f"{_stamp(about)} {md5}\n".encode())
                finally:
                    os.close(handle)

    def _look(self) -> None:
        """Read what has been appended; a line that was cut short is none."""
        with suppress(OSError), open(self._path, "rb") as file:
            file.seek(self._read)
            for line in file:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    if match := _LINE.fullmatch(line[:-1].decode(errors="replace")):
                        self._md5s[match[1]] = match[2]


def _stamp(about: os.stat_result) -> str:
    return f"{about.st_dev} {about.st_ino} {about.st_mtime_ns} {about.st_size}"
