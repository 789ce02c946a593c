"""Code by name: `module:name`, `file.py:name`, `file.py@name`, `package/name`, found in the project or installed."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path

from motools.code.search_path import PipelineFolder
from motools.code.syntax import bindings, is_script_guard
from motools.errors import ConfigError, MotoolsError, did_you_mean

_FILE = re.compile(r"(?P<file>[^:@\s]+\.py)[:@](?P<name>[A-Za-z_]\w*)")
_MODULE = re.compile(r"(?P<module>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*)")
_REGISTERED = re.compile(r"(?P<package>[A-Za-z_]\w*)/(?P<name>[A-Za-z_]\w*)")


@dataclass(frozen=True)
class Reference:
    """A name in a file of the project (`file` set), in an installed module (`module` set), or, of the form
    `package/name`, in Inspect's registry (`package` set)."""

    text: str
    name: str
    file: Path | None = None
    module: str | None = None
    package: str | None = None


def parse(text: str, place: PipelineFolder) -> Reference | None:
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


def candidates(text: str, place: PipelineFolder) -> list[Path]:
    """Where a path that a config gives may lie: in the pipeline's folder, else at the project's root."""
    if not can_be_path(text):
        return [place.folder / text]  # which no file is
    return [Path(os.path.abspath(root / text)) for root in place.roots]


def can_be_path(text: str) -> bool:
    """Whether a text can name a file: under an ASCII locale, one with other letters cannot, nor can a long sentence."""
    try:
        name = os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return b"\0" not in name and len(name) < 4096 and all(len(part) < 256 for part in name.split(b"/"))


def check(text: str, place: PipelineFolder) -> Reference:
    """`parse`, and make sure without executing it that the code is there.

    Raises:
        ConfigError: not a reference, no such file or module, or no such name in it.
    """
    reference = parse(text, place)
    if reference is None:
        from motools import zoo

        point = zoo.published("dataset").get(text)
        hint = f" Did you mean {point.value!r}?" if point is not None else ""
        raise ConfigError(f"{text!r} does not name code.{hint} Write module:function or path/to/file.py:function.")
    file = reference.file
    if reference.file is None:
        file = _installed_file(reference.module or str(reference.package), text, place)
    if reference.package is not None:
        return reference  # only the registry knows its names
    if file is None:
        return reference
    if not os.path.isfile(file):
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
    binders: dict[str, list[ast.AST]] = {}
    for statement in tree.body:
        for name, node in bindings(statement) if not is_script_guard(statement) else ():
            binders.setdefault(name, []).append(node)
    return binders


def _installed_file(module: str, text: str, place: PipelineFolder) -> Path | None:
    """The source of an installed module; None where it has none (a compiled one)."""
    with place.importable():
        try:
            spec = importlib.util.find_spec(module)
        except ValueError:  # a module that was not made by an import
            spec = None
        except Exception as error:  # the packages around it are imported, and may raise anything
            if not isinstance(error, ModuleNotFoundError) or not f"{module}.".startswith(f"{error.name}."):
                raise ConfigError(f"{text!r} cannot be imported: {cause(error)}") from error
            spec = None
    if spec is None:
        here = [path.stem for root in place.roots for path in root.glob("*.py")]
        raise ConfigError(
            f"{text!r}: there is no module {module!r}, neither installed nor in {place.folder}."
            + did_you_mean(module, here)
        )
    return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None


def parameters(text: str, place: PipelineFolder) -> list[str] | None:
    """The names of a function's parameters, read without executing it; None where it takes any, or is no `def`."""
    args = _arguments(text, place)
    return None if args is None else [argument.arg for argument in [*args.args, *args.kwonlyargs]]


def required(text: str, place: PipelineFolder) -> list[str]:
    """Those of `parameters` that have no default; none where the parameters are not known."""
    if (args := _arguments(text, place)) is None:
        return []
    named = [argument.arg for argument in args.args[: max(0, len(args.args) - len(args.defaults))]]
    return [*named, *(a.arg for a, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None)]


def _arguments(text: str, place: PipelineFolder) -> ast.arguments | None:
    reference = check(text, place)
    if reference.package is not None:
        return None
    file = reference.file or _installed_file(str(reference.module), text, place)
    nodes = bound_in(file).get(reference.name, []) if file else []
    if not nodes or not isinstance(function := nodes[-1], (ast.FunctionDef, ast.AsyncFunctionDef)):
        return None
    if function.args.kwarg is not None or (function.decorator_list and reference.file is not None):
        return None
    return function.args


def cause(error: BaseException) -> str:
    if isinstance(error, MotoolsError):
        return str(error)
    said = "it ends the program" if isinstance(error, SystemExit) else str(error)
    return f"{type(error).__name__}: {said}"
