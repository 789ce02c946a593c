"""Push and pull: DVC's own, of all that the work tree names, and of all that the step cache names as well.

`dvc push --run-cache` carries the entries of the step cache without the objects that they name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from motools.errors import DamagedError, ProjectError
from motools.repo import step_cache
from motools.repo.outs import is_within
from motools.repo.project import Project
from motools.repo.remote import Remote

__all__ = ["Shared", "pull", "push"]


@dataclass(frozen=True)
class Shared:
    """What a push or pull came to.

    Attributes:
        remote: its name.
        moved: how many files were sent or brought.
        results: how many results the step cache here has.
    """

    remote: str
    moved: int
    results: int

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def push(project: Project, remote: str | None = None, progress: bool = False) -> Shared:
    """Send to a remote (None: the default one) what the work tree and the step cache name.

    Raises:
        RemoteError: it cannot be asked.
    """
    there = _remote(project, remote)
    with there.opened(progress) as repo:
        objects = _objects(project)
        files = {file for oid in objects for file in _inside(project, oid)}
        moved = _moved(repo.cloud.push, there, [oid for oid in files if project.store.path(oid).exists()])
        moved += _moved(repo.cloud.push, there, [oid for oid in objects if project.store.has(oid)])  # a folder last
        moved += repo.push(remote=there.name, run_cache=True)
    return _shared(there, moved)


def pull(project: Project, remote: str | None = None, progress: bool = False) -> Shared:
    """Bring from a remote (None: the default one) what it has of the step cache, and what the work tree names.

    Raises:
        RemoteError: it cannot be asked.
        ProjectError: it lacks a file that the work tree names, or one here was edited and would be lost.
    """
    from dvc.stage.cache import RunCacheNotSupported

    there = _remote(project, remote)
    with there.opened(progress) as repo:
        with suppress(RunCacheNotSupported):  # by servers that cannot list what they have
            repo.stage_cache.pull(there.name)
        objects = _objects(project)
        moved = _moved(repo.cloud.pull, there, [oid for oid in objects if not project.store.path(oid).exists()])
        files = {file for oid in objects for file in _inside(project, oid)}
        moved += _moved(repo.cloud.pull, there, [oid for oid in files if not project.store.path(oid).exists()])
        _lay_large(project)
        moved += repo.pull(remote=there.name)["stats"]["fetched"]
    return _shared(there, moved)


def _lay_large(project: Project) -> None:
    """Put results with large files where they belong, linked: DVC, which finds them there, would copy them."""
    for out in project.outs():
        target = out.folder / out.path
        is_lacking = not target.exists() and is_within(target, project.root)
        if is_lacking and project.store.has(out.md5) and project.store.has_large(out.md5):
            project.store.check_out(out.md5, target)


def _remote(project: Project, name: str | None) -> Remote:
    remote = Remote(project, name)
    if remote.name is None:
        raise ProjectError("There is no remote to share results by. Type: dvc remote add -d NAME URL")
    return remote


def _objects(project: Project) -> list[str]:
    return list({oid: None for entry in step_cache.every(project.store) for oid in entry.oids()})


def _inside(project: Project, oid: str) -> Iterable[str]:
    try:
        return project.store.tree(oid).values() if oid.endswith(".dir") else ()
    except (FileNotFoundError, DamagedError):
        return ()


def _moved(move: Callable[..., Any], remote: Remote, oids: list[str]) -> int:
    from dvc_data.hashfile.hash_info import HashInfo

    return len(move({HashInfo("md5", oid) for oid in oids}, remote=remote.name).transferred) if oids else 0


def _shared(remote: Remote, moved: int) -> Shared:
    entries = step_cache.every(remote.project.store)
    return Shared(str(remote.name), moved, sum(step_cache.ANSWERS not in entry.outputs for entry in entries))
