"""Observing what code uses: which functions of the project were executed, what was read, looked for and listed.

One observer serves a process, from the moment it is asked for; what it notes, `recorder` writes down.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
import re
import stat
import sys
import tempfile
from contextlib import suppress
from glob import glob
from itertools import islice
from typing import Any

from motools.base import secrets
from motools.observe.callers import caller, frames, is_named_by_project, line, reads_settings
from motools.observe.digests import (
    AS_LINK,
    DOTENV,
    ENTRY_POINTS,
    NOISE,
    digest_of_text,
    environment_digest,
    kind_of,
    listing,
)
from motools.observe.origin import INSTALLED, STDLIB, is_installed_name, is_project, prefixes
from motools.observe.paths import path_of, path_of_open
from motools.observe.recorder import Recorder

__all__ = ["WHOLE_ENVIRONMENT", "Observer"]

WHOLE_ENVIRONMENT = "the environment as a whole"
_PYTHON = (*STDLIB, *INSTALLED, *prefixes(sys.prefix, sys.base_prefix))
_IN_SCRIPT = re.compile(r"[^\s;|&<>()'\"`,=:\[\]{}]+")
_PATTERN = re.compile(r"[*?].*[./]|[./].*[*?]")
_NAMED_VARIABLE = re.compile(r"\$\{?(\w+)|\b([A-Z][A-Z0-9_]{2,})\b")
_FINDING_TASKS = ("inspect_ai/_util/module.py", "inspect_ai/_util/decorator.py")
"""Files of Inspect that read source to find tasks in it, which it then imports."""
_WORDS = frozenset("CI COLUMNS LANG LANGUAGE LINES TEMP TZ".split())
"""Of the variables that say where something runs, those by which code may choose what it does, if it names them."""
DATA_IN_C = tuple(f".{end}" for end in "parquet arrow feather lance h5 hdf5 db sqlite sqlite3 duckdb wav flac".split())
READ_IN_C = (*DATA_IN_C, ".safetensors", ".gguf", ".onnx")
"""Files that libraries which look for them may open in C, where nobody sees it."""
_ASKING = frozenset(("exists", "lexists", "isfile", "isdir", "is_file", "is_dir", "is_mount", "ismount"))
"""Functions that ask of a file only what it is."""


class Observer(Recorder):
    """What is seen in this process. `hooks.observer()` gives the one there is, which is told of what happens."""

    def __init__(self) -> None:
        super().__init__()
        self._own: set[str] = set()
        self._dotenv = ""

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
