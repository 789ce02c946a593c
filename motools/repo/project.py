"""The project: where it is, its cache and remotes, its commits, and what its lock files name."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from motools.errors import ConfigError, ProjectError
from motools.repo.cache import Cache
from motools.repo.dvc_config import dvc_config_files, ignores, quiet_dvc, read_dvc_config
from motools.repo.outs import Located, is_walked, located_in, outs_in

_CHANGES = [re.compile(rf"^\{sign}.*\bmd5: '?([0-9a-f]{{32}})", re.MULTILINE) for sign in "+-"]


class GitState(NamedTuple):
    """The commit that is checked out (None before the first) and whether the work tree differs from it.

    `changed` are the files that differ, by their paths in the repository.
    """

    commit: str | None
    dirty: bool
    changed: tuple[str, ...] = ()


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
        return Cache(self.cache, self.setting("cache", "shared") == "group")

    @cached_property
    def cache(self) -> Path:
        folder = self.setting("cache", "dir")
        return Path(folder) if folder else self.root / ".dvc" / "cache"

    def setting(self, section: str, name: str) -> str | None:
        """A value of the DVC configuration, the strongest of its four files; None where none has it."""
        return self._settings.get((section, name))

    def settings_of(self, section: str) -> tuple[dict[str, str], dict[str, str]]:
        """The values of a section that count: those of the `.dvc/config` that git keeps, and the person's own."""
        every = {name: value for (where, name), value in self._settings.items() if where == section.lower()}
        try:
            in_git = bool(self.git("ls-files", "--", ".dvc/config"))
        except ProjectError:  # as for all that may have come from others
            in_git = True
        shared = read_dvc_config([self.root / ".dvc" / "config"]) if in_git else {}
        theirs = {name: value for name, value in every.items() if shared.get((section.lower(), name)) == value}
        return theirs, {name: value for name, value in every.items() if name not in theirs}

    def config_files(self) -> list[Path]:
        """Every file that DVC reads its configuration and its ignore rules from, whether it is there or not."""
        return [*dvc_config_files(self.root), self.root / ".dvcignore"]

    @cached_property
    def _settings(self) -> dict[tuple[str, str], str]:
        return read_dvc_config(dvc_config_files(self.root))

    # -- git ---------------------------------------------------------------

    def git(self, *words: str, input: str = "") -> bytes:
        """What a git command answers; it changes nothing, not even git's index of stats.

        Raises:
            ProjectError: there is no git repository, or git refuses; with its own words.
        """
        env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        try:
            given = input.encode(errors="surrogateescape")
            done = subprocess.run(
                ["git", *words], cwd=self.root, input=given, capture_output=True, env=env, check=False
            )
        except FileNotFoundError:
            raise ProjectError("There is no git on PATH. Install it: MOTools keeps its history there.") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            if "not a git repository" in said:
                raise ProjectError(f"{self.root} is not a git repository. Type `motools init`.")
            raise ProjectError(f"git {words[0]}, in {self.root}: {said or 'it failed'}")
        return done.stdout

    @cached_property
    def _top(self) -> Path:
        return Path(os.fsdecode(self.git("rev-parse", "--show-toplevel")).removesuffix("\n")).resolve()

    @cached_property
    def head(self) -> str | None:
        """The commit that is checked out; None before the first."""
        _ = self._top  # no repository at all is another matter
        try:
            return self.git("rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()
        except ProjectError:
            return None

    def git_state(self, matters: Iterable[Path]) -> GitState:
        """The commit, and what differs from it: any tracked file, and those that the result was computed from.

        Of these, `matters`, the bytes are compared with the commit's, whatever git was told to ignore or not to look
        at. What a run itself writes (dvc.lock and what it names, ignore files) does not count.
        """
        changed = {*self._changed, *self._unlike_head(matters)}
        return GitState(self.head, self.head is None or bool(changed), tuple(sorted(changed)))

    @cached_property
    def _changed(self) -> list[str]:
        if self.head is None:
            return []
        report = os.fsdecode(self.git("status", "--porcelain", "--untracked-files=no", "-z", "--no-renames"))
        names = [line[3:] for line in report.split("\0") if line]
        written: dict[Path, set[str]] = {}
        return [name for name in names if not self._is_written_by_runs(self._top / name, written)]

    def _is_written_by_runs(self, path: Path, written: dict[Path, set[str]]) -> bool:
        """Whether a file is dvc.lock, an ignore file, or what a dvc.lock above it names as an output."""
        if path.name in ("dvc.lock", ".gitignore"):
            return True
        for folder in path.parents:
            if folder not in written:
                written[folder] = {out.path for out in located_in(folder / "dvc.lock", [])}
            parts = path.relative_to(folder).parts
            if any("/".join(parts[:end]) in written[folder] for end in range(1, len(parts) + 1)):
                return True
            if folder == self.root:
                break
        return False

    def _unlike_head(self, paths: Iterable[Path]) -> list[str]:
        """Those of the files whose bytes the commit that is checked out does not have under their path."""
        asked = {path.resolve() for path in paths}
        new: dict[Path, list[Path]] = {}
        for path in sorted(asked - self._compared.keys()):
            if path.is_file():
                within = (folder for folder in path.parents if (folder / ".git").exists())
                new.setdefault(next(within, Path()), []).append(path)
        for top, files in new.items():  # a submodule has commits of its own
            self._compared.update(dict.fromkeys(files, False))
            if self.head is None or not top.is_relative_to(self._top):
                continue
            names = [path.relative_to(top).as_posix() for path in files]
            where = ("-C", str(top))
            now = self.git(*where, "hash-object", "--stdin-paths", input="".join(f"{name}\n" for name in names))
            told = self.git(
                *where, "cat-file", "--batch-check=%(objectname)", input="".join(f"HEAD:{name}\n" for name in names)
            )
            same = [one == other for one, other in zip(now.splitlines(), told.splitlines(), strict=True)]
            self._compared.update(zip(files, same, strict=True))
        differing = [path for path in asked if not self._compared.get(path, True)]
        return [os.path.relpath(path, self._top).replace(os.sep, "/") for path in differing]

    @cached_property
    def _compared(self) -> dict[Path, bool]:
        return {}

    def tracked(self, folder: Path, paths: Iterable[str]) -> list[str]:
        """Those of a folder's paths that git tracks, or that hold what git tracks."""
        asked = sorted({path.partition("/")[0] for path in paths})
        lines = self._said(folder, "ls-files", "-z", "--", *asked).split("\0") if asked else []
        inside = {line for line in lines if line.rpartition("/")[2] != ".gitignore"}
        above = {line[:end] for line in inside for end, sign in enumerate(line) if sign == "/"}
        return sorted(path for path in set(paths) if path in inside or path in above)

    def ignore_here(self, folder: Path, lines: Iterable[str]) -> None:
        """Have git ignore, in this clone and on every branch, what lines say of a folder."""
        told = self._said(folder, "rev-parse", "--show-toplevel", "--git-path", "info/exclude").splitlines()
        if len(told) != 2:
            return
        top, exclude = told
        inside = os.path.relpath(folder, top)
        prefix = "" if inside == "." else "/" + re.sub(r"([\\*?\[ ])", r"\\\1", Path(inside).as_posix())
        path = folder / exclude
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        wanted = [("!" if line.startswith("!") else "") + prefix + line.removeprefix("!") for line in lines]
        new = [line for line in wanted if line not in text.splitlines()]
        if new:
            path.parent.mkdir(parents=True, exist_ok=True)
            gap = "\n" if text and not text.endswith("\n") else ""
            with path.open("a", encoding="utf-8") as file:
                file.write(gap + "\n".join(new) + "\n")

    def _said(self, folder: Path, *words: str) -> str:
        """What git prints in a folder; nothing where it refuses."""
        try:
            return os.fsdecode(self.git("-C", str(folder), *words))
        except ProjectError:
            return ""

    def stage_files(self, paths: list[Path]) -> None:
        """`git add`, for those who have told DVC to do so."""
        self.git("add", "--", *map(str, paths))

    @cached_property
    def user(self) -> str:
        """Who works here: `MOTOOLS_USER`, or whom git would name as a commit's author, or the login name."""
        import getpass

        if os.environ.get("MOTOOLS_USER"):
            return os.environ["MOTOOLS_USER"]
        for words, end in ((("var", "GIT_AUTHOR_IDENT"), "> "), (("config", "user.name"), "\n")):
            try:
                known = self.git(*words).decode(errors="replace").rpartition(end)[0]
            except ProjectError:  # nobody has told git who works here
                continue
            if name := f"{known}>".removesuffix(" <>") if end == "> " else known:
                return name
        return getpass.getuser()

    @cached_property
    def shallow(self) -> frozenset[str]:
        """The commits where the history of a shallow clone begins, though the project's does not."""
        path = Path(os.fsdecode(self.git("rev-parse", "--git-path", "shallow")).removesuffix("\n"))
        try:
            return frozenset((self.root / path).read_text().split())
        except FileNotFoundError:
            return frozenset()

    def missing_commits(self, commits: Iterable[str]) -> set[str]:
        """Those commits that are not in this repository."""
        asked = sorted(set(commits))
        told = self.git("cat-file", "--batch-check=%(objecttype)", input="".join(f"{each}\n" for each in asked))
        return {each for each, kind in zip(asked, told.split(b"\n"), strict=False) if kind.strip() != b"commit"}

    def history(self) -> dict[str, list[str]]:
        """By MD5: the commits, newest first, whose dvc.lock and .dvc files gained or lost it; git is read once."""
        if self.head is None:
            return {}
        plain = ("--unified=0", "--text", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
        files = ("--", ":(top,glob)**/dvc.lock", ":(top,glob)**/*.dvc")
        words = ("-c", "log.showRoot=true", "log", "--all", "--no-show-signature", "--format=%x01%H", "--patch")
        found: dict[str, list[str]] = {}
        for part in self.git(*words, *plain, *files).decode(errors="replace").split("\x01")[1:]:
            commit, _, patch = part.partition("\n")
            for file in patch.split("\ndiff --git "):
                gained, lost = (Counter(rule.findall(file)) for rule in _CHANGES)
                for md5 in (gained - lost) + (lost - gained):
                    commits = found.setdefault(md5, [])
                    if commits[-1:] != [commit]:
                        commits.append(commit)
        return found

    def _texts(self, blobs: Iterable[str]) -> Iterator[tuple[str, str]]:
        told = self.git("cat-file", "--batch", input="".join(f"{blob}\n" for blob in blobs))
        at = 0
        while at < len(told):
            end = told.index(b"\n", at)
            name, *kind = told[at:end].decode().split(" ")
            at = end + 1
            if len(kind) == 2:  # else it is missing, as in a partial clone
                size = int(kind[1])
                yield name, told[at : at + size].decode(errors="replace")
                at += size + 1

    def locked_at(self, commit: str) -> Iterator[Located]:
        """Every output in the lock files of a commit; what cannot be read there is left out."""
        listing = os.fsdecode(self.git("ls-tree", "-r", "-z", "--full-tree", commit))
        files: dict[str, list[str]] = {}
        for line in listing.split("\0"):
            about, _, name = line.partition("\t")
            if name.rsplit("/", 1)[-1] == "dvc.lock" or name.endswith(".dvc"):
                files.setdefault(about.split(" ")[2], []).append(name)
        for blob, text in self._texts(files):
            for name in files[blob]:
                try:
                    yield from outs_in(self._top / name, text)
                except ConfigError:
                    continue

    # -- lock files --------------------------------------------------------

    def outs(self, unread: list[str] | None = None) -> Iterator[Located]:
        """Every output that the work tree's dvc.lock and .dvc files name.

        Args:
            unread: takes a sentence for each of these files that cannot be read; it is left out.
        """
        unread = [] if unread is None else unread
        for parent, folders, names in os.walk(self.root):
            locks = [name for name in sorted(names) if name == "dvc.lock" or name.endswith(".dvc")]
            found = [out for name in locks for out in located_in(Path(parent, name), unread)]
            yield from found
            inside = {os.path.normpath(os.path.join(parent, out.path)) for out in found}
            folders[:] = [name for name in sorted(folders) if is_walked(parent, name, inside)]

    def missing(self, oids: Iterable[str]) -> set[str]:
        return {oid for oid in oids if not self.store.path(oid).exists()}

    def fetch(self, oids: Iterable[str]) -> None:
        """Bring objects alone, without what a folder object names, from the default remote into the cache.

        Raises:
            RemoteError: the remote cannot be asked.
        """
        from motools.repo.remote import Remote

        remote = Remote(self)
        if not remote.look(oids) and remote.problem is not None:
            raise remote.problem

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
                raise ProjectError(f"DVC, in {self.root}: {error}") from error

    def hidden(self, base: Path, names: Iterable[str]) -> str | None:
        """The first of these files, by its path below a folder, that a .dvcignore would keep DVC from seeing there."""
        above = [folder for folder in (base, *base.parents) if folder.is_relative_to(self.root)]
        if not any(ignores(folder / ".dvcignore") for folder in above):
            return None
        with self.dvc() as repo:
            return next((name for name in names if repo.dvcignore.is_ignored_file(str(base / name))), None)

    def pull(self, md5: str) -> bool:
        """Fetch an object, and a folder's files, from the default remote into the cache; whether they are here now.

        Raises:
            RemoteError: the remote cannot be asked.
        """
        from motools.repo.remote import Remote

        remote = Remote(self)
        if not remote.fetch([md5]) and remote.problem is not None:
            raise remote.problem
        return self.store.has(md5)
