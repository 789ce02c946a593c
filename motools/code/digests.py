"""Digests of syntax that do not change with layout, comments, docstrings or names of locals."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from motools.code.syntax import (
    COMPREHENSIONS,
    FUNCTIONS,
    IMPORTS,
    WORD,
    Function,
    bindings,
    last_name,
    names_bound,
)

PLAIN = frozenset("object StepConfig WorkflowConfig Exception Enum NamedTuple ABC Protocol".split())
"""Base classes that do nothing with the classes made of them but what their names say."""


# -- text ----------------------------------------------------------------------


def is_schema(node: ast.AST) -> bool:
    """Whether a class may make a schema of its docstrings: it has a base that is not plain."""
    return isinstance(node, ast.ClassDef) and not all(last_name(base) in PLAIN for base in node.bases)


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def tree_as_text(node: Any, keep: bool, body: bool, rename: bool, names: Mapping[str, str] | None = None) -> Any:
    """A tree as nested lists, without positions and empty fields, and without what does not count.

    Args:
        keep: whether docstrings and type hints count.
        body: whether the body of this function does; of functions inside it, only docstrings do, those that were
            executed are blocks of their own.
        rename: whether local variables are told by number.
        names: in a function's body, its local variables and their numbers; None elsewhere.
    """
    if isinstance(node, list):
        return [text for each in node if (text := tree_as_text(each, keep, False, rename, names))]
    if isinstance(node, ast.Name) and names and node.id in names:
        return ["Name", names[node.id]]
    if not isinstance(node, ast.AST):  # a number may have more digits than Python likes to write
        return [type(node).__name__, hex(node) if type(node) is int else repr(node)]
    if isinstance(node, ast.ClassDef):
        keep |= is_schema(node)
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and names is not None and not keep:
        if node.value is None:  # in a function, a hint is nobody's
            return []
        node = ast.Assign([node.target], node.value)
    nested: list[Any] = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if name in ("ctx", "kind"):
            continue
        if not keep and (name == "returns" or (name == "annotation" and isinstance(node, ast.arg))):
            continue
        inner_names = names
        if name == "body" and isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            inside = body or isinstance(node, ast.ClassDef)
            value = [each for each in value if (keep if is_docstring(each) else inside)]
            if isinstance(node, FUNCTIONS):  # there only: its defaults are evaluated where it stands
                inner_names = local_names(node) if rename else {}
        if isinstance(node, ast.JoinedStr):  # some versions of Python parse an empty text into it
            value = [each for each in value if each.value != ""]
        if isinstance(node, ast.ClassDef) and name == "body":  # its hints make its fields
            hinted = ((each, keep or isinstance(each, ast.AnnAssign)) for each in value)
            nested.append([name, [tree_as_text(each, kept, False, rename, inner_names) for each, kept in hinted]])
        elif value is not None and value != []:
            nested.append([name, tree_as_text(value, keep, False, rename, inner_names)])
    return nested


def local_names(function: Function) -> dict[str, str]:
    """A function's local variables, numbered, so that their names do not count; not those that others may see."""
    own: dict[str, None] = {}
    other = {arg.arg for arg in ast.walk(function.args) if isinstance(arg, ast.arg)}
    todo: list[tuple[ast.AST, bool]] = [(each, False) for each in reversed(function.body)]
    while todo:
        node, is_inner = todo.pop()
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):  # it is told by itself, and what it names may be of here
            other |= {node.name, *(each.id for each in ast.walk(node) if isinstance(each, ast.Name))}
            continue
        is_inner |= isinstance(node, (ast.Lambda, *COMPREHENSIONS))
        if isinstance(node, ast.Name):
            if node.id in ("locals", "vars", "eval", "exec", "dir"):
                return {}
            if is_inner and not isinstance(node.ctx, ast.Load):  # it may be another variable of that name
                other.add(node.id)
            elif not isinstance(node.ctx, ast.Load):
                own.setdefault(node.id)
        elif isinstance(node, ast.arg):  # of a lambda
            other.add(node.arg)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            other.update(node.names)
        elif isinstance(node, IMPORTS):
            other.update(name for name, _ in bindings(node))
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            other.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            other.add(node.rest)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # such as a query of pandas
            other.update(WORD.findall(node.value))
        todo += [(each, is_inner) for each in reversed([*ast.iter_child_nodes(node)])]
    return {name: f"·{number}" for number, name in enumerate(name for name in own if name not in other)}


@lru_cache(maxsize=1 << 16)
def label_of(statement: ast.stmt) -> str:
    names = names_bound(statement)
    if isinstance(statement, ast.ClassDef):
        return f"class {statement.name}"
    if names:
        return ", ".join(dict.fromkeys(names))
    text = ast.unparse(statement).partition("\n")[0]
    return text if len(text) <= 40 else text[:37] + "..."


@lru_cache(maxsize=1 << 16)
def told_of(node: ast.AST, keep: bool, body: bool = False, rename: bool = True) -> str:
    """The digest of what counts of a node."""
    return digest_of(tree_as_text(node, keep, body, rename))


def digest_of(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()
