"""The door to git: commits, what differs from them, what is tracked; nothing here changes a commit or an index."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

from motools.errors import ProjectError
from motools.repo.outs import located_in

__all__ = ["Git", "GitState", "came_by_git", "surroundings"]

_OF_A_HOOK = {
    "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
}  # fmt: skip


def surroundings() -> dict[str, str]:
    """The environment of git's commands: they change not even git's index of stats; what git tells a hook of the
    repository that it is of, would be taken for where they are to look; and a folder that came with a clone is no
    repository because it looks like a bare one, whose configuration could have anything executed."""
    kept = {name: value for name, value in os.environ.items() if name not in _OF_A_HOOK}
    given = kept.get("GIT_CONFIG_COUNT", "0")
    number = int(given) if given.isdecimal() else 0
    more = {f"GIT_CONFIG_KEY_{number}": "safe.bareRepository", f"GIT_CONFIG_VALUE_{number}": "explicit"}
    return {**kept, **more, "GIT_CONFIG_COUNT": str(number + 1), "GIT_OPTIONAL_LOCKS": "0"}


def came_by_git(path: Path) -> bool:
    """Whether git could have brought a file, which may be a link or lie behind one; what it does not keep is the
    person's own."""
    for each in dict.fromkeys((path, path.resolve())):
        words = ["git", "-C", str(each.parent), "ls-files", "--", f":(icase,literal){each.name}"]
        try:
            done = subprocess.run(words, capture_output=True, env=surroundings(), check=False)
        except FileNotFoundError:  # there is no git
            return True
        if done.returncode or done.stdout.strip():
            return True
    return False


_ALL = ("--no-renames", "--ignore-submodules=none")  # whatever .gitmodules says of them
NO_GIT = "There is no git on PATH. Install it: MOTools keeps its history there."


class GitState(NamedTuple):
    """The commit that is checked out (None before the first) and what differs from it.

    Attributes:
        top: the repository's folder.
        changed: the files that differ, by their paths below it, with git's hash of each; None: it is gone.
        asked: those of them that were asked about, used or not.
    """

    commit: str | None
    top: Path = Path()
    changed: Mapping[str, str | None] = {}
    asked: frozenset[str] = frozenset()

    def of_used(self, used: Iterable[Path]) -> dict[str, str | None]:
        """What differs of the files and folders that were used, and of what was asked about."""
        names = {Path(os.path.relpath(path, self.top)).as_posix() for path in used if self.changed}
        parts = {name: [name, *(parent.as_posix() for parent in Path(name).parents)] for name in self.changed}
        return {
            name: blob for name, blob in self.changed.items() if name in self.asked or not names.isdisjoint(parts[name])
        }


