"""Fingerprints of code: a digest of a function and everything of the project that it reaches, as normalised source.

Comments, formatting and docstrings do not count; neither does an edit elsewhere in a file, nor where a
file lies. The source is read, never executed. Followed: names of the module, imports from the project
(also inside functions), attributes of imported modules, and what else runs on import and changes a value
that is reached (`TABLE.update(...)`, a decorator that registers, `Class.x = 1`), in all modules that are
imported. Not followed: names made up at run time (`getattr(module, text)`, `importlib`), what functions that
run on import import themselves, and installed code, which has versions.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from motools import syntax
from motools.code import Place
from motools.effects import Effects, Name
from motools.errors import WorkflowError
from motools.imports import Bindings, Imports, Target
from motools.syntax import IMPORTS, Module, Words


@dataclass(frozen=True)
class Fingerprint:
    """`digest` is equal for equal code; `files` are the project's files that it was taken from, sorted."""

    digest: str
    files: tuple[Path, ...]


def names_in(file: Path) -> list[str]:
    """The names that a file binds at its top level; contains `*` where it imports all of another module."""
    return list(syntax.read(file).bindings)


class Sources:
    """What was read of a project's code; shared by the fingerprints that are taken together."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.imports = Imports(place)
        self.effects = Effects(self.imports)
        self._texts: dict[ast.stmt, str] = {}

    def text(self, statement: ast.stmt) -> str:
        """A statement as normalised text."""
        if statement not in self._texts:
            self._texts[statement] = json.dumps(syntax.normal(statement))
        return self._texts[statement]


def of_reference(file: Path, name: str, sources: Sources) -> Fingerprint:
    """The fingerprint of a top-level name of a file."""
    reach = _Reach(sources)
    reach.follow(file, (name,))
    return reach.result(name)


def of_function(fn: Callable[..., Any], sources: Sources) -> Fingerprint | None:
    """The fingerprint of a function or class of the project; None when it is installed code.

    What a `partial`, a decorator or a surrounding function has put into it counts too.

    Raises:
        WorkflowError: it holds something that has no stable text.
    """
    reach = _Reach(sources)
    held = _held(fn, reach)
    return reach.result(held) if reach.modules else None


def of_arguments(fn: Callable[..., Any], sources: Sources) -> Fingerprint | None:
    """The fingerprint of what a function was given before it is called, by `partial` or by a function around it.

    Raises:
        WorkflowError: it holds something that has no stable text.
    """
    reach = _Reach(sources)
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

    def __init__(self, sources: Sources) -> None:
        self.place = sources.place
        self.modules: dict[Path, Module] = {}  # in the order in which they were reached
        self._sources = sources
        self._imports = sources.imports
        self._effects = sources.effects
        self._names: set[Name] = set()
        self._followed: set[Target] = set()
        self._counted: set[ast.stmt] = set()
        self._edges: dict[Path, set[tuple[str, str, Path | None]]] = {}  # name, text of its import, where to
        self._asks_for_subclasses = False
        self._changing: set[Path] = set()  # files with statements that were counted for what they change

    def result(self, root: Any) -> Fingerprint:
        self._follow_effects()
        numbers = {path: number for number, path in enumerate(self.modules)}  # names of folders do not count
        content = []
        counting = self._counted | self._imports_in_time()
        for path, module in self.modules.items():
            counted = [statement for statement in module.statements if statement in counting]
            movable = {statement for statement in counted if syntax.is_movable(module, statement)}
            edges = [(name, text, numbers.get(to) if to else None) for name, text, to in self._edges.get(path, ())]
            content.append(
                [
                    sorted(self._sources.text(statement) for statement in movable),
                    [self._sources.text(statement) for statement in counted if statement not in movable],
                    sorted(edges, key=str),
                ]
            )
        digest = hashlib.sha256(json.dumps([root, content]).encode()).hexdigest()
        return Fingerprint(digest, tuple(sorted(self.modules)))

    def add(self, path: Path, qualname: str) -> int:
        """Follow a function or class by its qualified name (a module by none); returns the number of its file."""
        name = qualname.partition(".")[0]
        self.follow(path, () if name in ("", "<lambda>") else (name,))
        return list(self.modules).index(path)

    def follow(self, path: Path | None, words: Words) -> None:
        """Count all that a name stands for, or, where there are no words, all of a module."""
        if (path, words) in self._followed:
            return
        self._followed.add((path, words))
        if path is None:
            self._names.add((None, words[0]))
            return
        module = self.modules.setdefault(path, self._imports.module(path))
        for name in [words[0]] if words else module.bindings:
            self._names.add((path, name))
            self._follow_sources(module, words or (name,))

    def _follow_sources(self, module: Module, words: Words, bindings: Bindings | None = None) -> None:
        statements, elsewhere = self._imports.sources(module, words, bindings)
        for statement in statements:
            self._count(module, statement)
        for text, (path, rest) in elsewhere:
            self._edges.setdefault(module.path, set()).add((words[0], text, path))
            self.follow(path, rest)
            if path and text.endswith(" import *"):
                self.follow(path, ("__all__",))

    def _count(self, module: Module, statement: ast.stmt) -> None:
        if statement in self._counted:
            return
        self._counted.add(statement)
        self.modules.setdefault(module.path, module)
        local = self._imports.inside(statement)
        for words in self._imports.read_in(statement):
            self._asks_for_subclasses |= "__subclasses__" in words
            self._follow_sources(module, words, local)
            self.follow(module.path, words)

    # -- what else runs on import ----------------------------------------------

    def _follow_effects(self) -> None:
        """Count what else runs on import and changes a reached value, until no more is found."""
        before = -1
        while before < len(self._counted):
            before = len(self._counted)
            for module in self._that_may_change_values():
                for statement in module.statements:
                    if statement not in self._counted and self._matters(module, statement):
                        self._changing.add(module.path)
                        self._count(module, statement)

    def _matters(self, module: Module, statement: ast.stmt) -> bool:
        if isinstance(statement, IMPORTS):
            return False
        if self._names & self._effects.of(module, statement):
            return True
        return self._asks_for_subclasses and bool(self._names & self._effects.bases_of(module, statement))

    def _that_may_change_values(self) -> list[Module]:
        """The modules that are imported with the counted code and import, themselves or through others, what has
        a reached value."""
        loaded = self._loaded()
        importers = _importers(loaded, [path or name for path, name in self._names])
        return [self._imports.module(path) for path in loaded if path in importers]

    def _loaded(self) -> dict[Path, list[Path | str]]:
        """The files that are executed with the counted code, each with what it executes next, in order."""
        found: dict[Path, list[Path | str]] = {}
        queue = list(self.modules)
        for path in queue:
            if path in found:
                continue
            found[path] = list(self._imports.executed_by(path))
            module = self._imports.module(path)
            for statement in module.statements if path in self.modules else ():
                if statement in self._counted and not isinstance(statement, IMPORTS):
                    nodes = [node for nodes in self._imports.inside(statement).values() for node in nodes]
                    found[path] += self._imports.executed(module, nodes)
            queue += [other for other in found[path] if isinstance(other, Path)]
        return found

    def _imports_in_time(self) -> set[ast.stmt]:
        """The imports whose place matters: they change values, or bind a name that others bind too."""
        changing = _importers(self._loaded(), self._changing) if self._changing else set()
        found: set[ast.stmt] = set()
        for path, module in self.modules.items():
            star = any(text.endswith(" import *") for _, text, _ in self._edges.get(path, ()))
            for statement in module.statements:
                if isinstance(statement, IMPORTS):
                    names = [syntax.imported_as(alias, statement) for alias in statement.names]
                    again = any(len(module.bindings[name]) > 1 for name in names if (path, name) in self._names)
                    executed = {file for file in self._imports.executed(module, [statement]) if file != path}
                    if again or (star and "*" in names) or (changing and changing & executed):
                        found.add(statement)
        return found


def _importers(loaded: Mapping[Path, Iterable[Path | str]], wanted: Iterable[Path | str]) -> set[Path | str]:
    """What executes any of the wanted when it is imported, the wanted among them."""
    importers: dict[Path | str, list[Path]] = {}
    for path, executed in loaded.items():
        for other in executed:
            importers.setdefault(other, []).append(path)
    queue = list(wanted)
    found = set(queue)
    for name in queue:
        queue += [path for path in importers.get(name, ()) if path not in found]
        found.update(importers.get(name, ()))
    return found
