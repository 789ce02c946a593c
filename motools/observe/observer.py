"""Observing what code uses: which functions of the project were executed, what was read, looked for and listed.

One observer serves a process, from the moment it is asked for. What happens before a step begins (its workflow is
loaded) and what happens while it runs are kept apart. What a step does is written down as it happens, line by line,
so that processes it forks write too, and a killed step leaves what it had used until then.
"""

from __future__ import annotations

import ast
import base64
import builtins
import errno
import fcntl
import importlib.machinery
import inspect
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
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from motools.base import secrets
from motools.observe.digests import AS_LINK, NOISE, PRIVATE, digest_of_text, kind_of, listing, md5_of
from motools.observe.events import Events, Source, read_log
from motools.observe.origin import INSTALLED, PACKAGES, STDLIB, is_project, kind_of_code, prefixes

__all__ = ["WHOLE_ENVIRONMENT", "Observer", "is_mark", "observer"]

WHOLE_ENVIRONMENT = "the environment as a whole"
_MARK = "__motools_ran__"  # ends in underscores, so that no class mangles it
_MARKED = sys.version_info < (3, 12)  # later, `sys.monitoring` tells what is executed, at no cost
_NOT_PROJECTS = (*PACKAGES, *INSTALLED)
_PYTHON = (*STDLIB, *INSTALLED, *prefixes(sys.prefix, sys.base_prefix))
_DEVICES, _SHARED_MEMORY = "/dev/", "/dev/shm/"
_SYSTEM = ("/proc/", "/sys/", "/etc/", "/usr/", "/lib/", "/lib64/", "/run/", "/var/lib/")
_WATCHED = frozenset(
    "open os.listdir os.scandir import subprocess.Popen os.system os.exec os.posix_spawn socket.connect "
    "sqlite3.connect ctypes.dlopen os.mkdir os.rename os.link".split()
)
_IN_SCRIPT = re.compile(r"[^\s;|&<>()'\"`,=:\[\]{}]+")
_NAMED_VARIABLE = re.compile(r"\$\{?(\w+)|\b([A-Z][A-Z0-9_]{2,})\b")
_CARRIERS = frozenset(("spawn", "cloudpickle", "_dill"))
"""Modules, also where a package has its own copy, that start other processes or send them code."""
_OF_TRACEBACKS = ("traceback.py", "inspect.py", "warnings.py")
_FINDING_TASKS = ("inspect_ai/_util/module.py", "inspect_ai/_util/decorator.py")
"""Files of Inspect that read source to find tasks in it, which it then imports."""
_SETTINGS = tuple(f"{os.sep}{name}{os.sep}" for name in ("pydantic_settings", "environs", "decouple"))
"""Packages that read for the project which variables it has named."""
_ASKING = frozenset(("exists", "lexists", "isfile", "isdir", "is_file", "is_dir", "is_mount", "ismount"))
"""Functions that ask of a file only what it is."""


def is_mark(value: Any) -> bool:
    """Whether a name or constant in bytecode is there only to tell that a function is executed."""
    return isinstance(value, str) and value.startswith(_MARK)


def _frames() -> Iterator[tuple[str, FrameType]]:
    """The calls that led here, but those of this file, the innermost first, and whose code each is."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename != __file__:
            yield kind_of_code(frame.f_code.co_filename), frame
        frame = frame.f_back


@cache
def _kind_of_caller(file: str) -> str:
    """Whose code asks, where it is this file's; `none` where it asks for another's."""
    kind = kind_of_code(file)
    if kind == "stdlib" and file.endswith(_OF_TRACEBACKS):
        return "import"
    if kind == "installed" and f"{os.sep}fsspec{os.sep}" in file:
        return "data"  # what it looks at it reads, unless it has a copy in its cache
    return "none" if kind == "stdlib" or file == __file__ else kind


def _with_folders(path: str) -> Iterator[str]:
    """A path and the folders that it lies in."""
    end = len(path)
    while end > 0:
        yield path[:end]
        end = path.rfind(os.sep, 0, end)


def _line() -> tuple[CodeType, int] | None:
    """Where the project's code is."""
    return next(((frame.f_code, frame.f_lineno) for kind, frame in _frames() if kind == "project"), None)


