"""Blocks of source that count: every function that was executed, and of modules' top levels what may have mattered.

A statement at a module's top level counts where it binds or may change a name that the executed code reads, or where
what it calls cannot be told to be harmless. Source is read to leave blocks out, never to find what was used: in doubt,
a block counts. Comments, layout, names of local variables, and docstrings and type hints that nothing reads, are no
part of a block's text.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType
from typing import Any

__all__ = [
    "Blocks",
    "Module",
    "at_import",
    "bindings",
    "count",
    "imports_of",
    "is_script_guard",
    "read",
    "statement_digest",
    "texts_of",
]

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.Lambda, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

_REFLECTING = frozenset(
    "__doc__ getdoc pydoc help getsource getsourcelines signature get_type_hints __annotations__ get_annotations "
    "__defaults__ __kwdefaults__ __code__ model_json_schema json_schema TypeAdapter schema ToolDef tool_with "
    "f_locals currentframe _getframe stack trace".split()
)
"""Words by which code reads docstrings, type hints, names of local variables or source."""
_DYNAMIC = frozenset(
    "eval exec globals vars locals __dict__ __globals__ __getattribute__ __subclasses__ dir getmembers run_path "
    "run_module resolve_name locate attrgetter pickle cloudpickle dill shelve joblib".split()
)
"""Words by which code reaches names that it does not spell, and with them all that there is to read."""
_BY_TEXT = frozenset("getattr setattr hasattr delattr".split())
_HARMLESS = frozenset(
    "json re math pathlib collections dataclasses typing typing_extensions enum functools itertools operator "
    "string datetime decimal.Decimal fractions textwrap copy hashlib types contextvars.ContextVar abc pydantic "
    "inspect_ai os.path os.getenv os.environ.get logging.getLogger yaml.safe_load threading.Lock motools numpy.array "
    "numpy.zeros numpy.arange dotenv.dotenv_values csv.reader csv.DictReader io base64 uuid".split()
)
"""Installed code, by dotted name or what it begins with, whose call changes nothing but what it is given."""
_LIVE = frozenset("functools itertools operator logging csv types enum abc io threading".split())
"""Modules of which calls give what does something when it is used: iterators, functions, loggers."""
_KEEPING = frozenset("dataclasses pydantic typing typing_extensions inspect_ai motools".split()) | {
    f"functools.{name}" for name in ("partial", "wraps", "lru_cache", "cache", "singledispatch", "total_ordering")
}
"""Of these, those that only keep the functions and classes that they are given."""
_HARMLESS_BUILTINS = frozenset(dir(builtins)) - frozenset(
    "eval exec compile __import__ globals locals vars setattr delattr input breakpoint type super".split()
)
_LIVE_BUILTINS = frozenset("iter map filter zip enumerate reversed open getattr next".split())
_READING = frozenset(
    name for kind in (str, bytes, tuple, frozenset) for name in dir(kind) if name[0] != "_"
) | frozenset(
    "get keys values items read readline readlines read_text read_bytes parent joinpath resolve absolute expanduser "
    "with_name with_stem with_suffix relative_to as_posix exists is_file is_dir glob rglob iterdir open match "
    "fullmatch search findall group groups groupdict isoformat strftime date time timestamp total_seconds hexdigest "
    "digest tolist reshape astype sum mean".split()
)
"""Methods that change nothing, of texts, mappings, paths and the like."""
_PLAIN = frozenset("object StepConfig WorkflowConfig Exception Enum NamedTuple ABC Protocol".split())
"""Base classes that do nothing with the classes made of them but what their names say."""
_ALONE = frozenset("object StepConfig WorkflowConfig Exception NamedTuple ABC".split())
"""Of these, those that call no method of a class but such as begin with an underscore."""
_COMPILED = frozenset("njit jit vectorize guvectorize stencil".split())
"""Decorators that compile a function from its bytecode, so that it cannot be marked."""
_SENDING = frozenset("submit map starmap imap apply apply_async run_in_executor to_thread Thread Process run".split())
"""Methods that only call the functions that they are given."""


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


@dataclass(frozen=True)
class Blocks:
    """What counts of one file.

    Attributes:
        top: label and digest of the statements at the top level, in order.
        functions: qualified name -> digest; "" where there is no such function any more.
        active: whether something in `top` may change what another file defines.
        lines: first and last line of each statement that counts.
    """

    top: tuple[tuple[str, str], ...]
    functions: Mapping[str, str]
    active: bool
    lines: tuple[tuple[int, int], ...]

    def hold(self, line: int) -> bool:
        return any(first <= line <= last for first, last in self.lines)


def read(data: bytes, name: str, is_package: bool = False) -> Module | None:
    """Parse a file; None where it is not Python."""
    return _read(data, name, is_package)


@lru_cache(maxsize=2048)
def _read(data: bytes, name: str, is_package: bool) -> Module | None:
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
    module = Module(name, is_package, [s for s in tree.body if not is_script_guard(s)])
    for qualname, node in _definitions(tree):
        module.functions.setdefault(qualname, []).append(node)
    _globals(code, module.globals)
    for statement in module.body:
        for bound, node in bindings(statement):
            kind = "import" if isinstance(node, _IMPORTS) else "def" if isinstance(node, _FUNCTIONS) else "value"
            kind = "class" if isinstance(node, ast.ClassDef) else kind
            before = module.kinds.get(bound, kind)
            module.again |= {bound} & module.kinds.keys()
            module.kinds[bound] = kind if before == kind else "value"
        for node in at_import(statement):
            if isinstance(node, _IMPORTS):
                for target, alias, bound in imports_of(node):
                    if bound == "*":
                        module.stars.append(target)
                    elif bound:
                        plain = alias is None and bound == target.partition(".")[0]
                        module.imported[bound] = bound if plain else _full(target, alias)
    for index, statement in enumerate(module.body):  # loading a script ends where it runs its workflow
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Call) and _dotted(value.func, module) == "motools.workflow.run_workflow":
            del module.body[index + 1 :]
            break
    _find_data(module, tree)
    return module


def _globals(code: CodeType, found: dict[str, set[str]]) -> set[str]:
    """The names of a code object and of those inside it."""
    inside = (_globals(each, found) for each in code.co_consts if isinstance(each, CodeType))
    names = set(code.co_names).union(*inside)
    found.setdefault(code.co_qualname, set()).update(names)
    return names


def _find_data(module: Module, tree: ast.Module) -> None:
    """Fill `literal`: what is bound to data only, be it by way of other such names."""
    bound: list[tuple[str, ast.expr | None]] = []
    for statement in module.body:
        values: dict[int, ast.expr] = {}
        for node in at_import(statement):
            if isinstance(node, ast.Assign):
                targets, value = node.targets, node.value
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)) and node.value is not None:
                targets, value = [node.target], node.value
            elif isinstance(node, ast.For):
                targets, value = [node.target], node.iter
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                targets, value = [node.optional_vars], node.context_expr
            else:
                continue
            values |= {id(name): value for target in targets for name in ast.walk(target)}
        bound += [(name, values.get(id(node))) for name, node in bindings(statement)]
    elsewhere = {name for node in ast.walk(tree) if isinstance(node, ast.Global) for name in node.names}
    module.literal = {name for name, kind in module.kinds.items() if kind == "value"} - elsewhere
    before = None
    while before != module.literal:
        before = set(module.literal)
        module.literal -= {name for name, value in bound if value is None or not _is_data(value, module)}


def _is_data(node: ast.AST, module: Module) -> bool:
    if isinstance(node, ast.Name):
        return node.id in module.literal or node.id not in module.kinds
    if isinstance(node, (ast.Lambda, ast.GeneratorExp, ast.Await, ast.Yield, ast.YieldFrom)):
        return False
    if isinstance(node, ast.Call):
        func = node.func
        dotted = _dotted(func, module)
        if dotted is not None:
            if not _is_harmless(dotted) or dotted.partition(".")[0] in _LIVE:
                return False
        elif isinstance(func, ast.Name):
            opens = func.id == "open" and _is_reading(node, 1)  # for `with`
            if func.id in module.kinds or (func.id in _LIVE_BUILTINS and not opens):
                return False
        elif not (isinstance(func, ast.Attribute) and func.attr in _READING and _is_data(func.value, module)):
            return False
        return all(_is_data(each, module) for each in [*node.args, *(keyword.value for keyword in node.keywords)])
    if isinstance(node, ast.Attribute) and (dotted := _dotted(node, module)) is not None:
        return _is_harmless(dotted) and dotted.partition(".")[0] not in _LIVE  # such as math.pi
    return all(_is_data(child, module) for child in ast.iter_child_nodes(node))


def _is_reading(call: ast.Call, at: int) -> bool:
    """Whether a call of `open`, whose mode is at a place, opens for reading."""
    modes = [*call.args[at : at + 1], *(keyword.value for keyword in call.keywords if keyword.arg in ("mode", None))]
    texts = [mode.value if isinstance(mode, ast.Constant) else None for mode in modes]
    return all(isinstance(text, str) and not set(text) & set("wax+") for text in texts)


def is_script_guard(statement: ast.stmt) -> bool:
    """`if __name__ == "__main__":` and `if TYPE_CHECKING:`, whose bodies are not executed on import."""
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    return ast.unparse(statement.test) in (
        "__name__ == '__main__'", "'__main__' == __name__", "TYPE_CHECKING", "typing.TYPE_CHECKING"
    )  # fmt: skip


def _definitions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _FUNCTIONS):
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
    if isinstance(node, _FUNCTIONS):
        children: list[ast.AST] = [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
    elif isinstance(node, ast.Lambda):
        children = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    else:
        children = list(ast.iter_child_nodes(node))
    for child in children:
        yield from at_import(child)


def bindings(statement: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names that a statement binds in its own scope, and the node that binds each; `*` for a star import."""
    if isinstance(statement, (*_FUNCTIONS, ast.ClassDef)):
        yield statement.name, statement
        inside = (
            (n for child in ast.iter_child_nodes(statement) for n in at_import(child))
            if isinstance(statement, ast.ClassDef)
            else at_import(statement)
        )
        yield from ((n.target.id, n) for n in inside if isinstance(n, ast.NamedExpr) and isinstance(n.target, ast.Name))
        yield from ((name, n) for n in at_import(statement) if isinstance(n, ast.Global) for name in n.names)
        return
    if isinstance(statement, _IMPORTS):
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
    if isinstance(statement, _COMPREHENSIONS):
        yield from ((n.target.id, n) for n in ast.walk(statement) if isinstance(n, ast.NamedExpr))
        return
    if isinstance(statement, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and statement.name:
        yield statement.name, statement
    if isinstance(statement, ast.MatchMapping) and statement.rest:
        yield statement.rest, statement
    for child in ast.iter_child_nodes(statement):
        yield from bindings(child)


def imports_of(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str | None, str]]:
    """What an import names: the module, the name taken from it, and what it is bound to (`*`: all of it)."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, None, alias.asname or alias.name.partition(".")[0]
    elif node.module != "__future__":
        for alias in node.names:
            yield node.module or "", alias.name, alias.asname or alias.name


def _full(target: str, alias: str | None) -> str:
    return f"{target}.{alias}" if alias else target


# -- what counts ---------------------------------------------------------------


@dataclass(frozen=True)
class _Effects:
    """What executing a statement does: names that it binds, that it may change, and whether it may do more."""

    binds: frozenset[str]
    touches: frozenset[str]
    unknown: bool


@dataclass(frozen=True)
class _Uses:
    """Names that code uses, and whether it may use names that it does not spell, or read docstrings and hints.

    Attributes:
        handed: names of what is given to calls, who may read its docstrings and hints.
        bare: names that are used but for an attribute of them.
    """

    names: frozenset[str]
    dynamic: bool
    reflecting: bool
    handed: frozenset[str]
    bare: frozenset[str]


@lru_cache(maxsize=1 << 16)
def _uses(node: ast.AST, known: frozenset[str] | None = None) -> _Uses:
    """What a node uses, without the bodies of functions in it.

    Args:
        known: in a function's body, the names that are not its own.
    """
    names: set[str] = set()
    handed: set[str] = set()
    bare: set[str] = set()
    spelled = 0  # of the functions that take a name as a text, those that are given it
    by_text = 0
    bases = {id(each.value) for each in _outside(node) if isinstance(each, ast.Attribute)}
    for each in _outside(node):
        for hint in (getattr(each, "annotation", None), getattr(each, "returns", None)):
            if hint is not None:  # in whatever form, somebody may look up what it says
                names.update(_WORD.findall(ast.unparse(hint)))
        if isinstance(each, ast.Name):
            by_text += each.id in _BY_TEXT
            if known is None or each.id in known:
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
            if len(text) < 80 and not any(map(str.isspace, text)):  # such as "helpers:LIMIT"
                names.update(_WORD.findall(text))
            elif "{" in text:  # a template may name attributes
                names.update(word for field in _FIELD.findall(text) for word in _WORD.findall(field))
        elif isinstance(each, ast.MatchClass):
            names.update(each.kwd_attrs)
        elif isinstance(each, ast.Call):
            spelled += _name(each.func) in _BY_TEXT and len(each.args) > 1 and isinstance(each.args[1], ast.Constant)
            if _last(each.func) not in _SENDING and not _is_builtin(each.func):
                given = [*each.args, *(keyword.value for keyword in each.keywords)]
                handed.update(str(_last(arg)) for arg in given if isinstance(arg, (ast.Name, ast.Attribute)))
    dynamic = by_text > spelled or not _DYNAMIC.isdisjoint(names)
    reflecting = dynamic or not _REFLECTING.isdisjoint(names)
    return _Uses(frozenset(names), dynamic, reflecting, frozenset(handed), frozenset(bare))


def _is_builtin(func: ast.expr) -> bool:
    return isinstance(func, ast.Name) and hasattr(builtins, func.id)


@lru_cache(maxsize=1 << 16)
def _uses_of(module: Module, name: str) -> list[_Uses]:
    """What the functions of a name use."""
    known = frozenset(module.globals[name]) if name in module.globals else None
    nodes = module.functions.get(name, [])
    return [*map(_uses, nodes), *(_uses(part, known) for node in nodes for part in node.body)]


class _Count:
    def __init__(
        self,
        modules: Mapping[str, Module],
        ran: Mapping[str, set[str]],
        loaded: Mapping[str, set[str]],
        pinned: Mapping[str, set[str]],
        configs: Mapping[str, set[str]],
        is_project: Callable[[str], bool],
    ) -> None:
        self.modules = modules
        self.ran = {path: set(names) for path, names in ran.items()}
        self.loaded = loaded
        self.pinned = pinned
        self.configs = configs
        self.is_project = is_project
        self.needed: set[str] = set()
        self.handed: set[str] = set()
        self.dynamic = False
        self.reflecting = False
        self.counted: dict[str, set[int]] = {path: set() for path in modules}
        self.named = {module.name: module for module in modules.values()}
        self.effects = {path: _all_effects(module, self.known(module)) for path, module in modules.items()}
        self.links = {path: _links(module) for path, module in modules.items()}

    def known(self, module: Module) -> frozenset[tuple[str, str]]:
        """What the project's names are that a file uses while it is loaded: its imports and its classes."""
        found = {name: self.kind(module, name) for name, kind in module.kinds.items() if kind == "class"}
        found |= {text: self.kind_of_dotted(dotted) for text, dotted in _chains(module).items()}
        return frozenset((text, kind) for text, kind in found.items() if kind != "installed")

    def kind(self, module: Module, name: str, depth: int = 9) -> str:
        kind = module.kinds.get(name)
        if kind == "value":
            return "data" if name in module.literal else "live"
        if kind == "class":
            return self.kind_of_class(module, name, depth)
        if kind == "import" and depth:
            return self.kind_of_dotted(module.imported.get(name, ""), depth - 1)
        return "def" if kind == "def" else "live"

    def kind_of_dotted(self, dotted: str, depth: int = 9) -> str:
        """What an imported name is: module, data, def, record, class, live (it may do anything) or installed."""
        if self.is_project(dotted):
            return "module"
        parent, _, last = dotted.rpartition(".")
        if not parent or not self.is_project(parent):
            parts = dotted.split(".")
            below = any(self.is_project(".".join(parts[:n])) for n in range(1, len(parts)))
            return "live" if below else "installed"
        return self.kind(self.named[parent], last, depth) if parent in self.named else "live"

    def kind_of_class(self, module: Module, name: str, depth: int) -> str:
        """A record: making an instance runs no code of the project's; a class: making a subclass does not."""
        found = [each for each in module.body if isinstance(each, ast.ClassDef) and each.name == name]
        if len(found) != 1 or found[0].keywords or not depth:
            return "live"
        kind = "record"
        for base in found[0].bases:
            base = base.value if isinstance(base, ast.Subscript) else base
            root, dotted = _root(base), _dotted(base, module)
            if root in module.kinds or dotted is not None:
                of = self.kind_of_dotted(dotted, depth - 1) if dotted else self.kind(module, root or "", depth - 1)
                known = of in ("record", "class") or (of == "installed" and _is_tame(dotted or ""))
                if not known:
                    return "live"
                kind = of if of == "class" or (of == "installed" and _last(base) not in _PLAIN) else kind
        for part in found[0].body:
            names = {name for name, _ in bindings(part)}
            if "__init_subclass__" in names:
                return "live"
            special = any(name.startswith("__") for name in names - {"__repr__", "__str__", "__slots__"})
            handed = [n.id for node in at_import(part) for n in ast.walk(node) if isinstance(n, ast.Name)]
            if special or any(module.kinds.get(each) in ("def", "import") for each in handed if each != "field"):
                kind = "class" if kind == "record" else kind
        plain = all(_last(each) == "dataclass" for each in found[0].decorator_list)
        return kind if plain and kind == "record" else "class"

    def run(self) -> None:
        learned: set[tuple[str, str]] = set()
        changed = True
        while changed:
            changed = False
            for path, names in self.ran.items():
                module = self.modules.get(path)
                for name in sorted(names) if module else ():
                    if (path, name) not in learned:
                        learned.add((path, name))
                        for use in _uses_of(module, name):  # type: ignore[arg-type]
                            self.learn(use, module)  # type: ignore[arg-type]
                        changed = True
            for path, names in self.loaded.items():
                counted = self.counted.get(path, set())
                made = {name for index in counted for name, _ in bindings(self.modules[path].body[index])}
                for name in names:
                    mine = self.ran.setdefault(path, set())
                    parts = name.split(".")
                    if name not in mine and (self.dynamic or parts[0] in made or not self.needed.isdisjoint(parts)):
                        mine.add(name)
                        changed = True
            for path, module in self.modules.items():
                for index, statement in enumerate(module.body):
                    if index not in self.counted[path] and self.counts(path, module, index, statement):
                        self.counted[path].add(index)
                        self.learn(_uses(statement), module)
                        changed = True
                for name, nodes in module.functions.items():  # it cannot be marked
                    compiled = any(_last(d) in _COMPILED for node in nodes for d in node.decorator_list)
                    if compiled and nodes[0].name in self.needed and name not in self.ran.setdefault(path, set()):
                        self.ran[path].add(name)
                        changed = True

    def learn(self, uses: _Uses, module: Module) -> None:
        self.needed |= uses.names
        self.handed |= uses.handed
        # Whoever has a module as a whole may ask for anything in it.
        whole = any(name in module.imported and self.is_project(module.imported[name]) for name in uses.bare)
        self.dynamic |= uses.dynamic or whole
        self.reflecting |= uses.reflecting

    def counts(self, path: str, module: Module, index: int, statement: ast.stmt) -> bool:
        """Whether a statement at the top level may matter to what was executed."""
        effects = self.effects[path][index]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return self.reflecting
        if isinstance(statement, ast.Pass):
            return False
        if (pinned := self.pinned.get(path)) and _pin(statement) in pinned:
            return True
        if effects.unknown:
            return True
        if isinstance(statement, _IMPORTS):
            return self.import_counts(module, statement)
        if isinstance(statement, _FUNCTIONS):
            return self.dynamic or not self.needed.isdisjoint(effects.binds | effects.touches)
        changed = set(effects.binds | effects.touches)
        changed |= {name for first in effects.touches for name in self.links[path].get(first, ())}
        if changed & self.needed:
            return True
        if isinstance(statement, ast.ClassDef):
            inside = {name.split(".")[0] for name in self.ran.get(path, ()) if "." in name}
            named = {name for part in statement.body for name, _ in bindings(part)}
            config = statement.name in self.configs.get(path, ())
            return self.dynamic or statement.name in inside or (bool(named & self.needed) and not config)
        return self.dynamic and not _makes_workflow(statement, module)

    def import_counts(self, module: Module, node: ast.Import | ast.ImportFrom) -> bool:
        # What an import of the project executes counts by itself: the file is one of the modules.
        found = list(imports_of(node))
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            return self.reflecting or "fields" in self.needed
        if any(bound in self.needed or bound == "*" for _, _, bound in found):
            return True
        if self.dynamic and any(self.is_project(target) for target, _, _ in found):
            return True
        return any(self.is_foreign(target) and not _is_named(bound, module) for target, _, bound in found)

    def is_foreign(self, target: str) -> bool:
        return target.partition(".")[0] not in _STDLIB and not self.is_project(target)

    def keeps(self, node: ast.AST) -> bool:
        """Whether docstrings and type hints are part of a block's text."""
        handed = isinstance(node, _FUNCTIONS) and node.name in self.handed
        return self.reflecting or handed or bool(getattr(node, "decorator_list", [])) or _is_schema(node)

    def blocks(self, path: str) -> Blocks:
        module = self.modules[path]
        top: list[tuple[str, str]] = []
        imports: set[tuple[str, str]] = set()
        active = False
        for index, statement in enumerate(module.body):
            if active and isinstance(statement, _IMPORTS) and index not in self.counted[path]:
                targets = [target for target, _, _ in imports_of(statement) if self.is_project(target)]
                top += [(f"import of {target}", "at this place") for target in targets]
            if index not in self.counted[path]:
                continue
            if isinstance(statement, _IMPORTS):
                if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                    top.append(("import of __future__", _told(statement, True)))
                for target, alias, bound in imports_of(statement):
                    side_effect = not _is_named(bound, module) and self.is_foreign(target)
                    if bound == "*" or bound in self.needed or side_effect or self.dynamic:
                        block = f"import of {bound}", _digest([_full(target, alias), bound])
                        # In any order, where nothing tells what comes first.
                        if bound == "*" or active or bound in module.again:
                            top.append(block)
                        else:
                            imports.add(block)
                continue
            active |= self.effects[path][index].unknown or bool(self.effects[path][index].touches)
            if isinstance(statement, _FUNCTIONS) and not statement.decorator_list:
                # Its text counts where it was executed, or where somebody may have read it.
                read = self.keeps(statement) or statement.name in module.again
                read |= len(list(bindings(statement))) > 1
                text = _told(statement, True, "__code__" in self.needed, not self.reflecting) if read else ""
                top.append((f"{statement.name}()", text))
                continue
            top.append((_label(statement), _digest(self.text_of(path, statement))))
        there = sorted({each for each in top if not each[1]})  # definitions may stand in any order
        order = [each for each in top if each[1]]
        functions = {
            name: _digest([_told(node, self.keeps_around(module, name), True, not self.reflecting) for node in nodes])
            for name, nodes in module.functions.items()
            if name in self.ran.get(path, ())
        }
        gone = {name: "" for name in self.ran.get(path, ()) if name not in module.functions and "<lambda>" not in name}
        lines = tuple(_lines(module.body[index]) for index in sorted(self.counted[path]))
        return Blocks((*sorted(imports), *there, *order), {**functions, **gone}, active, lines)

    def text_of(self, path: str, statement: ast.stmt) -> Any:
        if not isinstance(statement, ast.ClassDef):
            return _told(statement, self.keeps(statement))
        ran = self.ran.get(path, set())
        config = statement.name in self.configs.get(path, ())
        keep = self.reflecting or (_is_schema(statement) and not config)
        body: list[Any] = []
        bound = [name for part in statement.body for name, _ in bindings(part)]
        called = not all(_last(base) in _ALONE for base in statement.bases)  # by what installed code knows of it
        for part in statement.body:
            if isinstance(part, _FUNCTIONS) and not part.decorator_list:
                if (
                    called
                    or part.name.startswith("_")
                    or part.name in self.needed
                    or f"{statement.name}.{part.name}" in ran
                    or self.dynamic
                ):
                    body.append(f"def {part.name}")
            elif (keep or not _is_docstring(part)) and not (config and isinstance(part, ast.AnnAssign)):
                # A config's values are in the key.
                body.append([_told(part, keep)])
        head = [_told(part, True) for part in [*statement.bases, *statement.keywords, *statement.decorator_list]]
        if len(bound) > len(set(bound)):  # what comes last counts
            return [statement.name, head, body]
        methods = sorted(each for each in body if isinstance(each, str))
        return [statement.name, head, methods, [each for each in body if not isinstance(each, str)]]

    def keeps_around(self, module: Module, qualname: str) -> bool:
        """Whether a function, or one that it stands in, is decorated, or its class makes a schema."""
        around = (name for name in module.functions if f"{qualname}.".startswith(f"{name}."))
        return any(self.keeps(node) for name in around for node in module.functions[name])


