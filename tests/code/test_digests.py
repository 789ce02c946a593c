"""Digests of syntax: what a name of a local is, what counts of a text, and that earlier digests still hold."""

from __future__ import annotations

import ast

import pytest
from code_cases import version

from motools.code.digests import label_of, told_of


def statement(text: str) -> ast.stmt:
    (found,) = ast.parse(text).body
    return found


def told(text: str, keep: bool = False, rename: bool = True) -> str:
    return told_of(statement(text), keep, True, rename)


OTHER = {
    "two locals that change places": "def f(x):\n    a = 1\n    b = 2\n    return «a|b»",
    "an argument for a local": "def f(a):\n    b = 2\n    return «a|b»",
    "a local for a global": "def f():\n    a = 2\n    return «a|b»",
    "an argument's name": "def f(«a|b»): return 1",
    "a default, of a function with a local of that name": "def f(x=«a|b»):\n    «a|b» = 0\n    return x",
    "a default of an inner function": "def f():\n    a = 1\n    b = 2\n    def g(x=«a|b»): return x\n    return g",
    "a decorator, of a function with a local of that name": "@«a|b»\ndef f():\n    «a|b» = 0",
    "a number for a truth": "def f(): return «1|True»",
    "a number for a number": "def f(): return «1|1.0»",
    "a number with many digits": f"def f(): return «0x{'f' * 4000}|0x{'e' * 4000}»",
    "what a function that makes things up may see": "def f():\n    «a|b» = 1\n    return eval('x')",
    "a local in locals()": "def f():\n    «a|b» = 1\n    return locals()",
    "a local in vars()": "def f():\n    «a|b» = 1\n    return vars()",
    "a local in dir()": "def f():\n    «a|b» = 1\n    return dir()",
    "a local in exec()": "def f():\n    «a|b» = 1\n    return exec('x')",
    "a local in locals() of a comprehension": "def f():\n    «a|b» = 1\n    return [locals() for _ in '1']",
    "what a text names": "def f(q):\n    «a|b» = 1\n    «b|a» = 2\n    return q('@a')",
    "what a text in a comprehension names": "def f(q):\n    «a|b» = 1\n    «b|a» = 2\n    return [q('@a') for _ in q]",
    "what a text in a lambda names": "def f(q):\n    «a|b» = 1\n    «b|a» = 2\n    return (lambda: q('@a'))()",
    "what is global": "def f():\n    global a\n    «a|b» = 1\n    «b|a» = 2\n    return «a|b»",
    "what is of an outer function": "def f():\n    nonlocal a\n    «a|b» = 1\n    «b|a» = 2\n    return «a|b»",
    "what an import binds": "def f():\n    «a|b» = 1\n    «b|a» = 2\n    import a\n    return «a|b»",
    "what an except binds": """
def f():
    «a|b» = 1
    «b|a» = 2
    try: g()
    except E as a: return «a|b»
""",
    "what a pattern binds": """
def f(x):
    «a|b» = 1
    «b|a» = 2
    match x:
        case [int() as a]: return «a|b»
""",
    "what a star of a pattern binds": """
def f(x):
    «a|b» = 1
    «b|a» = 2
    match x:
        case [1, *a]: return «a|b»
""",
    "the rest of a pattern": """
def f(x):
    «a|b» = 1
    «b|a» = 2
    match x:
        case {1: 2, **a}: return «a|b»
""",
    "an inner function": "def f():\n    «a|b» = 1\n    «b|a» = 2\n    def a(): pass\n    return «a|b»",
    "an inner class": "def f():\n    «a|b» = 1\n    «b|a» = 2\n    class a: pass\n    return «a|b»",
    "what an inner function names": "def f():\n    «a|b» = 1\n    «b|a» = 2\n    def g(): return a\n    return g",
    "what a class in a function holds": "def f():\n    «a|b» = 1\n    «b|a» = 2\n    class A: x = a\n    return A",
    "what a lambda is given": "def f():\n    «a|b» = 1\n    «b|a» = 2\n    return (lambda a: «a - b|b - a»)(3)",
    "a builtin where a comprehension has one of its name": (
        "def f(x): return [«len|max» for «len|max» in x], «len|max»(x)"
    ),
    "a builtin where a lambda binds its name": "def f(x): return (lambda: («len|max» := 1)), «len|max»(x)",
    "a local that is deleted": "def f():\n    a = b = 1\n    del «a|b»\n    return a",
    "a method of a class in a function": "def f():\n    class A:\n        def «a|b»(self): pass\n    return A",
    "a field of a class in a function": "def f():\n    class A:\n        a: «int|str»\n    return A",
    "a hint that makes a field": "class A:\n    a: «int|str» = 1",
    "a hint of a global": "a: «int|str» = 1",
    "a hint of what is no variable": "def f(x):\n    x.a: «int|str» = 1",
    "the docstring of a schema": "class A(B):\n    '''«1|2»'''",
    "the docstring of a method of a schema": "class A(B):\n    def f(self):\n        '''«1|2»'''",
    "a text that is no docstring": "def f(): return «'a'|'b'»",
    "what is called": "def f():\n    «g|h»()",
    "a statement that is no text": "def f():\n    «...|0»",
    "what is raised, or returned": "def f(): «return|yield» 1",
    "whether it waits": "«async |»def f(): pass",
}
SAME = {
    "the name of a local": "def f():\n    «a|b» = 1\n    return «a|b»",
    "the names of two locals": "def f():\n    «a|c», «b|a» = 1, 2\n    return «a|c» - «b|a»",
    "the name of a local that a lambda and a comprehension read": (
        "def f(x):\n    «a|b» = 1\n    return (lambda: «a|b»), [«a|b» for c in x]"
    ),
    "the hint of a local": "def f():\n    a«|: int» = 1\n    return a",
    "the hint of a local without a value": "def f():\n    a = 1\n    «pass|a: int»".replace("«pass|", "«|"),
    "the hint of a local, where names count": "def f():\n    a«|: int» = locals()\n    return a",
    "the hint of an argument, and of a result": "def f(a«|: int»)«| -> int»: return a",
    "the docstring of a function": "def f():\n    '''«1|2»'''\n    return 1",
    "the docstring of a plain class": "class A(Exception):\n    '''«1|2»'''\n    a = 1",
    "the docstring of a class of a plain module": "class A(abc.ABC):\n    '''«1|2»'''\n    a = 1",
    "how a text is written": "def f(): return «u'a'|'a'»",
    "the body of an inner function": "def f():\n    def g(): return «1|2»\n    return g",
}
"""The last of them are blocks of their own, where they are executed."""


