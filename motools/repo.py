"""The door to git and DVC: where the project is, its cache and remotes, its commits, its lock files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from motools import yaml12
from motools.errors import AtomError, ConfigError, ProjectError
from motools.store import Store

# Folders that hold no pipeline: not worth walking, or whole copies of something else.
_NOT_PIPELINES = {
    "atoms",
    "runs",
    "logs",
    "metrics",
    "node_modules",
    "__pycache__",
    "site-packages",
}


class GitState(NamedTuple):
    """The commit that is checked out (None before the first) and whether the work tree differs from it."""

    commit: str | None
    dirty: bool


class Located(NamedTuple):
    """Where an output stands: its pipeline folder, its stage (None for a `.dvc` file), path and lock entry."""

    folder: Path
    stage: str | None
    path: str
    md5: str
    siblings: dict[str, str]  # path -> md5 of all outs of that stage


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
    def store(self) -> Store:
        """The object store that the DVC configuration names."""
        return Store(self.cache)

    @cached_property
    def cache(self) -> Path:
        folder = self.setting("cache", "dir")
        return Path(folder) if folder else self.root / ".dvc" / "cache"

    def setting(self, section: str, name: str) -> str | None:
        """A value of the DVC configuration, the strongest of its four files; None where none has it."""
        return self._settings.get((section, name))

    def config_files(self) -> list[Path]:
        """Every file that DVC reads its configuration and its ignore rules from, whether it is there or not."""
        return [*_config_files(self.root), self.root / ".dvcignore"]

    @cached_property
    def _settings(self) -> dict[tuple[str, str], str]:
        return _settings(self.root)

    # -- git ---------------------------------------------------------------

    @cached_property
    def _git(self) -> Any:
        import git  # 0.1 s

        try:
            return git.Repo(self.root, search_parent_directories=True, expand_vars=False)
        except git.InvalidGitRepositoryError:
            raise ProjectError(f"{self.root} is not a git repository. Type `motools init`.") from None

    def git_state(self, matters: Iterable[Path]) -> GitState:
        """The commit, and whether anything differs from it.

        What a run itself writes (dvc.lock, metrics, ignore files) does not count; an untracked file
        counts only when it is among `matters`, the files that the result was computed from.
        """
        commit, changed, untracked = self._git_report
        return GitState(commit, commit is None or changed or any(path.resolve() in untracked for path in matters))

    @cached_property
    def _git_report(self) -> tuple[str | None, bool, set[Path]]:
        """The commit, whether a tracked file that counts differs from it, and the untracked files."""
        commit = self._git.head.commit.hexsha if self._git.head.is_valid() else None
        top = Path(self._git.working_tree_dir).resolve()
        report = self._git.git.status("--porcelain", "--untracked-files=all", "-z", "--no-renames")
        lines = [(line[:2], top / line[3:]) for line in report.split("\0") if line]
        untracked = {path for code, path in lines if code == "??"}
        generated = ("dvc.lock", ".gitignore")
        tracked = [path for code, path in lines if code != "??" and path.name not in generated]
        return commit, any(path.parent.name != "metrics" for path in tracked), untracked

    def stage_files(self, paths: list[Path]) -> None:
        """`git add`, for those who have told DVC to do so."""
        self._git.index.add([str(path) for path in paths])

    @cached_property
    def user(self) -> str:
        """Who works here: `MOTOOLS_USER`, or git's user.name and user.email, or the login name."""
        import getpass

        if os.environ.get("MOTOOLS_USER"):
            return os.environ["MOTOOLS_USER"]
        with self._git.config_reader() as config:
            name, email = (
                config.get_value("user", "name", ""),
                config.get_value("user", "email", ""),
            )
        return " ".join(filter(None, [str(name), f"<{email}>" if email else ""])) or getpass.getuser()

    def commits_of(self, md5: str) -> list[str]:
        """The commits, newest first, that brought or removed an object in any dvc.lock or .dvc file."""
        if not self._git.head.is_valid():
            return []
        out = self._git.git.log("-S", md5, "--format=%H", "--all", "--", ":(glob)**/dvc.lock", ":(glob)**/*.dvc")
        return str(out).split()

    def locked_at(self, commit: str) -> Iterator[Located]:
        """Every output in the lock files of a commit."""
        names = self._git.git.ls_tree("-r", "--name-only", "-z", commit).split("\0")
        top = Path(self._git.working_tree_dir)
        for name in names:
            if name.rsplit("/", 1)[-1] == "dvc.lock" or name.endswith(".dvc"):
                text = self._git.git.show(f"{commit}:{name}")
                yield from _outs_in(top / name, text)

    # -- lock files --------------------------------------------------------

    def outs(self) -> Iterator[Located]:
        """Every output that the work tree's dvc.lock and .dvc files name."""
        for parent, folders, names in os.walk(self.root):
            folders[:] = sorted(
                f for f in folders if not f.startswith(".") and (f == "atoms" or f not in _NOT_PIPELINES)
            )
            if Path(parent).name == "atoms":
                folders.clear()  # only the .dvc files beside the atoms are of interest
            for name in sorted(names):
                if name == "dvc.lock" or name.endswith(".dvc"):
                    path = Path(parent, name)
                    yield from _outs_in(path, path.read_text(encoding="utf-8"))

    # -- DVC ---------------------------------------------------------------

    @contextmanager
    def dvc(self) -> Iterator[Any]:
        """DVC's own repository object; importing it takes 0.5 s, so only what needs it comes here."""
        with quiet_dvc():
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
        if not any(_ignores(folder / ".dvcignore") for folder in above):
            return None
        with self.dvc() as repo:
            return next((name for name in names if repo.dvcignore.is_ignored_file(str(base / name))), None)

    def pull(self, md5: str) -> bool:
        """Fetch an object, and a folder's files, from the default remote into the cache; whether they are here now."""
        if self.store.has(md5):
            return True
        if not self.setting("core", "remote"):
            return False
        with self.dvc() as repo:
            from dvc.exceptions import DvcException
            from dvc_data.hashfile.hash_info import HashInfo

            try:  # DVC moves only the folder object when asked for it, so its files are asked for next
                repo.cloud.pull({HashInfo("md5", md5)})
                if md5.endswith(".dir") and self.store.path(md5).exists():
                    files = set(self.store.tree(md5).values())
                    repo.cloud.pull({HashInfo("md5", file) for file in files})
            except (DvcException, OSError) as error:
                raise AtomError(f"The DVC remote could not be read: {error}") from error
        return self.store.has(md5)