def count(
    modules: Mapping[str, Module],
    ran: Mapping[str, set[str]],
    loaded: Mapping[str, set[str]],
    pinned: Mapping[str, set[str]],
    configs: Mapping[str, set[str]],
    is_project: Callable[[str], bool],
) -> dict[str, Blocks]:
    """What counts of each file.

    Args:
        modules: the project's modules that were loaded, by path.
        ran: the functions that were executed while the step was, by path and qualified name; all of them count.
        loaded: those that were executed while its workflow was loaded; they count where what counts names them.
        pinned: digests of statements that hold a lambda that was executed.
        configs: names of the step's config classes by path; their fields' defaults are in the key as values.
        is_project: whether a dotted name is a module of the project.
    """
    counting = _Count(modules, ran, loaded, pinned, configs, is_project)
    counting.run()
    return {path: counting.blocks(path) for path in modules}


def statement_digest(module: Module, line: int) -> str | None:
    """The digest by which `pinned` knows the statement at a line."""
    for statement in module.body:
        first, last = _lines(statement)
        if first <= line <= last:
            return _pin(statement)
    return None


def _pin(statement: ast.stmt) -> str:
    return _told(statement, bool(getattr(statement, "decorator_list", [])) or _is_schema(statement))


def _lines(statement: ast.stmt) -> tuple[int, int]:
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorators)]), statement.end_lineno or statement.lineno


