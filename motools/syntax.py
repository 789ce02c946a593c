"""Python source as syntax: what a file binds, which of its names a piece of code reads. Nothing is executed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from motools.errors import ConfigError

Import = ast.Import | ast.ImportFrom
Words = tuple[str, ...]
"""A name and the attributes taken from it: `a.b.c` is `("a", "b", "c")`."""

IMPORTS = (ast.Import, ast.ImportFrom)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass
class Module:
    """A file, as far as importing it goes.

    Attributes:
        statements: what stands at its top level, without what only runs as a script.
        bindings: what binds each name: the statement, and the import or definition where it stands inside of that;
            `*` has the imports of all of a module.
        imports: the imports that importing the file carries out.
    """

    path: Path
    statements: list[ast.stmt] = field(default_factory=list)
    bindings: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: list[Import] = field(default_factory=list)


def read(path: Path) -> Module:
    """Read a file; kept until it changes.

    Raises:
        ConfigError: it is not Python; the message gives file and line.
    """
    stat = path.stat()
    return _parsed(path, (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))


@lru_cache(maxsize=1024)
def _parsed(path: Path, stamp: tuple[int, ...]) -> Module:
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise ConfigError(f"{path}, line {error.lineno or 1}: {error.msg}.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not Python: {error}.") from None
    module = Module(path)
    for statement in _when_imported(tree.body):
        for name, node in bound(statement):
            found = module.bindings.setdefault(name, [])
            for part in (statement, node):
                if isinstance(part, ast.stmt) and part not in found:
                    found.append(part)
        module.statements.append(statement)
        module.imports += [node for node in _scope(statement) if isinstance(node, IMPORTS)]
    return module


def _when_imported(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.If) and ast.unparse(statement.test) in _AS_SCRIPT:
            yield from statement.orelse
        else:
            yield statement


_AS_SCRIPT = {"__name__ == '__main__'", "'__main__' == __name__"}


def bound(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names that a node binds in the scope it stands in, each with the part that binds it."""
    for part in _scope(node):
        if isinstance(part, IMPORTS):
            for alias in part.names:
                yield imported_as(alias, part), part
        elif isinstance(part, ast.Name):
            if not isinstance(part.ctx, ast.Load):
                yield part.id, part
        else:
            for attribute in ("name", "rest"):  # of definitions, `except ... as`, and patterns
                name = getattr(part, attribute, None)
                if isinstance(name, str) and not isinstance(part, ast.alias):
                    yield name, part


def imported_as(alias: ast.alias, statement: Import) -> str:
    """The name under which an import is known where it stands."""
    if alias.asname or isinstance(statement, ast.ImportFrom):
        return alias.asname or alias.name
    return alias.name.partition(".")[0]


def _scope(node: ast.AST) -> Iterator[ast.AST]:
    """All parts of a node that stand in one scope with it: not what is inside functions and classes."""
    left = [node]
    while left:
        part = left.pop()
        yield part
        if isinstance(part, ast.comprehension):
            left += [*reversed(part.ifs), part.iter]
        elif not isinstance(part, (*DEFINITIONS, ast.Lambda, ast.Constant)):
            left += reversed(list(ast.iter_child_nodes(part)))


def own_names(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> tuple[set[str], set[str]]:
    """The parameters and local variables of a function, and what it declares global.

    What it imports is not among them, so that it can be followed.
    """
    arguments = function.args
    own = {a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]}
    own |= {a.arg for a in (arguments.vararg, arguments.kwarg) if a is not None}
    shared: set[str] = set()
    for statement in function.body if isinstance(function.body, list) else []:
        own |= {name for name, node in bound(statement) if not isinstance(node, IMPORTS)}
        shared |= {name for node in _scope(statement) if isinstance(node, ast.Global) for name in node.names}
    return own - shared, shared


