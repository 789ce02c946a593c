"""Run records: who made an atom, when, how long it took, and at which commit; kept beside atoms, never in them."""

from __future__ import annotations

import json
import math
import os
import platform
import re
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from motools.base.files import make_folder
from motools.base.foreign_text import read_json
from motools.base.loaded_modules import Mark, loaded_since
from motools.errors import DamagedError
from motools.repo import step_cache
from motools.repo.hashing import Out, hash_file
from motools.repo.outs import Located
from motools.repo.project import Project
from motools.repo.survey import Survey
from motools.version import __version__

__all__ = ["Record"]


@dataclass(frozen=True)
class Record:
    """One execution.

    Attributes:
        user: who ran it.
        started: UTC time in ISO 8601.
        seconds: wall time of the step.
        commit: the git commit that was checked out, or None before the first.
        dirty: whether code, params or another file that it used differed from that commit.
        changed: which files those are, by their paths in the repository, with git's hash of what each held.
        step: the step's name; None for an atom made by hand.
        workflow: what `motools step run` was given.
        key: the step's key in the step cache.
        config: the step's config, every default written out.
        usage: what the provider counted, as the step gave it.
        versions: of Python, MOTools and every installed distribution that was loaded.
        function: what the step's function is as an object, as its key has it.
        declared: the versions that its key has.
        trace: what the execution used (see `trace.Trace`).
        patch: the SHA-256 of what the work tree had that the commit lacks, as `git diff --binary`, where the step ran
            in a clone that was given it.
        host: the machine that an executor has run the step on; None where it ran beside its run.
    """

    user: str
    started: str
    seconds: float
    commit: str | None
    dirty: bool
    step: str | None = None
    workflow: str | None = None
    key: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    function: str = ""
    declared: Mapping[str, str] = field(default_factory=dict)
    trace: Mapping[str, Any] = field(default_factory=dict)
    changed: Mapping[str, str | None] = field(default_factory=dict)
    patch: str | None = None
    host: str | None = None

    def write(self, path: Path) -> None:
        make_folder(path.parent)
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name in ("patch", "host"):
            if fields[name] is None:
                del fields[name]
        lines = (f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
        text = "{\n" + ",\n".join(lines) + "\n}\n"  # `indent` takes five times as long
        path.write_text(text, encoding="utf-8", errors="backslashreplace")  # a name that is no UTF-8 as JSON escapes it


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def versions() -> dict[str, str]:
    """Of Python, MOTools, and of every installed distribution that this process has loaded a module of."""
    new, _packages.mark = loaded_since(_packages.mark)
    if new:
        _packages.names |= {name.partition(".")[0] for name in new} - sys.stdlib_module_names
        distributions = (_distributions()[name] for name in sorted(_packages.names & _distributions().keys()))
        _packages.versions = dict(reversed([*distributions]))
    return {"python": platform.python_version(), "motools": __version__, **_packages.versions}


class _packages:
    """What this process has loaded, as far as it was looked at; forks of it start from there."""

    mark: Mark | None = None
    names: frozenset[str] = frozenset()
    versions: Mapping[str, str] = {}


@cache
def _distributions() -> Mapping[str, tuple[str, str]]:
    """First part of a module's name -> distribution and version, by what `importlib.metadata` takes 0.3 s to parse."""
    by_module: dict[str, tuple[str, str]] = {}
    for folder in dict.fromkeys(entry for entry in sys.path if os.path.isdir(entry)):
        for about in sorted(Path(folder).glob("*.dist-info")):
            name, _, version = about.name.removesuffix(".dist-info").rpartition("-")
            modules = [name]
            with suppress(OSError):
                modules += (about / "top_level.txt").read_text(encoding="utf-8").split()
            if len(modules) == 1 and not any(os.path.exists(os.path.join(folder, name + end)) for end in ("", ".py")):
                with suppress(OSError):  # it has another name than what it installs
                    lines = (about / "RECORD").read_text(encoding="utf-8").splitlines()
                    modules += {line.partition(",")[0].partition("/")[0].removesuffix(".py") for line in lines}
            for module in modules:
                by_module.setdefault(module, (name, version))
    return by_module


@cache
def installed_version(distribution: str) -> str | None:
    """The version of a distribution here, None where it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def other_versions(record: Record) -> dict[str, tuple[str, str]]:
    """Distribution -> the version that a result was made with, and the one here, where they differ."""
    differing = {}
    for name, version in record.versions.items():
        here = {"python": platform.python_version(), "motools": __version__}.get(name) or installed_version(name)
        if here != version:
            differing[name] = version, here or "(not installed)"
    return differing


def keep_for_atom(
    project: Project,
    atom: Out,
    user: str,
    scratch: Path,
    logs: Path | None = None,
    usage: Mapping[str, Any] | None = None,
) -> None:
    """Record an atom that was made by hand, unless it is recorded already: equal content is made once."""
    command = step_cache.atom_command(atom.md5)
    if step_cache.lookup(project.store, command, ["atom"], logs is not None) is not None:
        return
    state = project.git.state([])
    path = scratch / "record.json"
    dirty = state.commit is None or bool(state.changed)
    record = Record(user, now(), 0.0, state.commit, dirty, versions=versions(), changed=state.changed)
    replace(record, usage=dict(usage or {})).write(path)
    kept = project.store.add(logs) if logs is not None else None
    step_cache.store(project.store, command, step_cache.CachedResult({"atom": atom}, project.store.add(path), kept))


def find(survey: Survey, md5: str) -> Record | None:
    """The record of the atom with this hash: from the work tree's lock files, the step cache, or git's history."""
    project, oid = survey.project, md5 + ".dir"
    for out in survey.outs.get(oid, ()):
        if record := _beside(project, out):
            return record
    made_by_hand = step_cache.lookup(project.store, step_cache.atom_command(oid), ["atom"])
    for entry in [made_by_hand] if made_by_hand else survey.entries(oid):
        if record := read(project, entry.record.md5):
            return record
    for commit in survey.commits(md5):
        for out in survey.locked_at(commit):
            if out.md5 == oid and (record := _beside(project, out)):
                return record
    return None


def fetch(survey: Survey, outs: Iterable[Located]) -> None:
    """Bring the records beside some outputs from the remote, where neither the cache nor the work tree has them."""
    records = {out.folder / f"runs/{out.stage}.json": out.siblings.get(f"runs/{out.stage}.json") for out in outs}
    survey.fetch(survey.project.missing(md5 for path, md5 in records.items() if md5 and not path.exists()))


def logs_of(survey: Survey, md5: str) -> str | None:
    """The folder object of the logs that were kept beside the atom with this hash, if any."""
    oid = md5 + ".dir"
    for out in survey.outs.get(oid, ()):
        if f"logs/{out.stage}" in out.siblings:
            return out.siblings[f"logs/{out.stage}"]
    return next((entry.logs.md5 for entry in survey.entries(oid) if entry.logs is not None), None)


def _beside(project: Project, out: Located) -> Record | None:
    name = f"runs/{out.stage}.json"
    return read(project, out.siblings[name], out.folder / name) if name in out.siblings else None


def read(project: Project, md5: str, path: Path | None = None) -> Record | None:
    """The record in the cache, or the one in the work tree (which a later run of the stage may have replaced).

    None where there is none, or what lies there is no record of ours: another tool's, or damaged.
    """
    if md5 in _read:  # what an object holds does not change
        return _read[md5]
    try:
        text = project.store.read(md5)
    except (OSError, DamagedError):
        if path is None or not path.is_file() or hash_file(path) != md5:
            return None
        text = path.read_bytes()
    try:
        _read[md5] = _checked(read_json(text))
        return _read[md5]
    except (ValueError, TypeError, KeyError, OverflowError):
        return None


_read: dict[str, Record] = {}
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


def _checked(fields: Any) -> Record:
    """A record of what a file says, each field of its type; raises where it is none."""
    if not (isinstance(fields["user"], str) and isinstance(fields["started"], str)):
        raise TypeError
    values = {name: fields[name] for name in Record.__dataclass_fields__ if name in fields}
    values |= {"seconds": float(fields["seconds"]), "dirty": bool(fields["dirty"])}
    if not math.isfinite(values["seconds"]) or not _COMMIT.fullmatch(str(values.get("commit") or "0" * 40)):
        raise ValueError("the time that it took is none, or the commit can be none")
    for name in ("commit", "step", "workflow", "key", "patch", "host"):
        values[name] = values[name] if isinstance(values.get(name), str) else None
    for name in ("config", "usage", "versions", "changed"):
        values[name] = values[name] if isinstance(values.get(name), dict) else {}
    return Record(**values)
