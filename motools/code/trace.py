"""Traces: what the execution of a step used, as data beside its result, and whether all of it is still so.

A trace names files as any clone and any folder of the project would: `./x` in the pipeline's folder, `x` below the
project's root, `~/x` in the home folder.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from motools.code.module_search import real_paths
from motools.code.search_path import PipelineFolder
from motools.observe import DOTENV

__all__ = ["Trace", "dependencies", "from_dict"]


@dataclass(frozen=True)
class Code:
    """One file of the project's code: how it was imported, its MD5, and the blocks of it that count."""

    module: str
    package: bool
    md5: str
    top: list[list[str]] = field(default_factory=list)
    functions: dict[str, str] = field(default_factory=dict)
    pinned: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Trace:
    """What an execution used.

    Attributes:
        code: file -> the blocks that count.
        entries: files of code that no other one imports at its top level.
        skipped: files that others import, and that were not loaded all the same.
        order: the files whose loading may change what others define, in order.
        paths: further folders where modules were found.
        itself: first parts of the names of modules that Python found there by itself, as PYTHONPATH has it.
        configs: file -> the fields of the step's config classes in it, as `Class.field`.
        files: path -> digest of a file or folder that was read or that the config names; None: it was not there.
        exists: path -> file, dir or None, as it was only looked for.
        folders: path -> digest of the names in it.
        env: variable -> digest of its value; None: it was not set; "": it was read, and does not count.
        absent: first parts of the names of modules that were asked for and not found.
        beside: folder -> modules in it that hide an installed one or one of `absent`, and were not loaded.
        inputs: name -> role of the inputs that were asked for by name; None: there was no such input; "": their order.
        unseen: what happened where nobody could look.
    """

    code: dict[str, Code] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    order: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    itself: list[str] = field(default_factory=list)
    configs: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, str | None] = field(default_factory=dict)
    exists: dict[str, str | None] = field(default_factory=dict)
    folders: dict[str, str] = field(default_factory=dict)
    env: dict[str, str | None] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    beside: dict[str, list[str]] = field(default_factory=dict)
    inputs: dict[str, str | None] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        code = {path: vars(each) for path, each in self.code.items()}
        return {name: value for name, value in {**vars(self), "code": code}.items() if value}


def from_dict(content: Any) -> Trace | None:
    """A trace out of a run record; None where it is not one."""
    try:
        code = {path: Code(**each) for path, each in content.get("code", {}).items()}
        trace = Trace(**{**content, "code": code})
    except (TypeError, AttributeError):
        return None
    return trace if _is_sound(trace) and all(map(_is_sound, code.values())) else None


def _is_sound(told: Trace | Code) -> bool:
    """Whether each field is of its type: what comes from a clone or a remote may say anything."""
    types = _types_of_traces() if isinstance(told, Trace) else _types_of_code()
    return all(_fits(value, types[name]) for name, value in vars(told).items())


def _fits(value: Any, wanted: Any) -> bool:
    of = get_args(wanted)
    if get_origin(wanted) is list:
        return isinstance(value, list) and all(_fits(each, of[0]) for each in value)
    if get_origin(wanted) is dict:
        return isinstance(value, dict) and all(_fits(each, of[1]) for each in value.values())
    return isinstance(value, wanted)


@cache
def _types_of_traces() -> dict[str, Any]:
    return get_type_hints(Trace)


@cache
def _types_of_code() -> dict[str, Any]:
    return get_type_hints(Code)


# -- names of files ------------------------------------------------------------


def to_told(path: str, place: PipelineFolder) -> str:
    """A path as a trace names it."""
    folder, root, home = str(place.folder), str(place.project.root), os.path.expanduser("~")
    if path in (root, folder):
        return "" if path == root else "."
    if folder != root and path.startswith(folder + os.sep):
        return "./" + path[len(folder) + 1 :]
    if path.startswith(root + os.sep):
        return path[len(root) + 1 :]
    return "~" + path[len(home) :] if path.startswith(home + os.sep) else path


def dependencies(trace: Trace, place: PipelineFolder) -> dict[str, str]:
    """The files and folders of the project that DVC can watch: path from the pipeline's folder -> digest."""
    folder, root = str(place.folder), str(place.project.root)
    digests = {path: code.md5 for path, code in trace.code.items()}
    files = {path: digest for path, digest in trace.files.items() if digest is not None}
    digests |= {path: digest for path, digest in files.items() if os.path.basename(path) != DOTENV}
    deps = {}
    for told, digest in digests.items():
        path = real_paths(told, place)[0]
        holds_pipeline = f"{folder}{os.sep}".startswith(f"{path}{os.sep}")
        if path.startswith(root + os.sep) and not holds_pipeline and os.path.exists(path) and _is_utf8(path):
            deps[Path(os.path.relpath(path, folder)).as_posix()] = digest
    return deps


def _is_utf8(path: str) -> bool:
    """Whether DVC can name it in its files."""
    return path == path.encode(errors="replace").decode()
