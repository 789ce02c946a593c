"""What else an import runs: which values a statement at the top level of a module may change.

Told conservatively: whatever can be got at through the names a statement calls or stores into. A call of
installed code counts where its result is thrown away, for such a call is made for its effect.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from motools import syntax
from motools.imports import Bindings, Imports
from motools.syntax import DEFINITIONS, Module, Words

Name = tuple[Path | None, str]
"""A name that a file of the project binds, or an installed package (no file)."""

_CHANGING = ("setattr", "delattr", "next")  # the builtins that change what they are given
_OWN = "motools"  # running or describing a workflow changes nothing of it


@dataclass(frozen=True)
class _Spot:
    """Where code stands: what its names mean."""

    module: Module
    local: Bindings


@dataclass(frozen=True)
class _Access:
    """What a name gives access to: values that can change, further names; and whether its code sets attributes."""

    values: AbstractSet[Name] = frozenset()
    onward: AbstractSet[Name] = frozenset()
    sets_attributes: bool = False


class Effects:
    """Looks statements over; each once."""

    def __init__(self, found: Imports) -> None:
        self._imports = found
        self._known: dict[ast.stmt, set[Name]] = {}
        self._accesses: dict[Name, _Access] = {}

    def of(self, module: Module, statement: ast.stmt) -> set[Name]:
        """The names whose values a statement may change."""
        if statement not in self._known:
            self._known[statement] = self._changed(_Spot(module, self._imports.inside(statement)), statement)
        return self._known[statement]

    def bases_of(self, module: Module, statement: ast.stmt) -> set[Name]:
        """The base classes of all classes that a statement defines."""
        spot = _Spot(module, {})
        classes = [node for node, _ in syntax.walk(statement, bodies=False) if isinstance(node, ast.ClassDef)]
        return {key for node in classes for base in node.bases for key in self._keys(spot, _root(base))}

    def _changed(self, spot: _Spot, statement: ast.stmt) -> set[Name]:
        changed: set[Name] = set()
        thrown_away: set[int] = set()
        for node, own in syntax.walk(statement, bodies=False):
            if isinstance(node, ast.Expr):
                thrown_away.add(id(node.value.value if isinstance(node.value, ast.Await) else node.value))
            elif isinstance(node, ast.Call):
                arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
                words = _root(node.func)
                known = words if words and words[0] not in own else None
                changed |= self._by_call(spot, known, arguments, id(node) in thrown_away)
            elif isinstance(node, DEFINITIONS):
                changed |= self._by_definition(spot, node)
            elif (target := _changed_in_place(node)) is not None and (words := _root(target)):
                changed |= self._keys(spot, words) | self._within_reach(spot, [words])[0]
        return changed

    def _by_definition(self, spot: _Spot, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> set[Name]:
        """Decorators are called with what they decorate, a metaclass and `__init_subclass__` with the class."""
        called = [decorator for decorator in node.decorator_list if not isinstance(decorator, ast.Call)]
        changed: set[Name] = set()
        if isinstance(node, ast.ClassDef):
            called += [keyword.value for keyword in node.keywords if keyword.arg == "metaclass"]
            hooked = [base for base in node.bases if self._is_hooked(spot, _root(base))]
            changed = {key for base in hooked for key in self._keys(spot, _root(base))}
            called += hooked
        for function in called:
            changed |= self._by_call(spot, _root(function), [], thrown_away=False)
        return changed

    def _by_call(self, spot: _Spot, words: Words | None, arguments: list[ast.expr], thrown_away: bool) -> set[Name]:
        given = [read for argument in arguments for read in syntax.names_read(argument)]
        if words is None:  # a function that was made or found on the spot
            return self._within_reach(spot, given)[0]
        changed: set[Name] = set()
        for path, rest in self._imports.homes(spot.module, words, spot.local):
            if path is None:
                if thrown_away and rest[0] != _OWN:
                    changed |= {(None, rest[0])} | self._values(spot, given)
            elif not rest or rest[0] in self._imports.module(path).bindings:
                reached, sets_attributes = self._within_reach(spot, [words])
                changed |= reached | self._within_reach(spot, given)[0]
                if len(rest) > 1 or not _is_definition(self._imports.module(path), rest[0]):
                    changed.add((path, rest[0]) if rest else (path, ""))
                if sets_attributes:
                    changed |= {key for read in given for key in self._keys(spot, read)}
            elif rest[0] in _CHANGING and arguments:
                changed |= self._keys(spot, _root(arguments[0])) | self._within_reach(spot, given)[0]
        return changed

    # -- what a name gives access to ---------------------------------------------

    def _keys(self, spot: _Spot, words: Words | None) -> set[Name]:
        homes = self._imports.homes(spot.module, words, spot.local) if words else []
        return {(path, rest[0]) for path, rest in homes if rest}

    def _values(self, spot: _Spot, names: Iterable[Words]) -> set[Name]:
        """Those of the names that hold something that can change in place."""
        keys = {key for words in names for key in self._keys(spot, words)}
        return {(path, name) for path, name in keys if path and syntax.is_mutable(self._imports.module(path), name)}

    def _within_reach(self, spot: _Spot, names: Iterable[Words]) -> tuple[set[Name], bool]:
        """The values that can be got at through some names, and whether attributes are set on the way there."""
        queue = [key for words in names for key in self._keys(spot, words)]
        seen = set(queue)
        found: set[Name] = set()
        sets_attributes = False
        for key in queue:
            access = self._access(key)
            found |= access.values
            sets_attributes = sets_attributes or access.sets_attributes
            queue += [other for other in access.onward if other not in seen]
            seen |= access.onward
        return found, sets_attributes

    def _access(self, key: Name) -> _Access:
        if key not in self._accesses:
            self._accesses[key] = self._look_into(*key)
        return self._accesses[key]

    def _look_into(self, path: Path | None, name: str) -> _Access:
        if path is None:
            return _Access()
        module = self._imports.module(path)
        values: set[Name] = {(path, name)} if syntax.is_mutable(module, name) else set()
        onward: set[Name] = set()
        sets_attributes = False
        for node in module.bindings.get(name, []):
            inside = _Spot(module, self._imports.inside(node))
            if isinstance(node, DEFINITIONS):
                values |= {(path, shared) for shared in _declared_global(node)}
                sets_attributes = sets_attributes or _sets_attributes(node)
                read = self._imports.read_in(node)
            else:
                read = [] if self._is_own(inside, node) else self._read_by_value(inside, node)
            onward |= {key for words in read for key in self._keys(inside, words)}
        return _Access(values, onward, sets_attributes)

    def _read_by_value(self, spot: _Spot, statement: ast.stmt) -> list[Words]:
        """The names a statement takes values from: not the functions that it only mentions."""
        called = {words for node in ast.walk(statement) if isinstance(node, ast.Call) and (words := _root(node.func))}
        read = []
        for words in self._imports.read_in(statement):
            homes = self._imports.homes(spot.module, words, spot.local)
            mentioned = all(p and rest and _is_definition(self._imports.module(p), rest[0]) for p, rest in homes)
            if words in called or not mentioned:
                read.append(words)
        return read

    def _is_own(self, spot: _Spot, statement: ast.stmt) -> bool:
        """Whether a statement binds what MOTools made, such as a workflow or the state of a run."""
        value = getattr(statement, "value", None)
        words = _root(value.func) if isinstance(value, ast.Call) else None
        return words is not None and (None, (_OWN,)) in self._imports.homes(spot.module, words, spot.local)

    def _is_hooked(self, spot: _Spot, words: Words | None, asked: tuple[Name, ...] = ()) -> bool:
        """Whether a class hears of its subclasses: it or a base has `__init_subclass__` or a metaclass."""
        for key in self._keys(spot, words):
            path, name = key
            if path is None or key in asked:
                continue
            module = self._imports.module(path)
            for node in module.bindings.get(name, []):
                if not isinstance(node, ast.ClassDef):
                    continue
                hears = {"__init_subclass__"} & {getattr(part, "name", None) for part in node.body}
                inside = _Spot(module, self._imports.inside(node))
                bases = any(self._is_hooked(inside, _root(base), (*asked, key)) for base in node.bases)
                if hears or bases or any(keyword.arg == "metaclass" for keyword in node.keywords):
                    return True
        return False


def _changed_in_place(node: ast.AST) -> ast.expr | None:
    if isinstance(node, ast.AugAssign):  # `rows += [1]` is seen by all that know the list
        return node.target
    if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
        return node
    return None


def _root(node: ast.AST) -> Words | None:
    """The name that an expression starts from, with the attributes that follow at once: `a.b[c].d()` is `a.b`."""
    attributes: list[str] = []
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Attribute):
            attributes.append(node.attr)
        elif isinstance(node, ast.Subscript):
            attributes.clear()
        else:
            return None
        node = node.value
    return (node.id, *reversed(attributes))


def _is_definition(module: Module, name: str) -> bool:
    return all(isinstance(node, DEFINITIONS) for node in module.bindings.get(name, [None]))


def _declared_global(node: ast.AST) -> set[str]:
    return {name for part in ast.walk(node) if isinstance(part, ast.Global) for name in part.names}


def _sets_attributes(node: ast.AST) -> bool:
    """Whether code sets attributes of anything but a method's own object."""
    methods = {
        id(method): method.args.args[0].arg
        for part in ast.walk(node)
        if isinstance(part, ast.ClassDef)
        for method in part.body
        if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)) and method.args.args
    }
    own = set(methods.values())
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and not isinstance(part.ctx, ast.Load):
            words = _root(part)
            if words is None or words[0] not in own:
                return True
        elif isinstance(part, ast.Name) and part.id in ("setattr", "delattr"):
            return True
    return False
