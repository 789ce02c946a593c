"""The history of a project: which commits have named what in their lock files."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from motools.errors import ConfigError
from motools.repo.git import Git
from motools.repo.outs import Located, outs_in

__all__ = ["History"]

_OID = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?")
_CHANGES = [re.compile(rf"^\{sign}.*\bmd5: '?([0-9a-f]{{32}})", re.MULTILINE) for sign in "+-"]


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
        asked = sorted(set(commits))
        told = self._git("cat-file", "--batch-check=%(objecttype)", input="".join(f"{each}\n" for each in asked))
        return {each for each, kind in zip(asked, told.split(b"\n"), strict=False) if kind.strip() != b"commit"}

    def of_hashes(self) -> dict[str, list[str]]:
        """By MD5: the commits, newest first, whose dvc.lock and .dvc files gained or lost it; git is read once."""
        if self._git.head is None:
            return {}
        plain = ("--unified=0", "--text", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
        files = ("--", ":(top,glob)**/dvc.lock", ":(top,glob)**/*.dvc")
        words = ("-c", "log.showRoot=true", "log", "--all", "--no-show-signature", "--format=%x01%H", "--patch")
        found: dict[str, list[str]] = {}
        for part in self._git(*words, *plain, *files).decode(errors="replace").split("\x01")[1:]:
            commit, _, patch = part.partition("\n")
            for file in patch.split("\ndiff --git "):
                gained, lost = (Counter(rule.findall(file)) for rule in _CHANGES)
                for md5 in (gained - lost) + (lost - gained):
                    commits = found.setdefault(md5, [])
                    if commits[-1:] != [commit]:
                        commits.append(commit)
        return found

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
        told = self._git("cat-file", "--batch", input="".join(f"{blob}\n" for blob in blobs))
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
        listing = os.fsdecode(self._git("ls-tree", "-r", "-z", "--full-tree", commit))
        files: dict[str, list[str]] = {}
        for line in listing.split("\0"):
            about, _, name = line.partition("\t")
            if name.rsplit("/", 1)[-1] == "dvc.lock" or name.endswith(".dvc"):
                files.setdefault(about.split(" ")[2], []).append(name)
        for blob, text in self._texts(files):
            for name in files[blob]:
                try:
                    yield from outs_in(self._git.top / name, text)
                except ConfigError:
                    continue