# -- effects -------------------------------------------------------------------


@lru_cache(maxsize=2048)
def _all_effects(module: Module, projects: frozenset[tuple[str, str]]) -> list[_Effects]:
    return [_effects(statement, module, projects) for statement in module.body]


def _effects(statement: ast.stmt, module: Module, projects: frozenset[tuple[str, str]]) -> _Effects:
    """In doubt, a statement may do anything: what it does with data only is known, and what calls of `_HARMLESS` do."""
    binds = {name for name, _ in bindings(statement)}
    touches: set[str] = set()
    unknown = False
    known = dict(projects)

    def kind(node: ast.AST) -> str:
        return _kind(node, module, known)

    for node in _evaluated(statement, module):
        if isinstance(node, ast.Call):
            touched, more = _call(node, module, kind)
            touches |= touched
            unknown |= more
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            root = _root(node)
            touches |= {root, *(each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute))} - {None}  # type: ignore[arg-type]
            of_class = isinstance(node, ast.Attribute) and module.kinds.get(root or "") in ("def", "class")
            unknown |= root not in module.literal and not (of_class and isinstance(node.value, ast.Name))  # type: ignore[union-attr]
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
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
        elif isinstance(node, _IMPORTS):
            unknown |= node is not statement and any(bound == "*" for _, _, bound in imports_of(node))
        elif isinstance(node, (ast.Raise, ast.Await, ast.Yield, ast.YieldFrom, ast.Global)):
            unknown = True
        elif not isinstance(node, _HOLDING) or _unpacks(node):
            if isinstance(node, ast.AugAssign):
                touches |= {root} if (root := _root(node.target)) else set()  # in place, where it can be
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


