"""What code uses, told from its syntax: each piece of code by the names that it may read."""

from __future__ import annotations

import ast

import pytest

from motools.code import syntax
from motools.code.uses import Uses, texts_of, uses_in, uses_of


def of(text: str, known: frozenset[str] | None = None) -> Uses:
    (statement,) = ast.parse(text).body
    return uses_in(statement, known)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x = a.b.c", "x a b c"),
        ("import a.b as c", "a b"),
        ("from a import b as c", "b"),
        ("from a import *", "__all__"),
        ("from pickle.a import b", "b pickle"),
        ("@a\ndef f(x=b): return c", "a b"),
        ("f = lambda x=a: b", "f x a b"),
        ("f('helpers:LIMIT')", "f helpers LIMIT"),
        ("f('two words')", "f"),
        (f"f('{'a' * 79}')", f"f {'a' * 79}"),
        (f"f('{'a' * 80}')", "f"),
        ("f('of {a.b!r:>{c}} {d[e]}')", "f a b r c d e"),
        (f"f('{'a' * 80}{{b}}')", "f b"),
        ("f(b'a')", "f"),
        ("f('eval')", "f"),
        ("match a:\n    case B(c=1): pass", "a B c"),
        ("x: a = b", "a x b"),
        ("x: 'a | None' = b", "a None x b"),
        ("def f(x: a) -> b: return c", "a b"),
    ],
)
def test_the_names_of_code_are_what_it_reads_and_what_its_short_texts_may_name(text: str, names: str) -> None:
    assert of(text).names - {"x"} == {*names.split()} - {"x"}


def test_what_stands_in_hints_only_is_not_spoken() -> None:
    assert of("def f(x: a = b) -> c: pass").spoken == {"b"}
    assert of("def f(x: getattr): pass").dynamic is False
    assert of("x: f(a) = b").handed == set()


@pytest.mark.parametrize(
    ("text", "bare"),
    [("a.b", ""), ("f(a.b, c)", "f c"), ("a + a.b", "a"), ("import a", ""), ("a.b = c", "c"), ("a[b].c", "a b")],
)
def test_a_name_is_bare_where_more_is_used_than_an_attribute_of_it(text: str, bare: str) -> None:
    assert of(text).bare == {*bare.split()}


@pytest.mark.parametrize(
    ("text", "handed"),
    [
        ("f(a, b.c, d=e, g=h.i)", "a c e i"),
        ("f(a(), 1, [b])", "a() b"),
        ("f({1: a, b: c}, *d, e[0], g if h else i)", "a b c d e g h i"),
        ("f.g(a)", "a"),
        ("len(a)", ""),
        ("f.len(a)", "a"),
        ("f()(a)", "a"),
        *((f"pool.{name}(a)", "") for name in ("submit", "map", "run_in_executor", "Thread", "run")),
    ],
)
def test_what_is_handed_to_a_call_may_have_its_docstring_read_unless_that_only_calls_it(text: str, handed: str) -> None:
    assert of(text).handed == {*handed.split()}


@pytest.mark.parametrize(
    ("text", "dynamic"),
    [
        ("getattr(a, 'b')", False),
        ("getattr(a, 'b', c)", False),
        ("getattr(a, b)", True),
        ("getattr(a, *b)", True),
        ("getattr(a)", True),
        ("map(getattr, a, 'b')", True),
        ("setattr(a, 'b', 1), hasattr(a, 'b'), delattr(a, 'b')", False),
        ("setattr(a, b, 1)", True),
        ("hasattr(a, b)", True),
        ("delattr(a, b)", True),
        ("f.getattr(a, b)", False),
        ("getattr(a, 'eval')", True),
        ("f('eval')", False),
        ("eval", True),
        ("a.__dict__", True),
        ("a.f_locals", False),
        ("import pickle.a", True),
        ("from a.joblib import b", True),
        ("from a import pickle", True),
        ("x: eval = 1", True),
    ],
)
def test_code_that_reaches_names_it_does_not_spell_is_dynamic(text: str, dynamic: bool) -> None:
    found = of(text)
    assert (found.dynamic, found.reflecting) == (dynamic, dynamic or "f_locals" in text)


@pytest.mark.parametrize("text", ["f.__doc__", "get_type_hints(f)", "x: TypeAdapter = 1", "from inspect import stack"])
def test_code_that_reads_docstrings_hints_or_names_of_locals_is_reflecting(text: str) -> None:
    assert of(text).reflecting is True
    assert of(text).dynamic is False


def test_of_a_functions_body_the_names_of_its_own_are_no_use() -> None:
    found = of("a = b + c.d", frozenset(["b", "d"]))
    assert (found.names, found.bare) == ({"b", "d"}, {"b"})
    module = syntax.read(
        b"def f(x=a):\n    y = b\n    return y + z.w\ndef f(): c\nclass A:\n    def g(): d", "m", False
    )
    assert module is not None
    assert set().union(*(each.names for each in uses_of(module, "f"))) == {"a", "b", "z", "w", "c"}
    assert set().union(*(each.names for each in uses_of(module, "A.g"))) == {"d"}
    assert uses_of(module, "h") == []


def test_a_file_tells_what_it_imports_and_which_variables_it_may_ask_for() -> None:
    text = (
        """
import a.b, c
from d.e import f
class Settings:
    field: str
    def load(self): return get("KEY", "of them", "K_", "LONG", "LONGER")
def g(x): return x.startswith("PRE") or x.endswith("POST") or """
        + "'two\\nlines'\nif x.y: import h\n"
    )
    text = text.replace("LONGER", "y z" * 70).replace("LONG", "x" * 60)
    module = syntax.read(text.encode(), "m", False)
    assert module is not None
    found = texts_of(module)
    assert found.imports == {"a", "c", "d", "h"}
    assert found.texts == {"KEY", "of them", "K_", "x" * 60, "PRE", "POST"}
    asked = {"KEY*", "of*", "them*", "K_*", "K_**", "field*", "PRE*", "PRE**", "POST*", "two*", "lines*"}
    assert found.variables == asked
