"""What is seen, written down line by line as it happens.

Processes that a step forks write too, and a killed step leaves what it had used until then. What happens before a step
begins, while its workflow is loaded, is kept apart.
"""

from __future__ import annotations

import base64
import json
import os
import stat
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from motools.observe.callers import caller, statement
from motools.observe.digests import PRIVATE, md5_of
from motools.observe.events import CUT, Events, Source, read_log
from motools.observe.functions import ExecutedFunctions
from motools.observe.origin import INSTALLED, PACKAGES, STDLIB
from motools.observe.paths import with_folders

__all__ = ["Recorder"]

_NOT_PROJECTS = (*PACKAGES, *INSTALLED)
_DEVICES, _SHARED_MEMORY = "/dev/", "/dev/shm/"
_SYSTEM = ("/proc/", "/sys/", "/etc/", "/usr/", "/lib/", "/lib64/", "/run/", "/var/lib/")
_CACHES = ("XDG_CACHE_HOME", "HF_HOME")
_WHILE_LOADING = ("file", "files"), ("exists", "exists"), ("folder", "folders"), ("env", "env"), ("named", "named")


class Recorder:
    """Of a process: what counts, and what was noted of it."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        self.loading = Events()
        self.imports: set[str] = set()
        self.root = ""
        self.ignored: tuple[str, ...] = ()
        self._apart: frozenset[str] = frozenset()
        self._standing = lru_cache(4096)(self._stands)
        self.functions = ExecutedFunctions(lambda path, function: self.note("ran", path, function))
        self.log: Path | None = None
        self._file: int | None = None  # the log's
        self._noted: set[Any] = set()
        self._written: set[str] = set()
        self._since = self._began = time.time()
        self.local = threading.local()
        self._digests: dict[str, tuple[Any, str]] = {}
        self.off = True  # but while a step is executed or a workflow is loaded
        self.process = 0
        self.keeping = False

    def begin(self, root: Path, log: Path, ignored: tuple[str, ...]) -> None:
        """From now on, what happens is a step's, written to `log` after what an earlier attempt left there.

        Args:
            root: the project.
            ignored: folders and files that are no reading of the step's: its own work, its inputs, what it makes.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        self.attend_to(str(root) + os.sep, ignored)
        self._noted.clear()
        self._written.clear()
        self._since = time.time()
        self.write_to(log)
        self._write("roots", str(root), None, None)
        self._began = os.stat(log).st_ctime  # by the clock of the file system, which is coarse and may be a server's
        self.off = False
        self.functions.again()

    def attend_to(self, root: str, ignored: tuple[str, ...]) -> None:
        self.root, self.ignored, self._apart = root, ignored, frozenset(ignored)
        self._standing.cache_clear()

    def write_to(self, log: Path) -> None:
        self.log, self._file = log, os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.process = os.getpid()

    def end(self, log: Path) -> Events:
        """What the step used, and its forks, and what an earlier attempt had used."""
        self.off = True
        if self._file is not None:
            os.close(self._file)
            self.log, self._file, self.keeping = None, None, False
        events = read_log(log)
        for path, digest in events.in_c.items():
            if self.digest(path) == digest:  # it is not what the step itself has made
                events.add("file", path, digest)
        events.settle()
        self.sources = {**events.sources, **self.sources}  # those of other processes, too
        return events

    def keep(self) -> None:
        """From now on, write down also what the code was: what the step keeps may outlive it."""
        self.keeping = True
        for path, source in self.sources.items():
            self.write_source(path, source)
        for path, *function in self.loading.ran:
            self.note("loaded", path, tuple(function))
        for kind, attribute in _WHILE_LOADING:
            for name, value in getattr(self.loading, attribute).items():
                for by in self.loading.by[kind, name]:
                    self._write(kind, name, value, by)
        self._write("whole", "", None, None)

    def write_source(self, path: str, source: Source) -> None:
        if os.getpid() != self.process:
            self.note("ran", path, ("<module>", 0))
        packed = base64.b64encode(zlib.compress(source.data)).decode()
        self.note("source", path, (packed, source.module, source.is_package))

    @contextmanager
    def attending(self, root: Path) -> Iterator[None]:
        """What happens meanwhile is the loading of code of this project, unless a step is being executed."""
        before, self.off = self.off, False
        self.attend_to(str(root) + os.sep, self.ignored)
        try:
            yield
        finally:
            self.off = before

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens within is MOTools' own doing: while a step is executed, in this thread, and else in all."""
        before = self.off, getattr(self.local, "busy", False)
        self.off, self.local.busy = self.off or self._file is None, True
        try:
            yield
        finally:
            self.off, self.local.busy = before

    def note(self, kind: str, name: str, value: Any = None) -> None:
        if self._file is not None and (kind, name, value, None) in self._noted:
            return  # used otherwise than by a statement of a module: who else uses it makes no difference
        by = statement() if kind in ("file", "exists", "folder", "env", "unseen") else None
        if self._file is None:
            self.loading.add(kind, name, value, by)
        else:
            self._write(kind, name, value, by)

    def _write(self, *item: Any) -> None:
        if self._file is not None and item not in self._noted:
            self._noted.add(item)
            line = json.dumps(item).encode() + b"\n"
            try:
                whole = os.write(self._file, line) == len(line)
            except OSError:  # the disk is full
                whole = False
            if not whole:
                os.fchmod(self._file, CUT)  # which needs no room, and is told to who forked us

    def counts(self, path: str) -> bool:
        """Whether a file or folder can be something that a step depends on."""
        standing = self._standing(path)
        return caller() == "project" if standing is None else standing

    def _stands(self, path: str) -> bool | None:
        """Whether a path counts; None where it does if the project's code asks."""
        if path.startswith(_NOT_PROJECTS) or not self._apart.isdisjoint(with_folders(path)):
            return False
        inside = f"{path}{os.sep}".startswith(self.root or "\0")
        relative = path[len(self.root) :] if inside else path
        parts = relative.split(os.sep)
        if not PRIVATE.isdisjoint(parts) or parts[-1].startswith(".motools-"):
            return False
        if any(part.endswith((".egg-info", ".dist-info")) for part in parts):  # which libraries look through
            return None
        if inside:
            return True
        if path.startswith((*_SYSTEM, *STDLIB)) or (path.startswith(_DEVICES) and not path.startswith(_SHARED_MEMORY)):
            return False
        home = os.path.expanduser("~") + os.sep
        if path.startswith(home) and path[len(home) :].startswith("."):  # caches and settings of libraries
            return None
        return None if path.startswith(tuple(os.environ.get(name) or "\0" for name in _CACHES)) else True

    def alone(self, see: Callable[..., None], *args: Any) -> None:
        """Look at something, and see nothing of what that takes."""
        if self.off or getattr(self.local, "busy", False):
            return
        self.local.busy = True
        try:
            see(*args)
        except Exception:  # an error here would become the observed code's
            pass
        finally:
            self.local.busy = False

    def digest(self, path: str) -> str | None:
        """The MD5 of a file now; None where there is none."""
        try:
            now = os.stat(path)
            if not stat.S_ISREG(now.st_mode):  # a pipe: whoever opens it waits, and takes what is another's
                return None
            stamp = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino)
            digested = self._digests.get(path)
            if digested is None or digested[0] != stamp or now.st_ctime > time.time() - 2:
                digested = self._digests[path] = stamp, md5_of(path)
            return digested[1]
        except OSError:
            return None
