"""Code by name: `module:name`, `file.py:name`, `file.py@name`, `package/name`, found in the project or installed."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from motools.blocks import bindings, is_script_guard
from motools.errors import ConfigError, MotoolsError, did_you_mean
from motools.observe import is_project, observer
from motools.repo import Project

_FILE = re.compile(r"(?P<file>[^:@\s]+\.py)[:@](?P<name>[A-Za-z_]\w*)")
_MODULE = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")
_REGISTERED = re.compile(r"(?P<package>[A-Za-z_]\w*)/(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class Place:
    """Where a pipeline's code is looked for: its folder first, then the project's root, then what is installed."""

    project: Project
    folder: Path

    @property
    def roots(self) -> list[Path]:
        return [self.folder, *([self.project.root] if self.project.root != self.folder else [])]

    @property
    def folders(self) -> list[Path]:
        """Where modules are looked for: the roots, then beside the files that were loaded for this folder."""
        return [*self.roots, *_beside.get(self.folder, [])]

    def module_file(self, module: str) -> Path | None:
        """The project file that defines a module, or None when the module is not the project's."""
        parts = module.split(".")
        for root in [*self.folders, *(Path(entry) for entry in sys.path if entry)]:
            for path in (
                root.joinpath(*parts, "__init__.py"),  # where there are both, Python takes the package
                root.joinpath(*parts).with_suffix(".py"),
            ):
                if path.is_file():
                    return Path(os.path.abspath(path)) if is_project(str(path)) else None
        return None

    @contextmanager
    def importable(self) -> Iterator[None]:
        """The pipeline's folder and the project's root on `sys.path`, ahead of what is installed."""
        added = [str(folder) for folder in self.folders]
        sys.path[:0] = added
        try:
            yield
        finally:
            for folder in added:  # what the code itself put on the path stays there
                with suppress(ValueError):
                    sys.path.remove(folder)


@dataclass(frozen=True)
class Reference:
    """A name in a file of the project (`file` set), in an installed module (`module` set), or, of the form
    `package/name`, in Inspect's registry (`package` set)."""

    text: str
    name: str
    file: Path | None = None
    module: str | None = None
    package: str | None = None


def parse(text: str, place: Place) -> Reference | None:
    """What a string refers to, or None where it is not of the form of a reference."""
    if match := _FILE.fullmatch(text):
        paths = candidates(match["file"], place)
        return Reference(text, match["name"], file=next((path for path in paths if os.path.isfile(path)), paths[0]))
    if match := _MODULE.fullmatch(text):
        file = place.module_file(match["module"])
        if file is not None:
            return Reference(text, match["name"], file=file)
        return Reference(text, match["name"], module=match["module"])
    if match := _REGISTERED.fullmatch(text):
        return Reference(text, match["name"], package=match["package"])
    return None


def candidates(text: str, place: Place) -> list[Path]:
    """Where a path that a config gives may lie: in the pipeline's folder, else at the project's root."""
    if not can_be_path(text):
        return [place.folder / text]  # which no file is
    return [Path(os.path.abspath(root / text)) for root in place.roots]


def can_be_path(text: str) -> bool:
    """Whether a text can name a file: under an ASCII locale, one with other letters cannot."""
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def check(text: str, place: Place) -> Reference:
    """`parse`, and make sure without executing it that the code is there.

    Raises:
        ConfigError: not a reference, no such file or module, or no such name in it.
    """
    reference = parse(text, place)
    if reference is None:
        raise ConfigError(f"{text!r} does not name code. Write module:function or path/to/file.py:function.")
    file = reference.file
    if reference.file is None:
        file = _installed_file(reference.module or str(reference.package), text, place)
    if reference.package is not None:
        return reference  # only the registry knows its names
    if file is None:
        return reference
    if not file.is_file():
        raise ConfigError(f"{text!r}: there is no file {file}.")
    names = bound_in(file)
    if reference.name not in names and "*" not in names:
        raise ConfigError(f"{text!r}: {file.name} defines no {reference.name!r}.{did_you_mean(reference.name, names)}")
    return reference


def bound_in(file: Path) -> dict[str, list[ast.AST]]:
    """The names that a file binds at its top level, and what binds each; `*` stands for all of another module.

    Raises:
        ConfigError: it is not Python; the message gives file and line.
    """
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        raise ConfigError(f"{file}, line {error.lineno or 1}: {error.msg}.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: not Python: {error}.") from None
    found: dict[str, list[ast.AST]] = {}
    for statement in tree.body:
        for name, node in bindings(statement) if not is_script_guard(statement) else ():
            found.setdefault(name, []).append(node)
    return found


