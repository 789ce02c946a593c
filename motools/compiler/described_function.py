"""What a step's function is as an object: where its code is, and the values that it was made with.

Two descriptions are equal where the objects would do the same; nothing in them depends on addresses, on the process,
or on where the project lies.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import inspect
import os
import pickle
import re
import sys
import types
from collections.abc import Callable, Mapping
from typing import Any

from motools.observe import is_mark, is_project

__all__ = ["describe_function"]

_DEPTH = 12
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]+")


def describe_function(function: Any, shorten: Callable[[str], str], roles: Mapping[str, str] | None = None) -> Any:
    """A step's function, as JSON.

    Args:
        shorten: a path as it is told, so that it is the same in every clone.
        roles: output name -> its role; a bound argument that names an output stands for the role.
    """
    describer = _Describer(shorten)
    inner = function.func if isinstance(function, functools.partial) else function
    if not isinstance(inner, types.FunctionType):
        return describer.describe(function)
    args, keywords = (function.args, dict(function.keywords)) if inner is not function else ((), {})
    named = {}  # the parameters that say what an output is called, bound or by default
    for name, default in _defaults(inner).items():
        value = keywords.get(name, default)
        if isinstance(value, str) and value in (roles or {}):
            named[name] = f"<{roles[value]}>" if roles else value
            keywords.pop(name, None)
    keywords = {k: f"<{roles[v]}>" if roles and isinstance(v, str) and v in roles else v for k, v in keywords.items()}
    told = describer.describe(inner, named)
    return ["partial", told, describer.describe(list(args)), describer.describe(keywords)] if args or keywords else told


def _defaults(function: types.FunctionType) -> dict[str, Any]:
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    return {**dict(zip(names[len(names) - len(defaults) :], defaults, strict=True)), **(function.__kwdefaults__ or {})}


class _Describer:
    def __init__(self, shorten: Callable[[str], str]) -> None:
        self.shorten = shorten
        self.open: list[Any] = []  # what is being described, so that a circle ends

    def describe(self, value: Any, defaults: Mapping[str, Any] | None = None) -> Any:
        if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, enum.Enum)):
            return [type(value).__name__, repr(value)]
        if any(value is each for each in self.open) or len(self.open) > _DEPTH:
            return "..."
        self.open.append(value)
        try:
            return self._function(value, defaults) if defaults else self._inside(value)
        finally:
            self.open.pop()

    def _inside(self, value: Any) -> Any:
        if isinstance(value, functools.partial):
            return ["partial", self.describe(value.func), self._items(value.args), self._mapping(value.keywords)]
        if isinstance(value, types.MethodType):
            return ["method", self.describe(value.__self__), self.describe(value.__func__)]
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return ["class", self._file(value), value.__qualname__]
        if isinstance(value, types.ModuleType):
            file = getattr(value, "__file__", None)
            return ["module", self.shorten(file) if file and is_project(file) else value.__name__]
        if isinstance(value, enum.Enum):
            return ["enum", self._file(type(value)), type(value).__qualname__, value.name]
        if isinstance(value, bytes):
            return ["bytes", hashlib.sha256(value).hexdigest()]
        if isinstance(value, os.PathLike):
            return ["path", self.shorten(os.fspath(value))]
        if isinstance(value, Mapping):
            return [type(value).__qualname__, self._mapping(value)]
        if isinstance(value, (list, tuple)):
            return [type(value).__qualname__, self._items(value)]
        if isinstance(value, (set, frozenset)):
            return [type(value).__qualname__, sorted((self.describe(each) for each in value), key=repr)]
        return self._object(value)

    def _function(self, value: types.FunctionType, defaults: Mapping[str, Any] | None = None) -> Any:
        file = value.__code__.co_filename
        where = self.shorten(file) if is_project(file) else value.__module__
        told: list[Any] = ["function", where, value.__qualname__]
        if value.__name__ == "<lambda>":  # a file may have many
            code = value.__code__
            consts = [repr(each) for each in code.co_consts if not inspect.iscode(each) and not is_mark(each)]
            told += [[name for name in code.co_names if not is_mark(name)], list(code.co_varnames), consts]
        told.append(self._mapping({**_defaults(value), **(defaults or {})}))
        told.append([self._cell(cell) for cell in value.__closure__ or ()])
        kept = {name: each for name, each in vars(value).items() if name != "__wrapped__"}
        return [*told, self._mapping(kept)]

    def _cell(self, cell: types.CellType) -> Any:
        try:
            return self.describe(cell.cell_contents)
        except ValueError:  # it is empty
            return "empty"

    def _object(self, value: Any) -> Any:
        told = ["object", self._file(type(value)), type(value).__qualname__]
        wrapped = getattr(value, "__wrapped__", None)
        if wrapped is not None:
            told.append(self.describe(wrapped))
        if dataclasses.is_dataclass(value):
            return [*told, {f.name: self.describe(getattr(value, f.name, None)) for f in dataclasses.fields(value)}]
        state = dict(getattr(value, "__dict__", {}))
        for cls in type(value).__mro__:
            slots = getattr(cls, "__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                if hasattr(value, name):
                    state[name] = getattr(value, name)
        if state:
            return [*told, self._mapping(state)]
        text = repr(value)
        if (
            getattr(type(value), "__repr__", None) is not object.__repr__
            and not _ADDRESS.search(text)
            and len(text) < 200
        ):
            return [*told, text]
        try:
            return [*told, hashlib.sha256(pickle.dumps(value, 4)).hexdigest()]
        except Exception:  # an object that cannot be pickled says nothing of itself
            return told

    def _file(self, cls: type) -> str:
        """Where a class is defined: a script is the same file, run or imported."""
        module = sys.modules.get(cls.__module__)
        file = getattr(module, "__file__", None)
        return self.shorten(file) if file and is_project(file) else cls.__module__

    def _items(self, values: Any) -> list[Any]:
        return [self.describe(each) for each in values]

    def _mapping(self, values: Mapping[Any, Any]) -> list[Any]:
        return [[self.describe(key), self.describe(each)] for key, each in values.items()]
