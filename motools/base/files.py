"""Files written whole: a reader sees the old content or the new, and what a killed writer leaves can be told and swept.

Whatever is being written is locked by its writer until it is renamed to where it belongs; the kernel releases
the lock of a process that was killed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_PREFIX = ".motools-"


def replace_file(path: Path, text: str, errors: str = "strict") -> None:
    """Write a text file by renaming a new one over it; its mode is kept."""
    with new_file(path) as file:
        file.write(text.encode(errors=errors))
        os.fchmod(file.fileno(), path.stat().st_mode & 0o7777 if path.exists() else 0o644)


def walk(top: str | os.PathLike[str]) -> Iterator[tuple[str, list[str], list[str]]]:
    """`os.walk` through links, but for those that lead back to a folder that they lie in: it would not end."""
    top = os.fspath(top)
    for parent, folders, names in os.walk(top, followlinks=True):
        folders[:] = [name for name in folders if not _leads_back(top, parent, name)]
        yield parent, folders, names


def _leads_back(top: str, parent: str, name: str) -> bool:
    if not os.path.islink(path := os.path.join(parent, name)):
        return False
    real, above = os.path.realpath(path), parent
    while len(above) > len(top):
        if os.path.realpath(above) == real:
            return True
        above = os.path.dirname(above)
    return f"{os.path.realpath(top)}{os.sep}".startswith(f"{real}{os.sep}")


def in_words(error: OSError) -> str:
    """What the system refused, and of which file."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list) and error.args[0]:
        *_, target, why = error.args[0][0]  # of a whole tree: the first
        return f"{str(why).partition(': ')[0].partition('] ')[2] or why}: {target}"
    if not error.strerror:
        return str(error)
    path = error.filename2 or error.filename
    return f"{error.strerror}: {path}" if path else error.strerror


@contextmanager
def new_file(target: Path, made_in: Path | None = None) -> Iterator[IO[bytes]]:
    """A file to write, which takes `target`'s place at the end; where something is raised, nothing has happened.

    Args:
        made_in: where it lies until then (default: beside the target); on the same file system.
    """
    folder = made_in or target.parent
    make_folder(folder)
    while True:
        name = _new_name(folder)
        handle = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        if _claim(handle, name):
            break
        os.close(handle)
    try:
        with open(name, "wb", opener=lambda *_: handle) as file:
            yield file
            file.flush()
            make_folder(target.parent)
            os.replace(name, target)
    except BaseException as error:
        with suppress(FileNotFoundError):
            os.unlink(name)
        if isinstance(error, OSError) and error.filename is None:  # the disk is full: while writing what?
            error.filename = str(target)
        raise


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A new folder in another one, for a moment."""
    make_folder(parent)
    while True:
        os.mkdir(name := _new_name(parent), 0o700)
        try:
            handle = os.open(name, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            if _claim(handle, name):
                yield Path(name)
                return
        finally:
            os.close(handle)
            _remove(name)


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Make a folder, and those that it lies in, where it is not there."""
    if not os.path.isdir(folder):
        os.makedirs(folder, exist_ok=True)


def _new_name(folder: Path) -> str:
    return os.path.join(folder, f"{_PREFIX}{os.urandom(6).hex()}")


def _remove(folder: str) -> None:
    try:
        os.rmdir(folder)  # most are empty at the end
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)


def set_aside(path: Path, folder: Path, copy: bool = False) -> Path:
    """Move a person's file or folder to where nothing is removed, or copy it there; returns where it is then."""
    name = f"{path.stem}-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09}{path.suffix}"
    folder.mkdir(parents=True, exist_ok=True)
    if copy:
        shutil.copy2(path, folder / name)
    else:
        shutil.move(path, folder / name)
    return folder / name


def sweep(folder: Path) -> None:
    """Remove what processes that were killed have left half-way in a folder; what is in use stays."""
    try:
        left = [entry.path for entry in os.scandir(folder) if entry.name.startswith(_PREFIX)]
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in left:
        with suppress(OSError):  # in use, gone, somebody else's, or on a file system without locks
            handle = os.open(name, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
            finally:
                os.close(handle)


def _claim(handle: int, name: str) -> bool:
    """Lock what was made just now; False where a sweep has been quicker."""
    with suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.stat(name), os.fstat(handle))
    except FileNotFoundError:
        return False
