"""The step cache: what a step made, under a key that knows nothing of folders, of names of stages, inputs and outputs.

Under one key lie the results of every state of the code and files that the step was executed with; the run record of
each holds its trace, which tells whether it is still the result (see `trace`).

An entry is a file in the format of DVC's run-cache, `CACHE/runs/<2>/<key>/<value>`, so that
`dvc push --run-cache` and `dvc pull --run-cache` carry it and the objects it names. DVC itself never
restores from these entries: its own keys leave out every parameter called `size` or `nfiles`, at any
depth, so stages are compiled in a way that keeps its run-cache out (see `compile`).

DVC carries entries without what they name, unless a lock file names it too. So where there is a remote, the objects of
a small result, which is what most of those are that were paid for, lie packed beside its entry as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.base import yaml12
from motools.base.files import new_file
from motools.errors import ConfigError, DamagedError
from motools.repo.cache import Cache
from motools.repo.hashing import Out

PACKED = 1 << 20
"""The size in bytes up to which a result is packed."""

_OID = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?")
RECORD = "record.json"
ANSWERS = "answers"
"""The output of an entry that is no result of a step's, but says where the answers of a model lie."""
LOGS = "logs"


@dataclass(frozen=True)
class CachedResult:
    """What is kept of a step: its outputs by role, its run record, and its logs where it keeps any."""

    outputs: Mapping[str, Out]
    record: Out
    logs: Out | None = None

    def atoms(self, kinds: Mapping[str, str]) -> dict[str, str]:
        """Output name -> atom id, given the outputs' kinds."""
        roles = roles_of(kinds)
        return {name: f"{kind}-{self.outputs[roles[name]].md5.removesuffix('.dir')}" for name, kind in kinds.items()}

    def outs(self) -> list[Out]:
        return [*self.outputs.values(), self.record, *([self.logs] if self.logs else [])]

    def oids(self) -> list[str]:
        return [out.md5 for out in self.outs()]


def step_command(key: str) -> str:
    """The command that an executed step's entry carries in the place of a shell command."""
    return f"motools-step {key}"


def atom_command(md5: str) -> str:
    """The same for an atom made by hand."""
    return f"motools-atom {md5}"


def store(cache: Cache, command: str, entry: CachedResult, again: bool = True) -> None:
    """Write an entry; its objects must be in the cache already.

    Args:
        again: although it is there, so that it is the newest.
    """
    content = _content(command, entry)
    path = file_of(cache, command, entry)
    if not again and path.exists():
        return
    cache.make(path.parent)
    with new_file(path, cache.scratch) as file:
        file.write(yaml12.dumps(content).encode())
        os.fchmod(file.fileno(), 0o644)


def _content(command: str, entry: CachedResult) -> dict[str, Any]:
    outs = {f"out/{name}": out for name, out in entry.outputs.items()} | {RECORD: entry.record}
    if entry.logs is not None:
        outs[LOGS] = entry.logs
    return {"cmd": command, "outs": [{"path": path, **outs[path].as_dict()} for path in sorted(outs)]}


def file_of(cache: Cache, command: str, entry: CachedResult) -> Path:
    """The file that an entry lies in; what `pack` writes lies beside it, with the suffix `.zip`."""
    return folder_of(cache, command, entry.outputs, entry.logs is not None) / _digest(_content(command, entry))


def pack(cache: Cache, command: str, entry: CachedResult) -> None:
    """Put the objects of a small result beside its entry, so that `dvc push --run-cache` takes them along."""
    import zipfile

    if sum(out.size for out in entry.outs()) > PACKED:
        return
    inside = [file for oid in entry.oids() if oid.endswith(".dir") for file in cache.tree(oid).values()]
    path = file_of(cache, command, entry).with_suffix(".zip")
    cache.make(path.parent)
    with new_file(path, cache.scratch) as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for oid in dict.fromkeys([*inside, *entry.oids()]):
                packed.writestr(zipfile.ZipInfo(oid), cache.read(oid), zipfile.ZIP_DEFLATED)
        os.fchmod(file.fileno(), 0o644)


def unpack(cache: Cache, path: Path) -> None:
    """Take the objects that lie packed beside an entry into the cache; a damaged pack is as good as none."""
    import zipfile

    with suppress(zipfile.BadZipFile, OSError, DamagedError), zipfile.ZipFile(path.with_suffix(".zip")) as packed:
        for oid in packed.namelist():
            if _OID.fullmatch(oid):
                cache.add_object(oid, packed.read(oid))