class Git:
    """The git repository around a project's root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, *words: str, input: str = "", also: Mapping[str, str] | None = None) -> bytes:
        """What a git command answers.

        Args:
            also: variables of its environment.

        Raises:
            ProjectError: there is no git repository, or git refuses; with its own words.
        """
        env = {**surroundings(), **(also or {})}
        try:
            given = input.encode(errors="surrogateescape")
            done = subprocess.run(
                ["git", *words], cwd=self.root, input=given, capture_output=True, env=env, check=False
            )
        except FileNotFoundError:
            raise ProjectError(NO_GIT) from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            if "not a git repository" in said:
                raise ProjectError(f"{self.root} is not a git repository. Type `motools init`.")
            raise ProjectError(f"git {words[0]}, in {self.root}: {said or 'it failed'}")
        return done.stdout

    @cached_property
    def top(self) -> Path:
        return Path(os.fsdecode(self("rev-parse", "--show-toplevel")).removesuffix("\n")).resolve()

    @cached_property
    def head(self) -> str | None:
        """The commit that is checked out; None before the first."""
        _ = self.top  # no repository at all is another matter
        try:
            return self("rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()
        except ProjectError:
            return None

    def state(self, matters: Iterable[Path]) -> GitState:
        """The commit, and what differs from it: any tracked file, and those that a result is known to depend on.

        Of these, `matters`, the bytes are compared with the commit's, whatever git was told to ignore or not to look
        at. What a run itself writes (dvc.lock and what it names, ignore files) does not count.
        """
        asked = self._unlike_head(matters)
        return GitState(self.head, self.top, dict(sorted({**self._changed, **asked}.items())), frozenset(asked))

    @cached_property
    def _changed(self) -> dict[str, str | None]:
        if self.head is None:
            return {}
        report = os.fsdecode(self("status", "--porcelain", "--untracked-files=no", "-z", *_ALL))
        names = [line[3:] for line in report.split("\0") if line]
        written: dict[Path, set[str]] = {}
        names = [name for name in names if not self._is_written_by_runs(self.top / name, written)]
        there = [name for name in names if (self.top / name).is_file()]
        return {**dict.fromkeys(names), **dict(zip(there, self._hashes(self.top, there), strict=True))}

    def _hashes(self, top: Path, names: Sequence[str]) -> list[str]:
        """Git's hash of what each of these files below a repository's top holds now."""
        output = self("-C", str(top), "hash-object", "--stdin-paths", input="".join(map(_line, names)))
        return output.decode().split()

    def _committed(self, top: Path, names: Sequence[str]) -> list[str]:
        """Git's hash of what the commit has under each of these names, or a text that is none."""
        if any("\n" in name for name in names):  # which cat-file would take for two
            lines = self._said(top, "ls-tree", "-r", "-z", "--full-tree", "HEAD").split("\0")
            blobs = {name: about.split(" ")[2] for about, _, name in (each.partition("\t") for each in lines if each)}
            return [blobs.get(name, "missing") for name in names]
        asking = "".join(f"HEAD:{name}\n" for name in names)
        output = self("-C", str(top), "cat-file", "--batch-check=%(objectname)", input=asking)
        return output.decode(errors="replace").split("\n")[:-1]

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

    def _unlike_head(self, paths: Iterable[Path]) -> dict[str, str | None]:
        """Those of the files whose bytes the commit that is checked out does not have under their path."""
        asked = {self._resolved(path) for path in paths}
        new: dict[Path, list[Path]] = {}
        for path in sorted(asked - self._compared.keys()):
            if path.is_file():
                within = (folder for folder in path.parents if (folder / ".git").exists())
                new.setdefault(next(within, Path()), []).append(path)
        for top, files in new.items():  # a submodule has commits of its own
            self._compared.update(dict.fromkeys(files))
            if not top.is_relative_to(self.top):
                continue
            names = [path.relative_to(top).as_posix() for path in files]
            blobs = self._committed(top, names)
            for path, now, committed in zip(files, self._hashes(top, names), blobs, strict=True):
                self._compared[path] = "" if now == committed else now
        differing = {path: self._compared[path] for path in asked if self._compared.get(path, "") != ""}
        return {os.path.relpath(path, self.top).replace(os.sep, "/"): blob for path, blob in differing.items()}

    @cached_property
    def _resolved(self) -> Callable[[Path], Path]:
        """Once in a run, as `_compared`: many stages depend on one file."""
        return cache(Path.resolve)

    @cached_property
    def _compared(self) -> dict[Path, str | None]:
        """Git's hash of what a file holds, "" where the commit has the same, None where it is in no repository."""
        return {}

    def tracked(self, folder: Path, paths: Iterable[str]) -> list[str]:
        """Those of a folder's paths that git tracks, or that hold what git tracks."""
        asked = sorted({path.partition("/")[0] for path in paths})
        lines = self._said(folder, "ls-files", "-z", "--", *asked).split("\0") if asked else []
        inside = {line for line in lines if line.rpartition("/")[2] != ".gitignore"}
        above = {line[:end] for line in inside for end, sign in enumerate(line) if sign == "/"}
        return sorted(path for path in set(paths) if path in inside or path in above)

    @cached_property
    def beside(self) -> list[Path]:
        """The root's folder in the other work trees of the repository (`git worktree add`), where they have it."""
        inside = os.path.relpath(self.root, self.top)
        lines = self._said(self.root, "worktree", "list", "--porcelain").splitlines()
        tops = [Path(line.removeprefix("worktree ")) for line in lines if line.startswith("worktree ")]
        roots = [top / inside for top in tops if top.resolve() != self.top]
        return [root for root in roots if root.is_dir()]

    def ignore_here(self, folder: Path, lines: Iterable[str]) -> None:
        """Have git ignore, in this clone and on every branch, what lines say of a folder."""
        paths = self._said(folder, "rev-parse", "--show-toplevel", "--git-path", "info/exclude").splitlines()
        if len(paths) != 2:
            return
        top, exclude = paths
        inside = os.path.relpath(folder, top)
        prefix = "" if inside == "." else "/" + re.sub(r"([\\*?\[ ])", r"\\\1", Path(inside).as_posix())
        path = folder / exclude
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
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
            return os.fsdecode(self("-C", str(folder), *words))
        except ProjectError:
            return ""

    def stage_files(self, paths: list[Path]) -> None:
        """`git add`, for those who have told DVC to do so."""
        self("add", "--", *map(str, paths))

    @cached_property
    def user(self) -> str:
        """Who works here: `MOTOOLS_USER`, or whom git would name as a commit's author, or the login name."""
        import getpass

        if os.environ.get("MOTOOLS_USER"):
            return os.environ["MOTOOLS_USER"]
        for words, end in ((("var", "GIT_AUTHOR_IDENT"), "> "), (("config", "user.name"), "\n")):
            with suppress(ProjectError):  # nobody has told git who works here, or no address of theirs
                identity = self(*words).decode(errors="replace").rpartition(end)[0]
                if name := f"{identity}>".removesuffix(" <>") if end == "> " else identity:
                    return name
            if name := os.environ.get("GIT_AUTHOR_NAME", ""):
                return name
        return getpass.getuser()


def _line(name: str) -> str:
    """A name on a line of its own, as git reads it."""
    if name.startswith('"') or "\n" in name:
        name = '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
    return f"{name}\n"