def _kind(node: ast.AST, module: Module, known: Mapping[str, str]) -> str:
    """What an expression gives, as far as it is a name or an attribute of one; other expressions are met themselves."""
    if isinstance(node, ast.Starred):
        return _kind(node.value, module, known)
    if isinstance(node, ast.Name):
        kind = module.kinds.get(node.id, "data")
        if kind == "value":
            return "data" if node.id in module.literal else "live"
        return known.get(node.id, "installed" if kind == "import" else kind)
    if isinstance(node, ast.Attribute):
        root = _root(node)
        if root in module.imported and module.kinds.get(root or "") == "import":
            return known.get(ast.unparse(node), "installed")
        return (
            "live"
            if module.kinds.get(root or "") in ("def", "class", "value") and root not in module.literal
            else "data"
        )
    return "data"


@lru_cache(maxsize=2048)
def _chains(module: Module) -> dict[str, str]:
    """The imported names and attributes of them that a file uses while it is loaded, and what they stand for."""
    nodes = (node for statement in module.body for node in at_import(statement))
    found = ((node, _dotted(node, module)) for node in nodes if isinstance(node, (ast.Name, ast.Attribute)))
    return {ast.unparse(node): dotted for node, dotted in found if dotted is not None}


def _is_known_decorator(node: ast.expr, module: Module) -> bool:
    dotted = _dotted(node, module)
    if dotted is not None:
        return _is_harmless(dotted)
    name = _name(node)
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
        if isinstance(node, _FUNCTIONS):
            todo += [*node.decorator_list, *node.args.defaults, *filter(None, node.args.kw_defaults)]
        elif isinstance(node, ast.Lambda):
            todo += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
        else:
            todo += list(ast.iter_child_nodes(node))


