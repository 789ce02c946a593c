"""A step's key: what it is asked to do: its function as an object, its config, its inputs by role, its versions.

Nothing of folders, stage names, or names of inputs and outputs is in a key, nor any source: what the execution used
is told by the trace of each result that lies under the key.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

from motools import code, zoo
from motools.code import Place
from motools.config import marked
from motools.described import describe_function
from motools.errors import ConfigError, WorkflowError
from motools.observe import is_project, path_digest
from motools.stepcache import roles_of
from motools.trace import to_told
from motools.workflow import Step

__all__ = ["Named", "StepCode", "named_by", "of_step", "step_key"]

_LONGEST = 500  # characters of a text that may be a path
_PATH = re.compile(r"[\w.~*?\[\]-]*(?:/[\w.~*?\[\]-]+)+|[\w~*?\[\]-][\w.~*?\[\]-]*\.[A-Za-z]\w{0,5}")
_GENERATED = ("atoms", "runs", "logs", "metrics")


@dataclass(frozen=True)
class StepCode:
    """The part of a step's key that its workflow gives.

    Attributes:
        function: what the function is as an object, as JSON.
        versions: of what is installed or published, by what refers to it.
        files: the project's files that define the step or that its config names, as far as can be told beforehand.
    """

    function: str
    versions: Mapping[str, str]
    files: tuple[Path, ...]


def of_step(step: Step, values: Mapping[str, Any], place: Place, source: Path | None = None) -> StepCode:
    """What a step is, with a complete config.

    Args:
        source: the file that defines its workflow, where that is the project's.

    Raises:
        ConfigError: the config names code that is not there, or an entry that nobody publishes.
    """
    versions: dict[str, str] = {}
    files = {source} if source is not None else set()
    function = _unbound(step.fn)
    file = Path(os.path.abspath(function.__code__.co_filename))
    if is_project(str(file)):
        files.add(file)
    else:
        name = f"{function.__module__}:{function.__qualname__}"
        number = zoo.declared_version(function)
        versions["function"] = (
            f"{name}@{number}" if number is not None else f"{name} {_of_installed(function.__module__)}"
        )
    for package in step.packages:
        versions[f"package {package}"] = _of_package(package, step.name)
    code_fields, entries = marked(step.config_class, values)
    for field, (kind, name) in entries.items():
        versions[f"config.{field}"] = _of_published(kind, name)
    for field, text in code_fields.items():
        version, reference = _of_reference(f"{step.name}.{field}", text, place)
        if version is not None:
            versions[f"config.{field}"] = version
        elif reference is not None:
            files.add(reference)
    for field, text in _texts(values):
        argument = field not in code_fields and code_fields and ("." in field or "[" in field)
        if argument and (version := _entry_named(text, place)) is not None:  # of the code that the config names
            versions[f"config.{field}"] = version
    files |= {Path(path) for path in named_by(values, place).paths if os.path.exists(path)}
    described = json.dumps(describe_function(step.fn, partial(_shorten, place=place), roles_of(step.outputs)))
    return StepCode(described, versions, tuple(sorted(files)))


def step_key(step: Step, values: Mapping[str, Any], what: StepCode, inputs: Mapping[str, str]) -> str:
    """The key under which results are kept for ever.

    Args:
        inputs: input name -> atom id.
    """
    roles = roles_of(step.inputs)
    everything = {
        "function": what.function,
        "versions": dict(what.versions),
        "config": values,
        "inputs": {roles[name]: atom for name, atom in inputs.items()},
        "outputs": list(roles_of(step.outputs).values()),
        "logs": step.keeps_logs,
    }
    return hashlib.sha256(json.dumps(everything, sort_keys=True).encode()).hexdigest()


def _shorten(path: str, place: Place) -> str:
    return to_told(os.path.abspath(path), place).removeprefix("./")


def _unbound(function: Any) -> Any:
    """The function under any `partial`s."""
    while isinstance(function, partial):
        function = function.func
    return function


# -- versions ------------------------------------------------------------------


def _of_published(kind: zoo.Kind, name: str) -> str:
    entry = zoo.lookup(kind, name)
    version = zoo.declared_version(entry)
    return f"{kind} {name} {_of_installed(entry.__module__)}" if version is None else f"{kind} {name}@{version}"


def _of_reference(where: str, text: str, place: Place) -> tuple[str | None, Path | None]:
    """Of code that a field marked as `Code` names: its version, or the project's file that has it."""
    published = zoo.named("dataset", text) or zoo.named("task", text)
    if (version := zoo.declared_version(published)) is not None:
        return f"{text}@{version}", None
    try:
        reference = code.check(text, place)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    if reference.file is not None:
        return None, reference.file
    package = (reference.module or str(reference.package)).partition(".")[0]
    if reference.module and package in _publishers():
        version = zoo.declared_version(code.load(text, place))
        if version is not None:
            return f"{text}@{version}", None
    return f"{text} {_of_installed(package)}", None


