"""Blocks of source that count: every function that was executed, and of modules' top levels what may have mattered.

A statement at a module's top level counts where it binds or may change a name that the executed code reads, or where
what it calls cannot be told to be harmless. Source is read to leave blocks out, never to find what was used: in doubt,
a block counts. Comments, layout, names of local variables, and docstrings and type hints that nothing reads, are no
part of a block's text.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

from motools.code.digests import PLAIN, digest_of, is_docstring, is_schema, label_of, told_of
from motools.code.effects import all_effects, chains, is_tame, links, makes_workflow
from motools.code.syntax import (
    FUNCTIONS,
    IMPORTS,
    STDLIB,
    Function,
    Module,
    at_import,
    dotted_name,
    full_name,
    imports_of,
    last_name,
    names_bound,
)
from motools.code.uses import Uses, uses_in, uses_of

__all__ = ["Blocks", "count", "statement_digest"]

_ALONE = frozenset("object StepConfig WorkflowConfig Exception NamedTuple ABC".split())
"""Of these, those that call no method of a class but such as begin with an underscore."""
_COMPILED = frozenset("njit jit vectorize guvectorize stencil".split())
"""Decorators that compile a function from its bytecode, so that it cannot be marked."""


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
        self.spoken: set[str] = set()
        self.handed: set[str] = set()
        self.holding: set[tuple[str, str]] = set()
        self.dynamic = False
        self.reflecting = False
        self.kinds: dict[tuple[Module, str], str] = {}
        self.counted: dict[str, set[int]] = {path: set() for path in modules}
        self.named = {module.name: module for module in modules.values()}
        self.effects = {path: all_effects(module, self.project_names(module)) for path, module in modules.items()}
        self.links = {path: links(module) for path, module in modules.items()}

    def project_names(self, module: Module) -> frozenset[tuple[str, str]]:
        """What the project's names are that a file uses while it is loaded: its imports and its classes."""
        kinds = {name: self.kind(module, name) for name, kind in module.kinds.items() if kind == "class"}
        kinds |= {text: self.kind_of_dotted(dotted) for text, dotted in chains(module).items()}
        return frozenset(kinds.items())

    def kind(self, module: Module, name: str) -> str:
        """What a name of a file is: data, def, record, class, live (it may do anything), or what an import gives."""
        if (module, name) not in self.kinds:
            self.kinds[module, name] = "live"  # where it leads to itself
            self.kinds[module, name] = self.kind_now(module, name)
        return self.kinds[module, name]

    def kind_now(self, module: Module, name: str) -> str:
        kind = module.kinds.get(name)
        if kind == "value":
            return "data" if name in module.literal else "live"
        if kind == "class":
            return self.kind_of_class(module, name)
        if kind == "import":
            return self.kind_of_dotted(module.imported.get(name, ""))  # nothing of `__future__` and `*`
        return "def" if kind == "def" else "live"

    def kind_of_dotted(self, dotted: str) -> str:
        """What an imported name is: a kind of name, module or installed."""
        if self.is_project(dotted):
            return "module"
        parent, _, last = dotted.rpartition(".")
        if not self.is_project(parent):
            below = any(map(self.is_project, accumulate(dotted.split("."), "{}.{}".format)))
            return "live" if below else "installed"
        return self.kind(self.named[parent], last) if parent in self.named else "live"

    def kind_of_class(self, module: Module, name: str) -> str:
        """A record: making an instance runs no code of the project's; a class: making a subclass does not."""
        classes = [each for each in module.body if isinstance(each, ast.ClassDef) and each.name == name]
        if len(classes) != 1:
            return "live"
        [cls] = classes
        bound, used = _inside(cls)
        bases = {self.kind_of_base(module, base) for base in cls.bases}
        if cls.keywords or "__init_subclass__" in bound or not bases <= {"record", "class"}:
            return "live"
        special = any(each.startswith("__") for each in bound - {"__repr__", "__str__", "__slots__"})
        used = used & module.kinds.keys() - {"field"}
        calls = any(self.kind(module, each) not in ("data", "record") for each in used)
        decorated = any(last_name(each) != "dataclass" for each in cls.decorator_list)
        return "class" if special or calls or decorated or "class" in bases else "record"

    def kind_of_base(self, module: Module, base: ast.expr) -> str:
        base = base.value if isinstance(base, ast.Subscript) else base
        if (dotted := dotted_name(base, module)) is not None:
            if (kind := self.kind_of_dotted(dotted)) != "installed":
                return kind
            return "live" if not is_tame(dotted) else "record" if last_name(base) in PLAIN else "class"
        if isinstance(base, ast.Name):
            of_python = base.id not in module.kinds and hasattr(builtins, base.id)
            return "record" if of_python else self.kind(module, base.id)
        return "live"  # such as one that a call has made

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
                        self.needed |= {name} - module.functions.keys()  # type: ignore[union-attr]
                        for use in uses_of(module, name):  # type: ignore[arg-type]
                            self.learn(use, module, name.rpartition(".")[2])  # type: ignore[arg-type]
            for path, names in self.loaded.items():
                counted = self.counted.get(path, set())
                made = {name for index in counted for name in names_bound(self.modules[path].body[index])}
                for name in names:
                    mine = self.ran.setdefault(path, set())
                    parts = name.split(".")
                    if name not in mine and (parts[0] in made or not self.needed.isdisjoint(parts)):
                        mine.add(name)
                        changed = True
            for path, module in self.modules.items():
                for index, statement in enumerate(module.body):
                    if index not in self.counted[path] and self.counts(path, module, index, statement):
                        self.counted[path].add(index)
                        self.learn(uses_in(statement), module)
                        changed = True
                for name, nodes in module.functions.items():  # it cannot be marked
                    compiled = any(last_name(d) in _COMPILED for node in nodes for d in node.decorator_list)
                    if compiled and nodes[0].name in self.needed and name not in self.ran.setdefault(path, set()):
                        self.ran[path].add(name)
                        changed = True

        self.hand_on()

    def hand_on(self) -> None:
        """What is in something that is given to a call is given to it, too."""
        todo = [*self.handed]
        inside: dict[str, set[str]] = {}
        for holder, name in self.holding:
            inside.setdefault(holder, set()).add(name)
        while todo:
            more = inside.get(todo.pop(), set()) - self.handed
            self.handed |= more
            todo += more

    def learn(self, uses: Uses, module: Module, function: str = "") -> None:
        self.needed |= uses.names
        self.spoken |= uses.spoken
        self.handed |= uses.handed
        self.holding |= {(function + holder if holder == "()" else holder, name) for holder, name in uses.holding}
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
        if isinstance(statement, IMPORTS):
            return self.import_counts(module, statement)
        if isinstance(statement, FUNCTIONS):
            return self.dynamic or not self.needed.isdisjoint(effects.binds | effects.touches)
        changed = set(effects.binds | effects.touches)
        changed |= {name for first in effects.touches for name in self.links[path].get(first, ())}
        if changed & self.needed:
            return True
        if isinstance(statement, ast.ClassDef):
            inside = {name.split(".")[0] for name in self.ran.get(path, ()) if "." in name}
            named = {name for part in statement.body for name in names_bound(part)}
            named -= self.in_key(path, statement)
            return self.dynamic or statement.name in inside or bool(named & self.needed)
        return self.dynamic and not makes_workflow(statement, module)

    def in_key(self, path: str, cls: ast.ClassDef) -> set[str]:
        """The fields of a config class that only its objects tell of, whose values are in the step's key."""
        if (
            not {cls.name, "type", "__class__"}.isdisjoint(self.spoken) or self.reflecting
        ):  # its defaults may be asked for
            return set()
        names = (name.rpartition(".") for name in self.configs.get(path, ()))
        return {name for of, _, name in names if of == cls.name}

    def import_counts(self, module: Module, node: ast.Import | ast.ImportFrom) -> bool:
        # What an import of the project executes counts by itself: the file is one of the modules.
        imports = list(imports_of(node))
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            return self.reflecting or "fields" in self.needed
        if self.dynamic or any(bound in self.needed or bound == "*" for _, _, bound in imports):
            return True
        return any(self.is_foreign(target) and not _is_named(bound, module) for target, _, bound in imports)

    def is_foreign(self, target: str) -> bool:
        return target.partition(".")[0] not in STDLIB and not self.is_project(target)

    def keeps(self, node: ast.AST) -> bool:
        """Whether docstrings and type hints are part of a block's text."""
        handed = isinstance(node, FUNCTIONS) and node.name in self.handed
        return self.reflecting or handed or bool(getattr(node, "decorator_list", []))

    def blocks(self, path: str) -> Blocks:
        module = self.modules[path]
        top: list[tuple[str, str]] = []
        imports: set[tuple[str, str]] = set()
        active = False
        for index, statement in enumerate(module.body):
            if active and isinstance(statement, IMPORTS) and index not in self.counted[path]:
                targets = [target for target, _, _ in imports_of(statement) if self.is_project(target)]
                top += [(f"import of {target}", "at this place") for target in targets]
            if index not in self.counted[path]:
                continue
            if isinstance(statement, IMPORTS):
                if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
                    top.append(("import of __future__", told_of(statement, True)))
                for target, alias, bound in imports_of(statement):
                    side_effect = not _is_named(bound, module) and self.is_foreign(target)
                    if bound == "*" or bound in self.needed or side_effect or self.dynamic:
                        block = f"import of {bound}", digest_of([full_name(target, alias), bound])
                        # In any order, where nothing tells what comes first.
                        if module.stars or active or bound in module.again:
                            top.append(block)
                        else:
                            imports.add(block)
                continue
            active |= self.effects[path][index].unknown or bool(self.effects[path][index].touches)
            if isinstance(statement, FUNCTIONS) and not statement.decorator_list:
                # Its text counts where it was executed, or where somebody may have read it.
                read = self.keeps(statement) or statement.name in module.again
                read |= len(names_bound(statement)) > 1 or self.calls(path, statement.name, statement)
                text = told_of(statement, True, "__code__" in self.needed, False) if read else ""
                top.append((f"{statement.name}()", text))
                continue
            top.append((label_of(statement), digest_of(self.text_of(path, statement))))
        there = sorted({each for each in top if not each[1]})  # definitions may stand in any order
        order = [each for each in top if each[1]]
        functions = {
            name: digest_of(
                [told_of(node, self.keeps_around(module, name), True, not self.reflecting) for node in nodes]
            )
            for name, nodes in module.functions.items()
            if name in self.ran.get(path, ())
        }
        gone = {name: "" for name in self.ran.get(path, ()) if name not in module.functions and "<lambda>" not in name}
        lines = tuple(_lines(module.body[index]) for index in sorted(self.counted[path]))
        return Blocks((*sorted(imports), *there, *order), {**functions, **gone}, active, lines)

    def calls(self, path: str, name: str, function: Function) -> bool:
        """Whether something is called for the defaults of a function that is no block by itself."""
        mine = self.ran.get(path, set())
        return name not in mine and any(isinstance(each, ast.Call) for each in at_import(function))

    def text_of(self, path: str, statement: ast.stmt) -> Any:
        if not isinstance(statement, ast.ClassDef):
            return told_of(statement, self.keeps(statement))
        in_key = self.in_key(path, statement)
        keep = self.reflecting or (is_schema(statement) and not in_key)
        body: list[Any] = []
        bound = [name for part in statement.body for name in names_bound(part)]
        called = not all(last_name(base) in _ALONE for base in statement.bases)  # by what installed code knows of it
        for part in statement.body:
            if isinstance(part, FUNCTIONS) and not part.decorator_list:
                calls = self.calls(path, f"{statement.name}.{part.name}", part)
                if called or calls or part.name.startswith("_") or part.name in self.needed or self.dynamic:
                    text = told_of(part, True) if keep else told_of(part.args, False) if calls else ""
                    body.append(f"def {part.name}{text}")
            elif (keep or not is_docstring(part)) and not (
                isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name) and part.target.id in in_key
            ):
                body.append([told_of(part, keep)])
        head = [told_of(part, True) for part in [*statement.bases, *statement.keywords, *statement.decorator_list]]
        if len(bound) > len(set(bound)):  # what comes last counts
            return [statement.name, head, body]
        methods = sorted(each for each in body if isinstance(each, str))
        return [statement.name, head, methods, [each for each in body if not isinstance(each, str)]]

    def keeps_around(self, module: Module, qualname: str) -> bool:
        """Whether a function, or one that it stands in, is decorated, or is handed to a call."""
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
        configs: fields of the step's config classes by path, as `Class.field`; their values are in the key.
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
    return told_of(statement, bool(getattr(statement, "decorator_list", [])))


def _lines(statement: ast.stmt) -> tuple[int, int]:
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(each.lineno for each in decorators)]), statement.end_lineno or statement.lineno


@lru_cache(maxsize=2048)
def _inside(cls: ast.ClassDef) -> tuple[frozenset[str], frozenset[str]]:
    """The names that the body of a class binds, and those that it uses while it is executed, or a lambda in it is."""
    bound = frozenset(name for part in cls.body for name in names_bound(part))
    values = [part.value if isinstance(part, ast.AnnAssign) else part for part in cls.body]  # a hint is not called
    nodes = [node for value in values if value is not None for node in at_import(value)]
    nodes += [inner for node in nodes if isinstance(node, ast.Lambda) for inner in ast.walk(node.body)]
    return bound, frozenset(node.id for node in nodes if isinstance(node, ast.Name))


def _is_named(name: str, module: Module) -> bool:
    """Whether the file uses a name that it imports anywhere."""
    return name in _names_used(module)


@lru_cache(maxsize=2048)
def _names_used(module: Module) -> frozenset[str]:
    nodes = (node for statement in module.body for node in ast.walk(statement))
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name))
