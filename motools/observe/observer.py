"""Observing what code uses: which functions of the project were executed, what was read, looked for and listed.

One observer serves a process, from the moment it is asked for. What happens before a step begins (its workflow is
loaded) and what happens while it runs are kept apart. What a step does is written down as it happens, line by line,
so that processes it forks write too, and a killed step leaves what it had used until then.
"""

from __future__ import annotations

import base64
import importlib.machinery
import json
import os
import re
import stat
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from glob import glob
from itertools import islice
from pathlib import Path
from typing import Any

from motools.base import secrets
from motools.observe.callers import caller, frames, is_named_by_project, line, reads_settings, statement
from motools.observe.digests import (
    AS_LINK,
    DOTENV,
    ENTRY_POINTS,
    NOISE,
    PRIVATE,
    digest_of_text,
    environment_digest,
    kind_of,
    listing,
    md5_of,
)
from motools.observe.events import Events, Source, read_log
from motools.observe.functions import ExecutedFunctions
from motools.observe.origin import INSTALLED, PACKAGES, STDLIB, is_installed_name, is_project, prefixes
from motools.observe.paths import path_of, path_of_open, with_folders

__all__ = ["WHOLE_ENVIRONMENT", "Observer"]

WHOLE_ENVIRONMENT = "the environment as a whole"
_NOT_PROJECTS = (*PACKAGES, *INSTALLED)
_PYTHON = (*STDLIB, *INSTALLED, *prefixes(sys.prefix, sys.base_prefix))
_DEVICES, _SHARED_MEMORY = "/dev/", "/dev/shm/"
_SYSTEM = ("/proc/", "/sys/", "/etc/", "/usr/", "/lib/", "/lib64/", "/run/", "/var/lib/")
_IN_SCRIPT = re.compile(r"[^\s;|&<>()'\"`,=:\[\]{}]+")
_PATTERN = re.compile(r"[*?].*[./]|[./].*[*?]")
_NAMED_VARIABLE = re.compile(r"\$\{?(\w+)|\b([A-Z][A-Z0-9_]{2,})\b")
_FINDING_TASKS = ("inspect_ai/_util/module.py", "inspect_ai/_util/decorator.py")
"""Files of Inspect that read source to find tasks in it, which it then imports."""
_CACHES = ("XDG_CACHE_HOME", "HF_HOME")
_WORDS = frozenset("CI COLUMNS LANG LANGUAGE LINES TEMP TZ".split())
"""Of the variables that say where something runs, those by which code may choose what it does, if it names them."""
DATA_IN_C = tuple(f".{end}" for end in "parquet arrow feather lance h5 hdf5 db sqlite sqlite3 duckdb wav flac".split())
READ_IN_C = (*DATA_IN_C, ".safetensors", ".gguf", ".onnx")
"""Files that libraries which look for them may open in C, where nobody sees it."""
_WHILE_LOADING = ("file", "files"), ("exists", "exists"), ("folder", "folders"), ("env", "env"), ("named", "named")
_ASKING = frozenset(("exists", "lexists", "isfile", "isdir", "is_file", "is_dir", "is_mount", "ismount"))
"""Functions that ask of a file only what it is."""


