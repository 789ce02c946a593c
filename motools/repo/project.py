"""The project: where it is, its cache and remotes, its commits, and what its lock files name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from motools.errors import ProjectError
from motools.repo.cache import Cache
from motools.repo.dvc_config import dvc_config_files, ignores, quiet_dvc, read_dvc_config
from motools.repo.git import Git, came_by_git
from motools.repo.hashing import hash_file
from motools.repo.large_objects import LargeObjects
from motools.repo.outs import Located, located_in
from motools.repo.walking import is_walked


@dataclass(frozen=True)
class Project:
    """A git repository with DVC in it; `root` is the folder that holds `.dvc`."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """The project around a folder (default: the current one).

        Raises:
            ProjectError: there is none; the message says how to make one.
        """
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / ".dvc").is_dir():
                return cls(folder)
        raise ProjectError(f"{start} is not inside a MOTools project. Type `motools init` to make it one.")

    def __reduce__(self) -> tuple[Any, ...]:
        return Project, (self.root,)  # what was looked up so far stays here when it is sent to a worker

    @property
    def private(self) -> Path:
        """The git-ignored folder for what may be lost: work folders, logs, locks."""
        return self.root / ".motools"

    @cached_property
    def store(self) -> Cache:
        """The object store that the DVC configuration names."""
        types = self.setting("cache", "type")
        links = types is None or "hardlink" in types
        large = LargeObjects(self.private / "large-objects")
        return Cache(self.cache, self.setting("cache", "shared") == "group", large, links)

    @cached_property
    def cache(self) -> Path:
        folder = self.setting("cache", "dir")
        return Path(folder) if folder else self.root / ".dvc" / "cache"

    def setting(self, section: str, name: str) -> str | None:
        """A value of the DVC configuration, the strongest of its four files; None where none has it."""
        return self._settings.get((section, name))

    @property
    def remotes(self) -> list[str]:
        """The names of DVC's remotes that have an address."""
        remotes = (section for section, name in self._settings if section.startswith('remote "') and name == "url")
        return [section[len('remote "') : -1] for section in remotes]

    def settings_of(self, section: str) -> tuple[dict[str, str], dict[str, str]]:
        """The values of a section that count: those that git keeps in `.dvc`, and the person's own."""
        every = {name: value for (where, name), value in self._settings.items() if where == section.lower()}
        files = [file for file in dvc_config_files(self.root)[-2:] if file.exists() and came_by_git(file)]
        shared = read_dvc_config(files)
        theirs = {name: value for name, value in every.items() if shared.get((section.lower(), name)) == value}
        return theirs, {name: value for name, value in every.items() if name not in theirs}

    def keeper(self, path: Path) -> str | None:
        """Who could have brought a file, from a clone or a remote; None: it is the person's own."""
        if came_by_git(path):
            return "git"
        return "DVC" if self.store.has(hash_file(path)) else None

    def config_files(self) -> list[Path]:
        """Every file that DVC reads its configuration and its ignore rules from, whether it is there or not."""
        return [*dvc_config_files(self.root), self.root / ".dvcignore"]

    @cached_property
    def _settings(self) -> dict[tuple[str, str], str]:
        return read_dvc_config(dvc_config_files(self.root))

    @cached_property
    def git(self) -> Git:
        return Git(self.root)

    @property
    def user(self) -> str:
        """Who works here: `MOTOOLS_USER`, or whom git would name as a commit's author, or the login name."""
        return self.git.user

    # -- lock files --------------------------------------------------------

    def outs(self, unread: list[str] | None = None) -> Iterator[Located]:
        """Every output that the work tree's dvc.lock and .dvc files name.

        Args:
            unread: takes a sentence for each of these files that cannot be read; it is left out.
        """
        unread = [] if unread is None else unread
        for parent, folders, names in os.walk(self.root):
            locks = [name for name in sorted(names) if name == "dvc.lock" or name.endswith(".dvc")]
            outs = [out for name in locks for out in located_in(Path(parent, name), unread)]
            yield from outs
            inside = {os.path.normpath(os.path.join(parent, out.path)) for out in outs}
            folders[:] = [name for name in sorted(folders) if is_walked(parent, name, inside)]

    def missing(self, oids: Iterable[str]) -> set[str]:
        return {oid for oid in oids if not self.store.path(oid).exists()}

    # -- DVC ---------------------------------------------------------------

    @contextmanager
    def dvc(self, progress: bool = False) -> Iterator[Any]:
        """DVC's own repository object; importing it takes 0.5 s, so only what needs it comes here.

        Args:
            progress: let it show its progress bars on a terminal.
        """
        with quiet_dvc(progress):
            from dvc.exceptions import DvcException
            from dvc.repo import Repo

            try:
                repo = Repo(str(self.root))
                try:
                    yield repo
                finally:
                    repo.close()
            except DvcException as error:  # a dvc.yaml or a configuration that it cannot read, ...
                said = re.sub(r"\x1b\[[0-9;]*m", "", str(error))  # it has colours
                raise ProjectError(f"DVC, in {self.root}: {said}") from error

    def hidden(self, base: Path, names: Iterable[str]) -> str | None:
        """The first of these files, by its path below a folder, that a .dvcignore would keep DVC from seeing there."""
        depth = len(base.relative_to(self.root).parts)
        if not any(ignores(folder / ".dvcignore") for folder in (base, *base.parents[:depth])):
            return None
        with self.dvc() as repo:
            return next((name for name in names if repo.dvcignore.is_ignored_file(str(base / name))), None)
