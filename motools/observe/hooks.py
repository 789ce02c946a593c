"""How it is seen: an audit hook, and functions of Python's own in whose place ones stand that tell the observer."""

from __future__ import annotations

import ast
import errno
import importlib.machinery
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from motools.base.loaded_modules import asked_once
from motools.base.own_doing import spare
from motools.observe.callers import caller, frames, line
from motools.observe.events import Source
from motools.observe.functions import ARE_MARKED, is_mark
from motools.observe.observer import WHOLE_ENVIRONMENT, Observer
from motools.observe.origin import is_project, kind_of_code
from motools.observe.paths import below, path_of

__all__ = ["observer"]

_WATCHED = frozenset(
    "open os.listdir os.scandir import subprocess.Popen os.system os.exec os.posix_spawn socket.connect "
    "sqlite3.connect ctypes.dlopen os.mkdir os.rename os.link pickle.find_class".split()
)
_CARRIERS = frozenset(("spawn", "cloudpickle", "_dill"))
"""Modules, also where a package has its own copy, that start other processes or send them code."""


def _is_carrier(name: str) -> bool:
    return name.rpartition(".")[2] in _CARRIERS


carriers = asked_once(_is_carrier)
"""The names of those that are loaded."""
_SETTINGS = tuple(f"{os.sep}{name}{os.sep}" for name in ("pydantic_settings", "environs", "decouple"))
"""Packages that read for the project which variables it has named."""


_observer: Observer | None = None


def observer() -> Observer:
    """The observer of this process; it begins with the first call, and does not end."""
    global _observer
    if _observer is None:
        _observer = Observer()
        _install(_observer)
        spare(_observer.aside)
    return _observer


def _install(seen: Observer) -> None:
    seen.functions.watch()
    _watch_loader(seen)
    _watch_environment(seen)
    _watch_stat(seen)
    alone, see = seen.alone, seen.see

    def hook(event: str, args: tuple[Any, ...], watched: frozenset[str] = _WATCHED) -> None:
        if event in watched:
            alone(see, event, args)

    sys.addaudithook(hook)  # called a million times in an evaluation: a method takes three times as long