def _is_step(node: ast.AST, module: Module) -> bool:
    dotted = _dotted(node.func, module) if isinstance(node, ast.Call) else None
    return dotted in ("motools.workflow.Step", "motools.workflow.Workflow")


def _called(node: ast.AST) -> Iterator[ast.Call]:
    return (each for each in at_import(node) if isinstance(each, ast.Call) and each is not node)


def _is_factory(call: ast.Call, module: Module, depth: int = 3) -> bool:
    """Whether a call only makes something: it is of installed code, or a function here that stores nothing outside."""
    dotted = _dotted(call.func, module)
    if dotted is not None:
        return _is_harmless(dotted)
    root = _root(call.func)
    if root is None or depth == 0:
        return False
    if root not in module.kinds:
        return root in _HARMLESS_BUILTINS
    if module.kinds[root] != "def" or not isinstance(call.func, ast.Name):
        return False
    for node in module.functions.get(root, []):
        inner = {name for part in node.body for name, _ in bindings(part)}
        inner |= {a.arg for a in ast.walk(node.args) if isinstance(a, ast.arg)}
        for each in (each for part in node.body for each in ast.walk(part)):
            if isinstance(each, (ast.Global, ast.Nonlocal)):
                return False
            stores = isinstance(each, (ast.Attribute, ast.Subscript)) and not isinstance(each.ctx, ast.Load)
            if stores and _root(each) not in inner:
                return False
        for each in (each for part in node.body for each in at_import(part)):
            if isinstance(each, ast.Call):
                own = _root(each.func) in inner and isinstance(each.func, ast.Attribute)
                if not own and not _is_step(each, module) and not _is_factory(each, module, depth - 1):
                    return False
    return not any(node.decorator_list for node in module.functions.get(root, []))


