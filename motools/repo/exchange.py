"""Results that go through a remote one by one, as steps on other machines make them; the remote is kept open for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from motools.base.files import scratch
from motools.errors import DamagedError, RemoteError
from motools.repo import claims, step_cache
from motools.repo.project import Project
from motools.repo.remote import Remote, is_http
from motools.repo.step_cache import CachedResult

__all__ = ["Exchange"]

_SMALL = 1 << 16  # for speed, in bytes
_FEW = 32  # for speed
"""So many objects are asked for one by one, which costs a request each; more as DVC does, which looks around first."""


class Exchange(Remote):
    """A remote through which results are sent and received. Several threads may use it, one at a time."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self._turn = threading.RLock()
        self._open = ExitStack()
        self._repo: Any = None
        self._stores: dict[str, Any] = {}
        self._there: set[str] = set()  # what is known to be in it

    def close(self) -> None:
        """Let go of it; it is of no use any more."""
        self._open.close()

    def has(self, oids: Iterable[str]) -> None:
        """Take for known that these are in it, folders with their files."""
        self._there.update(oids)

    def send(self, oids: Iterable[str]) -> None:
        """See to it that these objects are in it, folders with their files, and a folder after these.

        Raises:
            RemoteError: it cannot be reached.
        """
        store = self.project.store
        wanted = [oid for oid in dict.fromkeys(oids) if oid not in self._there]
        files = {oid: list(store.tree(oid).values()) if oid.endswith(".dir") else [] for oid in wanted}

        def put(repo: Any) -> None:
            from dvc.fs import localfs

            odb = self._store(repo, "md5")
            there = [oid for oid in wanted if len(files[oid]) > _FEW and odb.exists(oid)]
            self._there.update(there, *(files[oid] for oid in there))
            every = dict.fromkeys([*(file for oid in wanted for file in files[oid]), *wanted])
            lacking = [oid for oid in every if oid not in self._there]
            for group in ([oid for oid in lacking if oid not in files], [oid for oid in lacking if oid in files]):
                for large in (True, False):  # to ask whether a small one is there takes longer than to send it
                    some = [oid for oid in group if (store.path(oid).stat().st_size > _SMALL) is large]  # for speed
                    odb.add([str(store.path(oid)) for oid in some], localfs, some, check_exists=large)
            self._there.update(lacking)

        if wanted:
            self._insist(put)

    def send_result(self, command: str, entry: CachedResult) -> None:
        """See to it that a result is in it: the objects, then its entry in the step cache.

        Raises:
            RemoteError: it cannot be reached.
        """
        self.send(entry.oids())
        path = step_cache.file_of(self.project.store, command, entry)

        def put(repo: Any) -> None:
            odb = self._store(repo, "md5-dos2unix")
            for file in (path.with_suffix(".zip"), path):  # the entry last: what it names is there then
                where = odb.fs.join(odb.path, *file.relative_to(self.project.cache).parts)
                if file.exists():
                    odb.fs.put_file(str(file), where)

        self._insist(put)

    def receive(self, command: str, entry: CachedResult) -> None:
        """Bring a result into the cache and the step cache.

        Raises:
            RemoteError: it cannot be reached, or lacks what it should have.
        """
        store = self.project.store
        path = step_cache.file_of(store, command, entry).with_suffix(".zip")

        def bring(repo: Any) -> None:
            odb = self._store(repo, "md5-dos2unix")
            where = odb.fs.join(odb.path, *path.relative_to(self.project.cache).parts)
            store.make(path.parent)
            with suppress(FileNotFoundError):  # whoever made the result has not packed it
                odb.fs.get_file(where, str(path))

        if not all(map(store.has, entry.oids())):
            if sum(out.size for out in entry.outs()) <= step_cache.PACKED:
                self._insist(bring)
                step_cache.unpack(store, path)
            if not self.fetch(entry.oids()):
                raise self._taken() or RemoteError(self._sentence(FileNotFoundError("it lacks files of a result")))
        self.has(entry.oids())
        step_cache.store(store, command, entry)

    @contextmanager
    def claimed(self, key: str) -> Iterator[None]:
        """Have a step's key for oneself, of all machines that use this remote.

        Raises:
            RemoteError: it cannot be reached.
        """
        stores: list[Any] = []
        self._insist(lambda repo: stores.append(self._store(repo, "md5-dos2unix")))
        odb = stores[0]
        with ExitStack() as held:
            if not is_http(odb):  # which lists nothing
                try:
                    held.enter_context(claims.claimed(odb.fs, odb.fs.join(odb.path, "motools", "claims", key)))
                except Exception as error:  # each kind of remote has errors of its own
                    raise RemoteError(self._sentence(error)) from error
            yield

    # -- how it is asked -------------------------------------------------------------

    def _insist(self, do: Callable[[Any], None]) -> None:
        """Ask it, whatever has come of asking before; raises what goes wrong."""
        self.problem = None
        self._ask(do)
        if (problem := self._taken()) is not None:
            self._stores.clear()  # they remember which folders it had
            raise problem

    def _taken(self) -> Any:
        problem, self.problem = self.problem, None
        return problem

    @contextmanager
    def _dvc(self) -> Iterator[Any]:
        with self._turn:
            if self._repo is None:
                self._repo = self._open.enter_context(self.project.dvc())
            yield self._repo

    def _distrusted(self) -> str | None:
        """Looked at when it is opened: DVC reads the configuration then, and keeps to it."""
        return super()._distrusted() if self._repo is None else None  # for speed

    def _store(self, repo: Any, hash_name: str, named: bool = False) -> Any:
        if hash_name not in self._stores or named:
            self._stores[hash_name] = super()._store(repo, hash_name, named)
        self._stores[hash_name].fs.fs.invalidate_cache()  # others write to it meanwhile
        return self._stores[hash_name]

    def _bring(self, oids: list[str]) -> None:
        if len(oids) > _FEW:
            super()._bring(oids)
            self._lacks.clear()
            return
        store = self.project.store

        def bring(repo: Any) -> None:
            odb = self._store(repo, "md5")
            store.make(store.scratch)
            with scratch(store.scratch) as folder:
                for oid in oids:
                    try:
                        odb.fs.get_file(odb.oid_to_path(oid), str(folder / "new"))
                    except FileNotFoundError:  # it may come yet
                        continue
                    if oid.endswith(".dir"):
                        store.add_object(oid, (folder / "new").read_bytes())
                    elif store.add(folder / "new", ours=True).md5 != oid:
                        raise DamagedError(f"what it has as {oid} is something else")
                    (folder / "new").unlink()

        if oids:
            self._ask(bring)
