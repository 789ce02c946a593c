"""The work tree as one state: a commit, and what differs from it as a patch; nothing of the repository is changed."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from motools.base import secrets
from motools.base.files import scratch
from motools.errors import ProjectError
from motools.repo.git import Git

__all__ = ["WorkTree", "address", "without_password", "work_tree"]

_LARGEST = 4 << 20
"""Bytes of a patch; more belongs into a commit."""
_DIFF = ("diff-tree", "-p", "--binary", "--full-index", "--no-renames", "--no-color", "--no-ext-diff", "--no-textconv")
"""Not `git diff`, which writes as its person likes to read."""


@dataclass(frozen=True)
class WorkTree:
    """A commit, what differs from it (files that git tracks, and new ones that it does not ignore), and git's id of the
    tree that both make."""

    commit: str
    patch: bytes
    tree: str

    @property
    def patch_id(self) -> str | None:
        """The SHA-256 of the patch; None where there is none."""
        return hashlib.sha256(self.patch).hexdigest() if self.patch else None


def work_tree(git: Git, private: Path) -> WorkTree:
    """The state of a repository's work tree. dvc.lock, which a run writes as it goes, is as the commit has it.

    Args:
        private: where temporary files may lie.

    Raises:
        ProjectError: there is no commit, or the patch is too large, or holds a key.
    """
    if git.head is None:
        raise ProjectError(f"{git.top} has no commit yet, which other machines could check out. Type: git commit")
    names = os.fsdecode(git("-C", str(git.top), "ls-files", "-z", "--modified", "--others", "--exclude-standard"))
    differing = [git.top / name for name in names.split("\0") if name]
    _refuse_large(git, sum(path.lstat().st_size for path in differing if path.is_file()) // 4)  # before it is read
    private.mkdir(parents=True, exist_ok=True)
    with scratch(private) as folder:
        objects = os.fsdecode(git("rev-parse", "--git-path", "objects")).removesuffix("\n")
        (folder / "objects").mkdir()
        also = {
            "GIT_INDEX_FILE": str(folder / "index"),
            "GIT_OBJECT_DIRECTORY": str(folder / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((git.root / objects).resolve()),
        }
        git("read-tree", "HEAD", also=also)
        git("-C", str(git.top), "add", "-A", "--", ".", ":(exclude,glob)**/dvc.lock", also=also)
        tree = git("write-tree", also=also).decode().strip()
        patch = git("-C", str(git.top), *_DIFF, "HEAD", tree, also=also)
    _refuse_large(git, len(patch))
    if (why := secrets.screen()(patch.decode(errors="replace"))) is not None and why.startswith("holds"):
        raise ProjectError(
            f"What {git.top} has that is not committed {why}, and would be sent along with steps: have git ignore the "
            "file that has it."
        )
    return WorkTree(git.head, patch, tree)


def _refuse_large(git: Git, size: int) -> None:
    if size > _LARGEST:
        raise ProjectError(
            f"What {git.top} has that is not committed takes more than {_LARGEST >> 20} MB, too much to be sent along "
            "with steps: commit it, or have git ignore what no step needs."
        )


def address(git: Git) -> str:
    """Where other machines fetch the commit from: the remote of the branch or `origin`, without passwords; the
    repository's own folder where it has no remote.

    Raises:
        ProjectError: the remote does not have the commit, as far as is known here.
    """
    remotes = git("remote").decode().split()
    if not remotes:
        return str(git.top)
    try:
        branch = git("symbolic-ref", "--short", "--quiet", "HEAD").decode().strip()
        name = git("config", f"branch.{branch}.remote").decode().strip()
    except ProjectError:  # no branch, or one that follows none
        name = ""
    name = name if name in remotes else "origin" if "origin" in remotes else remotes[0]
    url = git("remote", "get-url", name).decode().strip()
    if not git("branch", "-r", "--contains", "HEAD", "--list", f"{name}/*").strip():
        raise ProjectError(
            f"The commit {str(git.head)[:10]} is not at {without_password(url)}, where other machines fetch it from. "
            f"Type: git push {name} HEAD"
        )
    is_path = "://" not in url and ":" not in url.partition("/")[0]
    return str((git.top / url).resolve()) if is_path else without_password(url)


def without_password(url: str) -> str:
    """An address without what lets one in: whoever fetches has credentials of their own."""
    scheme, sign, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    if not sign or "@" not in host:
        return url
    user = host.rpartition("@")[0].partition(":")[0]
    keeps = scheme in ("ssh", "git+ssh") and user
    return f"{scheme}://{f'{user}@' if keeps else ''}{host.rpartition('@')[2]}{slash}{path}"
