"""Fetching: a file is downloaded once, continued where it broke off, checked, and put in place in one step.

Environment:
    MOTOOLS_CACHE: the folder of what is downloaded, for all projects; by default the user's own cache.
    MOTOOLS_OFFLINE: with `1` nothing is requested; what is not in the cache is an error.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from motools.errors import DamagedError, MotoolsError, UserError
from motools.zoo import OFFLINE, says_yes

ATTEMPTS = 3
TIMEOUT = (10, 30)
"""Seconds to connect, and seconds without a byte, before an attempt is given up."""
PAUSE = 1.0
"""Seconds before the second attempt; four times as many before the third."""

LARGEST = 8 << 30
"""Bytes beyond which a download is given up: no dataset of the zoo comes near it."""

KEPT = " The good copy in the cache is kept; load it without refresh_cache."
OUT_OF_RANGE = 416
BLOCK = 1 << 14
"""Bytes that are written at a time; of a download that breaks off, less than that is lost."""

Download = Callable[[Path, str], None]
"""Writes a file to a path, continuing what lies there; is told what to advise where it fails. Raises `FetchError`."""


class FetchError(MotoolsError):
    """A published file could not be downloaded, and no good copy is in the cache."""


def cache_folder(cache_dir: str | Path | None = None) -> Path:
    """Where downloads are kept: `cache_dir` (relative to the current folder), `MOTOOLS_CACHE`, or the user's cache."""
    import pooch

    folder = cache_dir or os.environ.get("MOTOOLS_CACHE")
    return Path(folder or pooch.os_cache("motools")).expanduser().absolute()


def offline(*others: str) -> str:
    """The environment variable that forbids requests, MOTOOLS_OFFLINE or one of `others`; "" where none is set."""
    return next((name for name in (OFFLINE, *others) if says_yes(name)), "")


@dataclass(frozen=True)
class Wanted:
    """A published file and where its copy is to lie.

    Attributes:
        digest: what the content must be (see `digest_of`), or "" where nothing pins it: then the digest
            that was seen is kept beside the file, so that damage shows.
        served: the address that it is downloaded from.
        mirror: the environment variable that names another server.
        offline: the environment variable that forbids requests now, or "".
    """

    target: Path
    digest: str
    served: str
    mirror: str
    offline: str


def obtain(wanted: Wanted, download: Download, refresh: bool = False) -> Path:
    """The good copy of a file, downloaded where it is missing or `refresh` asks.

    A good copy is only ever replaced by another good one. Of several processes one downloads; the others wait.

    Raises:
        FetchError: it could not be downloaded (or, on `refresh`, not again), or offline forbids it.
        DamagedError: what was downloaded is not what was published.
    """
    from motools.zoo import file_lock

    target = wanted.target
    try:
        if not refresh and is_good(target, wanted.digest):
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(_beside(target, "lock")):
            good = is_good(target, wanted.digest)  # another process may just have brought it
            if not good or refresh:
                _bring(wanted, download, KEPT if good else _by_hand(wanted))
    except OSError as error:
        raise FetchError(
            f"The cache folder {target.parent} cannot be used ({error}). Name another with cache_dir."
        ) from error
    return target


def _by_hand(wanted: Wanted) -> str:
    put = f"put the file at {wanted.target}"
    before = _beside(wanted.target, "seen")
    digest = wanted.digest or (before.read_text(encoding="utf-8").strip() if before.is_file() else "")
    if digest and wanted.target.is_file():
        seen = digest_of(wanted.target, digest)
        put = f"replace {wanted.target}, whose content is not the published one: it is {seen}, not {digest}"
    if wanted.offline:
        return f" Unset it, or {put}."
    return f" Try again with a network, {put}, or name a server that has it in {wanted.mirror}."


