"""Fingerprints of code: a digest of a function and everything of the project that it reaches, as normalised source.

Comments, formatting and docstrings do not count; neither does an edit elsewhere in a file. The source is
read, never executed. Followed: names of the module, imports from the project (also inside functions),
attributes of imported modules, and statements at module level that change a value that is reached
(`TABLE.update(...)`). Not followed: names made up at run time (`getattr(module, text)`, `importlib`), and
installed code, which has versions.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from motools.code import Place
from motools.errors import ConfigError, WorkflowError

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)


@dataclass(frozen=True)
class Fingerprint:
    """`digest` is equal for equal code; `files` are the project's files that it was taken from, sorted."""

    digest: str
    files: tuple[Path, ...]


@dataclass
class _Module:
    path: Path
    bindings: dict[str, list[ast.stmt]] = field(default_factory=dict)  # what binds each name
    statements: list[ast.stmt] = field(default_factory=list)  # all but imports and `if __name__ == ...`


def names_in(file: Path) -> list[str]:
    """The names that a file binds at its top level; contains `*` where it imports all of another module."""
    return list(_module(file).bindings)


def of_function(fn: Callable[..., Any], place: Place) -> Fingerprint | None:
    """The fingerprint of a function of the project; None when it is installed code.

    A function made inside another one counts with the values it closes over.

    Raises:
        WorkflowError: it closes over something that has no stable text.
    """
    bound: list[Any] = []
    while isinstance(fn, partial):
        bound.append([fn.args, sorted(fn.keywords.items())])
        fn = fn.func
    fn = inspect.unwrap(fn)
    source = inspect.getsourcefile(fn) if callable(fn) and hasattr(fn, "__qualname__") else None
    if source is None or not place.owns(Path(source)):
        return None
    reach = _Reach(place)
    path = Path(source).resolve()
    reach.name(path, fn.__qualname__.partition(".")[0])
    if "<lambda>" in fn.__qualname__.split(".")[0]:
        reach.every(path)
    if "<locals>" in fn.__qualname__:
        bound += [list(_captured(fn, place)), fn.__defaults__, fn.__kwdefaults__]
    return reach.result(fn.__qualname__, bound)


def of_reference(file: Path, name: str, place: Place) -> Fingerprint:
    """The fingerprint of a top-level name of a file."""
    reach = _Reach(place)
    reach.name(file, name)
    return reach.result(name, [])


def _captured(fn: Callable[..., Any], place: Place) -> Iterator[Any]:
    """The values a nested function closes over: functions by their code, all else by its text."""
    for cell in fn.__closure__ or ():  # type: ignore[attr-defined]
        value = cell.cell_contents
        code = of_function(value, place) if inspect.isfunction(value) else None
        yield code.digest if code else value


