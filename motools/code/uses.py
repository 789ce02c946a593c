"""What code uses: the names it reads, what it hands on, and what its texts may name."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from motools.code.syntax import FUNCTIONS, WORD, Module, assigned, imports_of, last_name, name_of

__all__ = ["outside", "texts_in", "texts_of"]

_REFLECTING = frozenset(
    "__doc__ getdoc pydoc help getsource getsourcelines signature Signature getfullargspec get_type_hints "
    "__annotations__ get_annotations __defaults__ __kwdefaults__ __code__ model_json_schema json_schema TypeAdapter "
    "schema ToolDef tool_with f_locals currentframe _getframe stack trace".split()
)
"""Words by which code reads docstrings, type hints, names of local variables or source."""
_DYNAMIC = frozenset(
    "eval exec globals vars locals __dict__ __globals__ __getattribute__ __subclasses__ dir getmembers run_path "
    "getattr_static getmembers_static run_module resolve_name locate attrgetter pickle cloudpickle dill shelve "
    "joblib".split()
)
"""Words by which code reaches names that it does not spell, and with them all that there is to read."""
_BY_TEXT = frozenset("getattr setattr hasattr delattr".split())
_SENDING = frozenset("submit map starmap imap apply apply_async run_in_executor to_thread Thread Process run".split())
"""Methods that only call the functions that they are given."""


@dataclass(frozen=True)
class Uses:
    """Names that code uses, and whether it may use names that it does not spell, or read docstrings and hints.

    Attributes:
        spoken: of the names, those that stand elsewhere than in type hints.
        handed: names of what is given to calls, who may read its docstrings and hints.
        holding: pairs of names: what the second one stands for may be, or be in, what the first one stands for; `f()`
            for what a function returns, `()` for what this one does.
        bare: names that are used but for an attribute of them.
    """

    names: frozenset[str]
    spoken: frozenset[str]
    dynamic: bool
    reflecting: bool
    handed: frozenset[str]
    bare: frozenset[str]
    holding: frozenset[tuple[str, str]]


@lru_cache(maxsize=1 << 16)
def uses_in(node: ast.AST, of_module: frozenset[str] | None = None) -> Uses:
    """What a node uses, without the bodies of functions in it.

    Args:
        of_module: in a function's body, the names that are not its own.
    """
    names: set[str] = set()
    handed: set[str] = set()
    bare: set[str] = set()
    holding: set[tuple[str, str]] = set()
    spelled = 0  # of the functions that take a name as a text, those that are given it
    by_text = 0
    said_eval = False
    bases = {id(each.value) for each in outside(node) if isinstance(each, ast.Attribute)}
    parts = [getattr(each, name, None) for each in outside(node) for name in ("annotation", "returns")]
    hints = [part for part in parts if part is not None]
    in_hints = {id(part) for hint in hints for part in ast.walk(hint)}
    hinted = {word for hint in hints for word in WORD.findall(ast.unparse(hint))}  # somebody may look up what they say
    for each in outside(node):
        if id(each) in in_hints:
            continue
        for targets, value in assigned(each):
            holding |= {(to, name) for target in targets for to in _held(target) for name in _held(value)}
        if isinstance(each, ast.Return) and each.value is not None:
            holding |= {("()", name) for name in _held(each.value)}
        if isinstance(each, ast.Name):
            by_text += each.id in _BY_TEXT
            if of_module is None or each.id in of_module:
                names.add(each.id)
                bare |= set() if id(each) in bases else {each.id}
        elif isinstance(each, ast.Attribute):
            names.add(each.attr)
        elif isinstance(each, (ast.Import, ast.ImportFrom)):
            for target, alias, bound in imports_of(each):
                names.update(["__all__"] if bound == "*" else (alias or target).split("."))
                names.update(_DYNAMIC.intersection(target.split(".")))
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            text = each.value
            if text == "eval":  # the kind of an atom, unless it is the name of what somebody is asked for
                said_eval = True
            elif len(text) < 80 and not any(map(str.isspace, text)):  # such as "helpers:LIMIT"
                names.update(WORD.findall(text))
            elif "{" in text:  # a template may name attributes
                names.update(word for field in _FIELD.findall(text) for word in WORD.findall(field))
        elif isinstance(each, ast.MatchClass):
            names.update(each.kwd_attrs)
        elif isinstance(each, ast.Call):
            spelled += name_of(each.func) in _BY_TEXT and len(each.args) > 1 and isinstance(each.args[1], ast.Constant)
            if last_name(each.func) not in _SENDING and not _is_builtin(each.func):
                given = [*each.args, *(keyword.value for keyword in each.keywords)]
                handed.update(name for arg in given for name in _held(arg))
    if said_eval and by_text:
        names.add("eval")
    dynamic = by_text > spelled or not _DYNAMIC.isdisjoint(names | hinted)
    reflecting = dynamic or not _REFLECTING.isdisjoint(names | hinted)
    said = frozenset(names), dynamic, reflecting
    return Uses(frozenset(names | hinted), *said, frozenset(handed), frozenset(bare), frozenset(holding))


def _held(node: ast.expr) -> Iterator[str]:
    """The names of what an expression gives, or of what is in that."""
    parts: list[ast.AST] = []
    if isinstance(node, ast.Call):
        yield f"{last_name(node)}()"
        parts += [node.func.value] if isinstance(node.func, ast.Attribute) else []  # such as of TABLE.items()
        parts += node.args if _is_builtin(node.func) else []
    elif isinstance(node, (ast.Name, ast.Attribute)):
        yield str(last_name(node))
    elif isinstance(node, _DISPLAYS):
        parts += ast.iter_child_nodes(node)
    yield from (name for part in parts if isinstance(part, ast.expr) for name in _held(part))


_DISPLAYS = (ast.List, ast.Tuple, ast.Set, ast.Dict, ast.Starred, ast.IfExp, ast.BoolOp, ast.NamedExpr, ast.Subscript)


def _is_builtin(func: ast.expr) -> bool:
    return isinstance(func, ast.Name) and hasattr(builtins, func.id)


@lru_cache(maxsize=1 << 16)
def uses_of(module: Module, name: str) -> list[Uses]:
    """What the functions of a name use."""
    of_module = frozenset(module.globals[name]) if name in module.globals else None
    nodes = module.functions.get(name, [])
    return [*map(uses_in, nodes), *(uses_in(part, of_module) for node in nodes for part in node.body)]


@dataclass(frozen=True)
class Texts:
    """What the whole of a file says: the packages that it imports, its short texts (those with fields as patterns), and
    variables it may ask for.

    Attributes:
        variables: names as `environment_digest` takes them; with ** those that names may begin with.
    """

    imports: frozenset[str]
    texts: frozenset[str]
    variables: frozenset[str]


@lru_cache(maxsize=2048)
def texts_of(module: Module) -> Texts:
    nodes = [node for statement in module.body for node in ast.walk(statement)]
    imports = {
        target.partition(".")[0]
        for node in nodes
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for target, _, _ in imports_of(node)
    }
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    starts = {
        each.value
        for node in nodes
        if isinstance(node, ast.Call) and last_name(node.func) == "startswith"
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }
    words = {word for text in texts if len(text) < 200 for word in WORD.findall(text) if len(word) < 60}
    fields = {node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    starts |= {word for word in words if word.endswith("_")}
    variables = {f"{word}*" for word in words | fields} | {f"{word}**" for word in starts}
    return Texts(frozenset(imports), texts_in(nodes), frozenset(variables))


def texts_in(nodes: Iterable[ast.AST]) -> frozenset[str]:
    """The short texts among some nodes, those with fields as patterns."""
    texts = set()
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            texts.add("".join(str(p.value) if isinstance(p, ast.Constant) else "*" for p in node.values))
    return frozenset(text for text in texts if len(text) < 200 and "\n" not in text)


def outside(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all in it but the bodies of functions."""
    todo = [node]
    while todo:
        each = todo.pop()
        yield each
        for name, value in ast.iter_fields(each):
            if name == "body" and isinstance(each, FUNCTIONS):
                continue
            todo += [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]


_FIELD = re.compile(r"\{([^{}\s]*)")