def _makes_workflow(statement: ast.stmt, module: Module) -> bool:
    return isinstance(statement, (ast.Assign, ast.AnnAssign)) and _is_step(statement.value, module)  # type: ignore[arg-type]


def _call(node: ast.Call, module: Module, kind: Callable[[ast.AST], str]) -> tuple[set[str], bool]:
    """The names that a call may change, and whether it may do more."""
    func = node.func
    dotted = _dotted(func, module)
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    kinds = {kind(each) for each in given}
    if any(isinstance(each, ast.Lambda) and not _is_simple(each, module) for each in given):
        kinds.add("def")
    if dotted is not None:
        if kind(func) != "installed":
            return set(), kind(func) != "record" or "live" in kinds
        if any(dotted == each or dotted.startswith(f"{each}.") for each in _KEEPING):
            return set(), "live" in kinds and not dotted.startswith("motools.")
        names = {name for each in given for part in ast.walk(each) if (name := _name(part)) in module.literal}
        return {str(name) for name in names}, not _is_harmless(dotted) or not kinds.isdisjoint(_PROJECTS)
    if isinstance(func, ast.Name):
        if func.id in module.kinds:
            return set(), kind(func) != "record" or "live" in kinds
        return set(), (
            func.id not in _HARMLESS_BUILTINS
            or not kinds.isdisjoint({"def", "live"})
            or (func.id == "open" and not _is_reading(node, 1))
            or func.id in ("next", "getattr")
        )
    if not isinstance(func, ast.Attribute) or not kinds.isdisjoint(_PROJECTS):
        return set(), True
    root = _root(func)
    if func.attr == "open" and not _is_reading(node, 0):
        return set(), True
    if root in module.literal:
        return {str(root)}, False
    if root in module.kinds:
        return set(), True
    return set(), func.attr not in _READING and not (root and hasattr(builtins, root))


