"""A step's key: what it is asked to do: its function as an object, its config, its inputs by role, its versions.

Nothing of folders, stage names, or names of inputs and outputs is in a key, nor any source: what the execution used
is told by the trace of each result that lies under the key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from motools import zoo
from motools.code import loading, references
from motools.code.search_path import PipelineFolder
from motools.code.trace import to_told
from motools.compiler.described_function import describe_function
from motools.compiler.named_paths import Named, named_by, texts_in
from motools.definition.config import is_code, marked
from motools.definition.instances import base_of
from motools.definition.step import Step
from motools.errors import ConfigError, WorkflowError
from motools.observe import is_project
from motools.repo.step_cache import roles_of

__all__ = ["VERSION_FILES", "StepCode", "of_step"]

VERSION_FILES: set[str] = set()
"""Where this process has read the versions that are in keys: an edit of one leaves the folder that it lies in as old as
it was."""


@dataclass(frozen=True)
class StepCode:
    """The part of a step's key that its workflow gives.

    Attributes:
        function: what the function is as an object, as JSON.
        versions: of what is installed or published, by what refers to it.
        files: the project's files that define the step or that its config names, as far as can be told beforehand.
        named: what its config names, whether it is there or not.
    """

    function: str
    versions: Mapping[str, str]
    files: tuple[Path, ...]
    named: tuple[str, ...] = ()


def of_step(
    step: Step,
    values: Mapping[str, Any],
    place: PipelineFolder,
    source: Path | None = None,
    by_text: dict[str, Named] | None = None,
) -> StepCode:
    """What a step is, with a complete config.

    Args:
        source: the file that defines its workflow, where that is the project's.
        by_text: what texts of configs name that are looked at in the same moment.

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
        if is_code(name):
            code_fields[field] = name
        else:
            versions[f"config.{field}"] = _of_published(kind, name)
    for field, text in code_fields.items():
        version, reference = _of_reference(f"{step.name}.{field}", text, place)
        if version is not None:
            versions[f"config.{field}"] = version
        elif reference is not None:
            files.add(reference)
    for field, text in texts_in(values):
        argument = field not in code_fields and code_fields and ("." in field or "[" in field)
        if argument and (version := _entry_named(text, place)) is not None:  # of the code that the config names
            versions[f"config.{field}"] = version
    named = named_by(values, place, by_text).paths
    files |= {Path(path) for path in named if os.path.exists(path)}
    outputs = {base_of(name): role for name, role in roles_of(step.outputs).items()}
    described = json.dumps(describe_function(step.fn, partial(_shorten, place=place), outputs))
    return StepCode(described, versions, tuple(sorted(files)), named)


def _shorten(path: str, place: PipelineFolder) -> str:
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


def _of_reference(where: str, text: str, place: PipelineFolder) -> tuple[str | None, Path | None]:
    """Of code that a field marked as `Code` names: its version, or the project's file that has it."""
    published = zoo.named("dataset", text) or zoo.named("task", text)
    if (version := zoo.declared_version(published)) is not None:
        return f"{text}@{version}", None
    try:
        reference = references.check(text, place)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    if reference.file is not None:
        return None, reference.file
    package = (reference.module or str(reference.package)).partition(".")[0]
    if reference.module and package in _publishers():
        version = zoo.declared_version(loading.load(text, place))
        if version is not None:
            return f"{text}@{version}", None
    return f"{text} {_of_installed(package)}", None


@cache
def _publishers() -> set[str]:
    """The packages that publish datasets or tasks; their modules are light to import, by the zoo's own rule."""
    return {point.module.partition(".")[0] for kind in ("dataset", "task") for point in zoo.published(kind).values()}


def _entry_named(text: str, place: PipelineFolder) -> str | None:
    """The declared version of the installed loader or task that an argument names, or None."""
    entry = zoo.named("dataset", text) or zoo.named("task", text)
    if entry is None:
        reference = references.parse(text, place)
        if reference is not None and reference.module and reference.module.partition(".")[0] in _publishers():
            entry = loading.load(text, place)
    version = zoo.declared_version(entry)
    return None if version is None else f"{text}@{version}"


@cache
def _of_installed(module: str) -> str:
    from importlib import metadata

    package = module.partition(".")[0]
    names = metadata.packages_distributions().get(package, [])
    return f"{package} {' '.join(f'{name}=={_version(name)}' for name in sorted(set(names)))}".strip()


def _version(name: str) -> str:
    """Of a distribution, with the commit or the digest of the file that it was installed from where pip has kept that
    (PEP 610): its version need not have been raised since."""
    from importlib import metadata

    distribution = metadata.distribution(name)
    if (folder := getattr(distribution, "_path", None)) is not None:  # else it is no folder: a zip, or made by a finder
        VERSION_FILES.update(f"{folder}{os.sep}{file}" for file in ("METADATA", "direct_url.json"))
    source = json.loads(distribution.read_text("direct_url.json") or "{}")
    which = source.get("vcs_info", {}).get("commit_id") or source.get("archive_info", {}).get("hash")
    return f"{distribution.version} ({which})" if which else distribution.version


@cache
def _of_package(name: str, step: str) -> str:
    from importlib import metadata

    try:
        return _version(name)
    except metadata.PackageNotFoundError:
        raise WorkflowError(f"The step {step!r} declares the package {name!r}, which is not installed.") from None
