"""Files that lie where they were taken out of the cache: the modes they have, and whether they stand there already."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from motools.repo.hashing import Hashed, files_in, hash_file
from motools.repo.large_objects import LARGE, PROTECTED

__all__ = ["as_taken_out", "modes_of_new", "stand"]


def as_taken_out(source: Path, modes: Mapping[str, int]) -> None:
    """Give files and folders the modes that new ones get, as `check_out` does; folders without files go."""
    for parent, _, names in os.walk(source, topdown=False):
        for name in names:
            _set_mode(os.path.join(parent, name), modes["file"])
        if parent != str(source):
            with suppress(OSError):  # there is something in it
                os.rmdir(parent)
                continue
        _set_mode(parent, modes["folder"])
    if source.is_file():
        _set_mode(str(source), modes["file"])


def modes_of_new(folder: Path) -> dict[str, int]:
    """The modes that a new file and a new folder get there."""
    file, within = (os.path.join(folder, f".motools-{os.getpid()}-new-{kind}") for kind in ("file", "folder"))
    os.close(os.open(file, os.O_CREAT, 0o666))  # or one that a killed process of our number has left
    os.makedirs(within, exist_ok=True)
    modes = {"file": stat.S_IMODE(os.stat(file).st_mode), "folder": stat.S_IMODE(os.stat(within).st_mode)}
    os.unlink(file)
    os.rmdir(within)
    return modes


def _set_mode(path: str, mode: int) -> None:
    about = os.stat(path)
    if stat.S_IMODE(about.st_mode) != mode and not _is_linked(about):
        with suppress(OSError):
            os.chmod(path, mode)


def _is_linked(about: os.stat_result) -> bool:
    """Whether a file's bytes are those of an object, which must stay protected."""
    is_large = stat.S_ISREG(about.st_mode) and about.st_size >= LARGE
    return is_large and about.st_nlink > 1 and stat.S_IMODE(about.st_mode) == PROTECTED


def stand(target: Path, files: Mapping[str, Hashed]) -> bool:
    """Whether files that were just taken out stand there already: large ones as the object, small ones on their own."""
    is_folder = target.is_dir() and not target.is_symlink()
    there = {name: path for path, name in files_in(target)} if is_folder else {"": str(target)}
    return there.keys() == files.keys() and all(_is_one(there[name], each) for name, each in files.items())


def _is_one(path: str, content: Hashed) -> bool:
    try:
        about = os.lstat(path)
    except FileNotFoundError:
        return False
    if os.path.samestat(about, content.stat):
        return True
    alone = stat.S_ISREG(about.st_mode) and about.st_nlink == 1
    return alone and about.st_size == content.stat.st_size and hash_file(path) == content.md5