def _is_simple(node: ast.Lambda, module: Module) -> bool:
    """Whether calling it runs nothing but methods that read, of data."""
    for each in ast.walk(node.body):
        if isinstance(each, ast.Name) and each.id in module.kinds and each.id not in module.literal:
            return False
        func = getattr(each, "func", None)
        if func is not None and not (isinstance(func, ast.Attribute) and func.attr in _READING):
            return False
    return True


def _is_tame(dotted: str) -> bool:
    """Whether a class of installed code does nothing with its subclasses."""
    return dotted.partition(".")[0] in _STDLIB or _is_harmless(dotted)


def _is_harmless(dotted: str) -> bool:
    parts = dotted.split(".")
    return any(".".join(parts[:n]) in _HARMLESS for n in range(1, len(parts) + 1))


def _dotted(func: ast.expr, module: Module) -> str | None:
    """What an expression names by way of an import, such as `json.loads`."""
    attributes = []
    while isinstance(func, ast.Attribute):
        attributes.append(func.attr)
        func = func.value
    if not isinstance(func, ast.Name) or func.id not in module.imported or module.kinds.get(func.id) != "import":
        return None
    return ".".join([module.imported[func.id], *reversed(attributes)])


@lru_cache(maxsize=2048)
def _links(module: Module) -> dict[str, set[str]]:
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


def _root(node: ast.AST) -> str | None:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _name(node: ast.AST) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _last(node: ast.expr) -> str | None:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else _name(node)


def _is_named(name: str, module: Module) -> bool:
    """Whether the file uses a name that it imports anywhere."""
    return name in _names_used(module)


@lru_cache(maxsize=2048)
def _names_used(module: Module) -> frozenset[str]:
    nodes = (node for statement in module.body for node in ast.walk(statement))
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name))


