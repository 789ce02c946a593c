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
]

Function = ast.FunctionDef | ast.AsyncFunctionDef
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_SCOPES = (*_FUNCTIONS, ast.Lambda, ast.ClassDef)
_IMPORTS = (ast.Import, ast.ImportFrom)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)

_REFLECTING = frozenset(
    "__doc__ getdoc getsource getsourcelines signature get_type_hints __annotations__ get_annotations "
    "__defaults__ __kwdefaults__ __code__ model_json_schema json_schema TypeAdapter schema ToolDef tool_with".split()
)
"""Words by which code reads docstrings, type hints or source."""
_DYNAMIC = frozenset("eval exec globals vars locals __dict__ __subclasses__ dir getmembers run_path run_module".split())
"""Words by which code reaches names that it does not spell."""
_HARMLESS = frozenset(
    "json re math pathlib collections dataclasses typing typing_extensions enum functools itertools operator "
    "string datetime decimal fractions textwrap copy hashlib types contextvars abc pydantic inspect_ai os.path "
    "os.getenv os.environ.get logging.getLogger yaml.safe_load threading.Lock motools numpy.array numpy.zeros "
    "numpy.arange dotenv.dotenv_values csv.reader csv.DictReader io base64 uuid".split()
)
"""Installed code, by dotted name or what it begins with, whose call changes nothing but what it is given."""
_HARMLESS_BUILTINS = frozenset(dir(builtins)) - frozenset(
    "eval exec compile __import__ globals locals vars setattr delattr input breakpoint type super".split()
)
_CALLING_BUILTINS = frozenset("map filter sorted min max list tuple set dict sum any all next iter".split())
"""Builtins that may call what they are given, or drive what calls it."""
_PLAIN = frozenset("object StepConfig WorkflowConfig Exception Enum NamedTuple ABC Protocol".split())
"""Base classes that do nothing with the classes made of them but what their names say."""
_COMPILED = frozenset("njit jit vectorize guvectorize stencil".split())
"""Decorators that compile a function from its bytecode, so that it cannot be marked."""


@dataclass(eq=False)
class Module:
    """A file as a piece of syntax.

    Attributes:
        functions: qualified name -> definitions of it, in order.
        globals: qualified name -> the names that its bytecode looks up outside of it, attributes among them.
        imported: name -> the dotted name that it stands for, of all imports at the top level.
        kinds: name -> what binds it at the top level: def, class, import or value.
        again: names that are bound more than once there.
        literal: names of values that are bound to nothing but displays and what installed code gave.
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
    module.literal = {name for name, kind in module.kinds.items() if kind == "value"} - set(_unknown_values(module))
    return module


def _globals(code: CodeType, found: dict[str, set[str]]) -> set[str]:
    """The names of a code object and of those inside it."""
    inside = (_globals(each, found) for each in code.co_consts if isinstance(each, CodeType))
    names = set(code.co_names).union(*inside)
    found.setdefault(code.co_qualname, set()).update(names)
    return names


def _unknown_values(module: Module) -> Iterator[str]:
    """The names that may be bound to an instance of the project's own, whose methods may do anything."""
    for statement in module.body:
        for node in at_import(statement):
            values: list[tuple[ast.expr, ast.expr | None]] = []
            if isinstance(node, ast.Assign):
                values = [(target, node.value) for target in node.targets]
            elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
                values = [(node.target, node.value)]
            elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
                values = [(node.target, None)]
            elif isinstance(node, ast.withitem) and node.optional_vars is not None:
                values = [(node.optional_vars, None)]
            for target, value in values:
                if value is None or not _is_plain(value, module):
                    yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def _is_plain(value: ast.expr, module: Module) -> bool:
    if isinstance(value, (ast.List, ast.Dict, ast.Set, ast.Tuple, ast.Constant, ast.JoinedStr, ast.BinOp)):
        return True
    if isinstance(value, _COMPREHENSIONS):
        return True
    if isinstance(value, (ast.Attribute, ast.Subscript)):  # such as Path(__file__).parent
        return not isinstance(value.value, ast.Name) and _is_plain(value.value, module)
    if isinstance(value, ast.Call):
        root = _root(value.func)
        return root is not None and (root in module.imported or (root not in module.kinds and hasattr(builtins, root)))
    return False


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
        for each in [*statement.decorator_list]:
            yield from bindings(each)
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
    """Names that code uses, and whether it may use names that it does not spell, or read docstrings and hints."""

    names: frozenset[str]
    dynamic: bool
    reflecting: bool


