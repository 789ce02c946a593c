"""The door to a DVC remote: brings into the cache what results are made of, and says clearly why it cannot.

It is asked as seldom as can be, since importing DVC takes 0.5 s and a network more; and once it could not be asked, it
is not asked again by the same command.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from motools.base import trusted_hosts
from motools.base.own_doing import own_doing
from motools.errors import DamagedError, MotoolsError, RemoteError, UserError, did_you_mean, listed
from motools.repo import step_cache
from motools.repo.git import came_by_git
from motools.repo.project import Project
from motools.repo.work_tree import without_password

__all__ = ["Remote", "pull", "told_size"]

_REFUSALS = ("credential", "permission", "forbidden", "unauthor", "accessdenied", "access denied", "authenti", "token")

_OWN_ONLY = {
    "bearer_token_command",  # executed
    "configpath",  # of a file that may name a command (`credential_process`)
    "credentialpath",
    "gdrive_service_account_json_file_path",
    "gdrive_user_credentials_file",
    "ssl_verify",
}
"""What only the person's own configuration may say of a remote."""
_CREDENTIALS = {"ask_password", "auth", "custom_auth_header", "passphrase", "password", "token", "user"}
_HOSTED = {"http", "https", "webdav", "webdavs", "hdfs", "webhdfs", "ssh"}
"""Schemes whose address names the host that credentials of the configuration go to."""
_CONNECT = 3
"""Seconds in which a server has to take a connection where somebody waits for what a command reads, unless the remote's
`connect_timeout` says otherwise."""


