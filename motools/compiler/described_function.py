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
import struct
import sys
import types
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextvars import Context, ContextVar
from typing import Any

from motools.errors import WorkflowError
from motools.observe import is_mark, is_project

__all__ = ["describe_function"]

_DEPTH = 12
_NESTED = 96
_PLAIN = (type(None), bool, int, float, str)
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}")


def describe_function(function: Any, shorten: Callable[[str], str], roles: Mapping[str, str] | None = None) -> Any:
    """A step's function, as JSON.

    Args:
        shorten: a path as it is told, so that it is the same in every clone.
        roles: output name -> its role; a bound argument that names an output stands for the role.

    Raises:
        WorkflowError: it is bound to an object that is kept in C, and neither attributes nor pickling tell of it.
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


def _state_of(value: Any) -> dict[str, Any]:
    """The attributes of an object, by name."""
    state = dict(getattr(value, "__dict__", {}))
    for cls in type(value).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            private = name.startswith("__") and not name.endswith("__")
            mangled = f"_{cls.__name__.lstrip('_')}{name}" if private else name
            if hasattr(value, mangled):
                state[name] = getattr(value, mangled)
    return state


def _value_of(variable: ContextVar[Any]) -> list[Any]:
    """What a variable of the context is; nothing where it has no value."""
    try:
        return [variable.get()]
    except LookupError:
        return []


class _Empty:
    """As large as what has but attributes."""


_HELD: dict[Any, Callable[[Any], Any]] = {
    ContextVar: lambda value: [value.name, *_value_of(value)],
    Context: lambda value: [[variable.name, each] for variable, each in value.items()],
    weakref.ReferenceType: lambda value: [value()],
    property: lambda value: [value.fget, value.fset, value.fdel],
    struct.Struct: lambda value: [value.format],
    type(hashlib.md5(usedforsecurity=False)): lambda value: [value.name, value.copy().hexdigest()],
    type({}.keys()): list,
    type({}.values()): list,
}
"""What objects hold that neither have attributes nor can be pickled."""


class _Describer:
    def __init__(self, shorten: Callable[[str], str]) -> None:
        self.shorten = shorten
        self.open: list[Any] = []  # what is being described, so that a circle ends

    def describe(self, value: Any, defaults: Mapping[str, Any] | None = None) -> Any:
        if type(value) in _PLAIN:
            return [type(value).__name__, repr(value)]
        objects = sum(not isinstance(each, (dict, list, tuple)) for each in self.open)
        if any(value is each for each in self.open) or objects > _DEPTH or len(self.open) > _NESTED:
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
            return ["class", self._file(value), value.__qualname__, *self._made_by_call(value)]
        if isinstance(value, types.ModuleType):
            file = getattr(value, "__file__", None)
            return ["module", self.shorten(file) if file and is_project(file) else value.__name__]
        if isinstance(value, enum.Enum):
            return ["enum", self._file(type(value)), type(value).__qualname__, value.name, self.describe(value.value)]
        if isinstance(value, (int, float, str)):
            said = isinstance(type(value).__repr__, types.FunctionType)  # by the project, which may leave something out
            whole = [base.__repr__(value) for base in (int, float, str) if said and isinstance(value, base)]
            return [type(value).__name__, repr(value), *whole, *self._besides(value)]
        if isinstance(value, bytes):
            return ["bytes", hashlib.sha256(value).hexdigest(), *self._besides(value)]
        if isinstance(value, os.PathLike):
            return ["path", self.shorten(os.fspath(value))]
        if isinstance(value, Mapping):
            kept = [] if not isinstance(value, defaultdict) else [self.describe(value.default_factory)]
            return [type(value).__qualname__, self._mapping(value), *kept, *self._besides(value)]
        if isinstance(value, (list, tuple)):
            return [type(value).__qualname__, self._items(value), *self._besides(value)]
        if isinstance(value, (set, frozenset)):
            items = sorted((self.describe(each) for each in value), key=repr)
            return [type(value).__qualname__, items, *self._besides(value)]
        if isinstance(value, types.CodeType):
            return ["code", hashlib.sha256(value.co_code).hexdigest(), *self._code(value)]
        if isinstance(value, types.CellType):
            return ["cell", self._cell(value)]
        if isinstance(value, types.GeneratorType):
            variables = value.gi_frame.f_locals if value.gi_frame else {}
            return ["generator", self.describe(value.gi_code), self._mapping(variables)]
        if isinstance(value, memoryview):
            return ["memoryview", hashlib.sha256(value).hexdigest()]
        held = next((tell(value) for kind, tell in _HELD.items() if isinstance(value, kind)), None)
        if held is not None:
            return [type(value).__qualname__, self._items(held)]
        return self._object(value)

    def _function(self, value: types.FunctionType, defaults: Mapping[str, Any] | None = None) -> Any:
        file = value.__code__.co_filename
        where = self.shorten(file) if is_project(file) else value.__module__
        told: list[Any] = ["function", where, value.__qualname__]
        if value.__name__ == "<lambda>":  # a file may have many
            told += self._code(value.__code__)
        told.append(self._mapping({**_defaults(value), **(defaults or {})}))
        told.append([self._cell(cell) for cell in value.__closure__ or ()])
        kept = {name: each for name, each in vars(value).items() if name != "__wrapped__"}
        return [*told, self._mapping(kept)]

    def _code(self, code: types.CodeType) -> list[list[str]]:
        consts = [repr(each) for each in code.co_consts if not inspect.iscode(each) and not is_mark(each)]
        return [[name for name in code.co_names if not is_mark(name)], list(code.co_varnames), consts]

    def _cell(self, cell: types.CellType) -> Any:
        try:
            return self.describe(cell.cell_contents)
        except ValueError:  # it is empty
            return "empty"

    def _object(self, value: Any) -> Any:
        cls = type(value)
        told: list[Any] = ["object", self._file(cls), cls.__qualname__]
        wrapped = inspect.getattr_static(value, "__wrapped__", None)
        if wrapped is not None:
            told.append(self.describe(wrapped))
        state = _state_of(value)
        if dataclasses.is_dataclass(value):
            told.append({f.name: self.describe(state.pop(f.name, None)) for f in dataclasses.fields(value)})
            return [*told, self._mapping(state)] if state else told
        if state:
            told.append(self._mapping(state))
        in_c = any(getattr(cls, name) is not getattr(object, name) for name in ("__reduce__", "__reduce_ex__"))
        text = repr(value) if not state and getattr(cls, "__repr__", None) is not object.__repr__ else ""
        is_whole = not in_c or cls.__module__ in sys.stdlib_module_names  # others may leave out what lies in the middle
        if text and is_whole and not _ADDRESS.search(text) and len(text) < 200:
            return [*told, text]
        try:
            if in_c:
                return [*told, self._reduced(value)]
            return told if state else [*told, hashlib.sha256(pickle.dumps(value, 4)).hexdigest()]
        except Exception:  # an object that cannot be pickled says nothing more of itself
            if len(told) == 3 and self._is_bound_unseen(value):
                kind = f"{cls.__module__}.{cls.__qualname__}"
                raise WorkflowError(
                    f"A step's function is bound to a {kind}, and nothing tells what that holds. "
                    "Bind what it is made of, such as a path or a name, and make it within the step."
                ) from None
            return told

    def _is_bound_unseen(self, value: Any) -> bool:
        """Whether an object by itself, and not as a part of another that tells of it, may hold what only C sees."""
        cls = type(value)
        around = (list, tuple, dict, set, frozenset, functools.partial, types.FunctionType, types.MethodType)
        is_known = cls.__module__ in sys.stdlib_module_names - {"sqlite3"}  # locks, streams, what connections need
        is_more = cls.__basicsize__ > _Empty.__basicsize__ or cls.__itemsize__ > 0
        return is_more and not is_known and all(type(each) in around for each in self.open[:-1])

    def _reduced(self, value: Any) -> str:
        """A digest of what pickling would keep of an object that has a way of its own to be pickled."""
        reduced = value.__reduce_ex__(4)
        if isinstance(reduced, tuple):  # what it is made by, its state, and iterators over its items
            reduced = [list(each) if n in (3, 4) and each is not None else each for n, each in enumerate(reduced)]
            reduced = [each for each in reduced if each is not getattr(value, "__dict__", reduced)]
        return hashlib.sha256(repr(self.describe(reduced)).encode()).hexdigest()

    def _besides(self, value: Any) -> list[Any]:
        """What an object has besides that its class inherits from a builtin one."""
        state = {} if type(value).__module__ == "builtins" else _state_of(value)
        return [self._mapping(state)] if state else []

    def _made_by_call(self, cls: type) -> list[Any]:
        """The data of a class of the project's that no statement at the top level of its module defines."""
        defined: Any = sys.modules.get(cls.__module__)
        if not is_project(getattr(defined, "__file__", None) or __file__):
            return []
        for name in cls.__qualname__.split("."):
            defined = getattr(defined, name, None)
        data = {n: each for n, each in vars(cls).items() if not n.startswith("__") and not hasattr(each, "__get__")}
        return [] if defined is cls else [self._mapping(data)]

    def _file(self, cls: type) -> str:
        """Where a class is defined: a script is the same file, run or imported."""
        module = sys.modules.get(cls.__module__)
        file = getattr(module, "__file__", None)
        return self.shorten(file) if file and is_project(file) else cls.__module__

    def _items(self, values: Any) -> list[Any]:
        return [self.describe(each) for each in values]

    def _mapping(self, values: Mapping[Any, Any]) -> list[Any]:
        return [[self.describe(key), self.describe(each)] for key, each in values.items()]
