"""What the top level of a module may change, told from its syntax."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from motools.code.syntax import (
    FUNCTIONS,
    IMPORTS,
    READING,
    STDLIB,
    Function,
    Module,
    assigned,
    at_import,
    bindings,
    dotted_name,
    imports_of,
    is_harmless,
    is_reading,
    name_of,
    root_of,
)

_KEEPING = frozenset("dataclasses pydantic typing typing_extensions inspect_ai motools".split()) | {
    f"functools.{name}" for name in ("partial", "wraps", "lru_cache", "cache", "singledispatch", "total_ordering")
}
"""Of these, those that only keep the functions and classes that they are given."""
_HARMLESS_BUILTINS = frozenset(dir(builtins)) - frozenset(
    "eval exec compile __import__ globals locals vars setattr delattr input breakpoint type super".split()
)


# -- what counts ---------------------------------------------------------------


@dataclass(frozen=True)
class _Effects:
    """What executing a statement does: names that it binds, that it may change, and whether it may do more."""

    binds: frozenset[str]
    touches: frozenset[str]
    unknown: bool


# -- effects -------------------------------------------------------------------


@lru_cache(maxsize=2048)
def all_effects(module: Module, projects: frozenset[tuple[str, str]]) -> list[_Effects]:
    return [effects_of(statement, module, projects) for statement in module.body]


def effects_of(statement: ast.stmt, module: Module, projects: frozenset[tuple[str, str]]) -> _Effects:
    """In doubt, a statement may do anything: what it does with data only is known, and what calls of `_HARMLESS` do."""
    binds = {name for name, _ in bindings(statement)}
    touches: set[str] = set()
    unknown = False
    kinds = dict(projects)

    def kind(node: ast.AST) -> str:
        return kind_of_value(node, module, kinds)

    for node in _evaluated(statement, module):
        if isinstance(node, ast.Call):
            touched, more = effects_of_call(node, module, kind)
            touches |= touched
            unknown |= more
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            root = root_of(node)
            touches |= {root, *(each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute))} - {None}  # type: ignore[arg-type]
            of_class = isinstance(node, ast.Attribute) and module.kinds.get(root or "") in ("def", "class")
            unknown |= root not in module.literal and not (of_class and isinstance(node.value, ast.Name))  # type: ignore[union-attr]
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            for decorator in node.decorator_list:
                if not isinstance(decorator, ast.Call):  # a call is met by itself
                    unknown |= not _is_known_decorator(decorator, module)
            if isinstance(node, ast.ClassDef):
                unknown |= any(kind(keyword.value) in _PROJECTS for keyword in node.keywords)
                for base in (each.value if isinstance(each, ast.Subscript) else each for each in node.bases):
                    unknown |= kind(base) in ("live", "def", "data", "module")
                unknown |= any(
                    kind(getattr(part, "value", None) or part) == "live" for part in node.body
                )  # `__set_name__`
        elif isinstance(node, IMPORTS):
            unknown |= node is not statement and any(bound == "*" for _, _, bound in imports_of(node))
        elif isinstance(node, (ast.Raise, ast.Await, ast.Yield, ast.YieldFrom, ast.Global)):
            unknown = True
        elif not isinstance(node, _HOLDING) or _unpacks(node):
            if isinstance(node, ast.AugAssign):
                touches |= {root} if (root := root_of(node.target)) else set()  # in place, where it can be
            used = [node.value] if isinstance(node, (ast.Attribute, ast.Subscript)) else ast.iter_child_nodes(node)
            unknown |= any(kind(each) == "live" for each in used)
            unknown |= isinstance(node, ast.Subscript) and kind(node.value) in ("class", "record")
    return _Effects(frozenset(binds), frozenset(touches), unknown)


_PROJECTS = ("def", "class", "record", "live", "module")
_HOLDING = (
    ast.Assign, ast.AnnAssign, ast.NamedExpr, ast.List, ast.Tuple, ast.Set, ast.Dict, ast.keyword, ast.arguments,
    ast.Lambda, ast.Name, ast.Constant,
)  # fmt: skip
"""Of these, what is in them is only kept."""


def _unpacks(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(each, (ast.Tuple, ast.List)) for each in node.targets)


def kind_of_value(node: ast.AST, module: Module, kinds: Mapping[str, str]) -> str:
    """What an expression gives, as far as it is a name or an attribute of one; other expressions are met themselves."""
    if isinstance(node, ast.Starred):
        return kind_of_value(node.value, module, kinds)
    if isinstance(node, ast.Name):
        kind = module.kinds.get(node.id, "data")
        if kind == "value":
            return "data" if node.id in module.literal else "live"
        return kinds.get(node.id, "installed" if kind == "import" else kind)
    if isinstance(node, ast.Attribute):
        root = root_of(node)
        if root in module.imported and module.kinds.get(root or "") == "import":
            return kinds.get(ast.unparse(node), "installed")
        return (
            "live"
            if module.kinds.get(root or "") in ("def", "class", "value") and root not in module.literal
            else "data"
        )
    return "data"


@lru_cache(maxsize=2048)
def chains(module: Module) -> dict[str, str]:
    """The imported names and attributes of them that a file uses while it is loaded, and what they stand for."""
    nodes = (node for statement in module.body for node in at_import(statement))
    pairs = ((node, dotted_name(node, module)) for node in nodes if isinstance(node, (ast.Name, ast.Attribute)))
    return {ast.unparse(node): dotted for node, dotted in pairs if dotted is not None}


def _is_known_decorator(node: ast.expr, module: Module) -> bool:
    dotted = dotted_name(node, module)
    if dotted is not None:
        return is_harmless(dotted)
    name = name_of(node)
    of_property = isinstance(node, ast.Attribute) and node.attr in ("setter", "getter", "deleter")
    return (name in ("property", "staticmethod", "classmethod") and name not in module.kinds) or of_property


def _evaluated(statement: ast.stmt, module: Module) -> Iterator[ast.AST]:
    """`at_import`, without what only goes into a step or a workflow: that is in the step's key as an object."""
    todo: list[ast.AST] = [statement]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Call) and _is_step(node, module) and all(_is_factory(n, module) for n in _called(node)):
            continue
        yield node
        if isinstance(node, FUNCTIONS):
            todo += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.Lambda):
            todo += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        else:
            todo += list(ast.iter_child_nodes(node))