def _watch_loader(seen: Observer) -> None:
    loader: Any = importlib.machinery.SourceFileLoader
    before = loader.get_code

    def get_code(this: Any, name: str) -> Any:
        path = os.path.abspath(this.get_filename(name))
        if not is_project(path):
            return before(this, name)
        data = this.get_data(path)
        if kind_of_code(sys._getframe(1).f_code.co_filename) != "import":  # such as runpy: there will be no module
            seen.alone(seen.read, path)
            return before(this, name)
        seen.sources[path] = Source(data, name, this.is_package(name))
        if seen.keeping or os.getpid() != seen.process:
            seen.write_source(path, seen.sources[path])
        tree: Any = data
        if ARE_MARKED:
            tree = compile(data, path, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
            seen.functions.mark_all(tree, path)
        return compile(tree, path, "exec", dont_inherit=True)

    loader.get_code = get_code
    finder: Any = importlib.machinery.PathFinder
    find = finder.find_spec

    def find_spec(name: str, path: Any = None, target: Any = None) -> Any:
        spec = find(name, path, target)
        if _is_carrier(name) and isinstance(getattr(spec, "loader", None), loader):
            _watch_carrier_of(seen, spec.loader)
        if path is None:
            seen.imports.add(name)
        elif spec is None or spec.origin:
            for folder in path:
                if spec is not None and spec.origin.startswith(path_of(folder) + os.sep):
                    break  # those before it might have the module, too
                seen.alone(seen.looked_for_module, os.path.join(path_of(folder), name.rpartition(".")[2]))
        return spec

    finder.find_spec = staticmethod(find_spec)
    for name in carriers():
        _watch_carrier(seen, sys.modules[name])
    inspecting: Any = inspect
    source = inspect.findsource

    def findsource(of: Any) -> Any:
        lines = source(of)
        if sys._getframe(1).f_code.co_name != "getframeinfo" and is_project(inspect.getsourcefile(of) or __file__):
            seen.alone(seen.read, path_of(inspect.getsourcefile(of)))
        return lines

    inspecting.findsource = findsource


def _watch_carrier_of(seen: Observer, loader: Any) -> None:
    execute = loader.exec_module

    def exec_module(module: Any) -> None:
        execute(module)
        _watch_carrier(seen, module)

    loader.exec_module = exec_module


def _watch_carrier(seen: Observer, module: Any) -> None:
    """Let the processes that a module starts be observed, too, and what it sends them be code without marks."""
    prepare = getattr(module, "get_preparation_data", None)
    if prepare is not None and prepare.__module__ != __name__:

        def get_preparation_data(*args: Any, **named: Any) -> dict[str, Any]:
            return {**prepare(*args, **named), "motools": _joining(seen)}

        module.get_preparation_data = get_preparation_data
    picklers = [each for each in vars(module).values() if isinstance(each, type)]
    for table in (getattr(each, name, None) for each in picklers for name in ("dispatch", "_dispatch_table")):
        if isinstance(table, dict) and getattr(table.get(CodeType), "__module__", __name__) != __name__:
            table[CodeType] = _without_marks(seen, table[CodeType])


def _without_marks(seen: Observer, pickle: Callable[..., Any]) -> Callable[..., Any]:
    def pickled(*args: Any) -> Any:
        *others, code = args
        if not is_project(code.co_filename):
            return pickle(*args)
        seen.functions.entered(code)  # where it arrives, it may be that nobody looks
        names = ("False" if is_mark(name) else name for name in code.co_names)
        values = (None if is_mark(value) else value for value in code.co_consts)
        return pickle(*others, code.replace(co_names=tuple(names), co_consts=tuple(values)))

    return pickled


def _watch_environment(seen: Observer) -> None:
    environment: Any = os._Environ
    get, put, drop, every = (getattr(environment, f"__{name}__") for name in ("getitem", "setitem", "delitem", "iter"))

    def getitem(this: Any, name: Any) -> Any:
        try:
            value = get(this, name)
        except KeyError:
            if isinstance(name, (str, bytes)):
                seen.asked(os.fsdecode(name), None)
            raise
        if isinstance(name, (str, bytes)):
            seen.asked(os.fsdecode(name), os.fsdecode(value))
        return value

    def setitem(this: Any, name: Any, value: Any) -> None:
        before = None if seen.off else dict.get(this._data, this.encodekey(name))
        put(this, name, value)
        seen.set_by_code(os.fsdecode(name), None if before is None else os.fsdecode(before))

    def delitem(this: Any, name: Any) -> None:
        before = None if seen.off else dict.get(this._data, this.encodekey(name))
        drop(this, name)
        seen.set_by_code(os.fsdecode(name), None if before is None else os.fsdecode(before))

    def iterate(this: Any) -> Iterator[Any]:
        asks = "" if seen.off else caller()
        files = [frame.f_code.co_filename for _, frame in frames()] if asks in ("installed", "told") else []
        if any(part in file for part in _SETTINGS for file in files):
            asks = "project"
        if asks != "project":
            yield from every(this)
            return
        seen.note("unseen", WHOLE_ENVIRONMENT)
        seen.local.whole = line()  # what is read there, too, is no choice
        yield from every(this)

    environment.__getitem__, environment.__setitem__, environment.__delitem__ = getitem, setitem, delitem
    environment.__iter__ = iterate


def _watch_stat(seen: Observer) -> None:
    plain = os.stat

    def looked(path: Any, *, dir_fd: Any = None, follow_symlinks: bool = True) -> os.stat_result:
        try:
            status = plain(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                seen.alone(seen.looked_for, below(path, dir_fd), None)
            raise
        if not seen.off and not isinstance(path, int):
            seen.alone(seen.looked_for, below(path, dir_fd), status)
        return status

    def looked_at_link(path: Any, *, dir_fd: Any = None) -> os.stat_result:
        try:
            status = plain_link(path, dir_fd=dir_fd)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                seen.alone(seen.looked_for, below(path, dir_fd), None, True)
            raise
        if not seen.off:
            seen.alone(seen.looked_for, below(path, dir_fd), status, True)
        return status

    def pointed(path: Any, *, dir_fd: Any = None) -> Any:
        target = plain_target(path, dir_fd=dir_fd)
        seen.alone(seen.pointed, below(path, dir_fd), os.fsdecode(target))
        return target

    def accessible(path: Any, mode: int, **named: Any) -> bool:
        answer = plain_access(path, mode, **named)
        if not isinstance(path, int):
            seen.alone(seen.accessed, below(path, named.get("dir_fd")))
        return answer

    def opened(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
        if dir_fd is not None:  # the audit hook is not told of it
            seen.alone(seen.opened, below(path, dir_fd), None, flags)
        return plain_open(path, flags, mode, dir_fd=dir_fd)

    plain_link, plain_target, plain_access, plain_open = os.lstat, os.readlink, os.access, os.open
    replaced: dict[Any, Any] = {plain: looked, plain_access: accessible, plain_open: opened}
    replaced |= {plain_link: looked_at_link, plain_target: pointed}
    for supported in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
        supported.update(replaced[each] for each in replaced if each in supported)
    os.stat, os.lstat, os.readlink, os.access, os.open = looked, looked_at_link, pointed, accessible, opened


@dataclass(frozen=True)
class _Joining:
    """In what a process is given that is spawned, this lets it be observed, too."""

    root: str
    log: str
    ignored: tuple[str, ...]

    def __reduce__(self) -> Any:
        return _join, (self.root, self.log, self.ignored)


def _joining(seen: Observer) -> _Joining | None:
    return None if seen.log is None else _Joining(seen.root, str(seen.log), seen.ignored)


def _join(root: str, log: str, ignored: tuple[str, ...]) -> None:
    seen = observer()
    if seen.log is None:
        seen.attend_to(root, ignored)
        seen.write_to(Path(log))
        seen.off = False
        seen.process = 0  # it is not the one that makes the trace
