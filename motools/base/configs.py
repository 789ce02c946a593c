"""Configs: plain dataclasses, checked strictly against what a person wrote, with every default filled in."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from motools.base import secrets
from motools.errors import ConfigError, did_you_mean, listed

__all__ = ["StepConfig", "WorkflowConfig", "as_values", "parse", "schema"]


class StepConfig:
    """Base of a step's config: subclass it as a `@dataclass` whose fields have defaults where they can.

    A docstring under a field becomes its description in schemas and its comment in params.yaml.
    """

    __pydantic_config__ = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class WorkflowConfig:
    """Base of a workflow's config: a `@dataclass` with one field a step, named like the step."""


def not_a_config(cls: Any) -> str | None:
    """Why something is no config class, and what to do about it; None where it is one."""
    if not isinstance(cls, type):
        return f"the config class must be a class, not {cls!r}."
    if cls in (StepConfig, WorkflowConfig):
        return (
            f"{cls.__name__} is the base of configs. Write a class of your own, with `pass` if it is empty: "
            f"@dataclass class MyConfig({cls.__name__})."
        )
    inherits = dataclasses.is_dataclass(cls) and not vars(cls).get("__annotations__")
    if "__dataclass_fields__" not in vars(cls) and not inherits:
        return f"the config class {cls.__name__} is not a dataclass: put @dataclass above it."
    return None


@cache
def parser_of(cls: Any) -> TypeAdapter[Any]:
    """What pydantic makes of a config class; making it takes 50 ms, so workers are given it made."""
    if problem := not_a_config(cls):
        raise ConfigError(problem[0].upper() + problem[1:])
    with _without_plugins():
        return TypeAdapter(cls)


@contextmanager
def _without_plugins() -> Iterator[None]:
    """Keep pydantic from looking through all that is installed for plug-ins, which takes longer than the rest."""
    before = os.environ.get(_NO_PLUGINS)
    os.environ[_NO_PLUGINS] = "__all__"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_NO_PLUGINS]
        else:
            os.environ[_NO_PLUGINS] = before


_NO_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"


def parse(cls: type, values: Any, where: str) -> Any:
    """An instance of a config class from plain values, defaults filled in.

    Strict: `"3"`, `3.0` and `true` are no integers; an integer will do for a float.

    Args:
        where: the section's name, for messages.

    Raises:
        ConfigError: naming the key, the value seen and, for an unknown key, the closest known one.
    """
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected keys and values, found {values!r}.")
    try:
        _check_values(values, where, secrets.screen())
        config = parser_of(cls).validate_json(json.dumps(values), strict=True)
        # Again with every key written out: defaults are checked by the rules that hold for what a person writes.
        values = as_values(config)
        return parser_of(cls).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        raise ConfigError(" ".join(_sentence(cls, problem, where) for problem in _problems(error, values))) from None
    except RecursionError:
        raise ConfigError(f"{where}: it holds itself, or is too deep.") from None


def as_values(config: Any) -> dict[str, Any]:
    """A config as plain JSON values, every key written out, in the order of the fields."""
    parser, where = parser_of(config.__class__), type(config).__name__
    try:
        with warnings.catch_warnings(action="ignore"):  # of a value of the wrong type: `parse` says it better
            _check_objects(parser.dump_python(config), where)
            values: dict[str, Any] = parser.dump_python(config, mode="json")
    except PydanticSerializationError as error:
        raise ConfigError(f"{where}: a value cannot be kept in params.yaml: {error}") from None
    _check_values(values, where)
    return {name: value for name, value in values.items() if name not in _made_by_itself(type(config))}


def _made_by_itself(cls: type) -> set[str]:
    """The fields that a class computes, and takes from nobody."""
    return {field.name for field in dataclasses.fields(cls) if not field.init}


def schema(cls: type) -> dict[str, Any]:
    """The JSON schema of a config class, with the descriptions of inherited fields too."""
    with _without_plugins():  # defaults are told by parsers that pydantic makes itself
        json_schema: dict[str, Any] = parser_of(cls).json_schema()
    for base in cls.__mro__[1:]:
        if dataclasses.is_dataclass(base):
            for name, about in schema(base).get("properties", {}).items():
                if name in json_schema["properties"] and "description" in about:
                    json_schema["properties"][name].setdefault("description", about["description"])
    return json_schema


