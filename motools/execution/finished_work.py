"""What a step's function has made, from its return until the cache has it: whatever fails in between, it is kept.

A work folder in which `made.json` lies is that of a function that has finished. Where its result could not be
kept (the disk is full, an output has another name, the process was killed) the folder is put aside under the
step's key, and the next execution of the same step takes it up instead of calling the function again.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from motools.atom import records
from motools.base.files import in_words
from motools.code import trace
from motools.code.world import World
from motools.compiler.step_call import StepCall
from motools.definition.step import AtomConstructor
from motools.errors import MotoolsError, StepError
from motools.repo import step_cache
from motools.repo.project import Project

__all__ = ["drop_known", "is_finished", "kept_aside", "note", "put_aside", "room", "safe", "take_up"]

_MADE = "made.json"
_ROOM = bytes(1 << 16)


@contextmanager
def room(work: Path) -> Iterator[None]:
    """While the function runs: keep room on the disk for what `note` writes, should the function fill it."""
    path = work / "room"
    with suppress(OSError):  # there is none to keep
        path.write_bytes(_ROOM)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def note(call: StepCall, work: Path, returned: Any) -> None:
    """Write down in a work folder that the function has finished, and what it returned."""
    content: dict[str, Any] = {"slots": [*call.cache_slot]}
    items = returned if isinstance(returned, (list, tuple)) else [returned]
    if all(isinstance(item, AtomConstructor) for item in items):
        with suppress(OSError, ValueError, TypeError):  # there is no such file, or that is no path: it will be refused
            paths = [os.path.abspath(item.path) for item in items]
            paths = [os.path.relpath(path, work) if Path(path).is_relative_to(work) else path for path in paths]
            content["seen"] = _seen(work, paths)
            content["made"] = [[i.name, path, i.type, i.metadata] for i, path in zip(items, paths, strict=True)]
    try:
        text = json.dumps(content)
    except (TypeError, ValueError):  # the metadata is not JSON, which will be refused too
        text = "{}"
    (work / "made.new").write_text(text, encoding="utf-8")  # the folder is ours alone, and goes as a whole
    os.replace(work / "made.new", work / _MADE)


def is_finished(work: Path) -> bool:
    """Whether the function of this work folder has finished, and its result is nowhere else."""
    return (work / _MADE).exists()


def safe(call: StepCall, work: Path) -> None:
    """The cache has the result and the step cache its entry: from here on the work folder can go, and what an earlier
    execution left aside, unless somebody has been at it."""
    (work / _MADE).unlink(missing_ok=True)
    earlier = _aside(call.place.project) / call.key
    if _made(earlier) is not None:
        shutil.rmtree(earlier, ignore_errors=True)


@contextmanager
def kept_aside(call: StepCall, work: Path) -> Iterator[None]:
    """While what a function made is on its way into the cache: whatever stops it, it is put aside.

    Raises:
        StepError: in the place of what went wrong, with where the result is.
    """
    try:
        yield
    except BaseException as error:
        shutil.rmtree(work / "atoms", ignore_errors=True)  # half of a copy
        folder = put_aside(call.place.project, work)
        if not isinstance(error, Exception):  # told to leave
            raise
        then = "Once that is mended, `motools run` takes it up from there; "
        then += f"`motools run --stages {call.name} --force` executes the step again."
        if _made(folder) is None:  # nobody knows of what it is the result
            then = "`motools run` executes the step again."
        raise StepError(f"{_sentence(error)} What the step made is kept in {folder}. {then}") from error


def put_aside(project: Project, work: Path) -> Path:
    """Move a work folder to where results wait that could not be kept; where it lies then."""
    target = _aside(project) / work.name
    try:
        target.parent.mkdir(mode=0o700, exist_ok=True)  # a secret may be what it was refused for
        if target.exists():
            target.rename(target.with_name(f"{target.name}-{time.time_ns()}"))
        work.rename(target)
    except OSError:  # no room for a folder's name: it is found here too
        return work
    return target


def take_up(call: StepCall, work: Path) -> list[AtomConstructor] | None:
    """What an earlier execution of the same step made, in the work folder again; None where nothing was put aside,
    or where it is not as the function left it."""
    for folder in (work, _aside(call.place.project) / call.key):
        made = _read(folder, call)
        if made is not None:
            if folder != work:
                shutil.rmtree(work, ignore_errors=True)
                work.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(work)
            shutil.rmtree(work / "atoms", ignore_errors=True)
            return [AtomConstructor(name, work / path, kind, metadata) for name, path, kind, metadata in made]
    return None


def drop_known(project: Project) -> None:
    """Remove what was put aside and will not be taken up again: its process was killed when the step cache had it
    already, or the same step in the same state was executed later in a clone that shares the cache."""
    for folder in _aside(project).glob("*"):
        with suppress(OSError, ValueError, KeyError, TypeError):
            slots = json.loads((folder / _MADE).read_text(encoding="utf-8"))["slots"]
            mine = json.loads((folder / "record.json").read_text(encoding="utf-8"))
            kept = (records.read(project, entry.record.md5) for entry in step_cache.candidates(project.store, *slots))
            same = (r for r in kept if r and (r.key, r.trace) == (mine["key"], mine["trace"]))
            if any(
                record.started >= mine["started"] for record in same
            ):  # an earlier one is no reason: this was forced
                shutil.rmtree(folder, ignore_errors=True)


def _aside(project: Project) -> Path:
    return project.private / "finished"


def _read(folder: Path, call: StepCall) -> list[tuple[str, str, str, Mapping[str, Any] | None]] | None:
    """What the function made that left this folder; None where, executed now, it may make something else."""
    try:
        used = trace.from_dict(json.loads((folder / "record.json").read_text(encoding="utf-8"))["trace"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return _made(folder) if used is not None and not World(call.place).changes(used, call.roles) else None


def _made(folder: Path) -> list[tuple[str, str, str, Mapping[str, Any] | None]] | None:
    """What the function said it made, where all is still as it left it."""
    try:
        content = json.loads((folder / _MADE).read_text(encoding="utf-8"))
        made = [(str(name), str(path), str(kind), metadata) for name, path, kind, metadata in content["made"]]
        return made if _seen(folder, [path for _, path, _, _ in made]) == content["seen"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _seen(work: Path, paths: list[str]) -> str:
    """A digest of the names, sizes and times of all that the function left: another one, and somebody was at it."""
    digest = hashlib.sha256()
    for top in sorted({"workspace", *paths}):
        where = os.path.join(work, top)
        files = [os.path.join(folder, name) for folder, _, names in os.walk(where) for name in names]
        for path in sorted(files) if os.path.isdir(where) else [where]:
            stat = os.lstat(path)
            line = f"{top} {path[len(where) + 1 :]} {stat.st_size} {stat.st_mtime_ns}\n"
            digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _sentence(error: Exception) -> str:
    if isinstance(error, MotoolsError):
        return str(error)
    if isinstance(error, OSError):
        return f"{in_words(error)}."
    return f"{type(error).__name__}: {error}."
