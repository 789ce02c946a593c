"""Published files: of a GitHub repository, or packed into one, pinned by commit and content, read as rows."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from motools.errors import DamagedError, UserError, listed
from mozoo.fetching import FetchError, Wanted, cache_folder, digest_of, obtain, offline, over_http
from mozoo.rows import Origin, Row, Rows, chat, chosen, parsed, rows, sample

__all__ = [
    "FetchError",
    "Member",
    "Readable",
    "Row",
    "Rows",
    "Source",
    "chosen",
    "digest_of",
    "fetch",
    "load",
    "load_chat",
    "rows",
    "sample",
    "unpacked",
]

GITHUB = "https://raw.githubusercontent.com"
LARGEST_MEMBER = 1 << 30
"""Bytes that a packed file may unpack to."""


class Readable(Protocol):
    """Published rows: a `Source`, a `Member` of a packed one, or a `mozoo.hub.HubSplit`."""

    @property
    def rows(self) -> int | None:
        """How many there are, or None where nobody has counted."""

    @property
    def url(self) -> str: ...

    @property
    def pinned(self) -> bool:
        """Whether what is read is the same for ever."""

    def read(self, cache_dir: str | Path | None = None, refresh: bool = False) -> Rows:
        """Every row, as published. Raises `FetchError` and `DamagedError`."""


@dataclass(frozen=True)
class Source:
    """One published file of a GitHub repository.

    Attributes:
        repo: `owner/name`.
        commit: the full commit id; a branch where no commit is known.
        path: the file's path in the repository.
        digest: what the content must be: `git:<blob id>` (as `git hash-object` prints it) or
            `sha256:<hex>`, whichever is known of the file; "" where nothing pins it.
        rows: how many rows it has, or None where nobody has counted.
    """

    repo: str
    commit: str
    path: str
    digest: str
    rows: int | None = None

    def __post_init__(self) -> None:
        if self.digest and not self.digest.startswith(("git:", "sha256:")):
            raise UserError(
                f"The digest of {self.path} is {self.digest!r}: write git:<blob id> (`git hash-object` prints the id) "
                "or sha256:<hex>."
            )

    @property
    def url(self) -> str:
        """Where it is published, whatever mirror is in use."""
        return f"{GITHUB}/{self.repo}/{self.commit}/{self.path}"

    @property
    def pinned(self) -> bool:
        return bool(self.digest)

    @property
    def mirrored(self) -> str:
        """Where to download it from: `MOTOOLS_MIRROR` stands for https://raw.githubusercontent.com."""
        mirror = os.environ.get("MOTOOLS_MIRROR", "").rstrip("/")
        return self.url.replace(GITHUB, mirror, 1) if mirror else self.url

    def cached(self, cache_dir: str | Path | None = None) -> Path:
        """Where its copy lies; the commit is in the path, so two versions never meet."""
        return cache_folder(cache_dir) / self.repo / self.commit / self.path

    def read(self, cache_dir: str | Path | None = None, refresh: bool = False) -> Rows:
        path = fetch(self, cache_dir, refresh)
        return Rows(rows(path), [self.origin(path)])

    def origin(self, path: Path) -> Origin:
        """What to remember of it, given its local copy."""
        return Origin(self.url, self.commit, self.digest or digest_of(path))


@dataclass(frozen=True)
class Member:
    """A JSONL file inside a published zip file, read there: nothing is unpacked.

    Attributes:
        packed: the zip file.
        path: the file's name in it.
    """

    packed: Source
    path: str
    rows: int | None = None

    @property
    def url(self) -> str:
        return f"{self.packed.url}#{self.path}"

    @property
    def pinned(self) -> bool:
        return self.packed.pinned

    def read(self, cache_dir: str | Path | None = None, refresh: bool = False) -> Rows:
        file = fetch(self.packed, cache_dir, refresh)
        origin = self.packed.origin(file)
        lines = unpacked(file, self.path, self.packed.url, str(file))
        return Rows(lines, [Origin(self.url, origin.revision, origin.content)])


def unpacked(file: Path | IO[bytes], path: str, url: str, where: str) -> Iterator[Row]:
    """The rows of a JSONL file in a zip file, read there.

    Args:
        url: where the zip file is published, and `where` it lies, for messages.

    Raises:
        DamagedError: it is no zip file.
        UserError: it has no such file, or one that is locked or too large.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            if path not in archive.namelist():
                here = [name for name in archive.namelist() if name.endswith(".jsonl")]
                raise UserError(f"{url} has no {path}; it has {listed(here[:20])}.")
            about = archive.getinfo(path)
            if about.flag_bits & 1:
                raise UserError(f"{url}#{path} is locked with a password, so it cannot be read.")
            if about.file_size > LARGEST_MEMBER:
                raise UserError(f"{url}#{path} unpacks to {about.file_size} bytes, more than {LARGEST_MEMBER}.")
            with archive.open(about) as lines:
                yield from parsed(lines, f"{where}, {path}")
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise DamagedError(f"{where} cannot be read as a zip file ({error}). Load it with refresh_cache.") from error


def load(
    source: Readable,
    cache_dir: str | Path | None = None,
    sample_size: int | None = None,
    seed: int = 0,
    refresh: bool = False,
) -> Rows:
    """The rows of a published file, or a seeded sample of them; see `fetch` and `sample`."""
    every = _all_of(source, cache_dir, sample_size, seed, refresh)
    return Rows(sample(every, sample_size, seed), every.sources)


def load_chat(
    source: Readable,
    sample_size: int | None = None,
    seed: int = 0,
    cache_dir: str | Path | None = None,
    refresh: bool = False,
) -> Rows:
    """`load`, with every row of the file made a chat row first (see `mozoo.rows.chat`), so that its number is right."""
    every = _all_of(source, cache_dir, sample_size, seed, refresh)
    turns = [chat(row, f"{source.url}, row {number}") for number, row in enumerate(every, 1)]
    return Rows(sample(turns, sample_size, seed), every.sources)


def _all_of(source: Readable, cache_dir: str | Path | None, sample_size: int | None, seed: int, refresh: bool) -> Rows:
    """Every row of a published file, as many as it is said to have."""
    if source.rows is not None:
        chosen(source.rows, sample_size, seed)  # a size that cannot be is said before the download
    every = source.read(cache_dir, refresh)
    if source.rows is not None and len(every) != source.rows:
        raise DamagedError(f"{source.url} has {len(every)} rows where {source.rows} are declared.")
    return every


def fetch(source: Source, cache_dir: str | Path | None = None, refresh: bool = False) -> Path:
    """The checked local copy of a published file, downloaded where it is missing or `refresh` asks.

    A good copy in the cache is only ever replaced by another good one, in one step.

    Args:
        cache_dir: relative to the current folder; None is the user's own cache (see `mozoo.fetching`).

    Raises:
        FetchError: it could not be downloaded (or, on `refresh`, not again).
        DamagedError: what was downloaded is not what was published.
    """

    def download(part: Path, advice: str) -> None:
        over_http(source.mirrored, part, advice)

    wanted = Wanted(source.cached(cache_dir), source.digest, source.mirrored, "MOTOOLS_MIRROR", offline())
    return obtain(wanted, download, refresh)