def _is_step(node: ast.AST, module: Module) -> bool:
    dotted = dotted_name(node.func, module) if isinstance(node, ast.Call) else None
    return dotted in ("motools.workflow.Step", "motools.workflow.Workflow")


def _called(node: ast.AST) -> Iterator[ast.Call]:
    return (each for each in at_import(node) if isinstance(each, ast.Call) and each is not node)


def _is_factory(call: ast.Call, module: Module, depth: int = 3) -> bool:
    """Whether a call only makes something: it is of installed code, or a function here that stores nothing outside."""
    dotted = dotted_name(call.func, module)
    if dotted is not None:
        return is_harmless(dotted)
    root = root_of(call.func)
    if root is None or depth == 0:
        return False
    if root not in module.kinds:
        reads = isinstance(call.func, ast.Name) or (
            isinstance(call.func, ast.Attribute) and call.func.attr in (*READING, "fromkeys")
        )
        return root in _HARMLESS_BUILTINS and reads
    if module.kinds[root] != "def" or not isinstance(call.func, ast.Name):
        return False
    return all(_only_makes(node, module, depth - 1) for node in module.functions.get(root, []))


def _only_makes(function: Function, module: Module, depth: int) -> bool:
    """Whether a function changes nothing but what it has made itself."""
    own = _own(function, module)
    for each in (each for part in function.body for each in at_import(part)):
        if isinstance(each, (ast.Global, ast.Match, *IMPORTS)):
            return False
        if (
            isinstance(each, (ast.Attribute, ast.Subscript))
            and not isinstance(each.ctx, ast.Load)
            and name_of(each.value) not in own
        ):
            return False
        if isinstance(each, ast.AugAssign) and name_of(each.target) not in own:  # in place, where it can be
            return False
        if isinstance(each, ast.Call) and not _is_step(each, module):
            func = each.func
            harmless = isinstance(func, ast.Attribute) and (func.attr in READING or name_of(func.value) in own)
            if not harmless and not _is_factory(each, module, depth):
                return False
            if any(_may_do_more(given, function, module) for given in _given(each)):
                return False
    return not function.decorator_list