def both(text: str) -> tuple[str, str]:
    before, after = (version(text, number)["steps.py"] for number in (0, 1))
    return told(before), told(after)


@pytest.mark.parametrize("case", OTHER)
def test_what_changes_what_code_does_is_told(case: str) -> None:
    before, after = both(OTHER[case])
    assert before != after


@pytest.mark.parametrize("case", SAME)
def test_what_changes_nothing_is_not_told(case: str) -> None:
    before, after = both(SAME[case])
    assert before == after


def test_where_they_may_be_read_names_hints_and_docstrings_are_told() -> None:
    texts = [
        "def f():\n    a = 1",
        "def f():\n    b = 1",
        "def f():\n    a: int = 1",
        "def f() -> int:\n    a = 1",
        "def f():\n    '1'\n    a = 1",
    ]
    assert len({told(text, keep=True, rename=False) for text in texts}) == len(texts)
    assert len({told(text, keep=True) for text in texts[:2]}) == 1


def test_without_its_body_a_function_is_told_by_how_it_is_called_and_what_it_says_of_itself() -> None:
    one, other, called = (statement(f"def f({a}):\n    '{b}'\n    return {c}") for a, b, c in ("a12", "a13", "b12"))
    assert told_of(one, False) == told_of(other, False) != told_of(called, False)
    assert told_of(statement("def f():\n    '1'\n    return 1"), True) == told_of(
        statement("def f():\n    '1'\n    return 2"), True
    )
    assert told_of(statement("def f():\n    '1'"), True) != told_of(statement("def f():\n    '2'"), True)


def test_an_empty_text_in_a_text_with_fields_is_none() -> None:
    whole, parsed = statement("f'{a}'"), statement("f'{a}'")
    assert isinstance(parsed, ast.Expr)
    assert isinstance(parsed.value, ast.JoinedStr)
    parsed.value.values.append(ast.Constant(""))
    assert told_of(parsed, False) == told_of(whole, False)
    assert told_of(statement("f'{a} '"), False) != told_of(whole, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class A: b = 1", "class A"),
        ("a, b = b, a = 1", "a, b"),
        ("def f(): pass", "f"),
        ("import a.b as c, d", "c, d"),
        ("if f(1):\n    g()", "if f(1):"),
        (f"f({'x' * 37})", f"f({'x' * 37})"),
        (f"f({'x' * 38})", f"f({'x' * 35}..."),
    ],
)
def test_a_statement_is_told_to_a_person_by_what_it_binds_or_how_it_begins(text: str, said: str) -> None:
    assert label_of(statement(text)) == said


GOLDEN = '''
@deco(1, key="a b")
async def f(a, /, b: int = 0x10, *args, c=None, **more) -> str:
    """What it is for."""
    import os.path as where
    total, count = 0.5, len(args)
    for row in [*args, u"x", b"y"]:
        total += row.value[0] if count else -row
        squares = {row: row**2 for row, _ in more.items() if count}
    try:
        best: float = max(squares, key=lambda each: each.score)
    except (ValueError, KeyError) as error:
        raise RuntimeError(f"{best!r:>5} of {count}") from error
    def inner(n=best):
        """Says."""
        nonlocal total
        total = n
    class Part(Base):
        """A part."""
        size: int
        def area(self): return self.size
    return await inner(total), Part, squares
'''


def test_what_an_earlier_version_has_traced_still_holds() -> None:
    """Where a digest is another one than it was, all that was executed is executed again: it is paid twice."""
    found = [told(GOLDEN), told(GOLDEN, keep=True), told(GOLDEN, rename=False)]
    assert found == ["d464ade7113d3a92", "9c964418fc5e4fec", "0cc7f01a1e0eed84"]