def _check_objects(value: Any, where: str) -> None:
    """Refuse what pydantic would turn into something else on the way to JSON."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_objects(item, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check_objects(item, f"{where}[{index}]")
    elif isinstance(value, (set, frozenset)):
        raise ConfigError(f"{where}: a set has no order, so its text would differ from run to run. Use a list.")
    elif isinstance(value, (bytes, float)):
        _check_values(value, where)


def _check_values(value: Any, where: str, screen: Callable[[str], str | None] | None = None) -> None:
    """Refuse what YAML can say but neither JSON nor DVC's params can keep exactly, and what the screen holds back."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ConfigError(f"{where}: the key {key!r} is not a word. Put it in quotes.")
            _check_values(key, where, screen)
            _check_values(item, f"{where}.{key}", screen)
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check_values(item, f"{where}[{index}]", screen)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: {value!r} is not a number that can be compared. Write a finite one.")
    elif isinstance(value, str) and "\x85" in value:
        raise ConfigError(f"{where}: {value!r} has a line break (U+0085) that DVC does not keep. Write \\n.")
    elif isinstance(value, str) and screen is not None and (why := screen(value)):
        raise ConfigError(f"{where}: it {why}. params.yaml is for all to read: leave keys to the environment.")
    elif value is not None and not isinstance(value, (str, int, float, bool)):
        raise ConfigError(f"{where}: {value!r} is a {type(value).__name__}. Put it in quotes to make it text.")


def _problems(error: ValidationError, values: Any) -> list[Any]:
    """What is wrong, a problem for each value: pydantic names one for each form that the value could have had.

    Of the forms, told are those that the value comes closest to: of `["a"]`, which is no `list[int] | str`, the list.
    """
    of_value: dict[tuple[Any, ...], list[Any]] = {}
    for problem in error.errors():
        path, form = _path(values, problem)
        of_value.setdefault(path if form is None else path[:form], []).append({**problem, "loc": path})
    told = []
    for problems in of_value.values():
        deepest = max((problem["loc"] for problem in problems), key=len)
        first, *others = [problem for problem in problems if problem["loc"] == deepest]
        forms = dict.fromkeys(other["msg"].removeprefix("Input should be ") for other in others)
        told.append(first | {"msg": " or ".join([first["msg"], *forms])})
    return told


def _path(values: Any, problem: Any) -> tuple[tuple[str | int, ...], int | None]:
    """Where a problem is, without the names of the forms of a value that pydantic puts in between, and the place of the
    first of these, if there is one."""
    path: list[str | int] = []
    form = None
    for number, part in enumerate(problem["loc"]):
        try:
            values = values[part]
        except (LookupError, TypeError):
            if number < len(problem["loc"]) - 1 or not problem["type"].startswith("missing"):
                form = len(path) if form is None else form
                continue
        path.append(part)
    return tuple(path), form


def _sentence(cls: type, problem: Any, where: str) -> str:
    path = [str(part) for part in problem["loc"]]
    key = ".".join([where, *path])
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        fields = _fields_at(cls, path[:-1])
        return f"{key}: unknown key.{did_you_mean(path[-1], fields)} Known: {listed(fields)}."
    if problem["type"] in ("missing", "missing_argument"):
        return f"{key}: missing, and it has no default."
    message = problem["msg"].removeprefix("Input ").removeprefix("Value error, ")
    message = message.replace("an object", "keys and values").replace("valid array", "list")
    seen = json.dumps(problem["input"], default=str)
    advice = (
        " Put it in quotes." if problem["type"] == "string_type" and isinstance(problem["input"], (int, float)) else ""
    )
    return f"{key}: {seen} {message}.{advice}" if message.startswith("should") else f"{key}: {message}."


def _fields_at(cls: Any, path: list[str]) -> list[str]:
    for part in path:
        if dataclasses.is_dataclass(cls) and part in (hints := typing.get_type_hints(cls)):
            cls = _section_in(hints[part])
    return [field.name for field in dataclasses.fields(cls)] if dataclasses.is_dataclass(cls) else []


def _section_in(annotation: Any) -> Any:
    """The dataclass in `Section`, `Section | None`, `list[Section]` or `dict[str, Section]`, or None."""
    if dataclasses.is_dataclass(annotation):
        return annotation
    return next((section for part in typing.get_args(annotation) if (section := _section_in(part))), None)