class _Reach:
    """Walks from names to the statements that define them, and on to the names those use."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.texts: dict[int | tuple[Path, str], str] = {}  # by the statement's identity, or by import
        self.names: set[tuple[Path, str]] = set()
        self.modules: dict[Path, _Module] = {}

    def result(self, root: str, bound: list[Any]) -> Fingerprint:
        self._follow_effects()
        try:
            values = json.dumps(bound, sort_keys=True)
        except TypeError:
            raise WorkflowError(
                f"The step function {root} holds a value that has no stable text, so a change to it could "
                "not be seen. Put the value into the step's config."
            ) from None
        text = json.dumps([sorted(self.texts.values()), values])
        digest = hashlib.sha256(text.encode()).hexdigest()
        return Fingerprint(digest, tuple(sorted(self.modules)))

    def name(self, path: Path, name: str) -> None:
        if (path, name) in self.names:
            return
        self.names.add((path, name))
        module = self.modules.setdefault(path, _module(path))
        for statement in module.bindings.get(name, []):
            self._statement(module, statement, name)
        if name not in module.bindings:
            for statement in module.bindings.get("*", []):
                assert isinstance(statement, ast.ImportFrom)
                source = self._source(module, statement)
                if source and name in _module(source).bindings:
                    self.name(source, name)

    def every(self, path: Path) -> None:
        for name in _module(path).bindings:
            self.name(path, name)

    def _statement(self, module: _Module, statement: ast.stmt, name: str | None = None) -> None:
        if isinstance(statement, _IMPORTS):
            if name is not None:
                self._imported(module, statement, [name])
            return
        if id(statement) in self.texts:
            return
        self.texts[id(statement)] = json.dumps(_normal(statement))
        local = {
            alias.asname or alias.name.partition(".")[0]: node
            for node in ast.walk(statement)
            if isinstance(node, _IMPORTS)
            for alias in node.names
        }
        for chain in _chains(statement):
            bound = [local[chain[0]]] if chain[0] in local else module.bindings.get(chain[0], [])
            imports = [found for found in bound if isinstance(found, _IMPORTS)]
            for found in imports:
                self.names.add((module.path, chain[0]))
                self._imported(module, found, chain)
            if not imports:
                self.name(module.path, chain[0])

    def _imported(self, module: _Module, statement: ast.Import | ast.ImportFrom, chain: list[str]) -> None:
        """Follow `chain` (`helpers.table.rows`) through the import that binds its first word."""
        for alias in statement.names:
            if (alias.asname or alias.name.partition(".")[0]) != chain[0]:
                continue
            origin = getattr(statement, "module", None)
            self.texts[module.path, chain[0]] = f"import {origin} {alias.name} as {chain[0]}"
            if isinstance(statement, ast.ImportFrom):
                source = self._source(module, statement)
                if source and alias.name in _module(source).bindings:
                    self.name(source, alias.name)
                else:
                    self._module_chain(self._source(module, statement, alias.name), chain[1:])
            elif alias.asname:
                self._module_chain(self.place.module_file(alias.name), chain[1:])
            else:
                words = alias.name.split(".")
                rest = chain[len(words) :] if chain[: len(words)] == words else []
                self._module_chain(self.place.module_file(alias.name), rest)

    def _module_chain(self, path: Path | None, rest: list[str]) -> None:
        if path is None:
            return
        if rest and rest[0] in _module(path).bindings:
            self.name(path, rest[0])
        elif path.name == "__init__.py" and rest and (below := _submodule(path.parent, rest[0])):
            self._module_chain(below, rest[1:])
        else:  # the module itself is handed on: anything of it may be used
            self.every(path)

    def _source(self, module: _Module, statement: ast.ImportFrom, below: str = "") -> Path | None:
        if not statement.level:
            return self.place.module_file(".".join(filter(None, [statement.module, below])))
        folder = module.path.parents[statement.level - 1]
        parts = [*(statement.module or "").split("."), below]
        target = folder.joinpath(*filter(None, parts))
        for path in (target.with_suffix(".py"), target / "__init__.py"):
            if path.is_file() and self.place.owns(path):
                return path.resolve()
        return None

    def _follow_effects(self) -> None:
        """Add module-level statements that change a reached value, until none is left."""
        grown = True
        while grown:
            before = len(self.texts)
            for path, module in list(self.modules.items()):
                reached = {name for owner, name in self.names if owner == path}
                for statement in module.statements:
                    if id(statement) not in self.texts and reached & _changes(statement, module):
                        self._statement(module, statement)
            grown = len(self.texts) > before


def _submodule(package: Path, name: str) -> Path | None:
    for path in (package / f"{name}.py", package / name / "__init__.py"):
        if path.is_file():
            return path
    return None


@lru_cache(maxsize=1024)
def _parsed(path: Path, stamp: tuple[int, int]) -> _Module:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise ConfigError(f"{path}, line {error.lineno}: {error.msg}.") from None
    module = _Module(path)
    for statement in tree.body:
        if _is_main_guard(statement):
            continue
        for name in _bound(statement):
            module.bindings.setdefault(name, []).append(statement)
        if not isinstance(statement, _IMPORTS):
            module.statements.append(statement)
    return module


def _module(path: Path) -> _Module:
    stat = path.stat()
    return _parsed(path, (stat.st_mtime_ns, stat.st_size))


def _is_main_guard(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.If) and any(
        isinstance(node, ast.Name) and node.id == "__name__" for node in ast.walk(statement.test)
    )


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes below, without the bodies of functions and classes."""
    yield node
    if not isinstance(node, (*_DEFINITIONS, ast.Lambda)):
        for child in ast.iter_child_nodes(node):
            yield from _outside_functions(child)


