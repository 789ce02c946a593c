"""What a step's function is as an object: equal where it would do the same, another where a value is another."""

from __future__ import annotations

import enum
import functools
import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from motools.compiler.described_function import describe_function


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


def test_no_address_is_part_of_it() -> None:
    assert " at 0x" not in "".join(described(made(value)) for value in [*VALUES, object(), Plain(object())])


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