def _bring(wanted: Wanted, download: Download, advice: str) -> None:
    """Download to a file beside the target, which outlives a crash, and put it in place once it is good."""
    if wanted.offline:
        raise FetchError(f"{wanted.served} was not requested, because {wanted.offline} is set.{advice}")
    part = _beside(wanted.target, "part")
    if not wanted.digest:  # what is not pinned may have changed since, and halves of two versions make no file
        part.unlink(missing_ok=True)
    resumed = part.exists()
    if not resumed or digest_of(part, wanted.digest) != wanted.digest:  # else killed just before it was put in place
        _write(part, download, advice)
    seen = digest_of(part, wanted.digest or "sha256:")
    if resumed and seen != wanted.digest:
        part.unlink()
        _write(part, download, advice)
        seen = digest_of(part, wanted.digest)
    if wanted.digest and seen != wanted.digest:
        size = part.stat().st_size
        part.unlink()
        raise DamagedError(
            f"What {wanted.served} serves is not the published file: expected {wanted.digest}, saw {seen} "
            f"({size} bytes). Check the network's proxy and {wanted.mirror}.{KEPT if advice == KEPT else ''}"
        )
    os.replace(part, wanted.target)
    if not wanted.digest:
        _beside(wanted.target, "seen").write_text(seen, encoding="utf-8")


def _write(part: Path, download: Download, advice: str) -> None:
    try:
        download(part, advice)
    except FetchError:
        if part.is_file() and not part.stat().st_size:
            part.unlink()
        raise


def is_good(target: Path, digest: str = "") -> bool:
    """Whether a file is there with its content; where nothing pins it, with the content that was downloaded."""
    if not target.is_file():
        return False
    seen = _beside(target, "seen")
    if not digest and seen.is_file():
        digest = seen.read_text(encoding="utf-8").strip()
    return not digest or digest_of(target, digest) == digest


def _beside(target: Path, word: str) -> Path:
    return target.with_name(f".{target.name}.{word}")


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


def over_http(url: str, part: Path, advice: str) -> None:
    """Write what a server sends to `part`, after what is there; what may pass is tried again, after a pause."""
    import requests

    for attempt in range(1, ATTEMPTS + 1):
        try:
            _continue(url, part)
            return
        except requests.RequestException as error:
            if getattr(error.response, "status_code", None) == OUT_OF_RANGE:
                part.write_bytes(b"")  # it is longer than the file, so it is no part of it
            if attempt == ATTEMPTS or not _may_pass(error):
                raise FetchError(f"Could not download {url} ({_cause(error)}).{advice}") from error
            time.sleep(PAUSE * 4 ** (attempt - 1))


def _continue(url: str, part: Path) -> None:
    import pooch

    with part.open("ab") as file:

        def start_anew(response: Any, *_: Any, **__: Any) -> None:
            if response.status_code == 200:  # all of it, whatever range was asked for
                file.truncate(0)

        headers = {"Accept-Encoding": "identity"}  # of a compressed body, ranges count other bytes
        if file.tell():
            headers["Range"] = f"bytes={file.tell()}-"
        get = pooch.HTTPDownloader(
            progressbar=sys.stderr.isatty(),
            chunk_size=BLOCK,
            timeout=TIMEOUT,
            headers=headers,
            hooks={"response": start_anew},
        )
        get(url, _Bounded(file), None)


class _Bounded:
    """A file that takes no more than `LARGEST` bytes, from a server that does not stop sending."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.flush = file.flush

    def write(self, block: bytes) -> int:
        if self._file.tell() + len(block) > LARGEST:
            raise FetchError(f"The server sends more than {LARGEST} bytes, so this is not the published file.")
        return self._file.write(block)


def _may_pass(error: Any) -> bool:
    """Whether another attempt could end otherwise: a server that says no (404) means it, and so does a bad address."""
    if isinstance(error, ValueError):
        return False
    status = getattr(error.response, "status_code", None)
    return status is None or status in (OUT_OF_RANGE, 429) or status >= 500


def _cause(error: Any) -> str:
    if error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}".rstrip()
    # The innermost reason says it shortest: requests wraps what urllib3 wraps.
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason.args[0] if reason.args else reason}"
