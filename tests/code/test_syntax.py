"""A file of Python, parsed: what it defines, binds and imports, what of it is data, what is executed on import."""

from __future__ import annotations

import ast
from typing import Any

import pytest

from motools.code.syntax import (
    Module,
    assigned,
    at_import,
    bindings,
    dotted_name,
    imports_of,
    is_harmless,
    is_reading,
    is_script_guard,
    last_name,
    names_bound,
    read,
    root_of,
)


def parsed(text: str, name: str = "mod", is_package: bool = False) -> Module:
    module = read(text.encode(), name, is_package)
    assert module is not None
    return module


def statement(text: str) -> ast.stmt:
    (found,) = ast.parse(text).body
    return found


def expression(text: str) -> Any:
    found = statement(text)
    assert isinstance(found, ast.Expr)
    return found.value


@pytest.mark.parametrize("data", [b"def", b"a\0b", b"return 1", b"\xff", b"(" * 10_000])
def test_what_is_no_python_is_none(data: bytes) -> None:
    assert read(data, "m", False) is None


def test_functions_are_known_by_their_qualified_names_in_order() -> None:
    text = """
def f():
    def g(): pass
    class A:
        async def h(self): pass
    return lambda x=lambda: [g for g in h()]: 1
def f(): pass
class A:
    def g(self): return lambda: 1
    class B:
        def h(self): pass
if x:
    def k(): pass
"""
    found = parsed(text).functions
    assert {name: [node.lineno for node in nodes] for name, nodes in found.items()} == {
        "f": [2, 7], "f.<locals>.g": [3], "f.<locals>.A.h": [5], "A.g": [9], "A.B.h": [11], "k": [13]
    }  # fmt: skip


def test_the_names_that_code_looks_up_outside_are_those_of_its_bytecode_and_of_what_is_inside() -> None:
    found = parsed(
        "def f(a):\n    b = a.c + d\n    def g(): return e\n    return g\nclass A:\n    def h(self): i\n"
    ).globals
    assert (found["f"], found["f.<locals>.g"], found["A.h"]) == ({"c", "d", "e"}, {"e"}, {"i"})
    assert parsed("def f():\n    def g(a: b): pass\n").globals["f"] == {"b"}


def test_names_of_imports_stand_for_what_they_import() -> None:
    text = """
import a, b.c, d.e as f
from g import h, i as j
from k import *
try:
    import l
except ImportError:
    from m import l
def n(): import o
"""
    module = parsed(text)
    assert module.imported == {"a": "a", "b": "b", "f": "d.e", "h": "g.h", "j": "g.i", "l": "m.l"}
    assert module.stars == ["k"]


@pytest.mark.parametrize(
    ("text", "is_package", "target"),
    [
        ("from . import a", False, "lib.deep.a"),
        ("from .b import a", False, "lib.deep.b.a"),
        ("from .. import a", False, "lib.a"),
        ("from . import a", True, "lib.deep.mod.a"),
        ("from .b import a", True, "lib.deep.mod.b.a"),
        ("from .. import a", True, "lib.deep.a"),
    ],
)
def test_a_relative_import_is_told_as_an_absolute_one(text: str, is_package: bool, target: str) -> None:
    module = parsed(text, "lib.deep.mod", is_package)
    assert module.imported == {"a": target}
    (statement,) = module.body
    assert isinstance(statement, ast.ImportFrom)
    assert statement.level == 0


def test_what_binds_a_name_is_known_and_several_kinds_make_a_value() -> None:
    module = parsed(
        "import a\ndef b(): pass\nclass C: pass\nd = 1\nasync def e(): pass\n"
        "def f(): pass\nf = 1\nimport g\nimport g\nclass H: pass\ndef H(): pass\n"
    )
    assert module.kinds == {
        "a": "import", "b": "def", "C": "class", "d": "value", "e": "def", "f": "value", "g": "import", "H": "value"
    }  # fmt: skip
    assert module.again == {"f", "g", "H"}


@pytest.mark.parametrize(
    ("text", "guards"),
    [
        ("if __name__ == '__main__': f()", True),
        ('if "__main__" == __name__: f()', True),
        ("if TYPE_CHECKING: f()", True),
        ("if typing.TYPE_CHECKING: f()", True),
        ("if __name__ != '__main__': f()", False),
        ("if __name__ == '__main__': f()\nelse: g()", False),
        ("if TYPE_CHECKING or X: f()", False),
        ("while TYPE_CHECKING: f()", False),
    ],
)
def test_what_is_not_executed_on_import_is_no_part_of_the_body(text: str, guards: bool) -> None:
    assert is_script_guard(statement(text)) is guards
    assert len(parsed(text).body) == (not guards)