@dataclass(frozen=True)
class Texts:
    """What the whole of a file says: the packages that it imports, its short texts, and variables it may ask for.

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
        if isinstance(node, ast.Call) and _last(node.func) == "startswith"
        for each in ast.walk(node)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
    }
    words = {word for text in texts if len(text) < 200 for word in _WORD.findall(text) if len(word) < 60}
    fields = {node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)}
    starts |= {word for word in words if word.endswith("_")}
    variables = {f"{word}*" for word in words | fields} | {f"{word}**" for word in starts}
    short = frozenset(text for text in texts if len(text) < 200 and "\n" not in text)
    return Texts(frozenset(imports), short, frozenset(variables))


# -- text ----------------------------------------------------------------------


def _is_schema(node: ast.AST) -> bool:
    """Whether a class may make a schema of its docstrings: it has a base that is not plain."""
    return isinstance(node, ast.ClassDef) and not all(_last(base) in _PLAIN for base in node.bases)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _outside(node: ast.AST) -> Iterator[ast.AST]:
    """A node and all in it but the bodies of functions."""
    todo = [node]
    while todo:
        each = todo.pop()
        yield each
        for name, value in ast.iter_fields(each):
            if name == "body" and isinstance(each, _FUNCTIONS):
                continue
            todo += [child for child in (value if isinstance(value, list) else [value]) if isinstance(child, ast.AST)]


def _text(node: Any, keep: bool, body: bool, rename: bool, names: Mapping[str, str] | None = None) -> Any:
    """A tree as nested lists, without positions and empty fields, and without what does not count.

    Args:
        keep: whether docstrings and type hints count.
        body: whether the body of this function does; of functions inside it, only docstrings do, those that were
            executed are blocks of their own.
        rename: whether local variables are told by number.
        names: in a function's body, the local variables and their numbers; None elsewhere.
    """
    if isinstance(node, list):
        return [text for each in node if (text := _text(each, keep, False, rename, names))]
    if isinstance(node, ast.Name) and names and node.id in names:
        return ["Name", names[node.id]]
    if not isinstance(node, ast.AST):  # a number may have more digits than Python likes to write
        return [type(node).__name__, hex(node) if type(node) is int else repr(node)]
    if isinstance(node, _FUNCTIONS):
        names = {**(names or {}), **(_local_names(node) if rename else {})}
    elif isinstance(node, ast.ClassDef):
        keep |= _is_schema(node)
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and names is not None and not keep:
        if node.value is None:  # in a function, a hint is nobody's
            return []
        node = ast.Assign([node.target], node.value)
    found: list[Any] = [type(node).__name__]
    for name, value in ast.iter_fields(node):
        if name in ("ctx", "kind", "type_comment", "type_ignores"):
            continue
        if not keep and (name == "returns" or (name == "annotation" and isinstance(node, ast.arg))):
            continue
        if name == "body" and isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            inside = body or isinstance(node, ast.ClassDef)
            value = [each for each in value if (keep if _is_docstring(each) else inside)]
        if isinstance(node, ast.JoinedStr):  # some versions of Python parse an empty text into it
            value = [each for each in value if not (isinstance(each, ast.Constant) and each.value == "")]
        if isinstance(node, ast.ClassDef) and name == "body":  # its hints make its fields
            fields = [_text(each, keep or isinstance(each, ast.AnnAssign), False, rename, names) for each in value]
            found.append([name, [each for each in fields if each]])
        elif value is not None and value != []:
            found.append([name, _text(value, keep, False, rename, names)])
    return found


def _local_names(function: Function) -> dict[str, str]:
    """A function's local variables, numbered, so that their names do not count; not those that others may see."""
    own: dict[str, None] = {}
    other = {arg.arg for arg in ast.walk(function.args) if isinstance(arg, ast.arg)}
    todo: list[ast.AST] = list(reversed(function.body))
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Name):
            if node.id in ("locals", "vars", "eval", "exec", "dir"):
                return {}
            if not isinstance(node.ctx, ast.Load):
                own.setdefault(node.id)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            other.update(node.names)
        elif isinstance(node, _IMPORTS):
            other.update(name for name, _ in bindings(node))
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            other.add(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            other.add(node.rest)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):  # such as a query of pandas
            other.update(_WORD.findall(node.value))
        if isinstance(node, (*_SCOPES, *_COMPREHENSIONS)):
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
                other.add(node.name)
            apart = isinstance(node, (*_FUNCTIONS, ast.ClassDef))  # it is told by itself
            for inner in ast.walk(node):  # what an inner scope binds may be another variable of that name
                if isinstance(inner, ast.Name) and (apart or not isinstance(inner.ctx, ast.Load)):
                    other.add(inner.id)
                elif isinstance(inner, ast.arg):
                    other.add(inner.arg)
                elif isinstance(inner, ast.Name) and inner.id in ("locals", "vars", "eval", "exec", "dir"):
                    return {}
            continue
        todo += reversed(list(ast.iter_child_nodes(node)))
    return {name: f"·{number}" for number, name in enumerate(name for name in own if name not in other)}


def _label(statement: ast.stmt) -> str:
    names = [name for name, _ in bindings(statement)]
    if isinstance(statement, ast.ClassDef):
        return f"class {statement.name}"
    if names:
        return ", ".join(dict.fromkeys(names))
    text = ast.unparse(statement).partition("\n")[0]
    return text if len(text) <= 40 else text[:37] + "..."


@lru_cache(maxsize=1 << 16)
def _told(node: ast.AST, keep: bool, body: bool = False, rename: bool = True) -> str:
    """The digest of what counts of a node."""
    return _digest(_text(node, keep, body, rename))


def _digest(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()


_STDLIB = sys.stdlib_module_names
_WORD = re.compile(r"[^\W\d]\w*")
_FIELD = re.compile(r"\{([^{}\s]*)")