def _outs_in(path: Path, text: str) -> Iterator[Located]:
    content = yaml12.loads(text, str(path)) or {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a DVC file.")
    folder = path.parent
    stages: dict[str | None, Any] = {None: content} if path.suffix == ".dvc" else content.get("stages") or {}
    for stage, entry in stages.items():
        outs = {str(out["path"]): str(out["md5"]) for out in entry.get("outs", []) if "md5" in out}
        for name, md5 in outs.items():
            yield Located(folder, stage, name, md5, outs)


@contextmanager
def quiet_dvc() -> Iterator[None]:
    """No progress bars and no log lines of DVC's own: MOTools reports."""
    import logging

    import dvc  # sets its log levels when it is imported  # noqa: F401

    logger = logging.getLogger("dvc")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    before = os.environ.get("DVC_NO_ANALYTICS")
    os.environ["DVC_NO_ANALYTICS"] = "1"
    try:
        yield
    finally:
        logger.setLevel(level)
        if before is None:
            del os.environ["DVC_NO_ANALYTICS"]
        else:
            os.environ["DVC_NO_ANALYTICS"] = before


def _settings(root: Path) -> dict[tuple[str, str], str]:
    """The DVC configuration as it is written; reading it through DVC costs 0.2 s, this under 10 ms."""
    from configobj import ConfigObj, ConfigObjError  # DVC's own parser

    found: dict[tuple[str, str], str] = {}
    for path in _config_files(root):
        if not path.is_file():
            continue
        try:
            content = ConfigObj(str(path), encoding="utf-8")
        except ConfigObjError as error:
            raise ProjectError(f"{path} is not a DVC configuration: {error}") from None
        for section, values in content.items():
            for name, value in values.items() if isinstance(values, dict) else ():
                text = ",".join(value) if isinstance(value, list) else str(value)
                if (section, name) == ("cache", "dir"):  # relative to the file that says so
                    text = str((path.parent / Path(text).expanduser()).resolve())
                found[section.lower(), name.lower()] = text.lower() if text.lower() in ("true", "false") else text
    return found


def _config_files(root: Path) -> list[Path]:
    """Every file DVC reads its configuration from, the strongest last."""
    env = os.environ
    if sys.platform == "darwin":
        import platformdirs

        system = env.get("DVC_SYSTEM_CONFIG_DIR") or platformdirs.site_config_dir("dvc", "iterative")
        user = env.get("DVC_GLOBAL_CONFIG_DIR") or platformdirs.user_config_dir("dvc", "iterative")
    else:
        shared = [p for p in env.get("XDG_CONFIG_DIRS", "").split(os.pathsep) if p.strip()] or ["/etc/xdg"]
        home = env.get("XDG_CONFIG_HOME", "").strip() or str(Path("~/.config").expanduser())
        system = env.get("DVC_SYSTEM_CONFIG_DIR") or str(Path(shared[0], "dvc"))
        user = env.get("DVC_GLOBAL_CONFIG_DIR") or str(Path(home, "dvc"))
    local = root / ".dvc"
    return [Path(system, "config"), Path(user, "config"), local / "config", local / "config.local"]


def _ignores(path: Path) -> bool:
    """Whether a .dvcignore says anything."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return False
    return any(line.strip() and not line.strip().startswith("#") for line in lines)