def _own(function: Function, module: Module) -> set[str]:
    """The names in a function of what it has made itself."""
    kinds = module.kinds
    outside = {n for n in kinds if kinds[n] != "import" or not is_harmless(module.imported.get(n, ""))}
    outside |= {arg.arg for arg in ast.walk(function.args) if isinstance(arg, ast.arg)}
    nodes = [each for part in function.body for each in ast.walk(part)]
    pairs = [pair for each in nodes for pair in assigned(each)]
    pairs += [([each.func], given) for each in nodes if isinstance(each, ast.Call) for given in _given(each)]
    holding = set(outside)  # what may have a part that lies outside
    before = 0
    while before != len(holding):
        before = len(holding)
        parts = [each for to, value in pairs if _names(value) & holding for each in to]
        holding |= {name for each in parts for name in _names(each)}
    stored = {
        e.id for part in parts for e in ast.walk(part) if isinstance(e, ast.Name) and isinstance(e.ctx, ast.Store)
    }
    return {name for part in function.body for name, _ in bindings(part)} - stored - outside


def _names(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _may_do_more(node: ast.AST, function: Function, module: Module) -> bool:
    """Whether what is handed to a call may be called by it, or does something when it is looked at."""
    if isinstance(node, ast.Lambda):
        return not _is_simple(node, module)
    name = name_of(node) or ""
    local = {each.name for each in ast.walk(function) if isinstance(each, FUNCTIONS)}
    kind = module.kinds.get(name)
    return name in local or kind in ("def", "class") or (kind == "value" and name not in module.literal)


def makes_workflow(statement: ast.stmt, module: Module) -> bool:
    return isinstance(statement, (ast.Assign, ast.AnnAssign)) and _is_step(statement.value, module)  # type: ignore[arg-type]


def effects_of_call(node: ast.Call, module: Module, kind: Callable[[ast.AST], str]) -> tuple[set[str], bool]:
    """The names that a call may change, and whether it may do more."""
    func = node.func
    dotted = dotted_name(func, module)
    given = _given(node)
    kinds = {kind(each) for each in given}
    if any(isinstance(each, ast.Lambda) and not _is_simple(each, module) for each in given):
        kinds.add("def")
    roots = {str(root_of(each)) for each in given if isinstance(each, ast.Attribute)}
    methods = roots & module.literal  # such as ROWS.append, which may be called
    names = {name for each in given for part in ast.walk(each) if (name := name_of(part)) in module.literal}
    if dotted is not None:
        if kind(func) != "installed":
            return set(), kind(func) != "record" or "live" in kinds
        if any(dotted == each or dotted.startswith(f"{each}.") for each in _KEEPING):
            return methods, "live" in kinds and not dotted.startswith("motools.")
        return methods | {str(name) for name in names}, not is_harmless(dotted) or not kinds.isdisjoint(_PROJECTS)
    if isinstance(func, ast.Name):
        if func.id in module.kinds:
            return set(), kind(func) != "record" or "live" in kinds
        return methods, (
            func.id not in _HARMLESS_BUILTINS
            or not kinds.isdisjoint({"def", "live"})
            or (func.id == "open" and not is_reading(node, 1))
            or func.id in ("next", "getattr")
        )
    if not isinstance(func, ast.Attribute) or not kinds.isdisjoint(_PROJECTS):
        return set(), True
    root = root_of(func)
    if func.attr == "open" and not is_reading(node, 0):
        return set(), True
    if root in module.literal:
        return methods | {str(root)}, False
    if root in module.kinds:
        return set(), True
    if root and hasattr(builtins, root):  # such as list.append(ROWS, 1)
        return methods | {str(name) for name in names}, False
    return methods, func.attr not in READING


def _is_simple(node: ast.Lambda, module: Module) -> bool:
    """Whether calling it runs nothing but methods that read, of data."""
    for each in ast.walk(node.body):
        if isinstance(each, ast.Name) and each.id in module.kinds and each.id not in module.literal:
            return False
        func = getattr(each, "func", None)
        if func is not None and not (isinstance(func, ast.Attribute) and func.attr in READING):
            return False
    return True


def is_tame(dotted: str) -> bool:
    """Whether a class of installed code does nothing with its subclasses."""
    return dotted.partition(".")[0] in STDLIB or is_harmless(dotted)


@lru_cache(maxsize=2048)
def links(module: Module) -> dict[str, set[str]]:
    """Names of values that may be one object, or hold one another."""
    groups: list[set[str]] = []
    for statement in module.body:
        names: set[str] = set()
        for node in _evaluated(statement, module):
            if isinstance(node, ast.Name) and module.kinds.get(node.id) == "value":
                names.add(node.id)
        if len(names) > 1:
            names |= set().union(*(group for group in groups if group & names))
            groups = [group for group in groups if not group & names] + [names]
    return {name: group for group in groups for name in group}