class Observer:
    """What is seen in this process. `hooks.observer()` gives the one there is, which is told of what happens."""

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
        self._own: set[str] = set()
        self._dotenv = ""
        self._since = self._began = time.time()
        self.local = threading.local()
        self._digests: dict[str, tuple[Any, str]] = {}
        self.off = True  # but while a step is executed or a workflow is loaded
        self.process = 0
        self.keeping = False

    # -- a step ----------------------------------------------------------------

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

    # -- what is noted -----------------------------------------------------------

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
            os.write(self._file, json.dumps(item).encode() + b"\n")

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

    def see(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "import":
            self.imports.add(args[0].partition(".")[0])
        elif event == "open":
            self.opened(*args)
        elif event in ("os.listdir", "os.scandir"):
            self._listed(event, args[0])
        elif event == "os.link":
            self.read(path_of(args[0]))
        elif event == "pickle.find_class":
            module, name = args
            if not is_installed_name(module.partition(".")[0]):
                self.note("named", f"{module}:{name}")
        elif event in ("os.mkdir", "os.rename"):
            self._writes(path_of(args[0 if event == "os.mkdir" else 1]))
        elif event == "sqlite3.connect":
            name = os.fsdecode(args[0]).removeprefix("file:").partition("?")[0]
            for end in ("", "-wal") if name not in ("", ":memory:") else ():
                self.read(path_of(name + end))
                self._writes(path_of(name + end))  # unseen, it may: then that counts which it leaves
        elif event == "ctypes.dlopen":
            # A bare name, such as libcuda.so.1, is looked for among the system's.
            if args[0] and os.sep in os.fsdecode(args[0]) and is_project(path_of(args[0])):
                self.read(path_of(args[0]))
        elif event == "socket.connect":
            address = args[1]
            if isinstance(address, tuple) and caller() != "import":
                self.note("unseen", f"the network ({address[0]})")
        else:
            self._started(event, args)

    def opened(self, name: Any, mode: Any, flags: Any) -> None:
        if not isinstance(name, (str, bytes, os.PathLike)):
            return
        path, asks = path_of(name), caller()
        if asks == "motools":
            return
        if asks == "project" and path.startswith(INSTALLED) and path.endswith(".dist-info/entry_points.txt"):
            self._listed_entry_points(path)
        if not self.counts(path) and self.counts(os.path.realpath(path)):  # a link in a folder of the step's own
            path = os.path.realpath(path)
        if not self.counts(path):
            return
        if os.path.basename(path) == DOTENV and not reads_settings():
            self._dotenv = path  # it counts where it sets something
            return
        if asks == "import" and path.endswith((".py", *importlib.machinery.EXTENSION_SUFFIXES)):
            return
        if asks != "project" and any(frame.f_code.co_filename.endswith(_FINDING_TASKS) for _, frame in frames()):
            return
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if isinstance(mode, str):
            writes = bool(set(mode) & set("wax+"))
        reads = not writes or (isinstance(mode, str) and "+" in mode and not set(mode) & set("wx"))
        if not isinstance(mode, str) and isinstance(flags, int):
            reads |= bool(flags & os.O_RDWR) and not flags & (os.O_TRUNC | os.O_EXCL)
        if reads and asks != "none":
            self.read(path)
        if writes:
            self._writes(path)

    def _listed_entry_points(self, path: str) -> None:
        """Those of an editable install may be edited, as its code may; those of others are of their version."""
        folder = os.path.dirname(path)
        with suppress(OSError), open(os.path.join(folder, "direct_url.json"), encoding="utf-8") as file:
            if json.load(file).get("dir_info", {}).get("editable"):
                name = ENTRY_POINTS + os.path.basename(folder).partition("-")[0]
                self.note("env", name, environment_digest(name))

    def _writes(self, path: str) -> None:
        if self.counts(path) and path not in self._written:
            self._written.add(path)
            if self._file is not None:
                self.note("written", path)

    def read(self, path: str) -> None:
        if path in self._written or not self.counts(path) or os.path.isdir(path):
            return
        if path.startswith(tempfile.gettempdir() + os.sep) and not path.startswith(self.root):
            try:
                if os.stat(path).st_ctime >= self._since:  # made meanwhile, by it or for it
                    return
            except OSError:
                pass
        self.note("file", path, self.digest(path))

    def returned(self, path: str) -> None:
        """A file or folder is a result as it is; where it is the project's, the step need not have read it."""
        self.read(path)
        for parent, _, names in os.walk(path) if self.counts(path) else ():
            self.note("folder", parent, listing(parent))
            for name in names:
                self.read(os.path.join(parent, name))

    def is_made_meanwhile(self, path: str) -> bool:
        """Whether a file of the project was written since the step began, by it or beside it."""
        return os.stat(path).st_ctime >= self._began

    def digest(self, path: str) -> str | None:
        """The MD5 of a file now; None where there is none."""
        try:
            now = os.stat(path)
            stamp = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino)
            digested = self._digests.get(path)
            if digested is None or digested[0] != stamp or now.st_ctime > time.time() - 2:
                digested = self._digests[path] = stamp, md5_of(path)
            return digested[1]
        except OSError:
            return None

    def _listed(self, event: str, name: Any) -> None:
        path = path_of(path_of_open(name) if isinstance(name, int) else "." if name is None else name)
        asks = caller()
        if asks in ("import", "motools", "none") or not self.counts(path) or not self.root:
            return
        inside = f"{path}{os.sep}".startswith(self.root)
        inside &= not self._is_own(os.path.join(path, "."))
        if asks == "project" or inside or (asks == "data" and not self._is_made_meanwhile(os.path.join(path, "."))):
            direct = event == "os.scandir" and next(frames())[0] == "project"  # it may ask each entry for more
            self.note("folder", path, listing(path, sizes=direct))

    def _is_own(self, path: str) -> bool:
        """Whether a file lies right in the project's or a pipeline's folder, where libraries look for much."""
        folder = os.path.dirname(path)
        return f"{folder}{os.sep}" == self.root or os.path.isfile(os.path.join(folder, "params.yaml"))

    def _started(self, event: str, args: tuple[Any, ...]) -> None:
        command = args[1] if event in ("subprocess.Popen", "os.exec", "os.posix_spawn") and len(args) > 1 else args[0]
        words = [
            os.fsdecode(w) for w in ([command] if isinstance(command, (str, bytes, os.PathLike)) else command or [])
        ]
        program = os.path.basename(words[0]).partition(" ")[0] if words else str(event)
        asks = caller()
        if asks in ("import", "motools") or (asks == "installed" and program in ("git", "ldconfig", "uname", "lsof")):
            return
        self.note("unseen", f"the process {program}")
        cwd = args[2] if event == "subprocess.Popen" and args[2] is not None else "."
        self._told("\n".join(words), [os.path.abspath(os.fsdecode(cwd)), self.root], set())

    def _told(self, text: str, folders: list[str], files: set[str]) -> None:
        """Read what a command or a script may read: each file, module and variable that a word of it may stand for."""
        for name in (first or second for first, second in _NAMED_VARIABLE.findall(text)):
            self.asked(name, os.environ.get(name), True)
        for word in dict.fromkeys(_IN_SCRIPT.findall(text)):
            if _PATTERN.search(word):
                for each in [path for folder in folders for path in glob(os.path.join(folder, word), recursive=True)]:
                    if each.startswith(self.root) and self.counts(os.path.dirname(each)):
                        self.read(each)
                        self.note("folder", os.path.dirname(each), listing(os.path.dirname(each)))
                continue
            module = word.strip(".").replace(".", os.sep)
            ends = [word, f"{module}.py", os.path.join(module, "__init__.py"), os.path.join(module, "__main__.py")]
            paths = dict.fromkeys(os.path.abspath(os.path.join(folder, end)) for folder in folders for end in ends)
            for path in paths:
                if path in files or not os.path.isfile(path) or not self.counts(path) or not path.startswith(self.root):
                    continue
                files.add(path)
                self.read(path)
                if path.endswith((".py", ".sh", ".bash", ".zsh")) and os.path.getsize(path) < 1 << 20:
                    with open(path, encoding="utf-8", errors="replace") as file:
                        self._told(file.read(), [os.path.dirname(path), *folders], files)

    def _is_made_meanwhile(self, path: str) -> bool:
        """Whether a file is in a temporary folder that was made since the step began."""
        try:
            made = os.stat(os.path.dirname(path)).st_ctime >= self._since
        except OSError:
            made = True
        return made and path.startswith(tempfile.gettempdir() + os.sep)

    def pointed(self, name: Any, target: str) -> None:
        """A link was read for itself."""
        path = path_of(name)
        if self.counts(path) and caller() == "project":
            self.note("exists", path, AS_LINK + target)

    def looked_for(self, name: Any, status: os.stat_result | None, link: bool = False) -> None:
        path = path_of(name)
        if path in self._written or not self.counts(path):
            return
        inside = path.startswith(self.root or "\0")
        if not inside and (not self.root or f"{path}{os.sep}".startswith(_PYTHON)):
            return
        asks = caller()
        in_c = asks == "installed" and path.endswith(READ_IN_C)
        if not inside and ((asks != "project" and not in_c) or self._is_made_meanwhile(path)):
            return
        kind = None if status is None else "dir" if stat.S_ISDIR(status.st_mode) else "file"
        by = [frame.f_code.co_name for _, frame in islice(frames(), 3)]
        if link and next(frames())[0] != "project":  # such as Path.resolve, which looks at each folder on the way
            by += _ASKING
        if kind == "file" and in_c and self._file is not None:
            self.note("in_c", path, self.digest(path))
        elif kind == "file" and (asks == "data" or in_c or (asks == "project" and _ASKING.isdisjoint(by))):
            self.read(path)
        elif status is not None and stat.S_ISLNK(status.st_mode):
            if asks == "project":
                self.note("exists", path, AS_LINK + os.readlink(path))
        elif asks in ("project", "data", "told") or (asks == "installed" and kind is None and not self._is_own(path)):
            self.note("exists", path, kind)

    def asked(self, name: str, value: str | None, told: bool = False) -> None:
        if self.off or name in self._own or name.startswith(("LC_", "MOTOOLS_", "DVC_", "XDG_")):
            return
        if not told and (getattr(self.local, "busy", False) or caller() not in ("project", "told")):
            return
        if name in NOISE and (told or name not in _WORDS or not is_named_by_project()):
            return
        if not told and getattr(self.local, "whole", None) == line():
            return
        if secrets.is_secret_name(name):
            self.note("env", name, "")
        else:
            self.note("env", name, None if value is None else digest_of_text(value))

    def set_by_code(self, name: Any, before: str | None) -> None:
        """What it is from now on, the code says; a package may have left it as it was, had somebody set it."""
        if self.off or name in self._own or (asks := caller()) not in ("project", "installed", "data", "told"):
            return
        if asks != "project" and self._file is not None:
            self.asked(name, before, True)
            if self._dotenv:
                self.alone(self._set_from, self._dotenv, name)
        self._own.add(name)

    def _set_from(self, path: str, name: str) -> None:
        """A package has read a file and sets a variable, which may be of that."""
        with open(path, "rb") as file:
            if any(
                words and words[-1] == name.encode() for words in (line.partition(b"=")[0].split() for line in file)
            ):
                self.read(path)

    def accessed(self, name: Any) -> None:
        path = path_of(name)
        if path not in self._written and self.counts(path) and caller() == "project":
            self.note("exists", path, kind_of(path))

    def looked_for_module(self, path: str) -> None:
        if self.counts(path) and f"{path}.py".startswith(self.root or "\0"):
            for each in (path, f"{path}.py"):
                self.note("exists", each, kind_of(each))
