"""Where names lead: from a name in one file of the project, through imports, to the statements that bind it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from motools import syntax
from motools.code import Place
from motools.syntax import IMPORTS, Import, Module, Words

Target = tuple[Path | None, Words]
"""A name and its attributes in a file of the project, all of the file (no words), or an installed package (no file)."""
Bindings = Mapping[str, Sequence[ast.stmt]]


class Imports:
    """The files of a project that were looked at, each read once."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._modules: dict[Path, Module] = {}
        self._files: dict[str, Path | None] = {}
        self._found: dict[tuple[Path, Words], Path | None] = {}
        self._executed: dict[Path, list[Path | str]] = {}
        self._inside: dict[ast.stmt, Bindings] = {}
        self._read: dict[ast.stmt, list[Words]] = {}

    def module(self, path: Path) -> Module:
        if path not in self._modules:
            self._modules[path] = syntax.read(path)
        return self._modules[path]

    def inside(self, statement: ast.stmt) -> Bindings:
        """The imports anywhere in a statement, by the name they bind."""
        if statement not in self._inside:
            found: dict[str, list[ast.stmt]] = {}
            for node in ast.walk(statement):
                if isinstance(node, IMPORTS):
                    for alias in node.names:
                        found.setdefault(syntax.imported_as(alias, node), []).append(node)
            self._inside[statement] = found
        return self._inside[statement]

    def read_in(self, statement: ast.stmt) -> list[Words]:
        """The names of the module that a statement reads."""
        if statement not in self._read:
            self._read[statement] = list(dict.fromkeys(syntax.names_read(statement)))
        return self._read[statement]

    def sources(
        self, module: Module, words: Words, bindings: Bindings | None = None
    ) -> tuple[list[ast.stmt], list[tuple[str, Target]]]:
        """The statements that bind a name, and where else it leads, with the text of the import.

        Args:
            bindings: what binds names where it is read (default: the module).
        """
        bindings = module.bindings if bindings is None else bindings
        statements: list[ast.stmt] = []
        elsewhere: list[tuple[str, Target]] = []
        for node in bindings.get(words[0], []):
            if isinstance(node, IMPORTS):
                elsewhere += self._imported(module, node, words)
            else:
                statements.append(node)
        stars: list[tuple[str, Target]] = []
        for star in _stars(bindings) if words[0] != "*" else []:
            text, source = f"from {_origin(star)} import *", self._file(module, star)
            if source is None and not statements:
                stars.append((text, (None, (_origin(star).partition(".")[0],))))
            elif source is not None and self._binds(source, words[0]):
                stars.append((text, (source, words)))
        if stars:  # what such an import stands in
            statements += [node for node in bindings["*"] if not isinstance(node, IMPORTS)]
        return statements, elsewhere + stars

    def homes(self, module: Module, words: Words, local: Bindings) -> list[Target]:
        """Where the values are that a name may stand for, behind all imports; a builtin's home is the module itself."""
        found: list[Target] = []
        seen: set[Target] = set()
        queue: list[Target] = [target for _, target in self.sources(module, words, local)[1]] or [(module.path, words)]
        for path, rest in queue:
            if (path, rest) in seen:
                continue
            seen.add((path, rest))
            statements, elsewhere = self.sources(self.module(path), rest) if path and rest else ([], [])
            if statements or not elsewhere:
                found.append((path, rest))
            queue += [target for _, target in elsewhere]
        return found

    def executed_by(self, path: Path) -> list[Path | str]:
        """What importing a module executes next: files, the packages they are in, and installed packages by name."""
        if path not in self._executed:
            module = self.module(path)
            self._executed[path] = [*self._packages(path), *self.executed(module, module.imports)]
        return self._executed[path]

    def executed(self, module: Module, nodes: Iterable[ast.stmt]) -> list[Path | str]:
        """The same for some imports that stand in a module."""
        found: list[Path | str] = []
        for node in nodes:
            files: list[Path | None] = []
            if isinstance(node, ast.ImportFrom):
                files = [self._file(module, node), *(self._file(module, node, alias.name) for alias in node.names)]
                names = [_origin(node)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
                files = [self._module_file(module, name) for name in names]
            if not any(files):
                found += [name.partition(".")[0] for name in names]
            for file in files:
                found += [*self._packages(file), file] if file else []
        return found

    def _packages(self, file: Path) -> Iterator[Path]:
        folder = file.parent if file.name != "__init__.py" else file.parent.parent
        while package := self._beside(folder, ()):
            yield package
            folder = folder.parent

    # -- one import --------------------------------------------------------------

    def _imported(self, module: Module, node: Import, words: Words) -> Iterator[tuple[str, Target]]:
        for alias in node.names:
            if syntax.imported_as(alias, node) != words[0]:
                continue
            if isinstance(node, ast.ImportFrom):
                origin, text = _origin(node), f"from {_origin(node)} import {alias.name}"
                found = self._from(module, node, alias.name, words[1:])
            else:
                origin, text = alias.name, f"import {alias.name}"
                found = self._whole(module, alias, words)
            for target in found or [(None, (origin.partition(".")[0],))]:
                yield text, target

    def _from(self, module: Module, node: ast.ImportFrom, name: str, rest: Words) -> list[Target]:
        source = self._file(module, node)
        if source and self._binds(source, name):
            return [(source, (name, *rest))]
        if below := self._file(module, node, name):
            return [self._within(below, rest)]
        return [(source, ())] if source else []  # all of it (`*`), or what it makes when asked

    def _whole(self, module: Module, alias: ast.alias, words: Words) -> list[Target]:
        file = self._module_file(module, alias.name)
        if alias.asname:
            return [self._within(file, words[1:])] if file else []
        found = []
        for count in range(len(words), 0, -1):
            if below := self._module_file(module, ".".join(words[:count])):
                found.append(self._within(below, words[count:]))
                break
        if file and tuple(alias.name.split("."))[: len(words)] == words:  # its package is handed on
            found.append((file, ()))
        return found

    def _within(self, file: Path, rest: Words) -> Target:
        """What attributes of a module stand for; all of it, where it is handed on or makes them when asked."""
        if rest and self._binds(file, rest[0]):
            return file, rest
        if rest and file.name == "__init__.py" and (below := self._beside(file.parent, rest[:1])):
            return self._within(below, rest[1:])
        return file, ()

    def _binds(self, file: Path, name: str, asked: tuple[Path, ...] = ()) -> bool:
        module = self.module(file)
        if name in module.bindings:
            return True
        stars = [self._file(module, star) for star in _stars(module.bindings)]
        return any(star and star not in asked and self._binds(star, name, (*asked, file)) for star in stars)

    # -- files -------------------------------------------------------------------

    def _file(self, module: Module, node: ast.ImportFrom, below: str = "") -> Path | None:
        """The project's file that `from ... import` takes names from, or the module `below` of it."""
        parts = [*filter(None, [*(node.module or "").split("."), below])]
        if not node.level:
            return self._module_file(module, ".".join(parts))
        return self._beside(module.path.parents[node.level - 1], tuple(parts))

    def _beside(self, folder: Path, parts: Words) -> Path | None:
        if (folder, parts) not in self._found:
            target = folder.joinpath(*parts)
            files = [target / "__init__.py", *([target.with_name(f"{target.name}.py")] if parts else [])]
            found = [path.resolve() for path in files if path.is_file() and self.place.owns(path)]
            self._found[folder, parts] = found[0] if found else None
        return self._found[folder, parts]

    def _module_file(self, importer: Module, name: str) -> Path | None:
        if name not in self._files:
            self._files[name] = self.place.module_file(name)
        if file := self._files[name]:
            return file
        folders = [folder for folder in importer.path.parents if folder.is_relative_to(self.place.project.root)]
        parts = tuple(name.split("."))  # loading a file lets it import what lies beside it
        return next((file for folder in folders if (file := self._beside(folder, parts))), None)


def _stars(bindings: Bindings) -> list[ast.ImportFrom]:
    return [node for node in bindings.get("*", []) if isinstance(node, ast.ImportFrom)]


def _origin(node: ast.ImportFrom) -> str:
    return "." * node.level + (node.module or "")
