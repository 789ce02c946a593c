"""Datasets of the Hugging Face Hub: resolved to a commit once, downloaded with huggingface_hub, checked, read as rows.

`HF_ENDPOINT` names another server, `HF_TOKEN` opens gated datasets, `HF_HUB_OFFLINE` forbids requests.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from motools.errors import UserError, did_you_mean, listed
from mozoo.fetching import FetchError, Wanted, cache_folder, obtain, offline
from mozoo.rows import Origin, Row, Rows, rows

HUB = "https://huggingface.co"
SUFFIXES = (".parquet", ".jsonl")
TIMEOUT = 30.0
"""Seconds without an answer from the Hub before it is given up."""
NEEDED = "A dataset of the Hugging Face Hub needs a package that is missing: pip install datasets."


@dataclass(frozen=True)
class HubSplit:
    """One split of a dataset of the Hub.

    Attributes:
        repo: `owner/name`.
        split: the split's name: the files `<split>.<suffix>` and `<split>-00000-of-00001.<suffix>` have its rows.
        revision: the full commit id; "" where nobody has pinned it: then `main` is asked for its commit
            once, and that commit is used until `refresh` asks again.
        folder: the folder of the files in the repository; needed where several have such files.
        rows: how many rows it has, or None where nobody has counted.
    """

    repo: str
    split: str
    revision: str = ""
    folder: str = ""
    rows: int | None = None

    @property
    def url(self) -> str:
        at = f"/tree/{self.revision}" if self.revision else ""
        return f"{HUB}/datasets/{self.repo}{at}"

    @property
    def pinned(self) -> bool:
        return bool(self.revision)

    def read(self, cache_dir: str | Path | None = None, refresh: bool = False) -> Rows:
        """Every row; the commit that was used is in the `sources`.

        Raises:
            FetchError: the Hub cannot be asked, or says no.
            DamagedError: a file is not what the Hub says of the commit.
            UserError: the commit has no such split, or the packages that read it are not installed.
        """
        if self.revision and not re.fullmatch("[0-9a-f]{40}", self.revision):
            raise UserError(f"revision is {self.revision!r}: write the commit's 40 hexadecimal digits.")
        folder = cache_folder(cache_dir) / "hub" / self.repo
        commit, files = self._resolved(folder, refresh)
        parsed: list[Row] = []
        origins = []
        for name in self._files(files):
            path = _fetch(self.repo, commit, name, files[name], folder)
            parsed.extend(_read(path))
            origins.append(Origin(f"{HUB}/datasets/{self.repo}/resolve/{commit}/{name}", commit, files[name]))
        return Rows(parsed, origins)

    def _resolved(self, folder: Path, refresh: bool) -> tuple[str, dict[str, str]]:
        """The commit that is read, and the digest of each of its files; asked once and kept beside the files."""

        def ask(part: Path, advice: str) -> None:
            listing = _ask(self, advice)
            for name in self._files(listing["files"]):  # first, so that a commit is only known when its files are there
                _fetch(self.repo, listing["commit"], name, listing["files"][name], folder, refresh)
            part.write_text(json.dumps(listing, indent=1), encoding="utf-8")

        record = folder / f"{self.revision or 'main'}.json"
        wanted = Wanted(record, "", self.url, "HF_ENDPOINT", offline("HF_HUB_OFFLINE"))
        listing = json.loads(obtain(wanted, ask, refresh).read_text(encoding="utf-8"))
        return listing["commit"], listing["files"]

    def _files(self, files: dict[str, str]) -> list[str]:
        splits: dict[str, dict[str, list[str]]] = {}
        for name in sorted(files):
            path = PurePosixPath(name)
            if path.suffix in SUFFIXES and (not self.folder or str(path.parent) == self.folder):
                word = re.sub(r"-\d{5}-of-\d{5}.*$", "", path.name.removesuffix(path.suffix))
                splits.setdefault(word, {}).setdefault(str(path.parent), []).append(name)
        if self.split not in splits:
            hint = did_you_mean(self.split, splits)
            raise UserError(f"{self.url} has no split {self.split!r}.{hint} It has: {listed(splits)}.")
        folders = splits[self.split]
        if len(folders) > 1:
            raise UserError(f"{self.url} has the split {self.split!r} in several folders: {listed(folders)}. Name one.")
        return next(iter(folders.values()))


def _ask(wanted: HubSplit, advice: str) -> dict[str, Any]:
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise UserError(NEEDED) from error
    try:
        info = HfApi(endpoint=_endpoint()).dataset_info(
            wanted.repo, revision=wanted.revision or None, timeout=TIMEOUT, files_metadata=True
        )
    except _failures() as error:
        raise FetchError(
            f"Could not ask for {_endpoint()}/datasets/{wanted.repo} ({_cause(error)}).{advice}"
        ) from error
    digests = {}
    for file in info.siblings or ():
        if file.lfs is not None:
            digests[file.rfilename] = f"sha256:{file.lfs['sha256']}"
        elif file.blob_id:
            digests[file.rfilename] = f"git:{file.blob_id}"
    return {"commit": info.sha, "files": digests}


def _fetch(repo: str, commit: str, name: str, digest: str, folder: Path, refresh: bool = False) -> Path:
    target = folder / commit / name
    if not target.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{repo} names a file {name!r}, outside its own folder.")
    unfinished = target.with_name(f".{target.name}.hub")

    def download(part: Path, advice: str) -> None:
        try:
            from huggingface_hub import hf_hub_download
            from huggingface_hub.utils.tqdm import disable_progress_bars
        except ImportError as error:
            raise UserError(NEEDED) from error
        if not sys.stderr.isatty():
            disable_progress_bars()
        try:
            done = hf_hub_download(
                repo, name, repo_type="dataset", revision=commit, local_dir=unfinished, endpoint=_endpoint()
            )
        except _failures() as error:  # what has come stays in its folder, and is continued
            raise FetchError(
                f"Could not download {name} of {_endpoint()}/datasets/{repo} ({_cause(error)}).{advice}"
            ) from error
        os.replace(done, part)
        shutil.rmtree(unfinished)

    served = f"{_endpoint()}/datasets/{repo}/resolve/{commit}/{name}"
    wanted = Wanted(target, digest, served, "HF_ENDPOINT", offline("HF_HUB_OFFLINE"))
    return obtain(wanted, download, refresh)


def _endpoint() -> str:
    """Read here, not where huggingface_hub is imported, so that it can be set at any time."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB


def _failures() -> tuple[type[BaseException], ...]:
    """What huggingface_hub raises; its HTTP library's errors have changed their base from one version to the next."""
    from huggingface_hub import errors

    return (errors.HfHubHTTPError, *errors.HfHubHTTPError.__bases__, errors.EntryNotFoundError, ValueError)


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None and not hasattr(error, "response"):
        error = error.__cause__
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def _read(path: Path) -> Iterator[Row]:
    if path.suffix == ".jsonl":
        yield from rows(path)
        return
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(NEEDED) from error
    try:
        yield from parquet.read_table(path).to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path} cannot be read as parquet: {error}.") from error
