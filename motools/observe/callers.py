"""Whose code asks: the calls that led to what the observer is told of."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from functools import cache
from types import CodeType, FrameType
from typing import Any

from motools.observe.origin import kind_of_code

__all__ = ["caller", "frames", "is_named_by_project", "line", "reads_settings", "statement"]

_OF_OBSERVING = frozenset(
    os.path.join(os.path.dirname(__file__), f"{name}.py")
    for name in ("callers", "functions", "hooks", "observer", "paths", "recorder")
)
"""Files that look on, and ask nothing for MOTools."""
_TOLD = tuple(f"{os.sep}{name}{os.sep}" for name in ("jinja2", "omegaconf", "environs", "decouple"))
"""Packages that look for the templates and ask for the variables that the project has named to them."""
_OF_TRACEBACKS = ("traceback.py", "inspect.py", "warnings.py")


def frames() -> Iterator[tuple[str, FrameType]]:
    """The calls that led here, but those of observing, the innermost first, and whose code each is."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename not in _OF_OBSERVING:
            yield kind_of_code(frame.f_code.co_filename), frame
        frame = frame.f_back


@cache
def _kind_of_caller(file: str) -> str:
    """Whose code asks; `none` where it asks for another's."""
    kind = kind_of_code(file)
    if kind == "stdlib" and file.endswith(_OF_TRACEBACKS):
        return "import"
    if kind == "installed" and f"{os.sep}fsspec{os.sep}" in file:
        return "data"  # what it looks at it reads, unless it has a copy in its cache
    if kind == "installed" and any(name in file for name in _TOLD):
        return "told"
    return "none" if kind == "stdlib" or file in _OF_OBSERVING else kind


def line() -> tuple[CodeType, int] | None:
    """Where the project's code is."""
    return next(((frame.f_code, frame.f_lineno) for kind, frame in frames() if kind == "project"), None)


def statement() -> tuple[str, int] | None:
    """The innermost statement of a project's module that is being executed now."""
    for kind, frame in frames():
        if kind == "motools":  # which called what happens
            return None
        if kind == "project" and frame.f_code.co_name == "<module>":
            return os.path.abspath(frame.f_code.co_filename), frame.f_lineno
    return None


def is_named_by_project() -> bool:
    """Whether the project's code itself asks for a variable, not a function of the standard library on its way."""
    asking = (kind for kind, frame in frames() if frame.f_code.co_filename not in _OF_ENVIRONMENT)
    return next(asking, "") == "project"


_OF_ENVIRONMENT = ("<frozen os>", "<frozen _collections_abc>", os.__file__)


def reads_settings() -> bool:
    """Whether the project's code has a file of settings read, be it by a package for these, and not another package."""
    packages = ("dotenv", "environs", "decouple", "pydantic", "pydantic_settings")
    others = (kind for kind, frame in frames() if not any(f"/{p}/" in frame.f_code.co_filename for p in packages))
    return next((kind for kind in others if kind != "stdlib"), "") == "project"


def caller() -> str:
    """Whose code asked: the innermost frame that is not the standard library's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        kind = _kind_of_caller(frame.f_code.co_filename)
        if kind != "none":
            return kind
        frame = frame.f_back
    # A thread that runs nothing but the standard library's does so for the step.
    return "none" if threading.current_thread() is threading.main_thread() else "project"