def roles_of(kinds: Mapping[str, str]) -> dict[str, str]:
    """What inputs or outputs are to a step, whatever they are called, by kind and order: `dataset`, `dataset-2`."""
    count: dict[str, int] = {}
    roles = {}
    for name, kind in kinds.items():
        count[kind] = count.get(kind, 0) + 1
        roles[name] = kind if count[kind] == 1 else f"{kind}-{count[kind]}"
    return roles


def lookup(cache: Cache, command: str, outputs: Iterable[str], logs: bool = False) -> CachedResult | None:
    """The newest entry of a command for these outputs whose objects are all in the cache, or None."""
    entries = candidates(cache, command, outputs, logs)
    return next((entry for entry in entries if all(cache.has(oid) for oid in entry.oids())), None)


def candidates(cache: Cache, command: str, outputs: Iterable[str], logs: bool = False) -> Iterator[CachedResult]:
    """Every entry of a command for these outputs, newest first; its objects may be in a remote only."""
    try:
        files = sorted(folder_of(cache, command, outputs, logs).iterdir(), key=_newest_first)
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in files:
        if entry := _read(path):
            if path.with_suffix(".zip").exists() and not all(cache.has(oid) for oid in entry.oids()):
                unpack(cache, path)
            yield entry


def every(cache: Cache) -> Iterator[CachedResult]:
    """All entries of ours."""
    yield from (entry for _, entry in every_file(cache))


def every_file(cache: Cache) -> Iterator[tuple[Path, CachedResult]]:
    """The same, each with the file that it lies in."""
    for path in cache.cache.glob("runs/??/*/*"):
        if (entry := _read(path)) is not None:
            yield path, entry


def folder_of(cache: Cache, command: str, outputs: Iterable[str], logs: bool) -> Path:
    """Where the entries of a command for these outputs lie; the same path below `runs` in every cache and remote."""
    return _folder(cache, command, [*(f"out/{name}" for name in outputs), RECORD, *([LOGS] if logs else [])])


def naming(cache: Cache, md5: str, files: Mapping[str, list[Path]] | None = None) -> Iterator[CachedResult]:
    """Entries, newest first, that have an object among their outputs; `files` is what `by_object` gave."""
    for path in (by_object(cache) if files is None else files).get(md5, ()):
        entry = _read(path)
        if entry and any(out.md5 == md5 for out in entry.outputs.values()):
            yield entry


def by_object(cache: Cache) -> dict[str, list[Path]]:
    """The files of all entries, newest first, by each object that they name."""
    by_oid: dict[str, list[Path]] = {}
    for path in sorted(cache.cache.glob("runs/??/*/*"), key=_newest_first):
        for oid in set(_OID.findall(path.read_text(encoding="utf-8", errors="replace"))):
            by_oid.setdefault(oid, []).append(path)
    return by_oid


def _read(path: Path) -> CachedResult | None:
    """An entry of ours, or None: a damaged one counts as absent, the step then runs again."""
    if path.suffix:
        return None
    try:
        content = yaml12.load(path)
        outs = {str(out["path"]): Out(str(out["md5"]), int(out["size"]), out.get("nfiles")) for out in content["outs"]}
        record = outs.pop(RECORD)
    except (ConfigError, IsADirectoryError, KeyError, TypeError, ValueError):
        return None
    if _digest(content) != path.name:
        return None
    logs = outs.pop(LOGS, None)
    return CachedResult({path.removeprefix("out/"): out for path, out in outs.items()}, record, logs)


def _newest_first(path: Path) -> tuple[int, str]:
    return -path.stat().st_mtime_ns, path.name


def _folder(cache: Cache, command: str, outs: list[str]) -> Path:
    key = _digest({"cmd": command, "outs": sorted(outs)})
    return cache.cache / "runs" / key[:2] / key


def _digest(content: Any) -> str:
    """DVC's digest of an entry, with its rule that `size` and `nfiles` do not count."""
    return hashlib.sha256(json.dumps(_without_sizes(content), sort_keys=True).encode()).hexdigest()


def _without_sizes(content: Any) -> Any:
    if isinstance(content, dict):
        return {k: _without_sizes(v) for k, v in content.items() if k not in ("size", "nfiles")}
    return [_without_sizes(item) for item in content] if isinstance(content, list) else content
