"""Fingerprints of code: a digest of a function and everything of the project that it reaches, as normalised source.

Comments, formatting and docstrings do not count; neither does an edit elsewhere in a file, nor where a
file lies. The source is read, never executed. Followed: names of the module, imports from the project
(also inside functions), attributes of imported modules, and what else runs on import and changes a value
that is reached (`TABLE.update(...)`, a decorator that registers, `Class.x = 1`), in all modules that are
imported. Not followed: names made up at run time (`getattr(module, text)`, `importlib`), what a method
changes besides its own object, and installed code, which has versions.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from motools import syntax
from motools.code import Place
from motools.errors import WorkflowError
from motools.syntax import DEFINITIONS, FUNCTIONS, IMPORTS, Import, Module, Words

Target = tuple[Path | None, Words]
"""A name and its attributes in a file of the project (the whole module where there are none), or a package (None)."""
Name = tuple[Path | None, str]
Bindings = Mapping[str, Sequence[ast.stmt]]


@dataclass(frozen=True)
class Fingerprint:
    """`digest` is equal for equal code; `files` are the project's files that it was taken from, sorted."""

    digest: str
    files: tuple[Path, ...]


def names_in(file: Path) -> list[str]:
    """The names that a file binds at its top level; contains `*` where it imports all of another module."""
    return list(syntax.read(file).bindings)


def of_reference(file: Path, name: str, place: Place) -> Fingerprint:
    """The fingerprint of a top-level name of a file."""
    reach = _Reach(place)
    reach.follow(file, (name,))
    return reach.result(name)


def of_function(fn: Callable[..., Any], place: Place) -> Fingerprint | None:
    """The fingerprint of a function or class of the project; None when it is installed code.

    What a `partial`, a decorator or a surrounding function has put into it counts too.

    Raises:
        WorkflowError: it holds something that has no stable text.
    """
    reach = _Reach(place)
    held = _held(fn, reach)
    return reach.result(held) if reach.modules else None


def of_arguments(fn: Callable[..., Any], place: Place) -> Fingerprint | None:
    """The fingerprint of what a function was given before it is called, by `partial` or by a function around it.

    Raises:
        WorkflowError: it holds something that has no stable text.
    """
    reach = _Reach(place)
    given = _given(fn, reach)
    return reach.result(given) if given else None


# -- live objects --------------------------------------------------------------


def _held(value: Any, reach: _Reach, around: tuple[int, ...] = ()) -> Any:
    """A value as JSON. Functions, classes and modules go by name; those of the project are added to `reach`."""
    if id(value) in around:
        return ["again", len(around) - around.index(id(value))]
    around = (*around, id(value))
    if isinstance(value, partial):
        return ["partial", _held(value.func, reach, around), _given(value, reach, around)]
    if inspect.isfunction(value):
        name = value.__code__.co_qualname  # not __qualname__, which a decorator copies from what it wraps
        return ["function", _origin(value, name, reach), name, _given(value, reach, around)]
    if inspect.isclass(value):
        return ["class", _origin(value, value.__qualname__, reach), value.__qualname__]
    if inspect.ismodule(value):
        return ["module", _origin(value, "", reach)]
    if inspect.isbuiltin(value) and inspect.ismodule(value.__self__):
        return ["builtin", value.__module__, value.__qualname__]
    if isinstance(value, dict):
        pairs = [[_held(key, reach, around), _held(item, reach, around)] for key, item in value.items()]
        return ["dict", sorted(pairs, key=json.dumps)]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [_held(item, reach, around) for item in value]]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted((_held(item, reach, around) for item in value), key=json.dumps)]
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise WorkflowError(
        f"A step function holds a {type(value).__name__}, which has no stable text, so a change to it could "
        f"not be seen: {value!r}. Put it into the step's config."
    )


def _given(fn: Any, reach: _Reach, around: tuple[int, ...] = ()) -> list[Any]:
    """What a function holds that its source does not say, as JSON; empty where that is nothing."""
    if isinstance(fn, partial):
        return [*_given(fn.func, reach, around), _held([fn.args, fn.keywords], reach, around)]
    if not inspect.isfunction(fn):
        return []
    values = []
    for cell in fn.__closure__ or ():
        with suppress(ValueError):  # a variable that has no value yet
            values.append(cell.cell_contents)
    if "<locals>" in fn.__code__.co_qualname:
        values += [each for each in (fn.__defaults__, fn.__kwdefaults__) if each]
    return [_held(value, reach, around) for value in values]


def _origin(value: Any, name: str, reach: _Reach) -> str | int:
    """Where a function, class or module comes from: the number of its file in `reach`, or an installed module."""
    with suppress(TypeError):  # built in
        path = Path(inspect.getsourcefile(value) or "")
        if path.is_file() and reach.place.owns(path):
            return reach.add(path.resolve(), name)
    return str(value.__name__ if inspect.ismodule(value) else value.__module__)


