"""Which path a call of the operating system is about."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator
from typing import Any

__all__ = ["below", "path_of", "path_of_open", "with_folders"]


def path_of(name: Any) -> str:
    return os.path.abspath(os.fsdecode(name))


def below(path: Any, folder: int | None) -> Any:
    """A path that is relative to an open folder, from the root."""
    return path if folder is None else os.path.join(path_of_open(folder), os.fsdecode(path))


def path_of_open(folder: int) -> str:
    """Where an open folder lies."""
    if sys.platform == "darwin":
        return os.fsdecode(fcntl.fcntl(folder, fcntl.F_GETPATH, bytes(1024)).partition(b"\0")[0])
    return os.readlink(f"/proc/self/fd/{folder}")


def with_folders(path: str) -> Iterator[str]:
    """A path and the folders that it lies in."""
    end = len(path)
    while end > 0:
        yield path[:end]
        end = path.rfind(os.sep, 0, end)