def walk(
    node: ast.AST, own: frozenset[str] = frozenset(), bodies: bool = True
) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """A node and all below, parents first, each with the names that are there a function's own, not the module's.

    Args:
        own: what is so already where `node` stands.
        bodies: whether to go into the bodies of functions, or only into what runs when they are defined.
    """
    left = [(node, own)]
    while left:
        part, here = left.pop()
        yield part, here
        left += reversed(list(_below(part, here, bodies)))


def _below(node: ast.AST, own: frozenset[str], bodies: bool) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    if isinstance(node, FUNCTIONS):
        local, shared = own_names(node) if bodies else (set(), set())
        inner = (own | local) - shared
        for name, value in ast.iter_fields(node):
            if name != "body" or bodies:
                for child in value if isinstance(value, list) else [value]:
                    if isinstance(child, ast.AST):
                        yield child, inner if name == "body" else own
    elif isinstance(node, _COMPREHENSIONS):
        inner = own | {n.id for g in node.generators for n in ast.walk(g.target) if isinstance(n, ast.Name)}
        for number, generator in enumerate(node.generators):
            yield generator.iter, inner if number else own  # the first is read outside
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        for child in [*results, *(part for g in node.generators for part in (g.target, *g.ifs))]:
            yield child, inner
    elif not isinstance(node, ast.Constant):
        for child in ast.iter_child_nodes(node):
            yield child, own


def words_of(node: ast.AST) -> Words | None:
    """The words of a name with attributes, or None for any other expression."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else None


def names_read(node: ast.AST, own: frozenset[str] = frozenset()) -> Iterator[Words]:
    """Every name of the module that is read in a node, with the attributes taken from it."""
    inner: set[int] = set()  # parts of what was told already
    for part, hidden in walk(node, own):
        if isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name):
            yield (part.target.id,)
        elif isinstance(part, ast.AnnAssign):
            yield from _names_in_texts(part.annotation, hidden)
        if isinstance(part, ast.Attribute):
            inner.add(id(part.value))
        elif isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            continue
        words = None if id(part) in inner else words_of(part)
        if words and words[0] not in hidden:
            yield words


def _names_in_texts(annotation: ast.expr, own: frozenset[str]) -> Iterator[Words]:
    """An annotation may be a text (`"Part | None"`) that is read as code at run time."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                inside = ast.parse(node.value, mode="eval")
            except (SyntaxError, ValueError):
                continue
            yield from names_read(inside, own)


def is_mutable(module: Module, name: str) -> bool:
    """Whether a name holds a value that can change in place: not a function, class, module or constant."""
    return any(
        not isinstance(statement, (*DEFINITIONS, *IMPORTS))
        and not (isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, ast.Constant))
        for statement in module.bindings.get(name, [])
    )


def is_movable(module: Module, statement: ast.stmt) -> bool:
    """Whether a statement means the same wherever it stands: a plain function, the only one of its name."""
    if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) or statement.decorator_list:
        return False
    if "*" in module.bindings:  # which may bind the name too
        return False
    defaults = [*statement.args.defaults, *statement.args.kw_defaults]
    constant = all(default is None or isinstance(default, ast.Constant) for default in defaults)
    return constant and module.bindings.get(statement.name) == [statement]


_NOT_MEANING = {"ctx", "type_comment", "kind", "type_ignores"}


def normal(node: Any) -> Any:
    """A syntax tree as JSON: no positions, no docstrings, and the same from every Python version."""
    if isinstance(node, list):
        return [normal(item) for item in node]
    if isinstance(node, ast.Constant):
        return [type(node.value).__name__, repr(node.value)]
    if not isinstance(node, ast.AST):
        return node
    fields = {}
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, DEFINITIONS) and ast.get_docstring(node, clean=False) is not None:
            value = value[1:] or [ast.Pass()]
        if name not in _NOT_MEANING and value not in (None, []):
            fields[name] = normal(value)
    return [type(node).__name__, fields]