# -- source --------------------------------------------------------------------


class _Reach:
    """Walks from names to the statements that bind them, and on to the names those read."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.modules: dict[Path, Module] = {}  # in the order in which they were reached
        self.names: set[Name] = set()
        self._followed: set[Target] = set()
        self._counted: set[ast.stmt] = set()
        self._imports: dict[Path, set[tuple[str, str, Path | None]]] = {}
        self._subclasses = False  # whether `__subclasses__` is read somewhere
        self._files: dict[str, Path | None] = {}
        self._read: dict[Path, Module] = {}
        self._effects: dict[ast.stmt, set[Name]] = {}

    def result(self, root: Any) -> Fingerprint:
        self._follow_effects()
        files = list(self.modules)
        content = []
        for path, module in self.modules.items():  # by number, so that no name of a folder counts
            counted = [statement for statement in module.statements if statement in self._counted]
            movable = {statement for statement in counted if syntax.is_movable(module, statement)}
            imports = [
                (name, text, None if file is None else files.index(file))
                for name, text, file in self._imports.get(path, ())
            ]
            content.append(
                [
                    sorted(json.dumps(syntax.normal(statement)) for statement in movable),
                    [syntax.normal(statement) for statement in counted if statement not in movable],
                    sorted(imports, key=str),
                ]
            )
        digest = hashlib.sha256(json.dumps([root, content]).encode()).hexdigest()
        return Fingerprint(digest, tuple(sorted(self.modules)))

    def add(self, path: Path, qualname: str) -> int:
        """Follow a function or class by its qualified name (the module for none); returns the file's number."""
        self.modules.setdefault(path, self._module(path))
        name = qualname.partition(".")[0]
        self.follow(path, (name,) if name not in ("", "<lambda>") else ())
        return list(self.modules).index(path)

    def follow(self, path: Path | None, words: Words) -> None:
        """Count all that a name stands for, or, where there are no words, all of a module."""
        if (path, words) in self._followed:
            return
        self._followed.add((path, words))
        if path is None:
            self.names.add((None, words[0]))
            return
        module = self.modules.setdefault(path, self._module(path))
        if not words:
            for name in module.bindings:
                self.follow(path, (name,))
            return
        self.names.add((path, words[0]))
        self._follow_sources(module, words, module.bindings)

    def _follow_sources(self, module: Module, words: Words, bindings: Bindings) -> None:
        statements, elsewhere = self._sources(module, words, bindings)
        for statement in statements:
            self._count(module, statement)
        for text, target in elsewhere:
            self._imports.setdefault(module.path, set()).add((words[0], text, target[0]))
            self.follow(*target)

    def _count(self, module: Module, statement: ast.stmt) -> None:
        if statement in self._counted:
            return
        self._counted.add(statement)
        self.modules.setdefault(module.path, module)
        local = _imports_in(statement)
        for words in syntax.names_read(statement):
            self._subclasses |= "__subclasses__" in words
            self._follow_sources(module, words, local)
            self.follow(module.path, words)

    # -- where a name leads ----------------------------------------------------

    def _sources(
        self, module: Module, words: Words, bindings: Bindings
    ) -> tuple[list[ast.stmt], list[tuple[str, Target]]]:
        """The statements that bind a name, and what it stands for in other files, with the text of its import."""
        statements: list[ast.stmt] = []
        elsewhere: list[tuple[str, Target]] = []
        for node in bindings.get(words[0], []):
            if isinstance(node, IMPORTS):
                elsewhere += self._imported(module, node, words)
            else:
                statements.append(node)
        for star in bindings.get("*", []) if words[0] != "*" else []:
            assert isinstance(star, ast.ImportFrom)
            text, source = f"from {_origin_of(star)} import *", self._file(module, star)
            if source is None and not statements:
                elsewhere.append((text, (None, (_origin_of(star).partition(".")[0],))))
            elif source is not None and self._binds(source, words[0]):
                elsewhere.append((text, (source, words)))
                if self._binds(source, "__all__"):
                    elsewhere.append((text, (source, ("__all__",))))
        return statements, elsewhere

    def _imported(self, module: Module, node: Import, words: Words) -> Iterator[tuple[str, Target]]:
        """Where an import leads that binds the first word."""
        for alias in node.names:
            if syntax.imported_as(alias, node) != words[0]:
                continue
            if isinstance(node, ast.ImportFrom):
                text = f"from {_origin_of(node)} import {alias.name}"
                found = self._from(module, node, alias.name, words[1:])
                package = _origin_of(node).partition(".")[0]
            else:
                text = f"import {alias.name}"
                found = self._whole(alias, words)
                package = alias.name.partition(".")[0]
            for target in found or [(None, (package,))]:
                yield text, target

    def _from(self, module: Module, node: ast.ImportFrom, name: str, rest: Words) -> list[Target]:
        source = self._file(module, node)
        if name == "*":
            return [(source, ())] if source else []
        if source and self._binds(source, name):
            return [(source, (name, *rest))]
        if below := self._file(module, node, name):
            return [self._within(below, rest)]
        return [(source, ())] if source else []  # given by its __getattr__

    def _whole(self, alias: ast.alias, words: Words) -> list[Target]:
        if alias.asname:
            file = self._module_file(alias.name)
            return [self._within(file, words[1:])] if file else []
        for count in range(len(words), 0, -1):
            if file := self._module_file(".".join(words[:count])):
                found = [self._within(file, words[count:])]
                break
        else:
            found = []
        file = self._module_file(alias.name)
        if file and tuple(alias.name.split("."))[: len(words)] == words:  # a package is handed on
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
        module = self._module(file)
        if name in module.bindings:
            return True
        sources = [self._file(module, star) for star in module.bindings.get("*", []) if isinstance(star, ast.ImportFrom)]
        return any(s and s not in asked and self._binds(s, name, (*asked, file)) for s in sources)

    def _file(self, module: Module, node: ast.ImportFrom, below: str = "") -> Path | None:
        """The project's file that `from ... import` takes its names from, or the module `below` of it."""
        parts = [*filter(None, [*(node.module or "").split("."), below])]
        if not node.level:
            return self._module_file(".".join(parts))
        return self._beside(module.path.parents[node.level - 1], tuple(parts))

    def _beside(self, folder: Path, parts: Words) -> Path | None:
        target = folder.joinpath(*parts)
        for path in (target / "__init__.py", *([target.with_name(f"{target.name}.py")] if parts else [])):
            if path.is_file() and self.place.owns(path):
                return path.resolve()
        return None

    def _module_file(self, module: str) -> Path | None:
        if module not in self._files:
            self._files[module] = self.place.module_file(module)
        return self._files[module]

    def _module(self, path: Path) -> Module:
        if path not in self._read:
            self._read[path] = syntax.read(path)
        return self._read[path]

    # -- what else runs on import ----------------------------------------------

    def _follow_effects(self) -> None:
        """Count the statements that change a reached value, until no more are found."""
        grown = True
        while grown:
            before = len(self._counted)
            for module in list(self._loaded()):
                for statement in module.statements:
                    if statement not in self._counted and self._matters(module, statement):
                        self._count(module, statement)
            grown = len(self._counted) > before

    def _matters(self, module: Module, statement: ast.stmt) -> bool:
        if statement not in self._effects:
            self._effects[statement] = _Effects(self).of(module, statement)
        if self._effects[statement] & self.names:
            return True
        return self._subclasses and bool(_Effects(self).bases(module, statement) & self.names)

    def _loaded(self) -> Iterator[Module]:
        """The modules that are imported with the counted code, whether or not a name of theirs is read."""
        queue = list(self.modules)
        seen = set(queue)
        for path in queue:
            module = self._module(path)
            yield module
            local = [_imports_in(s) for s in module.statements if s in self._counted]
            inside = [node for bindings in local for nodes in bindings.values() for node in nodes]
            for found in self._files_imported(module, [*module.imports, *inside]):
                if found not in seen:
                    seen.add(found)
                    queue.append(found)

    def _files_imported(self, module: Module, nodes: Iterable[ast.stmt]) -> Iterator[Path]:
        found = [module.path]
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                files = [self._file(module, node), *(self._file(module, node, alias.name) for alias in node.names)]
            elif isinstance(node, ast.Import):
                files = [self._module_file(alias.name) for alias in node.names]
            found += [file for file in files if file]
        for file in found:
            yield file
            folder = file.parent if file.name != "__init__.py" else file.parent.parent
            while package := self._beside(folder, ()):
                yield package
                folder = folder.parent


def _origin_of(node: ast.ImportFrom) -> str:
    return "." * node.level + (node.module or "")


def _imports_in(statement: ast.stmt) -> Bindings:
    """The imports anywhere in a statement, by the name they bind."""
    found: dict[str, list[ast.stmt]] = {}
    for node in ast.walk(statement):
        if isinstance(node, IMPORTS):
            for alias in node.names:
                found.setdefault(syntax.imported_as(alias, node), []).append(node)
    return found


class _Effects:
    """Which names of the project's modules a statement may change when it runs."""

    def __init__(self, reach: _Reach) -> None:
        self.reach = reach
        self.entered: set[tuple[Path, str]] = set()  # functions that were looked into

    def of(self, module: Module, statement: ast.stmt) -> set[Name]:
        return self._changed(_Code(module, _imports_in(statement)), statement, bodies=False)