@lru_cache(maxsize=1 << 16)
def _uses(node: ast.AST, known: frozenset[str] | None = None) -> _Uses:
    """What a node uses, without the bodies of functions in it.

    Args:
        known: in a function's body, the names that are not its own.
    """
    names: set[str] = set()
    by_text = False
    for each in _outside(node):
        for hint in (getattr(each, "annotation", None), getattr(each, "returns", None)):
            if hint is not None:  # in whatever form, somebody may look up what it says
                names.update(_WORD.findall(ast.unparse(hint)))
        if isinstance(each, ast.Name):
            names |= {each.id} if known is None or each.id in known else set()
        elif isinstance(each, ast.Attribute):
            names.add(each.attr)
        elif isinstance(each, ast.alias):
            names.update(["__all__"] if each.name == "*" else each.name.split("."))
        elif isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.isidentifier():
            names.add(each.value)
        elif isinstance(each, ast.Call) and _name(each.func) in ("getattr", "setattr", "hasattr", "delattr"):
            by_text |= len(each.args) > 1 and not isinstance(each.args[1], ast.Constant)
    return _Uses(frozenset(names), by_text or not _DYNAMIC.isdisjoint(names), not _REFLECTING.isdisjoint(names))


@lru_cache(maxsize=1 << 16)
def _uses_of(module: Module, name: str) -> list[_Uses]:
    """What the functions of a name use."""
    known = frozenset(module.globals.get(name, ()))
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
        self.dynamic = False
        self.reflecting = False
        self.counted: dict[str, set[int]] = {path: set() for path in modules}
        self.effects = {path: _all_effects(module, self.of_project(module)) for path, module in modules.items()}
        self.links = {path: _links(module) for path, module in modules.items()}

    def of_project(self, module: Module) -> frozenset[str]:
        """The names of imports of the project's."""
        found = ((name, dotted, dotted.rpartition(".")[0]) for name, dotted in module.imported.items())
        return frozenset(name for name, *dotted in found if any(map(self.is_project, dotted)))

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
                            self.learn(use)
                        changed = True
            for path, names in self.loaded.items():
                for name in names:
                    mine = self.ran.setdefault(path, set())
                    if name not in mine and any(part in self.needed for part in name.split(".")):
                        mine.add(name)
                        changed = True
            for path, module in self.modules.items():
                for index, statement in enumerate(module.body):
                    if index not in self.counted[path] and self.counts(path, module, index, statement):
                        self.counted[path].add(index)
                        self.learn(_uses(statement))
                        changed = True
                for name, nodes in module.functions.items():  # it cannot be marked
                    compiled = any(_last(d) in _COMPILED for node in nodes for d in node.decorator_list)
                    if compiled and nodes[0].name in self.needed and name not in self.ran.setdefault(path, set()):
                        self.ran[path].add(name)
                        changed = True

    def learn(self, uses: _Uses) -> None:
        self.needed |= uses.names
        self.dynamic |= uses.dynamic
        self.reflecting |= uses.reflecting

    def counts(self, path: str, module: Module, index: int, statement: ast.stmt) -> bool:
        """Whether a statement at the top level may matter to what was executed."""
        effects = self.effects[path][index]
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            return self.reflecting and "__doc__" in self.needed
        if isinstance(statement, ast.Pass):
            return False
        if (pinned := self.pinned.get(path)) and _pin(statement) in pinned:
            return True
        if effects.unknown:
            return True
        if isinstance(statement, _IMPORTS):
            return self.import_counts(module, statement)
        if isinstance(statement, _FUNCTIONS):
            return self.dynamic or statement.name in self.needed or bool(effects.touches & self.needed)
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
        if any(bound in self.needed or bound == "*" for _, _, bound in found):
            return True
        if self.dynamic and any(self.is_project(target) for target, _, _ in found):
            return True
        return any(
            target.split(".")[0] not in _STDLIB and not self.is_project(target) and not _is_named(bound, module)
            for target, _, bound in found
        )

    def keeps(self, node: ast.AST) -> bool:
        """Whether docstrings and type hints are part of a block's text."""
        return self.reflecting or bool(getattr(node, "decorator_list", [])) or _is_schema(node)

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
                for target, alias, bound in imports_of(statement):
                    side_effect = not _is_named(bound, module) and not self.is_project(target)
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
                text = _told(statement, True) if self.reflecting or statement.name in module.again else ""
                top.append((f"{statement.name}()", text))
                continue
            top.append((_label(statement), _digest(self.text_of(path, statement))))
        there = sorted({each for each in top if not each[1]})  # definitions may stand in any order
        order = [each for each in top if each[1]]
        functions = {
            name: _digest([_told(node, self.keeps_around(module, name), True) for node in nodes])
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
        for part in statement.body:
            if isinstance(part, _FUNCTIONS) and not part.decorator_list:
                dunder = part.name.startswith("__") and part.name.endswith("__")
                if dunder or part.name in self.needed or f"{statement.name}.{part.name}" in ran or self.dynamic:
                    body.append(f"def {part.name}")
            elif (keep or not _is_docstring(part)) and not (config and isinstance(part, ast.AnnAssign)):
                # A config's values are in the key.
                body.append([_told(part, keep)])
        head = [_told(part, True) for part in [*statement.bases, *statement.keywords, *statement.decorator_list]]
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
def _all_effects(module: Module, projects: frozenset[str]) -> list[_Effects]:
    return [_effects(statement, module, projects) for statement in module.body]


def _effects(statement: ast.stmt, module: Module, projects: frozenset[str]) -> _Effects:
    binds = {name for name, _ in bindings(statement)}
    touches: set[str] = set()
    unknown = isinstance(statement, ast.Raise)
    for node in _evaluated(statement, module):
        if isinstance(node, ast.Call):
            touched, more = _call(node, module, projects)
            touches |= touched
            unknown |= more
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            touches.add(node.target.id)  # in place, where it can be
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            root = _root(node)
            touches |= {root} if root else set()
            touches |= {each.attr for each in ast.walk(node) if isinstance(each, ast.Attribute)}
            unknown |= root is None or (root in module.imported and root not in projects)
        elif isinstance(node, (ast.Await, ast.Yield, ast.YieldFrom)):
            unknown = True
        elif isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            for decorator in node.decorator_list:
                if not isinstance(decorator, ast.Call):  # a call is met by itself
                    touched, more = _callee(decorator, module, projects)
                    touches |= touched
                    unknown |= more
            if isinstance(node, ast.ClassDef):
                for base in [*node.bases, *(keyword.value for keyword in node.keywords)]:
                    root = _root(base)
                    if root in module.kinds and (root not in module.imported or root in projects):
                        touches |= {root, *([base.attr] if isinstance(base, ast.Attribute) else [])}
        elif isinstance(node, _IMPORTS) and not isinstance(statement, _IMPORTS):
            unknown |= any(bound == "*" for _, _, bound in imports_of(node))
    return _Effects(frozenset(binds), frozenset(touches), unknown)


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


def _call(node: ast.Call, module: Module, projects: frozenset[str]) -> tuple[set[str], bool]:
    """The names that a call may change, and whether it may do more."""
    touches, unknown = _callee(node.func, module, projects)
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    names = {root for each in given for part in ast.walk(each) if (root := _name(part))}
    root = _root(node.func)
    if _dotted(node.func, module) in (
        "functools.partial",
        "dataclasses.field",
        "functools.wraps",
        "dataclasses.replace",
    ):
        return touches, unknown
    if isinstance(node.func, ast.Name) and root in _CALLING_BUILTINS and root not in module.kinds:
        # It may call a project's function, or drive a generator that does.
        handed = [part for each in given for part in ast.walk(each)]
        unknown |= any(isinstance(part, ast.Lambda) for part in handed)
        unknown |= any(module.kinds.get(name) in ("def", "class") or name in projects for name in names)
        unknown |= any(
            isinstance(part, ast.Attribute) and _root(part) in module.kinds and part in given for part in handed
        )
        return touches, unknown
    if root is not None and root not in module.kinds:  # a harmless builtin
        return touches, unknown
    changed = {name for name in names if module.kinds.get(name) == "value"}
    return touches | changed, unknown


def _callee(func: ast.expr, module: Module, projects: frozenset[str]) -> tuple[set[str], bool]:
    dotted = _dotted(func, module)
    if dotted is not None:
        if _root(func) in projects:
            return set(), True
        return set(), not _is_harmless(dotted)
    if isinstance(func, ast.Attribute):
        root = _root(func)
        if root is None:  # of a literal, or of what another call gave
            return set(), not _is_known(func.value, module)
        if root not in module.kinds:
            return set(), not hasattr(builtins, root)  # such as dict.fromkeys; else a name of a loop or comprehension
        return {root}, module.kinds[root] != "value" or root not in module.literal
    if isinstance(func, ast.Name):
        if module.kinds.get(func.id) == "class":
            return set(), not _is_record(func.id, module, projects)
        return set(), func.id in module.kinds or func.id not in _HARMLESS_BUILTINS
    if isinstance(func, ast.Call):  # a factory of decorators: it is met by itself
        return _callee(func.func, module, projects)
    return set(), True


def _is_known(value: ast.expr, module: Module) -> bool:
    """Whether a method of what an expression gives is none of the project's: it is a literal, or what a call gave."""
    if isinstance(value, ast.BinOp):  # such as HERE / "prompt.txt"
        return all(
            side.id in module.literal if isinstance(side, ast.Name) else _is_known(side, module)
            for side in (value.left, value.right)
        )
    return isinstance(value, (ast.Constant, ast.JoinedStr, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.Call))


def _is_record(name: str, module: Module, projects: frozenset[str], depth: int = 5) -> bool:
    """Whether a class of the project only holds values, so that making an instance runs no code of the project's."""
    found = [each for each in module.body if isinstance(each, ast.ClassDef) and each.name == name]
    if len(found) != 1 or found[0].keywords or depth == 0:
        return False
    for part in found[0].body:
        if isinstance(part, _FUNCTIONS) and part.name.startswith("__") and part.name not in ("__repr__", "__str__"):
            return False
        if any(isinstance(each, ast.Call) and _call(each, module, projects)[1] for each in at_import(part)):
            return False
        handed = (
            n.id
            for each in at_import(part)
            if isinstance(each, ast.Call)
            for n in ast.walk(each)
            if isinstance(n, ast.Name)
        )
        if any(module.kinds.get(each) == "def" for each in handed):  # a factory of defaults
            return False
    bases = [base.id if isinstance(base, ast.Name) else "" for base in found[0].bases]
    return all(
        _last(each) == "dataclass"
        and not (isinstance(each, ast.Name) and each.id in module.kinds and module.kinds[each.id] != "import")
        for each in found[0].decorator_list
    ) and all(base in _PLAIN or _is_record(base, module, projects, depth - 1) for base in bases)


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


def _text(node: Any, keep: bool, body: bool = False, names: Mapping[str, str] | None = None) -> Any:
    """A tree as nested lists, without positions and empty fields, and without what does not count.

    Args:
        keep: whether docstrings and type hints count.
        body: whether the body of this function does; of functions inside it, only docstrings do, those that were
            executed are blocks of their own.
    """
    names = names or {}
    if isinstance(node, list):
        return [text for each in node if (text := _text(each, keep, False, names))]
    if isinstance(node, ast.Name) and node.id in names:
        return ["Name", names[node.id]]
    if not isinstance(node, ast.AST):
        return [type(node).__name__, repr(node)]
    if isinstance(node, _FUNCTIONS):
        names = {**names, **_local_names(node)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and names and not keep:
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
        if value is not None and value != []:
            found.append([name, _text(value, keep, False, names)])
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
        if isinstance(node, (*_SCOPES, *_COMPREHENSIONS)):
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
                other.add(node.name)
            for inner in ast.walk(node):  # what an inner scope binds may be another variable of that name
                if isinstance(inner, ast.Name) and not isinstance(inner.ctx, ast.Load):
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
def _told(node: ast.AST, keep: bool, body: bool = False) -> str:
    """The digest of what counts of a node."""
    return _digest(_text(node, keep, body))


def _digest(value: Any) -> str:
    return hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()


_STDLIB = sys.stdlib_module_names
_WORD = re.compile(r"[^\W\d]\w*")
