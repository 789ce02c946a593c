"""What the work tree's lock files, the step cache and git's history say of atoms: each read once, then looked up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path

from motools.errors import ProjectError, RemoteError
from motools.repo import step_cache
from motools.repo.history import History
from motools.repo.outs import Located
from motools.repo.project import Project
from motools.repo.remote import Remote
from motools.repo.step_cache import CachedResult

__all__ = ["Survey"]


class Survey:
    """As the project was when it was first asked; make a new one for each command.

    Attributes:
        unread: a sentence for each lock file of the work tree that could not be read.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.history = History(project.git)
        self.unread: list[str] = []
        self.locked_at = cache(lambda commit: list(self.history.locked_at(commit)))
        self._remote = Remote(project, patient=False)  # one that did not answer is not asked again

    @cached_property
    def located(self) -> list[Located]:
        """The outputs that the work tree's lock files name."""
        return list(self.project.outs(self.unread))

    @cached_property
    def outs(self) -> dict[str, list[Located]]:
        """The same by MD5 (`.dir` at the end, for folders)."""
        by_md5: dict[str, list[Located]] = {}
        for out in self.located:
            by_md5.setdefault(out.md5, []).append(out)
        return by_md5

    @cached_property
    def _entries(self) -> dict[str, list[Path]]:
        return step_cache.by_object(self.project.store)

    def entries(self, oid: str) -> Iterator[CachedResult]:
        """The entries of the step cache, newest first, that have an object among their outputs."""
        return step_cache.naming(self.project.store, oid, self._entries)

    @cached_property
    def _history(self) -> Future[dict[str, list[str]]]:
        """Read beside what else is looked up: git takes a third of a second for a thousand commits."""
        pool = ThreadPoolExecutor(1)
        try:
            return pool.submit(self._read_history)
        finally:
            pool.shutdown(wait=False)

    def _read_history(self) -> dict[str, list[str]]:
        try:
            return self.history.of_hashes()
        except ProjectError:  # no git, or a damaged repository: an atom's content says all the same what it is
            return {}

    def look_ahead(self) -> None:
        """Begin to read git's history."""
        _ = self._history

    def commits(self, md5: str) -> list[str]:
        """The commits, newest first, whose lock files gained or lost an object."""
        return self._history.result().get(md5.removesuffix(".dir"), [])

    @cached_property
    def shallow(self) -> frozenset[str]:
        try:
            return self.history.shallow
        except ProjectError:
            return frozenset()

    def missing_commits(self, commits: set[str]) -> set[str]:
        try:
            return self.history.missing_commits(commits)
        except ProjectError:
            return set()

    @property
    def problem(self) -> RemoteError | None:
        """Why the remote could not be asked, where something was looked for there."""
        return self._remote.problem

    def fetch(self, oids: set[str]) -> None:
        """Bring small objects alone, without what a folder object names, from the default remote, where it answers."""
        self._remote.read(self.project.missing(oids))

    def fetch_files(self, oids: set[str], names: Sequence[str]) -> None:
        """Bring of folder objects that are not here what they list, and these files of it."""
        if lacking := self.project.missing(oids):
            self.fetch(lacking)
            store = self.project.store
            trees = [store.tree(oid) for oid in lacking if store.path(oid).exists()]
            self.fetch({md5 for tree in trees for name in names if (md5 := tree.get(name))})
