"""The index: what files and folders of the work tree hash to, remembered by their stat as git's index does.

A file that was written within the last moments before it was hashed could be written again without its
stat showing it ("racily clean"); such a file is hashed again until it is old enough to be trusted.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from collections.abc import Mapping
from pathlib import Path

from motools.base.clock import moment
from motools.base.files import replace_file
from motools.repo.hashing import Hashed, Out, files_in, folder_object, hash_file
from motools.repo.large_objects import LargeObjects

_GRAIN = 2_000_000_000  # ns; the coarsest clock of a file system in use (FAT: 2 s)
_VERSION = 1


def stamp_of(stat: os.stat_result) -> list[int | str]:
    """What changes when a file is written or replaced."""
    return [stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino]


class FileHashes:
    """Remembered hashes; `save` writes them for the next run. Losing the file costs time only.

    Args:
        large: large objects that are known, whatever they are called.
    """

    def __init__(self, path: Path, large: LargeObjects | None = None) -> None:
        self._path = path
        self._large = large
        self._told: dict[str, Hashed] = {}
        self._entries: dict[str, list[int | str]] = {}
        self._changed = False
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["version"] == _VERSION:
                self._entries = dict(content["files"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass

    def file(self, path: str) -> Out | None:
        """What a file hashes to, or None where there is no such file; a device, a pipe, a link to itself is none."""
        try:
            about = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None
            raise
        if not stat.S_ISREG(about.st_mode):
            return None
        if path in self._told:
            self._settle()
        stamp = stamp_of(about)
        entry = self._entries.get(path)
        if entry is not None and entry[:4] == stamp:
            return Out(str(entry[4]), about.st_size)
        now = time.time_ns()
        md5 = (self._large.md5(about) if self._large is not None else None) or hash_file(path)
        if max(about.st_mtime_ns, about.st_ctime_ns) < now - _GRAIN:
            self._entries[path] = [*stamp, md5]
            self._changed = True
        return Out(md5, about.st_size)

    def folder(self, path: str) -> Out | None:
        """What a folder hashes to as DVC sees it, or None where there is no such folder."""
        if not os.path.isdir(path):
            return None
        files, size = {}, 0
        for file, name in files_in(path):
            out = self.file(file)
            if out is None:  # deleted just now
                continue
            files[name] = out.md5
            size += out.size
        return folder_object(files, size)[0]

    def learn(self, hashed: Mapping[str, Hashed]) -> None:
        """What files hash to that were hashed elsewhere, each with the stat that it had then or since.

        It is kept where that is still the file's stat, and no write can come that this would not show. That is found
        out for all at once, when somebody asks: it may need a tick of the clock to pass.
        """
        self._told.update(hashed)

    def _settle(self) -> None:
        young, self._told = self._told, {}
        for pause in (0.0, 0.02):  # a tick of the clock or two
            if pause and young:
                time.sleep(pause)
            if not young or (now := moment(self._path.parent)) is None:
                return
            for path, each in list(young.items()):
                try:
                    about = os.stat(path)
                except OSError:
                    continue
                if stamp_of(about) == stamp_of(each.stat) and now.is_after(about):
                    self._entries[path] = [*stamp_of(about), each.md5]
                    self._changed = True
                    del young[path]

    def knows(self, path: str, md5: str) -> bool:
        """Whether a file has this content as far as its stat tells, and any change of it would show there."""
        if path in self._told:
            self._settle()
        entry = self._entries.get(path)
        try:
            about = os.stat(path)
        except OSError:
            return False
        return entry == [*stamp_of(about), md5] or (self._large is not None and self._large.md5(about) == md5)

    def save(self) -> None:
        """Write what is known now, without files that are gone; a reader sees the old file or the new one."""
        self._settle()
        if not self._changed:
            return
        self._entries = {path: entry for path, entry in self._entries.items() if os.path.lexists(path)}
        replace_file(self._path, json.dumps({"version": _VERSION, "files": self._entries}))
        self._changed = False
