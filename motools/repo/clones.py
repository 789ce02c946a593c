"""Clones that steps of other machines' runs are executed in: one for each worker at a time, kept for the next.

They lie together with the object store that they share, so that what one has fetched or made, all have, and equal steps
on one machine wait for each other.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import threading
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from motools.errors import ProjectError
from motools.repo import pipeline
from motools.repo.exchange import Exchange
from motools.repo.git import surroundings
from motools.repo.outs import is_within
from motools.repo.project import Project

__all__ = ["Clone", "clone_of", "clones_folder"]

FOLDER = "MOTOOLS_CLONES"
"""Names the folder of the clones, in a worker's environment."""

_free: dict[str, list[Clone]] = {}
_turn = threading.Lock()


def clones_folder() -> Path:
    """Where this machine's clones lie; only their owner may look into them."""
    cache = os.environ.get("XDG_CACHE_HOME", "").strip() or "~/.cache"
    return Path(os.environ.get(FOLDER, "").strip() or Path(cache, "motools", "clones")).expanduser().absolute()


@contextmanager
def clone_of(repository: str) -> Iterator[Clone]:
    """A clone that nobody else uses meanwhile; this process keeps it, until it ends."""
    with _turn:
        kept = _free.setdefault(repository, [])
        clone = kept.pop() if kept else None
    clone = clone or Clone(repository)
    try:
        yield clone
    finally:
        with _turn:
            _free[repository].append(clone)


class Clone:
    """A clone of a repository, held until the process ends.

    Attributes:
        top: the folder.
        state: git's id of the tree that it holds, None before the first.
        exchange: the DVC remote, kept open; there once something is checked out.
        tracked: what `dvc add` tracks in it, but for atoms: path -> hash.
        laid: what was put into the work tree from the remote: path -> hash.
    """

    def __init__(self, repository: str) -> None:
        self.repository = repository
        self._home = clones_folder() / hashlib.sha256(repository.encode()).hexdigest()[:16]
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.top, self._lock = self._taken()
        self._is_sound = not (self.top / ".git").exists()  # else who had it before may have been killed in git
        self.state: tuple[str, ...] | None = None
        self.exchange: Exchange
        self.tracked: dict[Path, str] = {}
        self.laid: dict[Path, str] = {}

    def _taken(self) -> tuple[Path, int]:
        """The first that no process has; the kernel lets go of it when its process ends, however it ends."""
        number = 0
        while True:
            handle = os.open(self._home / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return self._home / str(number), handle
            except OSError:
                os.close(handle)
                number += 1

    def check_out(self, commit: str, tree: str, patch: str, project: str, remote: tuple[str, str]) -> Project:
        """Have the clone hold a commit and a patch; the project in it.

        Args:
            tree: git's id of what must come of both.
            patch: as `git diff --binary` writes it, compressed and in base64; "" for none.
            project: the project's folder below the top.
            remote: the name and the address of the DVC remote.

        Raises:
            ProjectError: the commit cannot be fetched, or something else comes of it.
        """
        wanted = (commit, tree, project, *remote)
        root = self.top / project
        if self.state != wanted:
            self.state = None
            self._fetch(commit)
            try:
                self._lay_out(commit, tree, patch)
            except ProjectError:
                if self._is_sound:
                    raise
                shutil.rmtree(self.top / ".git")  # half of a file, a lock that nobody holds: it is made anew
                self._fetch(commit)
                self._lay_out(commit, tree, patch)
            self._is_sound = True
            if not (root / ".dvc").is_dir():
                raise ProjectError(f"The commit {commit[:10]} of {self.repository} has no .dvc: commit that folder.")
            self._configure(root, remote)
            if hasattr(self, "exchange"):
                self.exchange.close()
            self.exchange = Exchange(Project(root))
            tracked = [out for out in Project(root).outs() if out.stage is None]
            atoms = pipeline.atom_path("")
            tracked = [out for out in tracked if is_within(out.folder / out.path, root)]
            self.tracked = {out.folder / out.path: out.md5 for out in tracked if not out.path.startswith(atoms)}
            self.laid.clear()
            self.state = wanted
        return self.exchange.project

    def forget(self) -> None:
        """Have all be laid out anew for the next job: nobody knows what the last one has left."""
        self.state = None
        self.laid.clear()

    def _lay_out(self, commit: str, tree: str, patch: str) -> None:
        """Have the work tree hold a commit and a patch; see `check_out`."""
        self._git("checkout", "-q", "-f", "--detach", commit)
        self._git("clean", "-ffdq", "-e", ".motools")
        if (self.top / ".gitmodules").exists():
            self._git("submodule", "update", "-q", "--init", "--recursive", "--force")
        if patch:
            stdin = zlib.decompress(base64.b64decode(patch))
            self._git("apply", "--index", "--binary", "--whitespace=nowarn", "-", stdin=stdin)
        if (made := self._git("write-tree")) != tree:
            raise ProjectError(f"{self.top} holds the tree {made}, not {tree}: git filters differ on this machine.")

    def _fetch(self, commit: str) -> None:
        if not (self.top / ".git" / "HEAD").exists():
            self.top.mkdir(exist_ok=True)
            self._git("init", "-q")
        if self._has(commit):
            return
        with suppress(ProjectError):  # of a server that gives only what has a name
            self._git("fetch", "-q", "--no-tags", "--", self.repository, commit)
        if not self._has(commit):
            self._git("fetch", "-q", "--no-tags", "--", self.repository, "+refs/heads/*:refs/motools/*")
        if not self._has(commit):
            raise ProjectError(f"{self.repository} does not have the commit {commit[:10]}. Type: git push")

    def _has(self, commit: str) -> bool:
        try:
            self._git("cat-file", "-e", f"{commit}^{{commit}}")
        except ProjectError:
            return False
        return True

    def _configure(self, root: Path, remote: tuple[str, str]) -> None:
        from configobj import ConfigObj  # DVC's own parser

        config = ConfigObj(encoding="utf-8")
        config.filename = str(root / ".dvc" / "config.local")
        config["core"] = {"remote": remote[0]}
        config["cache"] = {"dir": str(self._home / "cache")}
        config[f'remote "{remote[0]}"'] = {"url": remote[1]}
        config.write()

    def _git(self, *words: str, stdin: bytes = b"") -> str:
        """What git says to a command in the clone; raises `ProjectError` in its words."""
        command: Sequence[str] = ["git", "-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never", *words]
        env = {**surroundings(), "GIT_TERMINAL_PROMPT": "0"}  # nobody is there to answer
        done = subprocess.run(command, cwd=self.top, input=stdin, capture_output=True, env=env, check=False)
        if done.returncode:
            said = " ".join(done.stderr.decode(errors="replace").split())
            raise ProjectError(f"git {words[0]} of {self.repository}, in {self.top}: {said or 'it failed'}")
        return done.stdout.decode(errors="replace").strip()
