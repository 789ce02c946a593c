"""A workflow that cells of a notebook define: what it needs of them is written to a file, where its stages find it.

Of each name that the workflow's cell uses, the statement that bound it last is taken, and of what that uses likewise.
An edited cell that was executed again makes another file, which wakes the steps that use what has changed. What the
file makes is compared with what the notebook holds: a value that was changed in another way is refused.
"""

from __future__ import annotations

import ast
import builtins
import importlib.util
import inspect
import re
import symtable
import sys
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.base import secrets
from motools.base.files import replace_file
from motools.code import loading
from motools.code.search_path import PipelineFolder
from motools.definition.workflow import Workflow
from motools.errors import ConfigError, WorkflowError

__all__ = ["Cells", "cells", "module_text", "write"]

_HEAD = "# Written by run_workflow from cells of a notebook. Edit those: this file is written anew.\n"
_ADVICE = (
    "write it to a file (begin the cell with %%writefile my_workflow.py), and type: from my_workflow import workflow"
)


@dataclass(frozen=True)
class Cells:
    """A notebook: the texts of the cells that were executed, in their order, and what the names in it stand for."""

    texts: Sequence[str]
    names: Mapping[str, Any]


@dataclass(frozen=True)
class _Statement:
    """One at the top of a cell: the names that it binds, and that it uses when it is executed, and when functions of it
    are called."""

    text: str
    binds: frozenset[str]
    uses: frozenset[str]
    uses_later: frozenset[str]
    is_future: bool
    is_star: bool


