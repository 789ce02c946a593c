"""Published files: pinned by commit and content, fetched once, checked, sampled by seed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from motools.errors import DamagedError, MotoolsError, UserError

GITHUB = "https://raw.githubusercontent.com"
ATTEMPTS = 3
TIMEOUT = (10, 30)
"""Seconds to connect, and seconds without a byte, before an attempt is given up."""
PAUSE = 1.0
"""Seconds before the second attempt; four times as many before the third."""

KEPT = " The good copy in the cache is kept; load it without refresh_cache."

T = TypeVar("T")
Row = dict[str, Any]


class FetchError(MotoolsError):
    """A published file could not be downloaded, and no good copy is in the cache."""


@dataclass(frozen=True)
class Source:
    """One published file of a GitHub repository.

    Attributes:
        repo: `owner/name`.
        commit: the full commit id.
        path: the file's path in the repository.
        digest: what the content must be: `git:<blob id>` (as `git hash-object` prints it) or
            `sha256:<hex>`, whichever is known of the file.
        rows: how many rows it has, or None where nobody has counted.
    """

    repo: str
    commit: str
    path: str
    digest: str
    rows: int | None = None

    @property
    def url(self) -> str:
        """Where it is published, whatever mirror is in use."""
        return f"{GITHUB}/{self.repo}/{self.commit}/{self.path}"

    @property
    def mirrored(self) -> str:
        """Where to download it from: `MOTOOLS_MIRROR` stands for https://raw.githubusercontent.com."""
        mirror = os.environ.get("MOTOOLS_MIRROR", "").rstrip("/")
        return self.url.replace(GITHUB, mirror, 1) if mirror else self.url

    def cached(self, cache_dir: str | Path | None = None) -> Path:
        """Where its copy lies; the commit is in the path, so two versions never meet."""
        import pooch

        folder = Path(cache_dir).expanduser() if cache_dir else Path(pooch.os_cache("motools"))
        return folder.absolute() / self.repo / self.commit / self.path


def load(
    source: Source,
    cache_dir: str | Path | None = None,
    sample_size: int | None = None,
    seed: int = 0,
    refresh: bool = False,
) -> list[Row]:
    """The rows of a published file, or a seeded sample of them; see `fetch` and `sample`."""
    if source.rows is not None:
        chosen(source.rows, sample_size, seed)  # a size that cannot be is said before the download
    every = list(rows(fetch(source, cache_dir, refresh)))
    if source.rows is not None and len(every) != source.rows:
        raise DamagedError(f"{source.url} has {len(every)} rows where {source.rows} are declared.")
    return sample(every, sample_size, seed)


def fetch(source: Source, cache_dir: str | Path | None = None, refresh: bool = False) -> Path:
    """The checked local copy of a published file, downloaded where it is missing or `refresh` asks.

    A good copy in the cache is only ever replaced by another good one, in one step.

    Args:
        cache_dir: relative to the current folder; None is the user's own cache.

    Raises:
        FetchError: it could not be downloaded (or, on `refresh`, not again).
        DamagedError: what was downloaded is not what was published.
    """
    target = source.cached(cache_dir)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex}.part")
    try:
        good = target.is_file() and digest_of(target, source.digest) == source.digest
        if good and not refresh:
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        _download(source, part, target, good)
        seen = digest_of(part, source.digest)
        if seen != source.digest:
            raise DamagedError(
                f"What {source.mirrored} serves is not the published file: expected "
                f"{source.digest}, saw {seen} ({part.stat().st_size} bytes). Check the network's "
                f"proxy and MOTOOLS_MIRROR.{KEPT if good else ''}"
            )
        os.replace(part, target)
    except OSError as error:
        raise FetchError(
            f"The cache folder {target.parent} cannot be used ({error}). Name another with cache_dir."
        ) from error
    finally:
        with suppress(OSError):  # whatever went wrong above is what to tell
            part.unlink(missing_ok=True)
    return target


def _download(source: Source, part: Path, target: Path, good: bool) -> None:
    """Write what the server sends to `part`; what may pass is tried again, after a pause."""
    import pooch
    import requests

    get = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUT)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            get(source.mirrored, str(part), None)
            return
        except requests.RequestException as error:
            if attempt == ATTEMPTS or not _may_pass(error):
                by_hand = (
                    f" Try again with a network, put the file at {target}, or set MOTOOLS_MIRROR "
                    f"to the address of a server that has it in place of {GITHUB}."
                )
                raise FetchError(
                    f"Could not download {source.mirrored} ({_cause(error)}).{KEPT if good else by_hand}"
                ) from error
            time.sleep(PAUSE * 4 ** (attempt - 1))


def _may_pass(error: Any) -> bool:
    """Whether another attempt could end otherwise: a server that says no (404) means it."""
    status = getattr(error.response, "status_code", None)
    return status is None or status == 429 or status >= 500


def _cause(error: Any) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}".rstrip()
    # The innermost reason says it shortest: requests wraps what urllib3 wraps.
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason.args[0] if reason.args else reason}"


def digest_of(path: Path, like: str = "sha256:") -> str:
    """The digest of a file's content, in the form of `like` (`git:...` or `sha256:...`)."""
    algorithm = like.partition(":")[0]
    if algorithm == "git":
        hashed = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    elif algorithm == "sha256":
        hashed = hashlib.sha256()
    else:
        raise UserError(f"{like!r} is not a digest; write git:<blob id> or sha256:<hex>.")
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            hashed.update(block)
    return f"{algorithm}:{hashed.hexdigest()}"


def rows(path: Path) -> Iterator[Row]:
    """The rows of a JSONL file, one by one; empty lines are skipped.

    Raises:
        UserError: a line is not a JSON object; the message has its number.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:  # bad UTF-8 as well as bad JSON
                raise UserError(f"{path}, line {number}: not JSON ({error}).") from error
            if not isinstance(row, dict):
                raise UserError(f"{path}, line {number}: {row!r:.60} is not a JSON object.")
            yield row


def sample(every: Iterable[T], sample_size: int | None, seed: int) -> list[T]:
    """`sample_size` of the rows, chosen by `seed`, in their published order; None is all of them.

    Raises:
        UserError: there are fewer rows than asked for, or the size or the seed cannot be one.
    """
    pool: Sequence[T] = list(every)
    return [pool[index] for index in chosen(len(pool), sample_size, seed)]


def chosen(available: int, sample_size: int | None, seed: int) -> Sequence[int]:
    """The indices that `sample` takes, in order."""
    # Negative seeds are refused because Python drops the sign: -1 would be 1 under another name.
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UserError(f"seed must be a whole number, 0 or more, not {seed!r}.")
    if sample_size is None:
        return range(available)
    if isinstance(sample_size, bool) or not isinstance(sample_size, int) or sample_size < 1:
        raise UserError(f"sample_size must be a whole number, 1 or more, or null for every row, not {sample_size!r}.")
    if sample_size > available:
        raise UserError(f"sample_size is {sample_size}, but there are {available} rows; null takes them all.")
    return sorted(random.Random(seed).sample(range(available), sample_size))