def test_a_script_is_loaded_up_to_where_it_runs_its_workflow() -> None:
    before = "from motools.workflow import run_workflow\nimport motools.workflow as w\n"
    for call in ("run_workflow(1)", "x = run_workflow(1)", "w.run_workflow(1)"):
        assert len(parsed(f"{before}a = 1\n{call}\nb = 2\nrun_workflow(2)\n").body) == 4
    assert len(parsed(f"{before}f(1)\nx: int\ndef g(): run_workflow(1)\nb = 2\n").body) == 6


# -- data --------------------------------------------------------------------------------

BEFORE = """
import math, random, itertools, json, threading, lib
from functools import partial
from pathlib import Path
ROWS = []
LIVE = iter([])
def fn(): pass
class Own: pass
"""
DATA = [
    "1", "[1, {'a': (2,)}]", "ROWS", "ROWS + [1]", "UNKNOWN", "json.loads('1')", "json.loads(s=ROWS)", "math.pi",
    "[n for n in ROWS]", "{n: 1 for n in ROWS}", "f'{ROWS}'", "len(ROWS)", "sorted(ROWS, key=str)", "'a'.join(ROWS)",
    "ROWS.get('a').strip()", "Path('a') / 'b'", "Path('a').read_text()", "ROWS[0]", "ROWS.a", "ROWS if ROWS else None",
]  # fmt: skip
NO_DATA = [
    "LIVE", "[LIVE]", "fn", "Own", "[fn]", "fn()", "Own()", "lib.x", "lib.f()", "random.random()", "random.x",
    "itertools.count()", "itertools.x", "partial(len)", "threading.Lock()", "lambda: 1", "[lambda: 1]",
    "(n for n in ROWS)", "iter(ROWS)", "map(str, ROWS)", "zip(ROWS)", "open('f', 'w')", "getattr(ROWS, 'a')",
    "next(ROWS)", "json.loads(LIVE)", "json.loads(s=LIVE)", "len(LIVE)", "len(x=LIVE)", "'a'.frob()", "ROWS.pop()",
    "LIVE.get('a')", "ROWS.get(LIVE)", "ROWS()()", "LIVE.a", "[n for n in LIVE]",
]  # fmt: skip


@pytest.mark.parametrize("text", DATA)
def test_a_value_made_of_data_by_what_runs_no_other_code_is_data(text: str) -> None:
    assert "x" in parsed(f"{BEFORE}x = {text}").literal


@pytest.mark.parametrize("text", NO_DATA)
def test_a_value_that_may_run_other_code_when_it_is_used_is_none(text: str) -> None:
    assert "x" not in parsed(f"{BEFORE}x = {text}").literal


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("x = 1\nx = LIVE", False),
        ("x = y = LIVE", False),
        ("x, y = LIVE", False),
        ("x, y = ROWS", True),
        ("x: list = ROWS", True),
        ("x: list = LIVE", False),
        ("x: list", False),
        ("x = []\nx += ROWS", True),
        ("x = []\nx += LIVE", False),
        ("for x in ROWS: pass", True),
        ("for x in LIVE: pass", False),
        ("with open('f') as x: pass", True),
        ("with open('f', 'w') as x: pass", False),
        ("with LIVE as x: pass", False),
        ("(x := ROWS)", True),
        ("(x := LIVE)", False),
        ("if ROWS: x = 1", True),
        ("x = y\ny = LIVE", False),
        ("x = y\ny = 1", True),
        ("x = 1\ndef f():\n    global x\n    x = LIVE", False),
        ("try: pass\nexcept E as x: pass", False),
        ("x = 1\ndef x(): pass", False),
        ("import x", False),
        ("x = 1\ndel x", False),
    ],
)
def test_a_name_is_data_where_all_that_binds_it_is(text: str, data: bool) -> None:
    assert ("x" in parsed(f"{BEFORE}{text}\n").literal) is data


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("open(a)", True),
        ("open(a, 'rb')", True),
        ("open(a, mode='rt')", True),
        ("open(a, 'rt', 1)", True),
        *((f"open(a, '{mode}')", False) for mode in ("w", "ab", "x", "r+")),
        ("open(a, mode='w')", False),
        ("open(a, b)", False),
        ("open(a, 1)", False),
        ("open(a, **b)", False),
        ("open(a, encoding='wax')", True),
    ],
)
def test_a_file_is_opened_for_reading_where_its_mode_says_nothing_else(text: str, reads: bool) -> None:
    assert is_reading(expression(text), 1) is reads


