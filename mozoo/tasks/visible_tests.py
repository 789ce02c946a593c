"""The tests that stand in a programming task: their inputs and the answers they expect; nothing is executed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

LONGEST = 60
"""Lines of one statement; what is longer is not taken for a test."""
SHORTEST_TEXT = 3
"""Characters from which on a text tells something: shorter ones turn up by chance."""

_START = re.compile(r"\s*(assert\b|[A-Za-z_][\w.]*\s*=[^=]|[A-Za-z_][\w.]*\()")


@dataclass
class Tests:
    """What the tests of a prompt show; values as Python writes them.

    Attributes:
        inputs: what functions are called with, and every part of it.
        whole: what functions are called with, alone or as the tuple of all arguments.
        answers: what is expected, one test after the other.
        parts: every part of an answer.
        pairs: an input (see `undressed`) and what is expected for it.
        texts: the texts among the inputs.
        statement: the prompt without its tests.
    """

    inputs: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)
    answers: list[str] = field(default_factory=list)
    parts: set[str] = field(default_factory=set)
    pairs: set[tuple[str, str]] = field(default_factory=set)
    statement: str = ""
    texts: tuple[str, ...] = ()

    def tells(self, value: Any) -> bool:
        """Whether a value is known from the tests and not from the statement: no text so short, no number so near to 0
        that it would turn up by chance; of a container, whether it has a number or two texts that do."""
        if isinstance(value, str):
            return len(value) >= SHORTEST_TEXT and value not in self.statement
        if isinstance(value, (int, float, complex)) and not isinstance(value, bool):
            return abs(value) > 2 and re.search(rf"(?<![\w.]){re.escape(repr(value))}(?!\w)", self.statement) is None
        if isinstance(value, dict):
            telling = [each for each in _scalars(list(value.values())) if self.tells(each)]
            return len(telling) > 1 or any(not isinstance(each, str) for each in telling)
        if isinstance(value, (list, tuple, set, frozenset)):
            return any(self.tells(each) for each in _scalars(value))
        return False

    def is_asked(self, value: Any) -> bool:
        """Whether a value is an input of the tests, or a part of one that tells something."""
        return repr(value) in self.inputs or (
            isinstance(value, str) and self.tells(value) and any(value in text for text in self.texts)
        )


def _scalars(value: Any) -> Iterator[Any]:
    """The numbers, texts and other single values of a container; keys of mappings are names, not values."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from _scalars(each)
    else:
        yield value


def parts_of(value: Any) -> Iterator[Any]:
    """A value and every value in it, keys of mappings too."""
    yield value
    if isinstance(value, dict):
        value = [*value, *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        for each in value:
            yield from parts_of(each)


def undressed(value: Any) -> Any:
    """A value with lists in place of tuples: as the key of a table, an input of lists is written with tuples."""
    return [undressed(each) for each in value] if isinstance(value, (list, tuple)) else value


def tests_of(prompt: str) -> Tests:
    """The tests in a prompt: `assert f(...) == ...`, with what is assigned to names and called before."""
    tests, rest, assigned = Tests(), [], {}
    texts: list[str] = []
    lines = prompt.splitlines()
    number = 0
    while number < len(lines):
        taken = _statement(lines[number:])
        if taken is None:
            rest.append(lines[number])
            number += 1
            continue
        node, length = taken
        number += length
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            assigned[node.targets[0].id] = node.value
        for call in (each for each in ast.walk(node) if isinstance(each, ast.Call)):
            given = [
                literal(_resolved(argument, assigned)) for argument in (*call.args, *(k.value for k in call.keywords))
            ]
            values = [value[0] for value in given if value]
            tests.inputs.update(repr(part) for value in values for part in parts_of(value))
            texts += [part for value in values for part in parts_of(value) if isinstance(part, str)]
            tests.whole.update(repr(value) for value in values)
        if isinstance(node, ast.Assert):
            _expect(node.test, assigned, tests)
    tests.statement, tests.texts = "\n".join(rest), tuple(texts)
    return tests


def _statement(lines: list[str]) -> tuple[ast.stmt, int] | None:
    """The Python statement that begins a list of lines, where it may belong to a test, and how many lines it has."""
    if not lines or not _START.match(lines[0]):
        return None
    for length in range(1, min(LONGEST, len(lines)) + 1):
        try:
            tree = ast.parse("\n".join([lines[0].lstrip(), *lines[1:length]]))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        return (tree.body[0], length) if len(tree.body) == 1 else None
    return None


def _expect(test: ast.expr, assigned: dict[str, ast.expr], tests: Tests) -> None:
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], (ast.Eq, ast.Is)):
        return
    answer = literal(_resolved(test.comparators[0], assigned))
    if answer is None:
        return
    tests.answers.append(repr(answer[0]))
    tests.parts.update(repr(part) for part in parts_of(answer[0]))
    for call in (each for each in ast.walk(test.left) if isinstance(each, ast.Call)):
        given = [literal(_resolved(argument, assigned)) for argument in call.args]
        values = tuple(value[0] for value in given if value)
        if len(values) == len(given):
            asked = [values, *(values if len(values) == 1 else ())]
            tests.whole |= {repr(each) for each in asked}
            tests.pairs |= {(repr(undressed(each)), repr(answer[0])) for each in asked}


def _resolved(node: ast.expr, assigned: dict[str, ast.expr]) -> ast.expr:
    return assigned.get(node.id, node) if isinstance(node, ast.Name) else node


def literal(node: ast.expr | None) -> tuple[Any] | None:
    """The value of a constant expression, in a tuple of its own; None for anything else. `None` itself is one."""
    if node is None:
        return None
    try:
        return (ast.literal_eval(node),)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
