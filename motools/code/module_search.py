"""Where Python looks for a module, and whether another file would be found now."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path

from motools.code import syntax
from motools.code.search_path import PipelineFolder
from motools.code.syntax import Module
from motools.observe import Source, is_project


def real_paths(path: str, place: PipelineFolder) -> list[str]:
    """Where a file of a trace lies; for one below the root, also where the pipeline's folder would hide it."""
    if path in ("", "."):
        return [str(place.folder if path else place.project.root)]
    if path.startswith("./"):
        return [os.path.join(place.folder, path[2:])]
    if path.startswith("~"):
        return [os.path.expanduser("~") + path[1:]]
    if os.path.isabs(path):
        return [path]
    paths_told = [os.path.join(place.project.root, path)]
    return paths_told if place.folder == place.project.root else [*paths_told, os.path.join(place.folder, path)]


def folder_of(path: str, module: str, is_package: bool) -> str:
    """The folder that Python's path leads to, where a file was loaded as a module."""
    for _ in range(1 + module.count(".") + is_package):
        path = os.path.dirname(path)
    return path


# -- which files are loaded ------------------------------------------------------


def search_path(place: PipelineFolder, more: Iterable[str] = ()) -> list[str]:
    """Where the project's modules are looked for, in order."""
    folders = [*(str(folder) for folder in place.folders), *(real_paths(path, place)[0] for path in more)]
    return list(dict.fromkeys(folders))


class Loads:
    """The files that importing others loads, as far as their source tells."""

    def __init__(self, place: PipelineFolder, paths: Iterable[str], sources: dict[str, Source]) -> None:
        self.folders = search_path(place, paths)
        self.sources = sources
        self._names = {source.module: path for path, source in sources.items()}
        self._paths: dict[str, str | None] = {}
        self._is_project: dict[str, bool] = {}
        self._listed: dict[str, frozenset[str]] = {}

    def parsed(self, paths: Iterable[str]) -> dict[str, Module]:
        modules = ((path, self._module(path)) for path in paths)
        return {path: module for path, module in modules if module is not None}

    def is_project(self, dotted: str) -> bool:
        if dotted not in self._is_project:  # for speed
            first, *_ = parts = dotted.split(".")
            places = (os.path.join(folder, *parts) for folder in self.folders if self._has(folder, first))
            self._is_project[dotted] = any(map(os.path.isdir, places)) or self.file(dotted) is not None
        return self._is_project[dotted]

    def closure(self, paths: Iterable[str], ran: Mapping[str, set[str]]) -> tuple[list[str], list[str]]:
        """Those of these files that none before them leads to, and all of them with what they import, in the order in
        which they would be executed."""
        entries: list[str] = []
        order: list[str] = []
        started: set[str] = set()

        def visit(path: str) -> None:
            if path in started:
                return
            started.add(path)
            module = self._module(path)
            for dotted in self._imported(module, ran.get(path, set())) if module is not None else ():
                for file in self._files(dotted):
                    visit(file)
            order.append(path)

        for path in paths:
            if path not in started:
                entries.append(path)
                visit(path)
        return entries, order

    def _imported(self, module: Module, ran: set[str]) -> Iterator[str]:
        yield from _imported_by(module)
        for name in sorted(ran):
            yield from _imported_by(module, name)

    def _files(self, dotted: str) -> Iterator[str]:
        for name in accumulate(dotted.split("."), "{}.{}".format):
            if path := self.file(name):
                yield path

    def file(self, dotted: str) -> str | None:
        if dotted in self._names:
            return self._names[dotted]
        if dotted not in self._paths:  # for speed
            self._paths[dotted] = self._look(dotted)
        return self._paths[dotted]

    def _look(self, dotted: str) -> str | None:
        parent, _, last = dotted.rpartition(".")
        above = self.file(parent) if parent else None
        if above:
            folders = [os.path.dirname(above)]
        else:  # of a namespace package, of what is none of the project's, or of nothing
            folders = [os.path.join(folder, *filter(None, parent.split("."))) for folder in self.folders]
        for folder in folders:
            for name, *below in ((last, "__init__.py"), (f"{last}.py",)):
                path = os.path.join(folder, name, *below)
                if self._has(folder, name) and os.path.isfile(path) and is_project(path):
                    return path
        return None

    def _has(self, folder: str, name: str) -> bool:
        """Whether a folder holds something of a name, as its list tells that is read once, for all names."""
        if folder not in self._listed:  # for speed
            try:
                self._listed[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._listed[folder] = frozenset()
        return name in self._listed[folder]

    def _module(self, path: str) -> Module | None:
        if path not in self.sources:
            try:
                data = Path(path).read_bytes()
            except OSError:
                return None
            name = next((dotted for dotted, file in self._paths.items() if file == path), Path(path).stem)
            self.sources[path] = Source(data, name, Path(path).name == "__init__.py")
        source = self.sources[path]
        return syntax.read(source.data, source.module, source.is_package)


@lru_cache(maxsize=1 << 16)
def _imported_by(module: Module, function: str | None = None) -> tuple[str, ...]:
    """What loading a module asks for, or executing the functions of a name in it."""
    if function is None:
        nodes = [node for statement in module.body for node in syntax.at_import(statement)]
    else:
        bodies = [part for dotted in module.functions.get(function, []) for part in dotted.body]
        nodes = [node for part in bodies for node in ast.walk(part)]
    dotted = []
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for target, alias, _ in syntax.imports_of(node):
                dotted += [target, f"{target}.{alias}"] if alias else [target]
    return tuple(dict.fromkeys(dotted))