class Remote:
    """A remote of a project, by default the default one.

    Args:
        patient: whether a server that does not answer is waited for and tried again for up to a minute, as it is worth
            before something is paid; else S3 and HTTP have `_CONNECT` seconds to take a connection, and one try.

    Attributes:
        name: None where there is no remote to ask; then everything in it is absent.
        problem: why it could not be asked, once that has been tried.
    """

    def __init__(self, project: Project, name: str | None = None, patient: bool = True) -> None:
        self.project = project
        self.name = name or project.setting("core", "remote")
        self.problem: RemoteError | None = None
        self._patient = patient
        self._lacks: set[str] = set()
        self._opened: Any = None  # the store that small objects are read from: making one takes a tenth of a second

    @property
    def url(self) -> str:
        """Its address, without a password that stands in it."""
        url = self.project.setting(f'remote "{self.name}"'.lower(), "url") or ""
        return without_password(url) if "://" in url else str((self.project.root / ".dvc" / url).resolve())

    def refusal(self, stages: Iterable[str]) -> RemoteError:
        """Why stages that cost money are not executed now."""
        return RemoteError(
            f"{self.problem} It may have what would now be paid for again ({listed(stages)}). To execute all the same: "
            "motools run --without-remote"
        )

    def look(self, oids: Iterable[str]) -> bool:
        """Bring files and folder objects, without the files of the folders; whether all are in the cache now."""
        wanted = list(oids)
        store = self.project.store
        self._bring([oid for oid in wanted if not store.path(oid).exists()])
        return all(store.path(oid).exists() for oid in wanted)

    def read(self, oids: Iterable[str]) -> None:
        """Bring small objects, such as records and folder objects, where it has them: one request each, all at once.

        DVC's way, which `look` goes, never holds a file in memory, but asks thrice for each and opens databases.
        """
        wanted = [oid for oid in oids if oid not in self._lacks]

        def bring(repo: Any) -> None:
            self._opened = odb = self._opened or self._store(repo, "md5", named=True)
            contents = odb.fs.fs.cat([odb.oid_to_path(oid) for oid in wanted], on_error="return")
            for path, content in contents.items():
                oid = "".join(path.rsplit("/", 2)[1:])
                if isinstance(content, FileNotFoundError):
                    self._lacks.add(oid)
                elif isinstance(content, Exception):
                    raise content
                else:
                    with suppress(DamagedError):  # what it has under this name is something else
                        self.project.store.add_object(oid, content)

        if wanted:
            self._ask(bring, opens=self._opened is None)

    def fetch(self, oids: Iterable[str]) -> bool:
        """Bring objects whole, folders with their files; whether all are in the cache now."""
        wanted = list(oids)
        store = self.project.store
        if all(store.has(oid) for oid in wanted):
            return True
        if not self.look(wanted):
            return False
        files = {file for oid in wanted if oid.endswith(".dir") for file in store.tree(oid).values()}
        self._bring([file for file in files if not store.path(file).exists()])
        return all(store.has(oid) for oid in wanted)

    def entries(self, command: str, outputs: Iterable[str], logs: bool) -> None:
        """Bring what its step cache has for a key; as DVC has it, a plain HTTP server has none."""
        folder = step_cache.folder_of(self.project.store, command, outputs, logs)

        def bring(repo: Any) -> None:
            odb = self._store(repo, "md5-dos2unix")
            where = odb.fs.join(odb.path, *folder.relative_to(self.project.cache).parts)
            if is_http(odb) or not odb.fs.exists(where):
                return
            for path in odb.fs.find(where):
                target = folder / odb.fs.name(path)
                if not target.exists():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    odb.fs.get_file(path, str(target))

        self._ask(bring)

    def _bring(self, oids: list[str]) -> None:
        wanted = [oid for oid in oids if oid not in self._lacks]
        if not wanted:
            return

        def bring(repo: Any) -> None:
            from dvc_data.hashfile.hash_info import HashInfo

            odb = self._store(repo, "md5", named=True)
            _forget(odb)
            failed = repo.cloud.pull({HashInfo("md5", oid) for oid in wanted}, odb=odb).failed
            if failed:
                raise OSError(f"{len(failed)} of {len(wanted)} files could not be read")
            lacking = [oid for oid in wanted if not self.project.store.path(oid).exists()]
            if lacking and is_http(odb):  # DVC takes a server that is gone for one that lacks a file
                with suppress(FileNotFoundError):
                    odb.fs.fs.cat_file(odb.oid_to_path(lacking[0]))
            self._lacks |= set(lacking)

        self._ask(bring)

    def reach(self) -> None:
        """See whether it can be asked at all."""

        def see(repo: Any) -> None:
            odb = self._store(repo, "md5")
            if not is_http(odb):
                odb.fs.exists(odb.path)
                return
            try:
                odb.fs.fs.cat_file(odb.path)
            except Exception as error:
                if getattr(error, "status", 401) == 401 and not isinstance(error, FileNotFoundError):
                    raise  # other answers are those of a server that shows no folders

        self._ask(see)

    def _ask(self, do: Callable[[Any], None], opens: bool = True) -> None:
        """Do something, with DVC's repository or without; what goes wrong becomes the `problem`, and nothing more is
        asked."""
        if self.name is None or self.problem is not None:
            return
        if self.project.setting(f'remote "{self.name}"'.lower(), "url") is None:
            names = self.project.remotes
            hint = f"{did_you_mean(self.name, names)} There are: {listed(names, 12)}."
            self.problem = RemoteError(f"DVC's configuration has no remote {self.name!r} with an address.{hint}")
            return
        if why := self._distrusted():
            self.problem = RemoteError(why)
            return
        try:
            with own_doing(), self._dvc() if opens else nullcontext() as repo:
                do(repo)
        except Exception as error:  # each kind of remote has errors of its own
            self.problem = RemoteError(self._sentence(error))

    def _dvc(self) -> AbstractContextManager[Any]:
        """DVC's repository."""
        return self.project.dvc()

    def _distrusted(self) -> str | None:
        """Why what others have set for it is not followed: it would have a command run, or credentials sent to a host
        that is not the person's own."""
        theirs, own = self._settings()
        files = self.project.root / ".dvc" / "config", self.project.root / ".dvc" / "config.local"
        config = f"{files[files[1].exists() and came_by_git(files[1])]}, which git keeps,"
        for name in sorted(theirs.keys() & _OWN_ONLY):
            return (
                f"{config} sets {name} for the remote {self.name!r}, by which others could have a command run here or "
                f"read your credentials. If it is right, set it yourself: dvc remote modify --local {self.name} {name} "
                f"{shlex.quote(theirs[name])}, and remove it there."
            )
        asks = own.keys() & _CREDENTIALS and theirs.get("url", "").partition("://")[0] in _HOSTED
        # Any of them may become a part of an address, as an account's name does.
        hosts = {name: value for name, value in theirs.items() if asks or name != "url"}
        return trusted_hosts.refusal(hosts, config)

    def _settings(self) -> tuple[dict[str, str], dict[str, str]]:
        """What others have set for it, and what the person has, with what holds for the remotes that it is a part of,
        `remote://NAME/path`."""
        theirs, own, name, told = dict[str, str](), dict[str, str](), self.name, set[str]()
        while name is not None and name not in told:
            told.add(name)
            for values, more in zip((theirs, own), self.project.settings_of(f'remote "{name}"'), strict=True):
                values.update({key: value for key, value in more.items() if key not in values or key == "url"})
            scheme, _, rest = (self.project.setting(f'remote "{name}"'.lower(), "url") or "").partition("://")
            name = rest.partition("/")[0].lower() if scheme == "remote" else None
        return theirs, own

    def _store(self, repo: Any, hash_name: str, named: bool = False) -> Any:
        """DVC's object store at the remote.

        Args:
            named: something that is named here will be asked for, so that a folder that is not there is wrong.
        """
        is_bounded = not self._patient and self.url.partition(":")[0] in ("s3", "http", "https")
        if is_bounded:
            repo.config["remote"].get(str(self.name).lower(), {}).setdefault("connect_timeout", _CONNECT)
        odb = repo.cloud.get_remote_odb(self.name, hash_name=hash_name)
        if is_bounded and odb.fs.protocol == "s3":  # s3fs itself still tries again what S3 throttles
            odb.fs.fs_args.setdefault("config_kwargs", {})["retries"] = {"total_max_attempts": 1}
        elif is_bounded:
            odb.fs.SESSION_RETRIES = 1
        if odb.fs.protocol == "local":
            folder = Path(self.url)
            if not folder.is_dir() and (named or not folder.parent.is_dir()):
                raise FileNotFoundError("there is no such folder")
        return odb

    @contextmanager
    def opened(self, progress: bool = False) -> Iterator[Any]:
        """DVC's repository, for its own push and pull; raises `RemoteError` where the remote cannot be asked."""
        self.reach()
        if self.problem is not None:
            raise self.problem
        with self.project.dvc(progress) as repo:
            from dvc.exceptions import DvcException

            try:
                _forget(self._store(repo, "md5"))
                yield repo
            except (MotoolsError, DvcException):
                raise
            except Exception as error:  # of the network
                raise RemoteError(self._sentence(error)) from error

    def _sentence(self, error: Exception) -> str:
        which = f"The DVC remote {self.name!r} ({self.url})"
        if isinstance(error, ImportError) or hasattr(error, "missing_deps"):
            scheme = self.url.partition(":")[0]
            named = re.search(r"'(dvc-\w+)'", str(error))
            plugin = named[1] if named else f"dvc-{scheme}"
            return f"{which} needs the plug-in {plugin}, which is not installed: type pip install {plugin}"
        said = " ".join(str(error).split()) or "it does not answer"
        told = f"{type(error).__name__}: {said}"
        mend = "`dvc remote list` shows it, `dvc remote modify` mends it."
        if isinstance(error, UserError):  # DVC's own words on its configuration
            return f"{which} cannot be used: {said.rstrip('.')}. {mend}"
        if any(word in told.lower() for word in _REFUSALS):
            return (
                f"{which} lets nobody in without credentials, and has none that it accepts ({told.rstrip('.')}). "
                "Set them as its provider's tools take them, or with `dvc remote modify --local`."
            )
        return f"{which} cannot be reached ({told.rstrip('.')}). {mend}"


def pull(project: Project, md5: str) -> bool:
    """Fetch an object, and a folder's files, from the default remote into the cache; whether they are here now.

    Raises:
        RemoteError: the remote cannot be asked.
    """
    remote = Remote(project)
    if not remote.fetch([md5]) and remote.problem is not None:
        raise remote.problem
    return project.store.has(md5)


def _forget(odb: Any) -> None:
    """Drop what DVC remembers a remote to have: it believes that without a look, and others may have emptied it."""
    from dvc_data.hashfile.db import get_index

    get_index(odb).clear()


def told_size(size: int) -> str:
    """Bytes as a person says them: `1.2 MB`."""
    from rich.filesize import decimal

    return decimal(size)


def is_http(odb: Any) -> bool:
    return odb.fs.protocol in ("http", "https")
