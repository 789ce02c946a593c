"""The history of a project: which commits have named what in their lock files."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple, TypeVar

from motools.errors import ConfigError, ProjectError
from motools.repo.git import Git
from motools.repo.outs import Located, outs_in

__all__ = ["History"]

_OID = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?")
_CHANGES = [re.compile(rf"^\{sign}.*\bmd5: '?([0-9a-f]{{32}})", re.MULTILINE) for sign in "+-"]


Part = TypeVar("Part")


class Version(NamedTuple):
    """A lock file in a commit that changed it.

    Attributes:
        path: below the repository's top.
        before: git's id of its text in each parent, of a merge several; of zeros where there was none.
        after: the same of its text in the commit.
    """

    commit: str
    author: str
    date: str
    subject: str
    path: str
    before: tuple[str, ...]
    after: str


def _is_lock(name: str) -> bool:
    return name == "dvc.lock" or name.endswith(".dvc")


class History:
    """All commits that a git repository has."""

    def __init__(self, git: Git) -> None:
        self._git = git

    @cached_property
    def shallow(self) -> frozenset[str]:
        """The commits where the history of a shallow clone begins, though the project's does not."""
        path = Path(os.fsdecode(self._git("rev-parse", "--git-path", "shallow")).removesuffix("\n"))
        try:
            return frozenset((self._git.root / path).read_text().split())
        except FileNotFoundError:
            return frozenset()

    def missing_commits(self, commits: Iterable[str]) -> set[str]:
        """Those commits that are not in this repository."""
        unique = sorted(set(commits))
        output = self._git("cat-file", "--batch-check=%(objecttype)", input="".join(f"{each}\n" for each in unique))
        return {each for each, kind in zip(unique, output.split(b"\n"), strict=False) if kind.strip() != b"commit"}

    def of_hashes(self) -> dict[str, list[str]]:
        """By MD5: the commits, newest first, whose dvc.lock and .dvc files gained or lost it; git is read once."""
        if self._git.head is None:
            return {}
        plain = ("--unified=0", "--text", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
        files = ("--", ":(top,glob)**/dvc.lock", ":(top,glob)**/*.dvc")
        words = ("-c", "log.showRoot=true", "log", "--all", "--no-show-signature", "--format=%x01%H", "--patch")
        by_md5: dict[str, list[str]] = {}
        for part in self._git(*words, *plain, *files).decode(errors="replace").split("\x01")[1:]:
            commit, _, patch = part.partition("\n")
            for file in patch.split("\ndiff --git "):
                gained, lost = (Counter(rule.findall(file)) for rule in _CHANGES)
                for md5 in (gained - lost) + (lost - gained):
                    commits = by_md5.setdefault(md5, [])
                    if commits[-1:] != [commit]:
                        commits.append(commit)
        return by_md5

    def named(self) -> set[str]:
        """Every object that a dvc.lock or .dvc file of any commit names; `.dir` at the end of folders'."""
        if self._git.head is None:
            return set()
        files = ("--", ":(top,glob)**/dvc.lock", ":(top,glob)**/*.dvc")
        # Of merges what differs from either side (-m): what a person has put together there is in no other commit.
        plain = ("--format=", "--raw", "--no-abbrev", "--no-renames", "-m", "--full-history", "--no-show-signature")
        listing = self._git("-c", "log.showRoot=true", "log", "--all", "HEAD", *plain, *files)
        lines = (line.split(" ") for line in listing.decode(errors="replace").splitlines() if line.startswith(":"))
        blobs = {line[3] for line in lines if line[3].strip("0")}
        return {oid for _, text in self._texts(blobs) for oid in _OID.findall(text)}

    def _texts(self, blobs: Iterable[str]) -> Iterator[tuple[str, str]]:
        for name, text in self._contents(blobs):
            yield name, text.decode(errors="replace")

    def _contents(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Blobs one after the other, as git unpacks them: together they may be large. Those that are missing, as in a
        partial clone, are left out."""
        words = ["git", "cat-file", "--batch", "--buffer"]
        env = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
        with TemporaryFile() as asked:
            asked.writelines(f"{blob}\n".encode() for blob in blobs)
            asked.seek(0)
            with subprocess.Popen(words, cwd=self._git.root, stdin=asked, stdout=subprocess.PIPE, env=env) as git:
                assert git.stdout is not None
                while line := git.stdout.readline():
                    name, *kind = line.decode().split()
                    if len(kind) == 2:
                        yield name, git.stdout.read(int(kind[1]) + 1)[:-1]

    def parts(self, blobs: Iterable[str], take: Callable[[bytes], Part]) -> dict[str, Part]:
        """What is taken of each of some texts, by git's id; of zeros, where there is none, nothing."""
        wanted = dict.fromkeys(blob for blob in blobs if blob.strip("0"))
        return {blob: take(text) for blob, text in self._contents(wanted)}

    def versions(self) -> list[Version]:
        """Every change of a dvc.lock that a commit of any branch has made, newest first; of merges those that no side
        had."""
        if self._git.head is None:
            return []
        words = (
            "log",
            "--all",
            "--topo-order",
            "--full-history",
            "--raw",
            "-c",
            "--no-abbrev",
            "--no-renames",
            "--no-show-signature",
        )
        form = "--format=%x01%H%x00%an <%ae>%x00%aI%x00%s%x00"
        log = self._git("-c", "log.showRoot=true", *words, form, "-z", "--", ":(top,glob)**/dvc.lock")
        versions = []
        for part in os.fsdecode(log).split("\x01")[1:]:
            commit, author, date, subject, *raw = part.split("\0")
            raw = [each.lstrip("\n") for each in raw]
            for about, path in pairwise(raw):
                if about.startswith(":"):
                    fields = about.lstrip(":").split(" ")  # modes, then ids, each of the parents and of the commit
                    *before, after = fields[len(fields) // 2 : -1]
                    versions.append(Version(commit, author, date, subject, path, tuple(before), after))
        return versions

    def commit(self, revision: str) -> str:
        """The commit that a branch, a tag, `HEAD~2`, `A...B` (where two have parted) or a part of a hash names.

        Raises:
            ProjectError: there is none.
        """
        one, parted, other = revision.partition("...")
        try:
            if parted:
                return self._git("merge-base", self.commit(one), self.commit(other or "HEAD")).decode().strip()
            named = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{one}^{{commit}}")
            return named.decode().strip()
        except ProjectError:
            raise ProjectError(f"{revision} names no commit of this repository. `git log --all` has those.") from None

    def with_files(self, commits: Iterable[str], files: Mapping[str, str | None]) -> str | None:
        """The first of some commits that has all these files: path in the repository -> git's hash, None: it is not
        there."""
        candidates = list(commits)
        specs = "".join(f"{commit}:{name}\n" for commit in candidates for name in files)
        if "\n" in "".join(files) or not candidates:
            return None
        lines = self._git("cat-file", "--batch-check=%(objectname)", input=specs).decode(errors="replace").splitlines()
        for place, commit in enumerate(candidates):
            part = lines[place * len(files) : (place + 1) * len(files)]
            blobs = [None if line.endswith(" missing") else line for line in part]
            if blobs == [*files.values()]:
                return commit
        return None

    def files_at(self, commit: str, wanted: Callable[[str], bool]) -> dict[str, str]:
        """Path below the repository's top -> text, of those files of a commit that are wanted by name."""
        listing = os.fsdecode(self._git("ls-tree", "-r", "-z", "--full-tree", commit))
        files: dict[str, list[str]] = {}
        for line in listing.split("\0"):
            about, _, name = line.partition("\t")
            if wanted(name.rpartition("/")[2]):
                files.setdefault(about.split(" ")[2], []).append(name)
        return {name: text for blob, text in self._texts(files) for name in files[blob]}

    def in_work_tree(self, name: str) -> list[Path]:
        """The files of a name that git tracks or would track."""
        words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", f":(top,glob)**/{name}")
        # Told from where git is asked, which is the project's root.
        return [self._git.root / each for each in os.fsdecode(self._git(*words)).split("\0") if each]

    def locked_at(self, commit: str) -> Iterator[Located]:
        """Every output in the lock files of a commit; what cannot be read there is left out."""
        for name, text in self.files_at(commit, _is_lock).items():
            try:
                yield from outs_in(self._git.top / name, text)
            except ConfigError:
                continue