@cache
def _publishers() -> set[str]:
    """The packages that publish datasets or tasks; their modules are light to import, by the zoo's own rule."""
    return {point.module.partition(".")[0] for kind in ("dataset", "task") for point in zoo.published(kind).values()}


def _entry_named(text: str, place: Place) -> str | None:
    """The declared version of the installed loader or task that an argument names, or None."""
    found = zoo.named("dataset", text) or zoo.named("task", text)
    if found is None:
        reference = code.parse(text, place)
        if reference is not None and reference.module and reference.module.partition(".")[0] in _publishers():
            found = code.load(text, place)
    version = zoo.declared_version(found)
    return None if version is None else f"{text}@{version}"


@cache
def _of_installed(module: str) -> str:
    package = module.partition(".")[0]
    names = metadata.packages_distributions().get(package, [])
    return f"{package} {' '.join(f'{name}=={metadata.version(name)}' for name in sorted(set(names)))}".strip()


@cache
def _of_package(name: str, step: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        raise WorkflowError(f"The step {step!r} declares the package {name!r}, which is not installed.") from None


# -- what a config names ---------------------------------------------------------


@dataclass(frozen=True)
class Named:
    """What the texts of a config name, there or not, and the folders that its patterns look into."""

    paths: tuple[str, ...]
    folders: tuple[str, ...]

    def digests(self) -> dict[str, str | None]:
        return {path: path_digest(path) for path in self.paths}


def named_by(values: Mapping[str, Any], place: Place) -> Named:
    """What a config names, in whatever form: C code opens files unseen, so these count without having been seen."""
    paths: dict[str, None] = {}
    folders: dict[str, None] = {}
    for _, text in _texts(values, keys=True):
        for form in _forms(text):
            for path in _places(form, place):
                if glob.has_magic(form):
                    found = [p for p in glob.glob(path, recursive=True) if os.path.isfile(p) and not _is_own(p, place)]
                    paths.update(dict.fromkeys(found))
                    folders.update(
                        dict.fromkeys(
                            os.path.dirname(each)
                            for each in [path, *found]
                            if not glob.has_magic(os.path.dirname(each))
                        )
                    )
                elif not _is_own(path, place) and (os.path.exists(path) or _PATH.fullmatch(form)):
                    paths[path] = None
    return Named(tuple(paths), tuple(folders))


def _forms(text: str) -> Iterator[str]:
    """A text as a path: as it is, without `file://`, without `#part`, `:split` or `@name` at its end."""
    if not text.strip() or len(text) > _LONGEST or "\n" in text or not code.can_be_path(text):
        return
    text = text.removeprefix("file://")
    if "://" in text:
        return
    yield from dict.fromkeys([text, text.partition("#")[0]])
    if (cut := re.fullmatch(r"(.+)[:@]\w+", text)) and not cut[1].endswith(".py"):  # code is seen when it is executed
        yield cut[1]


def _places(form: str, place: Place) -> Iterator[str]:
    path = os.path.expanduser(form)
    if os.path.isabs(path):
        yield os.path.normpath(path)
    elif form:
        yield from dict.fromkeys(os.path.normpath(os.path.join(folder, path)) for folder in place.roots)


def _is_own(path: str, place: Place) -> bool:
    """Whether it is a folder that holds the pipeline or the home folder, or what a run itself writes or reads."""
    folder = str(place.folder)
    if any(
        f"{each}{os.sep}".startswith(f"{path.rstrip(os.sep)}{os.sep}") for each in (folder, os.path.expanduser("~"))
    ):
        return True  # a text such as ~ is hardly meant for all that lies there
    parts = os.path.relpath(path, folder).split(os.sep)
    private = {".git", ".dvc", ".motools"} & set(parts) and not os.path.isfile(path)
    return bool(private) or parts in (
        ["params.yaml"],
        ["dvc.yaml"],
        ["dvc.lock"],
        [".env"],
        *([name] for name in _GENERATED),
    )


def _texts(values: Any, where: str = "", keys: bool = False) -> Iterator[tuple[str, str]]:
    if isinstance(values, str):
        yield where, values
    elif isinstance(values, Mapping):
        for name, value in values.items():
            if keys:
                yield where, str(name)
            yield from _texts(value, f"{where}.{name}" if where else str(name), keys)
    elif isinstance(values, (list, tuple)):
        for index, value in enumerate(values):
            yield from _texts(value, f"{where}[{index}]", keys)