def cells() -> Cells | None:
    """The notebook or IPython shell that this process serves; None where it serves none."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    history = getattr(shell, "history_manager", None)
    if shell is None or history is None:
        return None
    return Cells(list(history.input_hist_parsed), shell.user_ns)


def write(workflow: Workflow, notebook: Cells, place: PipelineFolder) -> tuple[Workflow, str]:
    """The workflow as the file has it that is written for it, and how its stages find it.

    Raises:
        WorkflowError: it has no name in the notebook, its cells hold a key, or what they make is not what the notebook
            holds.
    """
    name = next((n for n, value in notebook.names.items() if value is workflow and not n.startswith("_")), None)
    if name is None:
        raise WorkflowError(
            f"The workflow {workflow.name!r} has no name in the notebook: type workflow = Workflow(...)."
        )
    file = place.folder / "{}_notebook.py".format(re.sub(r"\W", "_", workflow.name))
    text = _HEAD + module_text(name, notebook.texts)
    old = file.read_text(encoding="utf-8") if file.exists() else None
    if old is not None and not old.startswith(_HEAD):
        raise WorkflowError(f"{file} is a file of yours, and cells would be written there. Rename it, or the workflow.")
    if (why := secrets.screen()(text)) is not None:
        raise WorkflowError(
            f"What the cells define {why}, and {file.name} is for all to read. Take it from os.environ."
        )
    if old != text:
        replace_file(file, text)
        with suppress(FileNotFoundError):  # Python would take it for that of the new file, if both are of one second
            Path(importlib.util.cache_from_source(str(file))).unlink()
    loading.forget(file)
    reference = f"{file.name}:{name}"
    try:
        written = loading.load(reference, place)
    except ConfigError as error:
        raise WorkflowError(
            f"What cells of the notebook define does not run by itself: {error} Else, {_ADVICE}"
        ) from error
    module = next(each for each in list(sys.modules.values()) if getattr(each, "__file__", None) == str(file))
    codes = {
        each.co_name: each for each in compile(text, str(file), "exec").co_consts if isinstance(each, types.CodeType)
    }
    _refuse_other(vars(module), codes, notebook.names)
    return written, reference


def module_text(name: str, texts: Sequence[str]) -> str:
    """The statements of cells that a name needs, in the order in which they were executed.

    Raises:
        WorkflowError: no statement binds it.
    """
    statements = [statement for text in texts for statement in _statements(text)]
    if not any(name in statement.binds for statement in statements):
        raise WorkflowError(f"No cell of the notebook gives {name!r} a value. If a file does, {_ADVICE}")
    chosen = {number for number, statement in enumerate(statements) if statement.is_future or statement.is_star}
    left = [(name, len(statements))]
    seen = set(left)
    while left:
        wanted, before = left.pop()
        number = next((n for n in reversed(range(before)) if wanted in statements[n].binds), None)
        if number is None:
            continue
        chosen.add(number)
        statement = statements[number]
        more = [
            *((each, number) for each in statement.uses),
            *((each, len(statements)) for each in statement.uses_later),
        ]
        new = [each for each in more if each not in seen]
        left += new
        seen.update(new)
    ordered = sorted(chosen, key=lambda number: (not statements[number].is_future, _place(number, statements, chosen)))
    return "\n\n".join(dict.fromkeys(statements[number].text for number in ordered)) + "\n"


def _place(number: int, statements: Sequence[_Statement], chosen: Collection[int]) -> int:
    """Where a statement is to stand: one that is executed anew, and uses nothing at once, where it was first, so that
    the order of the file, which steps may have seen, stays."""
    mine = statements[number]
    if mine.uses:
        return number
    before = [n for n in range(number) if statements[n].binds == mine.binds]
    return number if not before or any(n in chosen for n in before) else before[0]


def _statements(cell: str) -> Iterator[_Statement]:
    """Those of a cell; none of one that was refused."""
    try:
        tree = ast.parse(cell)
    except SyntaxError:
        return
    lines = cell.splitlines()
    starts = [min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]) for node in tree.body]
    ends = [node.end_lineno or node.lineno for node in tree.body]
    for node, start, end in zip(tree.body, starts, ends, strict=True):
        alone = starts.count(start) == 1 and ends.count(end) == 1 and ends.count(start) <= (start == end)
        text = "\n".join(lines[start - 1 : end]) if alone else ast.unparse(node)  # several stand in one line
        yield _statement(text, node)


def _statement(text: str, node: ast.stmt) -> _Statement:
    top = symtable.symtable(text, "cell", "exec")
    binds = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    uses = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    added = (each.target for each in ast.walk(node) if isinstance(each, ast.AugAssign))
    uses |= {target.id for target in added if isinstance(target, ast.Name)}
    later: set[str] = set()
    for table in top.get_children():
        _collect(table, uses, later, now=True)
    defined = set(vars(builtins))
    is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
    is_star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"  # it may bind any name
    return _Statement(text, frozenset(binds), frozenset(uses - defined), frozenset(later - defined), is_future, is_star)


def _collect(table: symtable.SymbolTable, uses: set[str], later: set[str], now: bool) -> None:
    """The global names of a scope and those in it: a class uses them at once, a function when it is called."""
    now = now and table.get_type() == "class"
    (uses if now else later).update(s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced())
    for child in table.get_children():
        _collect(child, uses, later, now)


_PLAIN = (str, bytes, int, float, bool, list, tuple, dict, set, frozenset, type(None))


def _refuse_other(
    of_file: Mapping[str, Any], codes: Mapping[str, types.CodeType], of_notebook: Mapping[str, Any]
) -> None:
    """Refuse names for which the notebook holds something else than the file makes.

    Args:
        codes: of the functions of the file, which those of the module may not have: they are observed.
    """
    for name, value in of_file.items():
        if name.startswith("__") or name not in of_notebook:
            continue
        now = of_notebook[name]
        function = inspect.unwrap(now) if isinstance(now, types.FunctionType) else None
        if isinstance(function, types.FunctionType) and function.__name__ == name and name in codes:
            same = _code(codes[name]) == _code(function.__code__)
        else:
            same = not isinstance(value, _PLAIN) or (type(value) is type(now) and value == now)
        if not same:
            raise WorkflowError(
                f"{name!r} is something else in the notebook than the statement that bound it makes: it was changed "
                f"since. Give it its value in one statement, and execute that cell again; or {_ADVICE}"
            )


def _code(code: types.CodeType) -> tuple[Any, ...]:
    """What a function does, without where it stands."""
    consts = tuple(_code(each) if isinstance(each, types.CodeType) else repr(each) for each in code.co_consts)
    return code.co_code, code.co_names, code.co_varnames, consts
