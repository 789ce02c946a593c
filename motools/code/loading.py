"""Importing code by name: a project's file is loaded once, and a script only up to its run."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from motools.base.loaded_modules import asked_once
from motools.code.references import Reference, cause, check
from motools.code.search_path import PipelineFolder, beside
from motools.errors import ConfigError
from motools.observe import is_project, observer


class StopLoading(BaseException):
    """Raised by `run_workflow` while a definition is being loaded: the rest of the script is not for us."""


_loading: list[str] = []


def is_loading() -> bool:
    """Whether a definition is being loaded, so that nothing must be run."""
    return bool(_loading)


def load(text: str, place: PipelineFolder) -> Any:
    """Import the code a reference names and return the object.

    A script that runs its workflow at top level is executed up to that call.

    Raises:
        ConfigError: as `check`, or the import failed; the message has the cause.
    """
    reference = check(text, place)
    if reference.package is not None:
        raise ConfigError(
            f"{text!r} is in Inspect's registry; here, write module:function or path/to/file.py:function."
        )
    if reference.file is not None and reference.file.parent not in place.folders:
        beside.setdefault(place.folder, []).append(reference.file.parent)
    with place.importable(), observer().attending(place.project.root):
        module = _import(reference, place)
    try:
        return getattr(module, reference.name)
    except AttributeError:
        raise ConfigError(
            f"{text!r}: {module.__name__} defines no {reference.name!r} before it runs a workflow."
        ) from None


def _import(reference: Reference, place: PipelineFolder) -> ModuleType:
    name = reference.module or _module_name(reference.file, place)  # type: ignore[arg-type]
    there = sys.modules.get(name)
    if there is not None and not _same_file(there, reference.file) and _is_installed(there, place):
        name = f"{name}_of_project"  # what else uses the installed module goes on using that
        there = sys.modules.get(name)
    if there is not None and _same_file(there, reference.file):
        return there
    _forget_foreign_modules(place)
    _loading.append(name)
    try:
        if reference.file is None:
            return importlib.import_module(name)
        return _execute(name, reference.file)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise ConfigError(f"{reference.text!r} cannot be imported: {cause(error)}") from error
    finally:
        _loading.pop()


def forget(file: Path) -> None:
    """Have a file that was written anew imported anew."""
    for name, module in list(sys.modules.items()):
        if name != "__main__" and getattr(module, "__file__", None) == str(file):
            del sys.modules[name]
    observer().sources.pop(os.path.abspath(file), None)


def _forget_foreign_modules(place: PipelineFolder) -> None:
    """Modules of another pipeline of the project go, where this one has modules of the same names."""
    root = str(place.project.root)
    for name in names_of_projects():
        module = sys.modules[name]
        origin = getattr(module, "__file__", None) or ""
        if origin.startswith(root) and is_project(origin) and name != "__main__":
            file = place.module_file(name)
            if file is not None and not _same_file(module, file):
                del sys.modules[name]
                observer().sources.pop(os.path.abspath(origin), None)


def _is_of_project(name: str) -> bool:
    origin = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(origin, str) and is_project(origin)


names_of_projects = asked_once(_is_of_project)
"""The names under which code of projects is loaded."""


def _is_installed(module: ModuleType, place: PipelineFolder) -> bool:
    origin = getattr(module, "__file__", None)
    return origin is None or not is_project(origin)


def _same_file(module: ModuleType, file: Path | None) -> bool:
    origin = getattr(module, "__file__", None)
    return file is None or (origin is not None and Path(origin).resolve() == file.resolve())


def _execute(name: str, file: Path) -> ModuleType:
    """Import a file under a name, keeping what it defined if it stops at `run_workflow`."""
    package, _, last = name.rpartition(".")
    parent = importlib.import_module(package) if package else None
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except StopLoading:
        pass
    except BaseException:
        del sys.modules[name]
        raise
    if parent is not None:
        setattr(parent, last, module)
    return module


def _module_name(file: Path, place: PipelineFolder) -> str:
    """The dotted name under which a file of the project is imported elsewhere, so that it is loaded once."""
    for root in place.roots:
        if file.is_relative_to(root):
            parts = file.relative_to(root).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            if parts and all(part.isidentifier() for part in parts):
                return ".".join(parts)
    return file.stem
