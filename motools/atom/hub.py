"""The door to a hub, huggingface.co or what HF_ENDPOINT names: what a repository there holds, and a commit to it.

The token of the person goes to that host alone; a committed `.env` that names another is refused when it is read.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from motools.errors import RemoteError, UserError
from motools.zoo import OFFLINE, says_yes

if TYPE_CHECKING:
    from huggingface_hub import HfApi

__all__ = ["Hub", "Kind", "Repository"]

Kind = Literal["model", "dataset"]
Answer = TypeVar("Answer")

_HUB = "https://huggingface.co"


@dataclass(frozen=True)
class Repository:
    """A repository as it is.

    Attributes:
        commit: of its branch main.
        files: name -> size in bytes, and `git:<blob id>` or `sha256:<hex>` of what it holds.
    """

    private: bool
    commit: str
    files: Mapping[str, tuple[int, str]]


class Hub:
    """A hub, asked as whom the person's token names.

    Raises:
        UserError: there is no token, no `huggingface_hub`, or requests are forbidden.
    """

    def __init__(self) -> None:
        self.endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or _HUB
        for name in (OFFLINE, "HF_HUB_OFFLINE"):
            if says_yes(name):
                raise UserError(f"{self.endpoint} is not asked, because {name} is set.")

    @cached_property
    def token(self) -> str:
        """The person's token: `HF_TOKEN`, or the one that `hf auth login` has kept."""
        try:
            from huggingface_hub import get_token
        except ImportError:
            raise UserError("Publishing needs a package that is missing: pip install huggingface_hub.") from None
        token = get_token()
        if not token:
            raise UserError(f"There is no token for {self.endpoint}: set HF_TOKEN, or type: hf auth login")
        return token

    @cached_property
    def _api(self) -> HfApi:
        token = self.token
        from huggingface_hub import HfApi
        from huggingface_hub.utils.tqdm import disable_progress_bars

        if not sys.stderr.isatty():
            disable_progress_bars()
        return HfApi(endpoint=self.endpoint, token=token)

    def page(self, repo: str, kind: Kind) -> str:
        return f"{self.endpoint}/{'datasets/' if kind == 'dataset' else ''}{repo}"

    def look(self, repo: str, kind: Kind) -> Repository | None:
        """What a repository holds; None where there is none that the token may see.

        Raises:
            RemoteError: the hub cannot be asked, or says no.
        """
        from huggingface_hub.errors import RepositoryNotFoundError

        def ask() -> Any:
            try:
                return self._api.repo_info(repo, repo_type=kind, files_metadata=True, timeout=30)
            except RepositoryNotFoundError:
                return None

        info = self._asked(ask, f"ask for {self.page(repo, kind)}")
        if info is None:
            return None
        files = {}
        for file in info.siblings or ():
            digest = f"sha256:{file.lfs.sha256}" if file.lfs is not None else f"git:{file.blob_id}"
            files[file.rfilename] = file.size or 0, digest
        return Repository(bool(info.private), str(info.sha), files)

    def create(self, repo: str, kind: Kind, private: bool) -> None:
        """Make a repository that is not there; raises `RemoteError` where it may not, or it has just come."""
        self._asked(
            lambda: self._api.create_repo(repo, repo_type=kind, private=private), f"make {self.page(repo, kind)}"
        )

    def commit(
        self,
        repo: str,
        kind: Kind,
        message: str,
        put: Mapping[str, Path | bytes],
        remove: Iterable[str],
        parent: str | None,
    ) -> str:
        """One commit, of files to put and to remove; returns its id. What was uploaded before is not uploaded again.

        Args:
            parent: the commit that main is to be at; None: whichever.

        Raises:
            RemoteError: the hub says no, or somebody else has made a commit since.
        """
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        operations: list[Any] = [CommitOperationDelete(name) for name in remove]
        operations += [CommitOperationAdd(name, each) for name, each in put.items()]
        done = self._asked(
            lambda: self._api.create_commit(
                repo, operations, commit_message=message, repo_type=kind, parent_commit=parent
            ),
            f"publish to {self.page(repo, kind)}",
        )
        return str(done.oid)

    def _asked(self, ask: Callable[[], Answer], what: str) -> Answer:
        from huggingface_hub.errors import HfHubHTTPError

        # Its HTTP library's errors have changed their base from one version to the next; of an upload, which has
        # threads, and of the library that uploads large files, any are passed on as a RuntimeError.
        failures: tuple[type[BaseException], ...] = (
            HfHubHTTPError,
            *HfHubHTTPError.__bases__,
            ValueError,
            RuntimeError,
        )
        try:
            return ask()
        except failures as error:
            raise RemoteError(f"Could not {what}: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None and not hasattr(error, "response"):
        error = error.__cause__
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return (
            f"it refuses your token ({status}). HF_TOKEN wants one that may write there: `hf auth whoami` says whose."
        )
    if status == 412:
        return "somebody has changed it since. Look at it, and publish again."
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return f"{type(error).__name__}: {lines[0].rstrip('.')}. What has been uploaded stays; type the same again."