def _bound(statement: ast.stmt) -> Iterator[str]:
    for node in _outside_functions(statement):
        if isinstance(node, _DEFINITIONS):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, _IMPORTS):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in node.names)


def _chains(node: ast.AST, hidden: frozenset[str] = frozenset()) -> Iterator[list[str]]:
    """Every name of the module that is read, with the attributes taken from it: `a.b.c` is `["a", "b", "c"]`.

    Names in `hidden` are a function's own: a parameter `config` is not the module's `config`.
    """
    if isinstance(node, (*_FUNCTIONS, ast.Lambda)):
        inner = hidden | _own_names(node)
        for name, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _chains(child, inner if name == "body" else hidden)
        return
    if isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
        hidden = hidden | {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
    words: list[str] = []
    top: ast.AST = node
    while isinstance(top, ast.Attribute):
        words.append(top.attr)
        top = top.value
    if isinstance(top, ast.Name):
        if top.id not in hidden:
            yield [top.id, *reversed(words)]
        return
    for child in ast.iter_child_nodes(top):
        yield from _chains(child, hidden)


def _own_names(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """The parameters and local variables of a function; local imports are left to be followed."""
    arguments = function.args
    own = {a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
    own |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
    declared: set[str] = set()
    for statement in function.body if isinstance(function.body, list) else []:
        for node in _outside_functions(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
                own.add(node.id)
            elif isinstance(node, _DEFINITIONS):
                own.add(node.name)
            elif isinstance(node, ast.Global):
                declared.update(node.names)
    return own - declared


def _changes(statement: ast.stmt, module: _Module) -> set[str]:
    """The names of the module whose value a module-level statement may change."""
    changed: set[str] = set()
    for node in _outside_functions(statement):
        if isinstance(node, ast.Call):
            changed |= _changed_by_call(node, module)
        elif isinstance(node, _DEFINITIONS):
            for decorator in node.decorator_list:
                changed |= _changed_by_call(decorator, module)
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            changed |= {chain[0] for chain in _chains(node)}
    return changed


def _changed_by_call(node: ast.expr, module: _Module) -> set[str]:
    """A method may change its object; a function its arguments, and what its own body uses."""
    function = node.func if isinstance(node, ast.Call) else node
    receiver = next(iter(_chains(function)), [""])
    if len(receiver) > 1:
        changed = {receiver[0]}
    else:
        bodies = [s for s in module.bindings.get(receiver[0], []) if isinstance(s, _DEFINITIONS)]
        changed = {chain[0] for body in bodies for chain in _chains(body)}
    if isinstance(node, ast.Call):
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        changed |= {chain[0] for argument in arguments for chain in _chains(argument)}
    imported = {receiver[0]} if len(receiver) > 1 else set()
    return {name for name in changed if name in imported or _is_mutable(module.bindings.get(name, []))}


def _is_mutable(statements: list[ast.stmt]) -> bool:
    """Whether a name holds a value that can change in place: not a function, class, module or constant."""
    return any(
        not isinstance(statement, (*_DEFINITIONS, *_IMPORTS))
        and not (isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, ast.Constant))
        for statement in statements
    )


_NOT_MEANING = {"ctx", "type_comment", "kind", "type_ignores"}


def _normal(node: Any) -> Any:
    """A syntax tree as JSON: no positions, no docstrings, and the same from every Python version."""
    if isinstance(node, list):
        return [_normal(item) for item in node]
    if isinstance(node, ast.Constant):
        return [type(node.value).__name__, repr(node.value)]
    if not isinstance(node, ast.AST):
        return node
    fields = {}
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
            value = value[1:]
        if name not in _NOT_MEANING and value not in (None, []):
            fields[name] = _normal(value)
    return [type(node).__name__, fields]
