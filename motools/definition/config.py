"""Marks on a config's fields: texts that name code, or something published."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import WithJsonSchema

from motools import zoo

__all__ = ["Added", "Code", "Idle", "Name"]


@dataclasses.dataclass(frozen=True)
class _Published:
    """Marks a field whose value is the name of a published entry."""

    kind: zoo.Kind


@dataclasses.dataclass(frozen=True)
class _CodeName:
    """Marks a field whose value names code."""


Code = Annotated[str, _CodeName()]
"""A config field that names code: `module:function` or `path/to/file.py:function`. The code is in the key."""


def Name(kind: zoo.Kind) -> Any:
    """A config field that names a published trainer or evaluator; its version is part of the step's key.

    A trainer may be code of the project's own, too: then that counts as the code that `Code` names does.
    """
    published: dict[str, Any] = {"type": "string", "enum": list(zoo.published(kind))}
    of_code = {"type": "string", "pattern": ":"}
    return Annotated[
        str, _Published(kind), WithJsonSchema({"anyOf": [published, of_code]} if kind == "trainer" else published)
    ]


def is_code(name: str) -> bool:
    """Whether the value of a `Name` is `module:Class` or `path/to/file.py:Class`, and not a published name."""
    return ":" in name


@dataclasses.dataclass(frozen=True)
class Added:
    """Marks a field that came later: empty it is in no section and in no key, so that results from before are found."""


@dataclasses.dataclass(frozen=True)
class Idle:
    """Marks a field that is a mapping of options: those of these names change no result, and are in no key."""

    names: frozenset[str]


def without_idle(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """A config's values without the options that its class says change no result."""
    kept = dict(values)
    for field, annotation in _hints(cls).items():
        for mark in getattr(annotation, "__metadata__", ()):
            if isinstance(mark, Idle) and isinstance(kept.get(field), Mapping):
                kept[field] = {name: value for name, value in kept[field].items() if name not in mark.names}
    return kept


@cache
def _hints(cls: type) -> Mapping[str, Any]:
    return typing.get_type_hints(cls, include_extras=True)


def without_added(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """A config's values without the fields that came later and are empty."""
    hints = _hints(cls)
    later = {
        name for name, hint in hints.items() if any(isinstance(m, Added) for m in getattr(hint, "__metadata__", ()))
    }
    return {name: value for name, value in values.items() if value or name not in later}


def marked(cls: type, values: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, tuple[zoo.Kind, str]]]:
    """The texts of a config that name code, and those that name a published entry (kind and name), by where they
    stand: `field`, or `field[0]` in a list."""
    code: dict[str, str] = {}
    entries: dict[str, tuple[zoo.Kind, str]] = {}
    for field, annotation in _hints(cls).items():
        for where, text, mark in _marks(annotation, values.get(field), field):
            if isinstance(mark, _CodeName):
                code[where] = text
            elif isinstance(mark, _Published):
                entries[where] = (mark.kind, text)
    return code, entries


def _marks(annotation: Any, value: Any, where: str) -> Iterator[tuple[str, str, Any]]:
    """The texts of a value with the marks that its annotation puts on them: `Code`, `list[Code]`, either of them."""
    if isinstance(value, str):
        yield from ((where, value, mark) for mark in getattr(annotation, "__metadata__", ()))
        if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
            for part in typing.get_args(annotation):
                yield from _marks(part, value, where)
    elif isinstance(value, list):
        parts = typing.get_args(annotation)
        if typing.get_origin(annotation) is list:
            for index, item in enumerate(value):
                yield from _marks(parts[0], item, f"{where}[{index}]")
        else:
            for part in parts:
                yield from _marks(part, value, where)