def _installed_file(module: str, text: str, place: Place) -> Path | None:
    """The source of an installed module; None where it has none (a compiled one)."""
    with place.importable():
        try:
            spec = importlib.util.find_spec(module)
        except ValueError:  # a module that was not made by an import
            spec = None
        except Exception as error:  # the packages around it are imported, and may raise anything
            if not isinstance(error, ModuleNotFoundError) or not f"{module}.".startswith(f"{error.name}."):
                raise ConfigError(f"{text!r} cannot be imported: {_cause(error)}") from error
            spec = None
    if spec is None:
        here = [path.stem for root in place.roots for path in root.glob("*.py")]
        raise ConfigError(
            f"{text!r}: there is no module {module!r}, neither installed nor in {place.folder}."
            + did_you_mean(module, here)
        )
    return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None


def parameters(text: str, place: Place) -> list[str] | None:
    """The names of a function's parameters, read without executing it; None where it takes any, or is no `def`."""
    args = _arguments(text, place)
    return None if args is None else [argument.arg for argument in [*args.args, *args.kwonlyargs]]


def required(text: str, place: Place) -> list[str]:
    """Those of `parameters` that have no default; none where the parameters are not known."""
    if (args := _arguments(text, place)) is None:
        return []
    named = [argument.arg for argument in args.args[: max(0, len(args.args) - len(args.defaults))]]
    return [*named, *(a.arg for a, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None)]


def _arguments(text: str, place: Place) -> ast.arguments | None:
    reference = check(text, place)
    if reference.package is not None:
        return None
    file = reference.file or _installed_file(str(reference.module), text, place)
    found = bound_in(file).get(reference.name, []) if file else []
    if not found or not isinstance(function := found[-1], (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    if function.args.kwarg is not None or (function.decorator_list and reference.file is not None):
        return None
    return function.args


class StopLoading(BaseException):
    """Raised by `run_workflow` while a definition is being loaded: the rest of the script is not for us."""


_loading: list[str] = []
_beside: dict[Path, list[Path]] = {}  # by a pipeline's folder: what lies beside a script can be imported by it


def is_loading() -> bool:
    """Whether a definition is being loaded, so that nothing must be run."""
    return bool(_loading)


def load(text: str, place: Place) -> Any:
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
        _beside.setdefault(place.folder, []).append(reference.file.parent)
    with place.importable(), observer().attending(place.project.root):
        module = _import(reference, place)
    try:
        return getattr(module, reference.name)
    except AttributeError:
        raise ConfigError(
            f"{text!r}: {module.__name__} defines no {reference.name!r} before it runs a workflow."
        ) from None


def _import(reference: Reference, place: Place) -> ModuleType:
    name = reference.module or _module_name(reference.file, place)  # type: ignore[arg-type]
    there = sys.modules.get(name)
    if there is not None and not _same_file(there, reference.file) and _is_installed(there, place):
        name = f"{name}_of_project"  # what else uses the installed module goes on using that
        there = sys.modules.get(name)
    if there is not None and _same_file(there, reference.file):
        return there
    _forget_strangers(place)
    _loading.append(name)
    try:
        if reference.file is None:
            return importlib.import_module(name)
        return _execute(name, reference.file)
    except (Exception, SystemExit) as error:  # the user's code may raise anything
        raise ConfigError(f"{reference.text!r} cannot be imported: {_cause(error)}") from error
    finally:
        _loading.pop()


def _forget_strangers(place: Place) -> None:
    """Modules of another pipeline of the project go, where this one has modules of the same names."""
    root = str(place.project.root)
    for name, module in list(sys.modules.items()):
        origin = getattr(module, "__file__", None) or ""
        if origin.startswith(root) and is_project(origin) and name != "__main__":
            file = place.module_file(name)
            if file is not None and not _same_file(module, file):
                del sys.modules[name]
                observer().sources.pop(os.path.abspath(origin), None)


def _cause(error: BaseException) -> str:
    if isinstance(error, MotoolsError):
        return str(error)
    said = "it ends the program" if isinstance(error, SystemExit) else str(error)
    return f"{type(error).__name__}: {said}"


def _is_installed(module: ModuleType, place: Place) -> bool:
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


def _module_name(file: Path, place: Place) -> str:
    """The dotted name under which a file of the project is imported elsewhere, so that it is loaded once."""
    for root in place.roots:
        if file.is_relative_to(root):
            parts = file.relative_to(root).with_suffix("").parts
            if parts[-1] == "__init__":
                parts = parts[:-1]
            if parts and all(part.isidentifier() for part in parts):
                return ".".join(parts)
    return file.stem
