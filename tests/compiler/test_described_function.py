"""What a step's function is as an object: equal where it would do the same, another where a value is another."""

from __future__ import annotations

import enum
import functools
import hashlib
import json
import random
import sqlite3
import struct
import textwrap
import threading
import types
import weakref
from collections import ChainMap, defaultdict
from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from motools.compiler.described_function import describe_function
from motools.errors import WorkflowError


class Mode(enum.Enum):
    FAST = 1
    SLOW = 2


@dataclass
class Options:
    n: int = 1


class Slotted:
    __slots__ = ("n",)

    def __init__(self, n: int) -> None:
        self.n = n

    def step(self, config: Any, inputs: Any, work: Any) -> Any:
        return self.n


class Texts(str):
    def __new__(cls, text: str, role: str = "") -> Texts:
        made = super().__new__(cls, text)
        made.role = role
        return made

    role: str

    def __repr__(self) -> str:
        return "a text"


class Rows(list[int]):
    def __init__(self, rows: list[int], name: str) -> None:
        super().__init__(rows)
        self.name = name


class Table(dict[str, int]):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Private:
    __slots__ = ("__n",)

    def __init__(self, n: int) -> None:
        self.__n = n

    def get(self) -> int:
        return self.__n


@dataclass
class Derived:
    n: int = 1

    def __post_init__(self) -> None:
        self.more = LIMITS[-1]


LIMITS = [1]


def derived(limit: int) -> Derived:
    LIMITS.append(limit)
    return Derived()


def kind_of(number: int, name: str = "Kind") -> type:
    return type(name, (), {"n": number})


def nested(depth: int, value: Any) -> Any:
    for _ in range(depth):
        value = {"a": value}
    return value


def failed(message: str) -> Exception:
    error = ValueError(message)
    error.add_note("the same")
    return error


class Plain:
    def __init__(self, n: Any) -> None:
        self.n = n


def made(value: Any) -> Callable[..., Any]:
    def step(config: Any = None, inputs: Any = None, work: Any = None) -> Any:
        return value

    return step


def given(value: Any = None, output: str = "dataset") -> Any:
    return value, output


def repeated(times: int) -> Callable[..., Any]:
    def decorate(fn: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(fn)
        def inner(*args: Any) -> Any:
            return [fn(*args) for _ in range(times)]

        return inner

    return decorate


def described(function: Any, roles: dict[str, str] | None = None) -> str:
    return json.dumps(describe_function(function, lambda path: Path(path).name, roles))


def in_context(value: int) -> Context:
    context = Context()
    context.run(VARIABLE.set, value)
    return context


VARIABLE: ContextVar[int] = ContextVar("variable")
KEPT = [Options(1), Options(2)]
VALUES: list[Any] = [
    *(None, 1, 2, True, 1.0, -0.0, 0.0, "1", b"1", [1], (1,), [1, [2]], {"a": 1}, {1: 1}, {"1": 1}, {"a": 2}),
    *({1, 2}, {1, 3}, frozenset((1, 2)), Mode.FAST, Mode.SLOW, Path("x"), Path("y"), Options(1), Options(2)),
    *(Slotted(1), Slotted(2), Plain(1), Plain([1]), Plain, Slotted, textwrap, json, textwrap.dedent, textwrap.indent),
    *(len, repr, made(1), made(2), functools.partial(given, 1), functools.partial(given, 2), repeated(2)(given)),
    *(repeated(3)(given), lambda: 1, lambda: 2, lambda a: a, range(3), range(4), complex(1, 2)),
]


def test_values_that_differ_make_other_functions() -> None:
    told = [described(made(value)) for value in VALUES]
    assert len(set(told)) == len(VALUES)
    told = [described(functools.partial(given, value)) for value in VALUES]
    assert len(set(told)) == len(VALUES)
    told = [described(functools.partial(given, value=value)) for value in VALUES]
    assert len(set(told)) == len(VALUES)


@pytest.mark.parametrize(
    "make",
    [lambda: Options(3), lambda: Slotted(3), lambda: Plain(Plain(3)), lambda: {"b", "a", "c"}, lambda: made([1])],
)
def test_equal_values_make_one_function(make: Callable[[], Any]) -> None:
    assert described(made(make())) == described(made(make()))


LOSSY: dict[str, tuple[Any, Any]] = {
    "a long array": tuple(np.arange(5000) * (np.arange(5000) != n) for n in (2500, 2600)),
    "a table of pandas": tuple(pd.DataFrame({"a": [1, 2, n]}) for n in (3, 4)),
    "a series of pandas": tuple(pd.Series([*range(99), n, *range(99)]) for n in (3, 4)),
    "the state of a generator of random numbers": (random.Random(1), random.Random(2)),
    "what a text has besides": (Texts("a", "x"), Texts("a", "y")),
    "a text that does not show itself": (Texts("a"), Texts("b")),
    "what a list has besides": (Rows([1], "x"), Rows([1], "y")),
    "what a table has besides": (Table("x"), Table("y")),
    "what a table gives for what it has not": (defaultdict(int), defaultdict(list)),
    "the value of a member": tuple(enum.Enum("Mode", {"FAST": n}).FAST for n in (1, 2)),  # type: ignore[attr-defined]
    "the rows of a generator": tuple((n for n in [row]) for row in (1, 2)),
    "a function that is mapped": (map(abs, [1]), map(round, [1])),
    "what lies deep": (nested(40, 1), nested(40, 2)),
    "what is derived when it is made": (derived(1), derived(2)),
    "a class that is made by a call": (kind_of(1), kind_of(2)),
    "a private slot": (Private(1), Private(2)),
    "the message of an error that has more": (failed("a"), failed("b")),
    "the second of several tables": (ChainMap({"a": 1}, {"a": 2}), ChainMap({"a": 1}, {"a": 3})),
    "a view of bytes": (memoryview(b"a"), memoryview(b"b")),
    "what a variable of the context is": (ContextVar("a", default=1), ContextVar("a", default=2)),
    "a context": (in_context(1), in_context(2)),
    "what is referred to weakly": (weakref.ref(KEPT[0]), weakref.ref(KEPT[1])),
    "a cell": (types.CellType(1), types.CellType(2)),
    "code": (compile("1", "", "eval"), compile("2", "", "eval")),
    "a property": (property(made(1)), property(made(2))),
    "the format of bytes": (struct.Struct("<i"), struct.Struct("<q")),
    "what was digested": (hashlib.md5(b"1"), hashlib.md5(b"2")),
    "the keys of a long table": (dict.fromkeys(range(200), 0).keys(), dict.fromkeys(range(201), 0).keys()),
    "the values of a long table": ({n: n for n in range(200)}.values(), dict.fromkeys(range(200), 0).values()),
}


@pytest.mark.parametrize("case", LOSSY)
def test_what_an_object_does_not_show_counts_all_the_same(case: str) -> None:
    one, other = LOSSY[case]
    assert described(made(one)) != described(made(other))
    assert described(functools.partial(given, one)) == described(functools.partial(given, one))


class Unwilling:
    """Answers for no name."""

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name)


