"""Which functions of the project are executed: marks within them in Python 3.11, later `sys.monitoring`."""

from __future__ import annotations

import ast
import atexit
import builtins
import os
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

from motools.observe.origin import is_project

__all__ = ["ARE_MARKED", "ExecutedFunctions", "is_mark"]

ARE_MARKED = sys.version_info < (3, 12)  # later, `sys.monitoring` tells what is executed, at no cost
_MARK = "__motools_ran__"  # ends in underscores, so that no class mangles it


def is_mark(value: Any) -> bool:
    """Whether a name or constant in bytecode is there only to tell that a function is executed."""
    return isinstance(value, str) and value.startswith(_MARK)


class ExecutedFunctions:
    """Tells of each function of the project when it is executed, once until `again`.

    Args:
        note: is told a file, and in it the function's name with, where it has none of its own, its line.
    """

    def __init__(self, note: Callable[[str, tuple[str, int]], None]) -> None:
        self._note = note
        self._marks: dict[str, tuple[str, str, int]] = {}
        self._met: list[str] = []

    def watch(self) -> None:
        if ARE_MARKED:
            setattr(builtins, _MARK, self._ran)
            return
        monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
        tool = next(number for number in (4, 3) if monitoring.get_tool(number) is None)
        monitoring.use_tool_id(tool, "motools")
        atexit.register(monitoring.set_events, tool, 0)  # what is executed later would find no modules to ask

        def started(code: Any, _: int) -> Any:
            if is_project(code.co_filename):
                self.entered(code)
            return monitoring.DISABLE

        monitoring.register_callback(tool, monitoring.events.PY_START, started)
        monitoring.set_events(tool, monitoring.events.PY_START)

    def entered(self, code: CodeType) -> None:
        name = code.co_qualname
        while name.endswith(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>")):
            name = name.rpartition(".")[0].removesuffix(".<locals>")
        self._note(os.path.abspath(code.co_filename), (name, 0 if name else code.co_firstlineno))

    def _ran(self, mark: str) -> None:
        """What a marked function calls as long as its mark, a builtin, is true: nothing is faster to ask."""
        setattr(builtins, mark, False)
        self._met.append(mark)
        path, name, line = self._marks[mark]
        self._note(path, (name, line))

    def again(self) -> None:
        """Functions that were executed before are seen once more."""
        if ARE_MARKED:
            for mark in self._met:
                setattr(builtins, mark, True)
            self._met.clear()
        else:
            sys.monitoring.restart_events()  # type: ignore[attr-defined,unused-ignore]

    def mark_all(self, tree: ast.AST, path: str) -> None:
        """Let each function say so when it is executed."""

        def mark(name: str, node: Any) -> ast.expr:
            text = f"{_MARK}{len(self._marks)}__"
            self._marks[text] = path, name, 0 if name else node.lineno
            setattr(builtins, text, True)
            told = ast.Call(ast.Name(_MARK, ast.Load()), [ast.Constant(text)], [])
            value = ast.BoolOp(ast.And(), [ast.Name(text, ast.Load()), told])
            return ast.fix_missing_locations(ast.copy_location(value, node))

        def inside(node: ast.AST, prefix: str, function: str) -> None:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    name = prefix + child.name
                    inside(child, f"{name}.<locals>.", name)
                    words = {
                        each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "")
                        for d in child.decorator_list
                        for each in ast.walk(d)
                    }
                    if words & {"njit", "jit", "vectorize", "guvectorize", "stencil"}:
                        continue  # compiled from its bytecode
                    first = child.body[0]
                    at = 1 if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else 0
                    line: Any = child.body[at] if at < len(child.body) else first
                    child.body.insert(at, ast.copy_location(ast.Expr(mark(name, line)), line))
                elif isinstance(child, ast.Lambda):
                    inside(child, f"{prefix}<lambda>.<locals>.", function)
                    both = ast.BoolOp(ast.Or(), [mark(function, child), child.body])
                    child.body = ast.copy_location(both, child.body)
                elif isinstance(child, ast.ClassDef):
                    inside(child, f"{prefix}{child.name}.", function)
                else:
                    inside(child, prefix, function)

        inside(tree, "", "")
