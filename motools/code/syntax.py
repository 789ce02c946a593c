"""A file of Python, parsed: its functions, what it binds and imports, what is executed on import."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType

__all__ = ["Module", "at_import", "bindings", "imports_of", "is_script_guard", "read"]

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
IMPORTS = (ast.Import, ast.ImportFrom)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_HARMLESS = frozenset(
    "json re math pathlib collections dataclasses typing typing_extensions enum functools itertools operator "
    "string datetime decimal.Decimal fractions textwrap copy hashlib types contextvars.ContextVar abc pydantic "
    "inspect_ai os.path os.getenv os.environ.get logging.getLogger yaml.safe_load threading.Lock motools numpy.array "
    "numpy.zeros numpy.arange dotenv.dotenv_values csv.reader csv.DictReader io base64 uuid".split()
)
"""Installed code, by dotted name or what it begins with, whose call changes nothing but what it is given."""
_LIVE = frozenset("functools itertools operator logging csv types enum abc io threading".split())
"""Modules of which calls give what does something when it is used: iterators, functions, loggers."""
_LIVE_BUILTINS = frozenset("iter map filter zip enumerate reversed open getattr next".split())
READING = frozenset(
    name for kind in (str, bytes, tuple, frozenset) for name in dir(kind) if name[0] != "_"
) | frozenset(
    "get keys values items read readline readlines read_text read_bytes parent joinpath resolve absolute expanduser "
    "with_name with_stem with_suffix relative_to as_posix exists is_file is_dir glob rglob iterdir open match "
    "fullmatch search findall group groups groupdict isoformat strftime date time timestamp total_seconds hexdigest "
    "digest tolist reshape astype sum mean".split()
)
"""Methods that change nothing, of texts, mappings, paths and the like."""


@dataclass(eq=False)
class Module:
    """A file as a piece of syntax.

    Attributes:
        functions: qualified name -> definitions of it, in order.
        globals: qualified name -> the names that its bytecode looks up outside of it, attributes among them.
        imported: name -> the dotted name that it stands for, of all imports at the top level.
        kinds: name -> what binds it at the top level: def, class, import or value.
        again: names that are bound more than once there.
        literal: names of values that are data: using them runs no code of the project's, and changes only them.
    """

    name: str
    is_package: bool
    body: list[ast.stmt]
    functions: dict[str, list[Function]] = field(default_factory=dict)
    globals: dict[str, set[str]] = field(default_factory=dict)
    imported: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    again: set[str] = field(default_factory=set)
    stars: list[str] = field(default_factory=list)
    literal: set[str] = field(default_factory=set)


@lru_cache(maxsize=2048)
def read(data: bytes, name: str, is_package: bool) -> Module | None:
    """Parse a file; None where it is not Python."""
    try:
        tree = ast.parse(data)
        code = compile(tree, name, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:  # an import is the same, however it is written
            parts = name.split(".")
            parts = parts[: len(parts) - (node.level - (1 if is_package else 0))]
            node.module, node.level = ".".join([*parts, *([node.module] if node.module else [])]), 0
    own = {n for s in tree.body if getattr(s, "module", "") not in _TYPING for n in names_bound(s)}
    module = Module(name, is_package, [s for s in tree.body if not is_script_guard(s, own)])
    for qualname, node in _definitions(tree):
        module.functions.setdefault(qualname, []).append(node)
    _globals(code, module.globals)
    for statement in module.body:
        for bound, node in bindings(statement):
            kind = "import" if isinstance(node, IMPORTS) else "def" if isinstance(node, FUNCTIONS) else "value"
            kind = "class" if isinstance(node, ast.ClassDef) else kind
            before = module.kinds.get(bound, kind)
            module.again |= {bound} & module.kinds.keys()
            module.kinds[bound] = kind if before == kind else "value"
        for node in at_import(statement):
            if isinstance(node, IMPORTS):
                for target, alias, bound in imports_of(node):
                    if bound == "*":
                        module.stars.append(target)
                    elif bound:
                        plain = alias is None and bound == target.partition(".")[0]
                        module.imported[bound] = bound if plain else full_name(target, alias)
    for index, statement in enumerate(module.body):  # loading a script ends where it runs its workflow
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Call) and dotted_name(value.func, module) == "motools.workflow.run_workflow":
            del module.body[index + 1 :]
            break
    _find_data(module, tree)
    return module


def _globals(code: CodeType, by_function: dict[str, set[str]]) -> set[str]:
    """The names of a code object and of those inside it."""
    inside = (_globals(each, by_function) for each in code.co_consts if isinstance(each, CodeType))
    names = set(code.co_names).union(*inside)
    by_function.setdefault(code.co_qualname, set()).update(names)
    return names


def _find_data(module: Module, tree: ast.Module) -> None:
    """Fill `literal`: what is bound to data only, be it by way of other such names."""
    bound: list[tuple[str, ast.expr | None]] = []
    for statement in module.body:
        values: dict[int, ast.expr] = {}
        for node in at_import(statement):
            for targets, value in assigned(node):
                values |= {id(name): value for target in targets for name in ast.walk(target)}
        bound += [(name, values.get(id(node))) for name, node in bindings(statement)]
    elsewhere = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    module.literal = {name for name, kind in module.kinds.items() if kind == "value"} - elsewhere
    before = None
    while before != module.literal:
        before = set(module.literal)
        module.literal -= {name for name, value in bound if value is None or not _is_data(value, module)}


def assigned(node: ast.AST) -> Iterator[tuple[list[ast.expr], ast.expr]]:
    """What a node assigns to, and from what: a value, or something in it."""
    if isinstance(node, ast.Assign):
        yield node.targets, node.value
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)) and node.value is not None:
        yield [node.target], node.value
    elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
        yield [node.target], node.iter
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield [node.optional_vars], node.context_expr


def _is_data(node: ast.AST, module: Module) -> bool:
    if isinstance(node, ast.Name):
        return node.id in module.literal or node.id not in module.kinds
    if isinstance(node, (ast.Lambda, ast.GeneratorExp, ast.Await, ast.Yield, ast.YieldFrom)):
        return False
    if isinstance(node, ast.Call):
        func = node.func
        dotted = dotted_name(func, module)
        if dotted is not None:
            if not is_harmless(dotted) or dotted.partition(".")[0] in _LIVE:
                return False
        elif isinstance(func, ast.Name):
            opens = func.id == "open" and is_reading(node, 1)  # for `with`
            if func.id in module.kinds or (func.id in _LIVE_BUILTINS and not opens):
                return False
        elif not (isinstance(func, ast.Attribute) and func.attr in READING and _is_data(func.value, module)):
            return False
        return all(_is_data(each, module) for each in [*node.args, *(keyword.value for keyword in node.keywords)])
    if isinstance(node, ast.Attribute) and (dotted := dotted_name(node, module)) is not None:
        return is_harmless(dotted) and dotted.partition(".")[0] not in _LIVE  # such as math.pi
    return all(_is_data(child, module) for child in ast.iter_child_nodes(node))


def is_reading(call: ast.Call, at: int) -> bool:
    """Whether a call of `open`, whose mode is at a place, opens for reading."""
    modes = [*call.args[at : at + 1], *(keyword.value for keyword in call.keywords if keyword.arg in ("mode", None))]
    texts = [mode.value if isinstance(mode, ast.Constant) else None for mode in modes]
    return all(isinstance(text, str) and not set(text) & set("wax+") for text in texts)


def is_script_guard(statement: ast.stmt, own: Container[str] = ()) -> bool:
    """`if __name__ == "__main__":` and `if TYPE_CHECKING:`, whose bodies are not executed on import.

    Args:
        own: names of the file's own, which may be true.
    """
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    test = ast.unparse(statement.test)
    return test not in own and test in (
        "__name__ == '__main__'", "'__main__' == __name__", "TYPE_CHECKING", "typing.TYPE_CHECKING"
    )  # fmt: skip


def _definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, FUNCTIONS):
            yield prefix + node.name, node
            yield from _definitions(node, f"{prefix}{node.name}.<locals>.")
        elif isinstance(node, ast.ClassDef):
            yield from _definitions(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.Lambda):
            yield from _definitions(node, f"{prefix}<lambda>.<locals>.")
        else:
            yield from _definitions(node, prefix)


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """What is evaluated when a statement is: everything but the bodies of functions."""
    yield node
    if isinstance(node, FUNCTIONS):
        children: list[ast.AST] = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    elif isinstance(node, ast.Lambda):
        children = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from at_import(child)


def bindings(statement: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names that a statement binds in its own scope, and the node that binds each; `*` for a star import."""
    if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
        yield statement.name, statement
        inside = (
            (n for child in ast.iter_child_nodes(statement) for n in at_import(child))
            if isinstance(statement, ast.ClassDef)
            else at_import(statement)
        )
        yield from ((n.target.id, n) for n in inside if isinstance(n, ast.NamedExpr) and isinstance(n.target, ast.Name))
        yield from ((name, n) for n in at_import(statement) if isinstance(n, ast.Global) for name in n.names)
        return
    if isinstance(statement, IMPORTS):
        for alias in statement.names:
            plain = alias.name if isinstance(statement, ast.ImportFrom) else alias.name.split(".")[0]
            yield alias.asname or plain, statement
        return
    if isinstance(statement, ast.Name):
        if not isinstance(statement.ctx, ast.Load):
            yield statement.id, statement
        return
    if isinstance(statement, ast.Lambda):
        return
    if isinstance(statement, COMPREHENSIONS):
        yield from ((n.target.id, n) for n in ast.walk(statement) if isinstance(n, ast.NamedExpr))
        return
    if isinstance(statement, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and statement.name:
        yield statement.name, statement
    if isinstance(statement, ast.MatchMapping) and statement.rest:
        yield statement.rest, statement
    for child in ast.iter_child_nodes(statement):
        yield from bindings(child)


@lru_cache(maxsize=1 << 16)
def names_bound(statement: ast.AST) -> tuple[str, ...]:
    """The names that a statement binds in its own scope."""
    return tuple(name for name, _ in bindings(statement))


def imports_of(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str | None, str]]:
    """What an import names: the module, the name taken from it, and what it is bound to (`*`: all of it)."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, None, alias.asname or alias.name.partition(".")[0]
    elif node.module != "__future__":
        for alias in node.names:
            yield node.module or "", alias.name, alias.asname or alias.name


def full_name(target: str, alias: str | None) -> str:
    return f"{target}.{alias}" if alias else target


def is_harmless(dotted: str) -> bool:
    parts = dotted.split(".")
    return any(".".join(parts[:n]) in _HARMLESS for n in range(1, len(parts) + 1))


def dotted_name(func: ast.expr, module: Module) -> str | None:
    """What an expression names by way of an import, such as `json.loads`."""
    attributes = []
    while isinstance(func, ast.Attribute):
        attributes.append(func.attr)
        func = func.value
    if not isinstance(func, ast.Name) or func.id not in module.imported or module.kinds.get(func.id) != "import":
        return None
    return ".".join([module.imported[func.id], *reversed(attributes)])


def root_of(node: ast.AST) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def name_of(node: ast.AST) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def last_name(node: ast.expr) -> str | None:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else name_of(node)


_TYPING = ("typing", "typing_extensions")
STDLIB = sys.stdlib_module_names
WORD = re.compile(r"[^\W\d]\w*")