class Observer:
    """What is seen in this process. `observer()` gives the one there is."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        self.loading = Events()
        self.imports: set[str] = set()
        self.root = ""
        self.ignored: tuple[str, ...] = ()
        self._apart: frozenset[str] = frozenset()
        self._standing = lru_cache(4096)(self._stands)
        self.marks: dict[str, tuple[str, str, int]] = {}
        self._met: list[str] = []
        self._log: int | None = None
        self._noted: set[Any] = set()
        self._written: set[str] = set()
        self._own: set[str] = set()
        self._since = time.time()
        self._local = threading.local()
        self._digests: dict[str, tuple[Any, str]] = {}
        self._off = True  # but while a step is executed or a workflow is loaded
        self._process = 0
        self._joining: _Joining | None = None
        self._keeping = False
        self._install()

    # -- a step ----------------------------------------------------------------

    def begin(self, root: Path, log: Path, ignored: tuple[str, ...]) -> None:
        """From now on, what happens is a step's, written to `log` after what an earlier attempt left there.

        Args:
            root: the project.
            ignored: folders and files that are no reading of the step's: its own work, its inputs, what it makes.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        self._place(str(root) + os.sep, ignored)
        self._noted.clear()
        self._written.clear()
        self._since = time.time()
        self._open(log)
        self._write("roots", str(root), None, None)
        self._off = False
        self._again()

    def _place(self, root: str, ignored: tuple[str, ...]) -> None:
        self.root, self.ignored, self._apart = root, ignored, frozenset(ignored)
        self._standing.cache_clear()

    def _open(self, log: Path) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._process = os.getpid()
        self._joining = _Joining(self.root, str(log), self.ignored)

    def end(self, log: Path) -> Events:
        """What the step used, and its forks, and what an earlier attempt had used."""
        self._off = True
        if self._log is not None:
            os.close(self._log)
            self._log, self._joining, self._keeping = None, None, False
        events = read_log(log)
        events.settle()
        self.sources = {**events.sources, **self.sources}  # those of other processes, too
        return events

    def keep(self) -> None:
        """From now on, write down also what the code was: what the step keeps may outlive it."""
        self._keeping = True
        for path, source in self.sources.items():
            self._write_source(path, source)
        for path, name, line in self.loading.ran:
            self.note("loaded", path, (name, line))
        for kind, found in (("file", "files"), ("exists", "exists"), ("folder", "folders"), ("env", "env")):
            for name, value in getattr(self.loading, found).items():
                for by in self.loading.by[kind, name]:
                    self._write(kind, name, value, by)
        self._write("whole", "", None, None)

    def _write_source(self, path: str, source: Source) -> None:
        if os.getpid() != self._process:
            self.note("ran", path, ("<module>", 0))
        packed = base64.b64encode(zlib.compress(source.data)).decode()
        self.note("source", path, (packed, source.module, source.is_package))

    @contextmanager
    def attending(self, root: Path) -> Iterator[None]:
        """What happens meanwhile is the loading of code of this project, unless a step is being executed."""
        before, self._off = self._off, False
        self._place(str(root) + os.sep, self.ignored)
        try:
            yield
        finally:
            self._off = before

    @contextmanager
    def aside(self) -> Iterator[None]:
        """What happens within is MOTools' own doing: while a step is executed, in this thread, and else in all."""
        before = self._off, getattr(self._local, "busy", False)
        self._off, self._local.busy = self._off or self._log is None, True
        try:
            yield
        finally:
            self._off, self._local.busy = before

    # -- what is noted -----------------------------------------------------------

    def note(self, kind: str, name: str, value: Any = None) -> None:
        if self._log is not None and (kind, name, value, None) in self._noted:
            return  # used otherwise than by a statement of a module: who else uses it makes no difference
        by = self._statement() if kind in ("file", "exists", "folder", "env", "unseen") else None
        if self._log is None:
            self.loading.add(kind, name, value, by)
        else:
            self._write(kind, name, value, by)

    def _write(self, *item: Any) -> None:
        if self._log is not None and item not in self._noted:
            self._noted.add(item)
            os.write(self._log, json.dumps(item).encode() + b"\n")

    def _statement(self) -> tuple[str, int] | None:
        """The innermost statement of a project's module that is being executed now."""
        for kind, frame in _frames():
            if kind == "motools":  # which called what happens
                return None
            if kind == "project" and frame.f_code.co_name == "<module>":
                return os.path.abspath(frame.f_code.co_filename), frame.f_lineno
        return None

    def counts(self, path: str) -> bool:
        """Whether a file or folder can be something that a step depends on."""
        standing = self._standing(path)
        return self._caller() == "project" if standing is None else standing

    def _stands(self, path: str) -> bool | None:
        """Whether a path counts; None where it does if the project's code asks."""
        if path.startswith(_NOT_PROJECTS) or not self._apart.isdisjoint(_with_folders(path)):
            return False
        inside = f"{path}{os.sep}".startswith(self.root or "\0")
        relative = path[len(self.root) :] if inside else path
        parts = relative.split(os.sep)
        if not PRIVATE.isdisjoint(parts) or parts[-1].startswith(".motools-"):
            return False
        if any(part.endswith((".egg-info", ".dist-info")) for part in parts):  # which libraries look through
            return None
        if inside:
            return parts[-1] != ".env"
        if path.startswith((*_SYSTEM, *STDLIB)) or (path.startswith(_DEVICES) and not path.startswith(_SHARED_MEMORY)):
            return False
        home = os.path.expanduser("~") + os.sep
        if path.startswith(home) and path[len(home) :].startswith("."):  # caches and settings of libraries
            return None
        return not path.startswith((os.environ.get("XDG_CACHE_HOME") or "\0", os.environ.get("HF_HOME") or "\0"))

    def _caller(self) -> str:
        """Whose code asked: the innermost frame that is not the standard library's."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            kind = _kind_of_caller(frame.f_code.co_filename)
            if kind != "none":
                return kind
            frame = frame.f_back
        # A thread that runs nothing but the standard library's does so for the step.
        return "none" if threading.current_thread() is threading.main_thread() else "project"

    def _alone(self, see: Callable[..., None], *args: Any) -> None:
        """Look at something, and see nothing of what that takes."""
        if self._off or getattr(self._local, "busy", False):
            return
        self._local.busy = True
        try:
            see(*args)
        except Exception:  # an error here would become the observed code's
            pass
        finally:
            self._local.busy = False

    def _see(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "import":
            self.imports.add(args[0].partition(".")[0])
        elif event == "open":
            self._opened(*args)
        elif event in ("os.listdir", "os.scandir"):
            self._listed(event, args[0])
        elif event == "os.link":
            self._read(_path(args[0]))
        elif event in ("os.mkdir", "os.rename"):
            self._writes(_path(args[0 if event == "os.mkdir" else 1]))
        elif event == "sqlite3.connect":
            self._read(_path(os.fsdecode(args[0]).removeprefix("file:").partition("?")[0]))
        elif event == "ctypes.dlopen":
            if args[0] and is_project(_path(args[0])):
                self._read(_path(args[0]))
        elif event == "socket.connect":
            address = args[1]
            if isinstance(address, tuple) and self._caller() != "import":
                self.note("unseen", f"the network ({address[0]})")
        else:
            self._started(event, args)

    def _opened(self, name: Any, mode: Any, flags: Any) -> None:
        if not isinstance(name, (str, bytes, os.PathLike)):
            return
        path, caller = _path(name), self._caller()
        if caller == "motools":
            return
        if not self.counts(path) and self.counts(os.path.realpath(path)):  # a link in a folder of the step's own
            path = os.path.realpath(path)
        if not self.counts(path):
            return
        if caller == "import" and path.endswith((".py", *importlib.machinery.EXTENSION_SUFFIXES)):
            return
        if caller != "project" and any(frame.f_code.co_filename.endswith(_FINDING_TASKS) for _, frame in _frames()):
            return
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if isinstance(mode, str):
            writes = bool(set(mode) & set("wax+"))
        reads = not writes or (isinstance(mode, str) and "+" in mode and not set(mode) & set("wx"))
        if not isinstance(mode, str) and isinstance(flags, int):
            reads |= bool(flags & os.O_RDWR) and not flags & (os.O_TRUNC | os.O_EXCL)
        if reads and caller != "none":
            self._read(path)
        if writes:
            self._writes(path)

    def _writes(self, path: str) -> None:
        if self.counts(path) and path not in self._written:
            self._written.add(path)
            if self._log is not None:
                self.note("written", path)

    def _read(self, path: str) -> None:
        if path in self._written or not self.counts(path) or os.path.isdir(path):
            return
        if path.startswith(tempfile.gettempdir() + os.sep) and not path.startswith(self.root):
            try:
                if os.stat(path).st_ctime >= self._since:  # made meanwhile, by it or for it
                    return
            except OSError:
                pass
        self.note("file", path, self.digest(path))

    def digest(self, path: str) -> str | None:
        """The MD5 of a file now; None where there is none."""
        try:
            now = os.stat(path)
            stamp = (now.st_mtime_ns, now.st_ctime_ns, now.st_size, now.st_ino)
            known = self._digests.get(path)
            if known is None or known[0] != stamp or now.st_ctime > time.time() - 2:
                known = self._digests[path] = stamp, md5_of(path)
            return known[1]
        except OSError:
            return None

    def _listed(self, event: str, name: Any) -> None:
        path = _path(_path_of_open(name) if isinstance(name, int) else "." if name is None else name)
        caller = self._caller()
        if caller in ("import", "motools", "none") or not self.counts(path) or not self.root:
            return
        inside = f"{path}{os.sep}".startswith(self.root)
        if caller == "project" or (inside and not self._is_own(os.path.join(path, "."))):
            direct = event == "os.scandir" and next(_frames())[0] == "project"  # it may ask each entry for more
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
        caller = self._caller()
        if caller in ("import", "motools") or (
            caller == "installed" and program in ("git", "ldconfig", "uname", "lsof")
        ):
            return
        self.note("unseen", f"the process {program}")
        cwd = args[2] if event == "subprocess.Popen" and args[2] is not None else "."
        self._told("\n".join(words), [os.path.abspath(os.fsdecode(cwd)), self.root], set())

    def _told(self, text: str, folders: list[str], known: set[str]) -> None:
        """Read what a command or a script may read: each file, module and variable that a word of it may stand for."""
        for name in (first or second for first, second in _NAMED_VARIABLE.findall(text)):
            self._asked(name, os.environ.get(name), True)
        for word in dict.fromkeys(_IN_SCRIPT.findall(text)):
            module = word.strip(".").replace(".", os.sep)
            ends = [word, f"{module}.py", os.path.join(module, "__init__.py"), os.path.join(module, "__main__.py")]
            paths = dict.fromkeys(os.path.abspath(os.path.join(folder, end)) for folder in folders for end in ends)
            for path in paths:
                if path in known or not os.path.isfile(path) or not self.counts(path) or not path.startswith(self.root):
                    continue
                known.add(path)
                self._read(path)
                if path.endswith((".py", ".sh", ".bash", ".zsh")) and os.path.getsize(path) < 1 << 20:
                    with open(path, encoding="utf-8", errors="replace") as file:
                        self._told(file.read(), [os.path.dirname(path), *folders], known)

    def _is_made_meanwhile(self, path: str) -> bool:
        """Whether a file is in a temporary folder that was made since the step began."""
        try:
            made = os.stat(os.path.dirname(path)).st_ctime >= self._since
        except OSError:
            made = True
        return made and path.startswith(tempfile.gettempdir() + os.sep)

    def _pointed(self, name: Any, target: str) -> None:
        """A link was read for itself."""
        path = _path(name)
        if self.counts(path) and self._caller() == "project":
            self.note("exists", path, AS_LINK + target)

    def _looked_for(self, name: Any, found: os.stat_result | None, link: bool = False) -> None:
        path = _path(name)
        if path in self._written or not self.counts(path):
            return
        inside = path.startswith(self.root or "\0")
        if not inside and (not self.root or f"{path}{os.sep}".startswith(_PYTHON)):
            return
        caller = self._caller()
        if not inside and (caller != "project" or self._is_made_meanwhile(path)):
            return
        kind = None if found is None else "dir" if stat.S_ISDIR(found.st_mode) else "file"
        by = [frame.f_code.co_name for _, frame in islice(_frames(), 3)]
        if link and next(_frames())[0] != "project":  # such as Path.resolve, which looks at each folder on the way
            by += _ASKING
        if kind == "file" and (caller == "data" or (caller == "project" and _ASKING.isdisjoint(by))):
            self._read(path)
        elif found is not None and stat.S_ISLNK(found.st_mode):
            if caller == "project":
                self.note("exists", path, AS_LINK + os.readlink(path))
        elif caller == "project" or (caller == "installed" and kind is None and not self._is_own(path)):
            self.note("exists", path, kind)

    def _asked(self, name: str, value: str | None, told: bool = False) -> None:
        if self._off or name in NOISE or name in self._own or name.startswith(("LC_", "MOTOOLS_", "DVC_", "XDG_")):
            return
        if not told and (getattr(self._local, "busy", False) or self._caller() != "project"):
            return
        if not told and getattr(self._local, "whole", None) == _line():
            return
        if secrets.is_secret_name(name):
            self.note("env", name, "")
        else:
            self.note("env", name, None if value is None else digest_of_text(value))

    def _set_by_code(self, name: Any) -> None:
        if not self._off and self._caller() == "project":
            self._own.add(name)  # what it is from now on, the code says

    # -- how it is seen ------------------------------------------------------------

    def _install(self) -> None:
        self._watch_functions()
        self._watch_loader()
        self._watch_environment()
        self._watch_stat()
        alone, see = self._alone, self._see

        def hook(event: str, args: tuple[Any, ...], watched: frozenset[str] = _WATCHED) -> None:
            if event in watched:
                alone(see, event, args)

        sys.addaudithook(hook)  # called a million times in an evaluation: a method takes three times as long

    def _watch_functions(self) -> None:
        if _MARKED:
            setattr(builtins, _MARK, self._ran)
            return
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        tool = next(number for number in (4, 3) if monitoring.get_tool(number) is None)
        monitoring.use_tool_id(tool, "motools")

        def started(code: Any, _: int, is_project: Callable[[str], bool] = is_project) -> Any:  # also at the very end
            if is_project(code.co_filename):
                self._entered(code)
            return monitoring.DISABLE

        monitoring.register_callback(tool, monitoring.events.PY_START, started)
        monitoring.set_events(tool, monitoring.events.PY_START)

    def _entered(self, code: CodeType) -> None:
        name = code.co_qualname
        while name.endswith(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>")):
            name = name.rpartition(".")[0].removesuffix(".<locals>")
        self.note("ran", os.path.abspath(code.co_filename), (name, 0 if name else code.co_firstlineno))

    def _ran(self, mark: str) -> None:
        """What a marked function calls as long as its mark, a builtin, is true: nothing is faster to ask."""
        setattr(builtins, mark, False)
        self._met.append(mark)
        path, name, line = self.marks[mark]
        self.note("ran", path, (name, line))

    def _again(self) -> None:
        """Functions that were executed before are seen once more."""
        if _MARKED:
            for mark in self._met:
                setattr(builtins, mark, True)
            self._met.clear()
        else:
            sys.monitoring.restart_events()  # type: ignore[attr-defined,unused-ignore]

    def _watch_loader(self) -> None:
        loader: Any = importlib.machinery.SourceFileLoader
        before = loader.get_code

        def get_code(this: Any, name: str) -> Any:
            path = os.path.abspath(this.get_filename(name))
            if not is_project(path):
                return before(this, name)
            data = this.get_data(path)
            if kind_of_code(sys._getframe(1).f_code.co_filename) != "import":  # such as runpy: there will be no module
                self._alone(self._read, path)
                return before(this, name)
            self.sources[path] = Source(data, name, this.is_package(name))
            if self._keeping or os.getpid() != self._process:
                self._write_source(path, self.sources[path])
            tree: Any = data
            if _MARKED:
                tree = compile(data, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
                self._mark(tree, path)
            return compile(tree, path, "exec", dont_inherit=True)

        loader.get_code = get_code
        finder: Any = importlib.machinery.PathFinder
        find = finder.find_spec

        def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
            found = find(name, path, target)
            if name.rpartition(".")[2] in _CARRIERS and isinstance(getattr(found, "loader", None), loader):
                self._watch_carrier_of(found.loader)
            if path is None:
                self.imports.add(name)
            elif found is None:
                for folder in path:
                    self._alone(self._looked_for_module, os.path.join(_path(folder), name.rpartition(".")[2]))
            return found

        finder.find_spec = staticmethod(find_spec)
        for name in [name for name in sys.modules if name.rpartition(".")[2] in _CARRIERS]:
            self._watch_carrier(sys.modules[name])
        inspecting: Any = inspect
        source = inspect.findsource

        def findsource(of: Any) -> Any:
            lines = source(of)
            if sys._getframe(1).f_code.co_name != "getframeinfo" and is_project(inspect.getsourcefile(of) or __file__):
                self._alone(self._read, _path(inspect.getsourcefile(of)))
            return lines

        inspecting.findsource = findsource

    def _looked_for_module(self, path: str) -> None:
        if self.counts(path) and f"{path}.py".startswith(self.root or "\0"):
            for each in (path, f"{path}.py"):
                self.note("exists", each, kind_of(each))

    def _mark(self, tree: ast.AST, path: str) -> None:
        """Let each function say so when it is executed."""

        def mark(name: str, node: Any) -> ast.expr:
            text = f"{_MARK}{len(self.marks)}__"
            self.marks[text] = path, name, 0 if name else node.lineno
            setattr(builtins, text, True)
            told = ast.Call(ast.Name(_MARK, ast.Load()), [ast.Constant(text)], [])
            value = ast.BoolOp(ast.And(), [ast.Name(text, ast.Load()), told])
            return ast.fix_missing_locations(ast.copy_location(value, node))

        def inside(node: ast.AST, prefix: str, function: str) -> None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    name = prefix + child.name
                    inside(child, f"{name}.<locals>.", name)
                    words = {
                        each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "")
                        for d in child.decorator_list
                        for each in ast.walk(d)
                    }
                    if words & {"njit", "jit", "vectorize", "guvectorize", "stencil"}:
                        continue  # compiled from its bytecode
                    first = child.body[0]
                    at = 1 if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else 0
                    line: Any = child.body[at] if at < len(child.body) else first
                    child.body.insert(at, ast.copy_location(ast.Expr(mark(name, line)), line))
                elif isinstance(child, ast.Lambda):
                    inside(child, f"{prefix}<lambda>.<locals>.", function)
                    both = ast.BoolOp(ast.Or(), [mark(function, child), child.body])
                    child.body = ast.copy_location(both, child.body)
                elif isinstance(child, ast.ClassDef):
                    inside(child, f"{prefix}{child.name}.", function)
                else:
                    inside(child, prefix, function)

        inside(tree, "", "")

    def _watch_carrier_of(self, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            self._watch_carrier(module)

        loader.exec_module = exec_module

    def _watch_carrier(self, module: Any) -> None:
        """Let the processes that a module starts be observed, too, and what it sends them be code without marks."""
        prepare = getattr(module, "get_preparation_data", None)
        if prepare is not None and prepare.__module__ != __name__:

            def get_preparation_data(*args: Any, **named: Any) -> dict[str, Any]:
                return {**prepare(*args, **named), "motools": self._joining}

            module.get_preparation_data = get_preparation_data
        picklers = [each for each in vars(module).values() if isinstance(each, type)]
        for table in (getattr(each, name, None) for each in picklers for name in ("dispatch", "_dispatch_table")):
            if isinstance(table, dict) and getattr(table.get(CodeType), "__module__", __name__) != __name__:
                table[CodeType] = self._without_marks(table[CodeType])

    def _without_marks(self, pickle: Callable[..., Any]) -> Callable[..., Any]:
        def pickled(*args: Any) -> Any:
            *others, code = args
            if not is_project(code.co_filename):
                return pickle(*args)
            self._entered(code)  # where it arrives, it may be that nobody looks
            names = ("False" if is_mark(name) else name for name in code.co_names)
            values = (None if is_mark(value) else value for value in code.co_consts)
            return pickle(*others, code.replace(co_names=tuple(names), co_consts=tuple(values)))

        return pickled

    def _watch_environment(self) -> None:
        environment: Any = os._Environ
        get, put, drop, every = (
            getattr(environment, f"__{name}__") for name in ("getitem", "setitem", "delitem", "iter")
        )

        def getitem(this: Any, name: Any) -> Any:
            try:
                value = get(this, name)
            except KeyError:
                if isinstance(name, (str, bytes)):
                    self._asked(os.fsdecode(name), None)
                raise
            if isinstance(name, (str, bytes)):
                self._asked(os.fsdecode(name), os.fsdecode(value))
            return value

        def setitem(this: Any, name: Any, value: Any) -> None:
            put(this, name, value)
            self._set_by_code(name)

        def delitem(this: Any, name: Any) -> None:
            drop(this, name)
            self._set_by_code(name)

        def iterate(this: Any) -> Iterator[Any]:
            caller = "" if self._off else self._caller()
            files = [frame.f_code.co_filename for _, frame in _frames()] if caller == "installed" else []
            if any(part in file for part in _SETTINGS for file in files):
                caller = "project"
            if caller != "project":
                yield from every(this)
                return
            self.note("unseen", WHOLE_ENVIRONMENT)
            self._local.whole = _line()  # what is read there, too, is no choice
            yield from every(this)

        environment.__getitem__, environment.__setitem__, environment.__delitem__ = getitem, setitem, delitem
        environment.__iter__ = iterate

    def _watch_stat(self) -> None:
        plain = os.stat

        def looked(path: Any, *, dir_fd: Any = None, follow_symlinks: bool = True) -> os.stat_result:
            try:
                found = plain(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):
                    self._alone(self._looked_for, _below(path, dir_fd), None)
                raise
            if not self._off and not isinstance(path, int):
                self._alone(self._looked_for, _below(path, dir_fd), found)
            return found

        def looked_at_link(path: Any, *, dir_fd: Any = None) -> os.stat_result:
            try:
                found = plain_link(path, dir_fd=dir_fd)
            except OSError as error:
                if error.errno in (errno.ENOENT, errno.ENOTDIR):
                    self._alone(self._looked_for, _below(path, dir_fd), None, True)
                raise
            if not self._off:
                self._alone(self._looked_for, _below(path, dir_fd), found, True)
            return found

        def pointed(path: Any, *, dir_fd: Any = None) -> Any:
            target = plain_target(path, dir_fd=dir_fd)
            self._alone(self._pointed, _below(path, dir_fd), os.fsdecode(target))
            return target

        def accessible(path: Any, mode: int, **named: Any) -> bool:
            found = plain_access(path, mode, **named)
            if not isinstance(path, int):
                self._alone(self._accessed, _below(path, named.get("dir_fd")))
            return found

        def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
            if dir_fd is not None:  # the audit hook is not told of it
                self._alone(self._opened, _below(path, dir_fd), None, flags)
            return plain_open(path, flags, mode, dir_fd=dir_fd)

        plain_link, plain_target, plain_access, plain_open = os.lstat, os.readlink, os.access, os.open
        seen: dict[Any, Any] = {plain: looked, plain_access: accessible, plain_open: opened}
        seen |= {plain_link: looked_at_link, plain_target: pointed}
        for supported in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
            supported.update(seen[each] for each in seen if each in supported)
        os.stat, os.lstat, os.readlink, os.access, os.open = looked, looked_at_link, pointed, accessible, opened

    def _accessed(self, name: Any) -> None:
        path = _path(name)
        if path not in self._written and self.counts(path) and self._caller() == "project":
            self.note("exists", path, kind_of(path))


@dataclass(frozen=True)
class _Joining:
    """In what a process is given that is spawned, this lets it be observed, too."""

    root: str
    log: str
    ignored: tuple[str, ...]

    def __reduce__(self) -> Any:
        return _join, (self.root, self.log, self.ignored)


def _join(root: str, log: str, ignored: tuple[str, ...]) -> None:
    seen = observer()
    if seen._log is None:
        seen._place(root, ignored)
        seen._open(Path(log))
        seen._off = False
        seen._process = 0  # it is not the one that makes the trace


_observer: Observer | None = None


def observer() -> Observer:
    """The observer of this process; it begins with the first call, and does not end."""
    global _observer
    if _observer is None:
        _observer = Observer()
    return _observer


def _below(path: Any, folder: int | None) -> Any:
    """A path that is relative to an open folder, from the root."""
    return path if folder is None else os.path.join(_path_of_open(folder), os.fsdecode(path))


def _path_of_open(folder: int) -> str:
    """Where an open folder lies."""
    if sys.platform == "darwin":
        return os.fsdecode(fcntl.fcntl(folder, fcntl.F_GETPATH, bytes(1024)).partition(b"\0")[0])
    return os.readlink(f"/proc/self/fd/{folder}")


def _path(name: Any) -> str:
    return os.path.abspath(os.fsdecode(name))