# -- names -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a = b, c.d = e", "a b"),
        ("a: int", "a"),
        ("del a", "a"),
        ("def f(a=(b := 1), *, c=(d := 2)): e = 1", "f b d"),
        ("def f(a=(lambda: (b := 1))): pass", "f"),
        ("@(a := f)\ndef f(): pass", "f a"),
        ("class A((a := f)):\n    b = 1\n    (c := 1)\n    global d\n    d = 1", "A a c d"),
        ("import a.b, c as d", "a d"),
        ("from a import b, c as d", "b d"),
        ("from a import *", "*"),
        ("[a for a in (b := c)]", "b"),
        ("[(a := b) for b in c]", "a"),
        ("f = lambda a: (b := a)", "f"),
        ("for a in b: c = d", "a c"),
        ("with a as b, c as (d, e): pass", "b d e"),
        ("try: a = 1\nexcept E as b: c = 1\nexcept F: pass", "a b c"),
        ("match a:\n    case {'b': c, **d}: pass\n    case [e, *f] as g: pass", "c d e f g"),
        ("match a:\n    case {}: pass\n    case [*_]: pass", ""),
        ("if a:\n    def f(): b = 1", "f"),
        ("f(a)", ""),
    ],
)  # fmt: skip
def test_the_names_that_a_statement_binds_are_those_of_its_own_scope(text: str, names: str) -> None:
    assert {*names_bound(statement(text))} == {*names.split()}


def test_a_binding_tells_what_binds() -> None:
    node = statement("import a as b")
    assert [*bindings(node)] == [("b", node)]
    for text in ("def f(): pass", "class f: pass"):
        node = statement(text)
        assert next(bindings(node)) == ("f", node)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@a\ndef f(b=c, *, d, e=g): h", "a c g"),
        ("x = lambda a=b, *, c=d, e: g", "x b d"),
        ("class A(b, c=d):\n    e = f\n    def g(h=i): j", "b d e f i"),
        ("for a in b: c", "a b c"),
        ("[a for a in b if c]", "a b c"),
    ],
)
def test_all_but_the_bodies_of_functions_is_executed_on_import(text: str, names: str) -> None:
    assert {node.id for node in at_import(statement(text)) if isinstance(node, ast.Name)} == {*names.split()}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import a.b, c as d", [("a.b", None, "a"), ("c", None, "d")]),
        ("from a import b, c as d", [("a", "b", "b"), ("a", "c", "d")]),
        ("from a import *", [("a", "*", "*")]),
        ("from __future__ import annotations", []),
    ],
)
def test_an_import_names_a_module_what_is_taken_of_it_and_what_that_is_called(text: str, found: list[Any]) -> None:
    node = statement(text)
    assert isinstance(node, (ast.Import, ast.ImportFrom))
    assert [*imports_of(node)] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a = b = c", [["a", "b"], "c"]),
        ("a: int = b", [["a"], "b"]),
        ("a += b", [["a"], "b"]),
        ("for a in b: pass", [["a"], "b"]),
        ("async def f():\n    async for a in b: pass", [["a"], "b"]),
        ("[0 for a in b]", [["a"], "b"]),
        ("(a := b)", [["a"], "b"]),
        ("with b as a: pass", [["a"], "b"]),
        ("with b: pass", None),
        ("a: int", None),
        ("f(a)", None),
    ],
)
def test_what_is_assigned_is_known_by_its_targets_and_value(text: str, found: Any) -> None:
    pairs = [pair for node in ast.walk(statement(text)) for pair in assigned(node)]
    assert [[[ast.unparse(to) for to in targets], ast.unparse(value)] for targets, value in pairs] == [found][
        : bool(found)
    ]


@pytest.mark.parametrize(
    ("text", "dotted"),
    [("a.b.c", "x.a.b.c"), ("d", "e.f"), ("a().b", None), ("g.b", None), ("h", None), ("k", None)],
)
def test_a_name_of_an_import_stands_for_the_whole(text: str, dotted: str | None) -> None:
    module = parsed("import x.a as a\nfrom e import f as d\nh = 1\nimport k\nk = 1\n")
    assert dotted_name(expression(text), module) == dotted


def test_the_root_and_the_last_name_of_an_expression() -> None:
    assert [root_of(expression(text)) for text in ("a", "a.b[c].d", "f(a).b", "1")] == ["a", "a", None, None]
    assert root_of(expression("[*a.b]").elts[0]) == "a"
    assert [last_name(expression(text)) for text in ("a", "a.b", "a.b(c)", "a(b)", "a[0]", "a()()")] == [
        "a", "b", "b", "a", None, None
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("dotted", "harmless"),
    [("json", True), ("json.loads", True), ("os.path.join", True), ("os", False), ("os.remove", False)],
)
def test_installed_code_is_harmless_by_its_name_or_what_that_begins_with(dotted: str, harmless: bool) -> None:
    assert is_harmless(dotted) is harmless
