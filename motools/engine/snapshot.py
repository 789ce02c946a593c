"""The snapshot: proof that nothing has changed since all stages were current, found with a few thousand stats.

Every file and folder that decides whether a stage is current is remembered by its stat: parameters, code,
outputs, dvc.lock, configuration, the modules that were loaded, the cache's buckets. What was written so
recently that it could be written again unseen ("racily clean") is remembered by its content instead.
Whatever cannot be proven unchanged goes the long way. Imports next to nothing but the standard library.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from motools.base import own_path

STARTED = time.time_ns()
_GRAIN = 2_000_000_000  # ns; the coarsest clock of a file system in use (FAT: 2 s)
_TICK = 50_000_000  # ns; more than the time between two ticks of a clock that stamps files
_SMALL = 1 << 24  # bytes; what is larger is not read to find out whether it has changed
_VERSION = 3
_ENVIRONMENT = ("PYTHONPATH", "HOME")  # and all that begin with these:
_PREFIXES = ("MOTOOLS_", "DVC_", "XDG_")


@dataclass
class Snapshot:
    """What must be as it was.

    Attributes:
        paths: files and folders that are old enough to be known by `stats`, the digest of all their stats.
        young_files: path -> MD5 of the content that was verified.
        young_folders: path -> names of what is in it.
        objects: the cache objects that the outputs need; looked for where the buckets changed.
        buckets: the digest of the stats of the cache's buckets, "" where they were too young.
        stages: what to say of each stage.
        env: variables that code has read.
    """

    world: str
    cache: str
    paths: list[str] = field(default_factory=list)
    stats: str = ""
    young_files: dict[str, str] = field(default_factory=dict)
    young_folders: dict[str, list[str]] = field(default_factory=dict)
    objects: list[str] = field(default_factory=list)
    buckets: str = ""
    stages: list[dict[str, Any]] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    version: int = _VERSION


def find_root(folder: Path) -> Path | None:
    return next((parent for parent in (folder, *folder.parents) if (parent / ".dvc").is_dir()), None)


def unchanged(folder: Path, stats: dict[str, bytes] | None = None) -> list[dict[str, Any]] | None:
    """What there is to say of each stage, if nothing has changed; None where that cannot be proven.

    Args:
        stats: takes the stat of each path that is looked at, and has those that were looked at just before.
    """
    stats = {} if stats is None else stats
    folder = folder.resolve()
    root = find_root(folder)
    if root is None:
        return None
    path = _file(root, folder)
    try:
        proof = Snapshot(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    if proof.version != _VERSION or proof.world != _world(proof.env) or _digest(proof.paths, stats) != proof.stats:
        return None
    now = time.time_ns()
    if not _same_young(proof) or not _same_cache(proof, stats):
        return None
    if proof.young_files or proof.young_folders or not proof.buckets:
        grown = _grow_up(proof, now)
        if grown:
            _write(path, proof)
    return proof.stages


def save(
    root: Path,
    folder: Path,
    cache: Path,
    files: Mapping[str, str | None],
    folders: Mapping[str, list[str] | None],
    objects: Iterable[str],
    stages: list[dict[str, Any]],
    env: Iterable[str] = (),
    knows: Callable[[str, str], bool] = lambda path, md5: False,
) -> None:
    """Remember that all stages are current; nothing where a file is young and its verified content unknown.

    Args:
        files: path -> MD5 of the content that this run has verified; None where only its stat is known.
        folders: path -> the names in it that this run has verified, or None where only its stat is known.
        objects: cache objects that must exist.
        stages: what to say of each stage.
        env: variables that code has read.
        knows: whether the stat that a file has now is that of a content, however young.
    """
    names = sorted(set(env))
    proof = Snapshot(_world(names), str(cache), objects=sorted(set(objects)), stages=stages, env=names)
    limit = STARTED - _GRAIN
    both: tuple[tuple[Mapping[str, Any], dict[str, Any]], ...] = (
        (files, proof.young_files),
        (folders, proof.young_folders),
    )
    stats: dict[str, bytes] = {}
    recent: list[tuple[str, str]] = []
    for contents, young in both:
        for name, content in contents.items():
            stat = _stat(name)
            if _age(name, stat) < limit:
                proof.paths.append(name)
                stats[name] = _told(stat)  # what is written from now on has another one
            elif isinstance(content, str) and knows(name, content):
                recent.append((name, content))
            elif content is None and (content := _content_before(name)) is None:
                forget(root, folder)
                return
            else:
                young[name] = content
    proof.paths += [name for name, _ in recent]
    proof.stats = _digest(proof.paths, stats)
    if not all(knows(name, content) for name, content in recent):  # written just now
        return
    if all(_age(bucket) < limit for bucket in _buckets(proof.cache)):
        proof.buckets = _digest(_buckets(proof.cache))
    _write(_file(root, folder), proof)


def forget(root: Path, folder: Path) -> None:
    """Before a run changes anything."""
    with suppress(OSError):
        _file(root, folder).unlink()


def loaded_files() -> list[str]:
    """The files of all modules that were loaded but the standard library's, and the folders where modules are found: a
    package that is installed, removed or edited may change what a workflow is."""
    from motools.base.loaded_modules import loaded_since

    library = os.path.dirname(os.__file__)
    new, _loaded.mark = loaded_since(_loaded.mark)
    files = {getattr(sys.modules.get(name), "__file__", None) for name in new}
    _loaded.files |= {f for f in files if f and (not f.startswith(library) or f"{os.sep}site-packages{os.sep}" in f)}
    return sorted({*_loaded.files, *(entry for entry in sys.path if entry and os.path.isdir(entry))})


class _loaded:
    """What this process has loaded, as far as it was looked at; forks of it start from there."""

    mark: Any = None
    files: ClassVar[set[str]] = set()


def is_young(path: str) -> bool:
    """Whether a file or folder may have been written since this process has started."""
    return _age(path) >= STARTED - _GRAIN


def content_if_young(path: str) -> str | None:
    """The MD5 of what is in a small file that is too young to be known by its stat; None of all else."""
    if not is_young(path) or not os.path.isfile(path) or os.path.getsize(path) > _SMALL:
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _content_before(path: str) -> str | None:
    """The MD5 of what a small file holds if it was last written before this process has started, so that this is what
    the process has read; None where that cannot be told, as where times are kept in whole seconds."""
    if _age(path) >= STARTED - _TICK or not os.path.isfile(path):
        return None
    stat = os.stat(path)
    return content_if_young(path) if stat.st_mtime_ns % 10**9 and stat.st_ctime_ns % 10**9 else None


def _same_young(proof: Snapshot) -> bool:
    for name, md5 in proof.young_files.items():
        try:
            with open(name, "rb") as file:
                if hashlib.file_digest(file, "md5").hexdigest() != md5:
                    return False
        except OSError:
            return False
    for name, names in proof.young_folders.items():
        try:
            if sorted(os.listdir(name)) != names:
                return False
        except OSError:
            return False
    return True


def _same_cache(proof: Snapshot, stats: dict[str, bytes]) -> bool:
    if proof.buckets and _digest(_buckets(proof.cache), stats) == proof.buckets:
        return True
    proof.buckets = ""
    objects = f"{proof.cache}/files/md5"
    try:  # what could have been written to may no longer be what its name says
        return all(os.stat(f"{objects}/{oid[:2]}/{oid[2:]}").st_mode & 0o777 == 0o444 for oid in proof.objects)
    except OSError:
        return False


def _grow_up(proof: Snapshot, now: int) -> bool:
    """Know by stat from now on what is old enough by now; `now` is a moment before it was found unchanged."""
    limit = now - _GRAIN
    young: tuple[dict[str, Any], dict[str, Any]] = (proof.young_files, proof.young_folders)
    old = [name for contents in young for name in contents if _age(name) < limit]
    if old:
        for contents in young:
            for name in old:
                contents.pop(name, None)
        proof.paths += old
        proof.stats = _digest(proof.paths)
        if any(_age(name) >= limit for name in proof.paths):  # written just now
            return False
    buckets = _buckets(proof.cache)
    if not proof.buckets and all(_age(bucket) < limit for bucket in buckets):
        proof.buckets = _digest(buckets)
        return True
    return bool(old)


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _age(path: str, stat: os.stat_result | None = None) -> int:
    """When a file or folder was last written, in ns; 0 where it is not there.

    Args:
        stat: that of the path, where it was taken already.
    """
    stat = stat or _stat(path)
    return max(stat.st_mtime_ns, stat.st_ctime_ns) if stat is not None else 0


def _told(stat: os.stat_result | None) -> bytes:
    """What a digest takes of a stat."""
    if stat is None:
        return b"-"
    return repr((stat.st_mode, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, stat.st_dev)).encode()


def _digest(paths: Iterable[str], stats: dict[str, bytes] | None = None) -> str:
    """Of the stats of paths, those that are known taken as they are, and the others known from now on."""
    digest = hashlib.blake2b(digest_size=16)
    stats = {} if stats is None else stats
    for path in paths:
        told = stats.get(path)
        if told is None:
            told = stats[path] = _told(_stat(path))
        digest.update(told)
    return digest.hexdigest()


def _buckets(cache: str) -> list[str]:
    return [f"{cache}/files/md5/{number:02x}" for number in range(256)]


def _world(names: Iterable[str]) -> str:
    """What else decides: this interpreter, its path, and the environment that moves configuration and code."""
    env = {n: v for n, v in os.environ.items() if n in _ENVIRONMENT or n.startswith(_PREFIXES)}
    env.pop("MOTOOLS_USER", None)  # whoever asks, nothing has changed
    env |= {name: _value(name) for name in names}
    text = json.dumps([sys.prefix, sys.version, own_path.OWN_PATH, env], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()  # there may be a key among them


def _value(name: str) -> str:
    """Of a variable; of all that a name with * at its end may stand for (see `environment_digest`), as they are."""
    if not name.endswith("*"):
        return os.environ.get(name, "\0")
    first, whole = name.rstrip("*").upper(), name.endswith("**")
    every = ((each.upper(), value) for each, value in sorted(os.environ.items()))
    return "\0".join(f"{n}={v}" for n, v in every if n == first or (whole and n.startswith(first)))


def _file(root: Path, folder: Path) -> Path:
    name = hashlib.md5(str(folder).encode(), usedforsecurity=False).hexdigest()
    return root / ".motools" / "unchanged" / f"{name}.json"


def _write(path: Path, proof: Snapshot) -> None:
    temporary = path.with_name(f".motools-{os.getpid()}")  # `files.sweep` knows this name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(vars(proof)), encoding="utf-8")
        os.replace(temporary, path)
    except OSError:  # a full disk, a folder that is somebody else's: the next run takes longer, that is all
        with suppress(OSError):
            temporary.unlink()
