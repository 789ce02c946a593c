"""The history of a project: which commits have named what in their lock files."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import NamedTuple, TypeVar

from motools.errors import ConfigError, ProjectError
from motools.repo.git import Git, surroundings
from motools.repo.outs import Located, outs_in

__all__ = ["History"]

_OID = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?")
_MD5 = re.compile(rb"md5: '?([0-9a-f]{32})")
_BLOCK = 4096  # bytes
LOCKS = ":(top,glob)**/dvc.lock"
IMPORTS = ":(top,glob)**/*.dvc"


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


def _unlike(one: bytes, other: bytes) -> set[str]:
    """The MD5s that one of two texts names more often; whole lines that both begin or end with are not searched."""
    n, m = len(one), len(other)
    most = min(n, m)
    differ = (at for at in range(0, most, _BLOCK) if not other.startswith(one[at : at + _BLOCK], at))
    begin = one.rfind(b"\n", 0, next(differ, most)) + 1
    most -= begin
    ends = ((at, one[max(n - at - _BLOCK, 0) : n - at]) for at in range(0, most, _BLOCK))
    differ = (at for at, end in ends if not other.endswith(end, 0, m - at))
    line = one.find(b"\n", n - next(differ, most))
    same = n - line if line >= 0 else 0
    counts, others = Counter(_MD5.findall(one, begin, n - same)), Counter(_MD5.findall(other, begin, m - same))
    return {md5.decode() for md5 in (counts - others) + (others - counts)}


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
        """By MD5: the commits, newest first, in which a dvc.lock or .dvc file gained or lost it; a merge, where it did
        so against every side. Each version is unpacked once."""
        versions = self.versions(LOCKS, IMPORTS)
        changes = self._changes((before, each.after) for each in versions for before in each.before)
        by_md5: dict[str, list[str]] = {}
        for each in versions:
            for md5 in set.intersection(*(changes.get((before, each.after), set()) for before in each.before)):
                commits = by_md5.setdefault(md5, [])
                if commits[-1:] != [each.commit]:
                    commits.append(each.commit)
        return by_md5

    def _changes(self, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], set[str]]:
        """The MD5s that one text of a pair names more often than the other; a text is held while one of its pairs
        lacks the other."""
        left: dict[str, set[tuple[str, str]]] = {}
        for pair in pairs:
            for blob in pair:
                left.setdefault(blob, set()).add(pair)
        nothing = {blob: b"" for blob in left if not blob.strip("0")}
        texts, changes = dict(nothing), {}
        for blob, text in self._contents(blob for blob in left if blob not in nothing):
            texts[blob] = text
            for pair in [each for each in left[blob] if texts.keys() >= {*each}]:
                changes[pair] = _unlike(texts[pair[0]], texts[pair[1]])
                for side in pair:
                    left[side].discard(pair)
                    if not left[side]:
                        texts.pop(side, None)
        return changes

    def named(self) -> set[str]:
        """Every object that a dvc.lock or .dvc file of any commit, of all that `git stash` has put away, or of what
        `git add` has taken names; `.dir` at the end of folders'."""
        if self._git.head is None:
            return set()
        files = ("--", ":(top,glob)**/dvc.lock", ":(top,glob)**/*.dvc")
        # Of merges what differs from either side (-m): what a person has put together there is in no other commit.
        plain = ("--format=", "--raw", "--no-abbrev", "--no-renames", "-m", "--full-history", "--no-show-signature")
        stashed = self._git("stash", "list", "--format=%H").decode().split()  # of which `--all` has the last
        listing = self._git("-c", "log.showRoot=true", "log", "--all", "HEAD", *stashed, *plain, *files)
        lines = (line.split(" ") for line in listing.decode(errors="replace").splitlines() if line.startswith(":"))
        blobs = {line[3] for line in lines if line[3].strip("0")}
        blobs |= {
            line.split(b" ")[1].decode() for line in self._git("ls-files", "-s", "-z", *files).split(b"\0") if line
        }
        return {oid for _, text in self._texts(blobs) for oid in _OID.findall(text)}

    def _texts(self, blobs: Iterable[str]) -> Iterator[tuple[str, str]]:
        for name, text in self._contents(blobs):
            yield name, text.decode(errors="replace")

    def _contents(self, blobs: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Blobs one after the other, as git unpacks them: together they may be large. Those that are missing, as in a
        partial clone, are left out."""
        words = ["git", "cat-file", "--batch", "--buffer"]
        with TemporaryFile() as asked:
            asked.writelines(f"{blob}\n".encode() for blob in blobs)
            asked.seek(0)
            with subprocess.Popen(
                words, cwd=self._git.root, stdin=asked, stdout=subprocess.PIPE, env=surroundings()
            ) as git:
                assert git.stdout is not None
                while line := git.stdout.readline():
                    name, *kind = line.decode().split()
                    if len(kind) == 2:
                        yield name, git.stdout.read(int(kind[1]) + 1)[:-1]

    def parts(self, blobs: Iterable[str], take: Callable[[bytes], Part]) -> dict[str, Part]:
        """What is taken of each of some texts, by git's id; of zeros, where there is none, nothing."""
        wanted = dict.fromkeys(blob for blob in blobs if blob.strip("0"))
        return {blob: take(text) for blob, text in self._contents(wanted)}

    def versions(self, *files: str) -> list[Version]:
        """Every change of a dvc.lock that a commit of any branch has made, newest first; of merges those that no side
        had.

        Args:
            files: which files instead, as git's pathspecs.
        """
        if self._git.head is None:
            return []
        words = (
            "log",
            "--exclude=refs/replace/*",  # a graft's stand-in, which git shows under the id of what it replaces
            "--all",
            "--topo-order",
            "--full-history",
            "--raw",
            "-c",
            "--no-abbrev",
            "--no-renames",
            "--no-show-signature",
        )
        form = "--format=%H%x00%aN <%aE>%x00%aI%x00%s"
        log = self._git("-c", "log.showRoot=true", *words, form, "-z", "--", *(files or [LOCKS]))
        versions, about = [], ("", "", "", "")
        fields = iter(os.fsdecode(log).split("\0"))
        for field in fields:
            if (field := field.lstrip("\n")).startswith(":"):
                ids = field.lstrip(":").split(" ")  # modes, then ids, each of the parents and of the commit
                *before, after = ids[len(ids) // 2 : -1]
                versions.append(Version(*about, next(fields), tuple(before), after))
            elif field:
                about = field, next(fields), next(fields), next(fields)
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
            if self._git.head is None:
                raise ProjectError("There is no commit here yet. Type: git add --all && git commit") from None
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