def test_an_object_that_answers_for_no_name_is_told_by_what_it_is() -> None:
    assert described(made(Unwilling())) == described(made(Unwilling()))


@pytest.mark.parametrize(
    "make", [lambda: np.arange(5000), lambda: pd.DataFrame({"a": ["x", "y"]}), lambda: random.Random(3), Unwilling]
)
def test_what_is_kept_in_c_is_told_alike_in_every_process(make: Callable[[], Any]) -> None:
    assert described(made(make())) == described(made(make()))


def test_no_address_is_part_of_it() -> None:
    values = [*VALUES, object(), Plain(object()), *(each for pair in LOSSY.values() for each in pair)]
    assert "0x" not in "".join(described(made(value)) for value in values)


@pytest.mark.parametrize("bind", [made, lambda value: functools.partial(given, value), lambda value: made([value])])
def test_what_nothing_tells_of_cannot_be_bound(bind: Callable[[Any], Any]) -> None:
    for value, kind in (np.nditer([1, 2]), "numpy.nditer"), (sqlite3.connect(":memory:"), "sqlite3.Connection"):
        with pytest.raises(WorkflowError, match=f"is bound to a {kind}, and nothing tells what that holds. Bind what"):
            described(bind(value))
    assert described(bind(threading.Lock())) == described(bind(threading.Lock()))
    assert described(bind(Plain(np.nditer([1])))) == described(bind(Plain(np.nditer([2])))), "its owner tells of it"


def test_defaults_closures_and_attributes_count() -> None:
    def default(n: int) -> Any:
        def step(a: Any = n, *, b: Any = n) -> Any:
            return a, b

        return step

    assert described(default(1)) != described(default(2))
    one, two = made(1), made(1)
    two.version = 2  # type: ignore[attr-defined]
    assert described(one) != described(two)


def test_what_holds_itself_ends() -> None:
    rows: list[Any] = []
    rows.append(rows)
    assert described(made(rows)) == described(made(rows))

    def step() -> Any:
        return step

    assert described(step)
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    assert described(made(deep))


def test_an_output_that_a_bound_argument_names_stands_for_its_role() -> None:
    def of(output: str) -> str:
        return described(functools.partial(given, 1, output=output), {output: "model"})

    assert of("model_a") == of("model_b")
    assert described(given, {"dataset": "dataset"}) == described(
        functools.partial(given, output="rows"), {"rows": "dataset"}
    )
    assert described(functools.partial(given, output="a")) != described(functools.partial(given, output="b"))
