"""What DVC calls files and folders by: MD5s of their bytes, and of a listing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from motools.base.files import walk
from motools.repo.large_objects import LARGE, LargeObjects

__all__ = [
    "Hashed",
    "Out",
    "block_of",
    "files_in",
    "folder_object",
    "hash_file",
    "hash_folder",
    "hash_with_stat",
    "walk_files",
]


@dataclass(frozen=True)
class Out:
    """A file or folder as dvc.lock names it. `md5` ends in `.dir` for a folder; `size` is in bytes."""

    md5: str
    size: int
    nfiles: int | None = None

    def as_dict(self) -> dict[str, object]:
        """The fields in dvc.lock's order."""
        fields: dict[str, object] = {"hash": "md5", "md5": self.md5, "size": self.size}
        return fields if self.nfiles is None else {**fields, "nfiles": self.nfiles}


_BLOCK = 1 << 18


class Hashed(NamedTuple):
    """A file's MD5, and what its stat was before it was read."""

    md5: str
    stat: os.stat_result


def hash_file(path: Path | str) -> str:
    """The MD5 of a file's bytes, as 32 hex digits."""
    return hash_with_stat(path).md5


def hash_with_stat(path: Path | str) -> Hashed:
    """The MD5 of a file's bytes, with its stat."""
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb", buffering=0) as file:  # for speed
        before = os.fstat(file.fileno())
        size = block_of(before.st_size)
        while block := file.read(size):
            digest.update(block)
    return Hashed(digest.hexdigest(), before)


def block_of(size: int) -> int:
    """How much to read at once of a file of a size: room for a large block takes longer to make than a small file."""
    return min(_BLOCK, max(size + 1, 1 << 12))


def hash_folder(folder: Path, large_objects: LargeObjects | None = None) -> tuple[Out, dict[str, Hashed], bytes]:
    """What DVC makes of a folder: its `Out`, its files by relative path, the folder object's bytes.

    Args:
        large_objects: what need not be read.
    """
    files = _hash_all(files_in(folder), large_objects)
    size = sum(each.stat.st_size for each in files.values())
    out, text = folder_object({name: each.md5 for name, each in files.items()}, size)
    return out, files, text


def _hash_all(files: Iterable[tuple[str, str]], large_objects: LargeObjects | None) -> dict[str, Hashed]:
    """The files of a folder by their names in it; several large ones at once, since hashing leaves Python alone."""
    by_name: dict[str, Hashed] = {}
    large: dict[str, str] = {}
    for path, name in files:
        if (about := os.stat(path)).st_size < LARGE:
            by_name[name] = hash_with_stat(path)
        elif large_objects is not None and (md5 := large_objects.md5(about)) is not None:
            by_name[name] = Hashed(md5, about)
        else:
            large[name] = path
    if len(large) < 2:  # for speed: no threads
        return by_name | {name: hash_with_stat(path) for name, path in large.items()}
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        hashed = threads.map(hash_with_stat, large.values())
        return by_name | dict(zip(large, hashed, strict=True))


def folder_object(files: Mapping[str, str], size: int) -> tuple[Out, bytes]:
    """The folder object of files whose hashes are known, and its bytes; `size` is the sum of their sizes."""
    listing = [{"md5": files[name], "relpath": name} for name in sorted(files)]  # by the whole path, as DVC does
    text = json.dumps(listing).encode()
    oid = hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"
    return Out(oid, size, len(files)), text


def walk_files(folder: Path) -> Iterator[Path]:
    """Every file below a folder."""
    return (Path(path) for path, _ in files_in(folder))


def files_in(folder: Path | str) -> Iterator[tuple[str, str]]:
    """The same as texts, which a folder of many files is told by ten times faster: paths, and those from the folder."""
    # Links are followed as DVC follows them: with `cache.type symlink` the files of an out are links.
    start = len(os.path.join(folder, ""))
    for parent, _, names in walk(folder):
        inside = os.path.join(parent, "")[start:]
        for name in names:
            yield os.path.join(parent, name), inside + name
