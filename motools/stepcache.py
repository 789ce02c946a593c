"""The step cache: what a step made, under a key that knows nothing of folders, of names of stages, inputs and outputs.

Under one key lie the results of every state of the code and files that the step was executed with; the run record of
each holds its trace, which tells whether it is still the result (see `trace`).

An entry is a file in the format of DVC's run-cache, `CACHE/runs/<2>/<key>/<value>`, so that
`dvc push --run-cache` and `dvc pull --run-cache` carry it and the objects it names. DVC itself never
restores from these entries: its own keys leave out every parameter called `size` or `nfiles`, at any
depth, so stages are compiled in a way that keeps its run-cache out (see `compile`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools import yaml12
from motools.errors import ConfigError
from motools.files import new_file
from motools.store import Out, Store

_OID = re.compile(r"\b[0-9a-f]{32}(?:\.dir)?")
RECORD = "record.json"
LOGS = "logs"


@dataclass(frozen=True)
class Entry:
    """What is kept of a step: its outputs by role, its run record, and its logs where it keeps any."""

    outputs: Mapping[str, Out]
    record: Out
    logs: Out | None = None

    def atoms(self, kinds: Mapping[str, str]) -> dict[str, str]:
        """Output name -> atom id, given the outputs' kinds."""
        roles = roles_of(kinds)
        return {name: f"{kind}-{self.outputs[roles[name]].md5.removesuffix('.dir')}" for name, kind in kinds.items()}

    def oids(self) -> list[str]:
        outs = [*self.outputs.values(), self.record, *([self.logs] if self.logs else [])]
        return [out.md5 for out in outs]


def step_command(key: str) -> str:
    """The command that an executed step's entry carries in the place of a shell command."""
    return f"motools-step {key}"


def atom_command(md5: str) -> str:
    """The same for an atom made by hand."""
    return f"motools-atom {md5}"


def store(cache: Store, command: str, entry: Entry) -> None:
    """Write an entry; its objects must be in the cache already."""
    outs = {f"out/{name}": out for name, out in entry.outputs.items()} | {RECORD: entry.record}
    if entry.logs is not None:
        outs[LOGS] = entry.logs
    content = {
        "cmd": command,
        "outs": [{"path": path, **outs[path].as_dict()} for path in sorted(outs)],
    }
    folder = _folder(cache, command, list(outs))
    cache.make(folder)
    with new_file(folder / _digest(content), cache.scratch) as file:
        file.write(yaml12.dumps(content).encode())
        os.fchmod(file.fileno(), 0o644)


def roles_of(kinds: Mapping[str, str]) -> dict[str, str]:
    """What inputs or outputs are to a step, whatever they are called, by kind and order: `dataset`, `dataset-2`."""
    count: dict[str, int] = {}
    found = {}
    for name, kind in kinds.items():
        count[kind] = count.get(kind, 0) + 1
        found[name] = kind if count[kind] == 1 else f"{kind}-{count[kind]}"
    return found


def lookup(cache: Store, command: str, outputs: Iterable[str], logs: bool = False) -> Entry | None:
    """The newest entry of a command for these outputs whose objects are all in the cache, or None."""
    entries = candidates(cache, command, outputs, logs)
    return next((entry for entry in entries if all(cache.has(oid) for oid in entry.oids())), None)


def candidates(cache: Store, command: str, outputs: Iterable[str], logs: bool = False) -> Iterator[Entry]:
    """Every entry of a command for these outputs, newest first; its objects may be in a remote only."""
    outs = [*(f"out/{name}" for name in outputs), RECORD, *([LOGS] if logs else [])]
    try:
        files = sorted(_folder(cache, command, outs).iterdir(), key=_newest_first)
    except (FileNotFoundError, NotADirectoryError):
        return
    for path in files:
        if entry := _read(path):
            yield entry


def naming(cache: Store, md5: str, files: Mapping[str, list[Path]] | None = None) -> Iterator[Entry]:
    """Entries, newest first, that have an object among their outputs; `files` is what `by_object` gave."""
    for path in (by_object(cache) if files is None else files).get(md5, ()):
        entry = _read(path)
        if entry and any(out.md5 == md5 for out in entry.outputs.values()):
            yield entry


def by_object(cache: Store) -> dict[str, list[Path]]:
    """The files of all entries, newest first, by each object that they name."""
    found: dict[str, list[Path]] = {}
    for path in sorted(cache.cache.glob("runs/??/*/*"), key=_newest_first):
        for oid in set(_OID.findall(path.read_text(encoding="utf-8", errors="replace"))):
            found.setdefault(oid, []).append(path)
    return found


def _read(path: Path) -> Entry | None:
    """An entry of ours, or None: a damaged one counts as absent, the step then runs again."""
    if path.name.startswith("."):
        return None
    try:
        content = yaml12.load(path)
        outs = {str(out["path"]): Out(str(out["md5"]), int(out["size"]), out.get("nfiles")) for out in content["outs"]}
        record = outs.pop(RECORD)
    except (ConfigError, KeyError, TypeError, ValueError):
        return None
    if _digest(content) != path.name:
        return None
    logs = outs.pop(LOGS, None)
    return Entry({path.removeprefix("out/"): out for path, out in outs.items()}, record, logs)


def _newest_first(path: Path) -> tuple[int, str]:
    return -path.stat().st_mtime_ns, path.name


def _folder(cache: Store, command: str, outs: list[str]) -> Path:
    key = _digest({"cmd": command, "outs": sorted(outs)})
    return cache.cache / "runs" / key[:2] / key


def _digest(content: Any) -> str:
    """DVC's digest of an entry, with its rule that `size` and `nfiles` do not count."""
    return hashlib.sha256(json.dumps(_without_sizes(content), sort_keys=True).encode()).hexdigest()


def _without_sizes(content: Any) -> Any:
    if isinstance(content, dict):
        return {k: _without_sizes(v) for k, v in content.items() if k not in ("size", "nfiles")}
    return [_without_sizes(item) for item in content] if isinstance(content, list) else content
