"""The index: what files and folders of the work tree hash to, remembered by their stat as git's index does.

A file that was written within the last moments before it was hashed could be written again without its
stat showing it ("racily clean"); such a file is hashed again until it is old enough to be trusted.
"""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path

from motools.files import replace_file
from motools.store import Out, folder_object, hash_file, walk_files

_GRAIN = 2_000_000_000  # ns; the coarsest clock of a file system in use (FAT: 2 s)
_VERSION = 1


class Index:
    """Remembered hashes; `save` writes them for the next run. Losing the file costs time only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, list[int | str]] = {}
        self._changed = False
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["version"] == _VERSION:
                self._known = dict(content["files"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass

    def file(self, path: str) -> Out | None:
        """What a file hashes to, or None where there is no such file; a device or a pipe is none."""
        try:
            about = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISREG(about.st_mode):
            return None
        stamp = [about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino]
        known = self._known.get(path)
        if known is not None and known[:4] == stamp:
            return Out(str(known[4]), about.st_size)
        now = time.time_ns()
        md5 = hash_file(Path(path))
        if max(about.st_mtime_ns, about.st_ctime_ns) < now - _GRAIN:
            self._known[path] = [*stamp, md5]
            self._changed = True
        return Out(md5, about.st_size)

    def folder(self, path: str) -> Out | None:
        """What a folder hashes to as DVC sees it, or None where there is no such folder."""
        if not os.path.isdir(path):
            return None
        files, size = {}, 0
        for file in walk_files(Path(path)):
            out = self.file(str(file))
            if out is None:  # deleted just now
                continue
            files[file.relative_to(path).as_posix()] = out.md5
            size += out.size
        return folder_object(files, size)[0]

    def save(self) -> None:
        """Write what is known now, without files that are gone; a reader sees the old file or the new one."""
        if not self._changed:
            return
        self._known = {path: known for path, known in self._known.items() if os.path.lexists(path)}
        replace_file(self._path, json.dumps({"version": _VERSION, "files": self._known}))
        self._changed = False
