"""What of the cache nothing needs any more: decided as a value, and removed.

Needed are what the work tree's dvc.lock and .dvc files name, what commits name, what was made by hand (nobody can make
it again), and, of all of these, what they were made from, so that no lineage breaks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.atom import costs, records
from motools.atom.records import Record
from motools.base.foreign_text import read_json
from motools.errors import DamagedError, ProjectError, listed
from motools.repo import step_cache
from motools.repo.history import History
from motools.repo.outs import Located
from motools.repo.project import Project
from motools.repo.settings import Settings
from motools.repo.step_cache import CachedResult

__all__ = ["Garbage", "of_outs", "of_project", "sweep"]

_ID = re.compile(r"[a-z][a-z0-9_]*-([0-9a-f]{32})")


@dataclass(frozen=True)
class Garbage:
    """What can go from the cache.

    Attributes:
        objects: their ids, `.dir` at the end of folders'.
        entries: files of the step cache whose results would be gone.
        results: the records of these, newest first: what would be executed anew.
        size: bytes of the objects.
        committed: how many objects stay because commits name them, and nothing else does.
    """

    objects: list[str]
    entries: list[Path]
    results: list[Record]
    size: int
    committed: int = 0

    def spent(self, settings: Settings) -> costs.Spent:
        """What making these results took."""
        return costs.total(costs.spent(record.usage, record.config, settings) for record in self.results)


def of_project(project: Project, commits: bool = True) -> Garbage:
    """What of the whole cache nothing needs.

    Args:
        commits: whether what commits name is needed.

    Raises:
        ProjectError: a lock file cannot be read, or the cache lies outside of the project, where others may need it.
    """
    return _garbage(project, _every(project), _located(project), commits)


def of_outs(project: Project, gone: Iterable[Located], commits: bool = True) -> Garbage:
    """What nothing needs when some outputs of the work tree are gone; raises what `of_project` does."""
    lost = {(out.folder, out.path): out.md5 for out in gone}
    oids = set(lost.values())
    needed = _closure(project, oids)
    others: set[str] = set()
    for _, entry in _entries(project):
        goes = all(out.md5 in needed for out in entry.outputs.values())
        (oids if goes else others).update(entry.oids())
    return _garbage(
        project,
        _closure(project, oids) - _closure(project, others),  # those may hold equal files
        [out for out in _located(project) if (out.folder, out.path) not in lost],
        commits,
    )


def sweep(project: Project, garbage: Garbage) -> None:
    """Remove it: entries first, so that none names what is gone."""
    for path in garbage.entries:
        path.unlink(missing_ok=True)
        path.with_suffix(".zip").unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()
    for oid in garbage.objects:
        with suppress(FileNotFoundError):
            path = project.store.path(oid)
            path.unlink()


def _garbage(project: Project, candidates: set[str], located: Iterable[Located], commits: bool) -> Garbage:
    if not project.cache.resolve().is_relative_to(project.root):
        raise ProjectError(
            f"The cache {project.cache} lies outside of the project, where other projects may need what is in it. "
            "`dvc gc --projects ...` removes from such a cache what none of them needs."
        )
    roots = {out.md5 for out in located} | set(_by_hand(project))
    needed = _closure(project, _with_ancestors(project, roots))
    free = {oid for oid in candidates - needed if project.store.path(oid).exists()}
    named = _closure(project, _with_ancestors(project, History(project.git).named())) if free else set()
    going = free - named if commits else free
    lost = {path: entry for path, entry in _entries(project) if not going.isdisjoint(entry.oids())}
    made = (records.read(project, md5) for md5 in {entry.record.md5 for entry in lost.values()})
    results = sorted((record for record in made if record is not None), key=lambda record: record.started, reverse=True)
    size = sum(project.store.path(oid).stat().st_size for oid in going)
    return Garbage(sorted(going), sorted(lost), results, size, len(free & named) if commits else 0)


def _located(project: Project) -> list[Located]:
    """Every output that the work tree names, and others of the repository, which may share the cache; what cannot be
    read may name anything."""
    unread: list[str] = []
    outs = [out for root in (project.root, *project.git.beside) for out in Project(root).outs(unread)]
    if unread:
        raise ProjectError(f"Nothing is removed while a lock file cannot be read: {listed(unread)}")
    return outs


def _every(project: Project) -> set[str]:
    """All objects of the cache."""
    buckets = [bucket for bucket in (project.cache / "files" / "md5").glob("[0-9a-f][0-9a-f]") if bucket.is_dir()]
    return {bucket.name + name for bucket in buckets for name in os.listdir(bucket)}


def _entries(project: Project) -> Iterator[tuple[Path, CachedResult]]:
    return step_cache.every_file(project.store)


def _by_hand(project: Project) -> Iterator[str]:
    """All that belongs to atoms made by hand."""
    for _, entry in _entries(project):
        if entry.outputs.keys() == {"atom"}:
            yield from entry.oids()


def _with_ancestors(project: Project, oids: Iterable[str]) -> set[str]:
    """Objects, and the atoms that those among them were made from, all the way."""
    reached: set[str] = set()
    left = list(oids)
    while left:
        oid = left.pop()
        if oid not in reached:
            reached.add(oid)
            left += _made_from(project, oid)
    return reached


def _made_from(project: Project, oid: str) -> list[str]:
    if not oid.endswith(".dir"):
        return []
    with suppress(FileNotFoundError, DamagedError, ValueError, KeyError, AttributeError, TypeError):
        about: Any = read_json(project.store.read(project.store.tree(oid)["atom.json"]))
        return [f"{match[1]}.dir" for id in about["made_from"].values() if (match := _ID.fullmatch(str(id)))]
    return []


def _closure(project: Project, oids: Iterable[str]) -> set[str]:
    """Objects, and the files of those among them that are folders."""
    objects = set(oids)
    for oid in [oid for oid in objects if oid.endswith(".dir")]:
        with suppress(FileNotFoundError, DamagedError):
            objects.update(project.store.tree(oid).values())
    return objects
