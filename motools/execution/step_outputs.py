"""What a step's function returned: checked, cached, and told of."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motools.atom.folder import check_files, write_atom
from motools.base import secrets
from motools.base.foreign_text import read_json
from motools.compiler.step_call import StepCall
from motools.definition.instances import as_made, as_seen
from motools.definition.step import AtomConstructor
from motools.errors import AtomError, StepError, listed
from motools.execution.cached_results import Result, result_of
from motools.repo import pipeline, step_cache
from motools.repo.hashing import Hashed, Out, files_in
from motools.repo.step_cache import CachedResult, roles_of


def refuse_secrets(built: Mapping[str, Path]) -> None:
    for path, source in built.items() if secrets.in_environment() else ():
        names = dict(files_in(source)) if source.is_dir() else {str(source): ""}
        if (leak := secrets.found_in(names)) is not None:
            file, name = leak
            where = f"{path}/{names[file]}" if names[file] else path
            raise StepError(f"{secrets.redact(where)} would hold the value of {name}, for all to read.")


_DEAR = 10.0  # seconds; what took longer, or cost money, is on the disk before it counts, and survives a power cut


def keep_result(
    call: StepCall, built: Mapping[str, Path], seen: Mapping[str, dict[str, Hashed]], work: Path, paid: bool
) -> tuple[Result, dict[str, Out]]:
    """Into the cache first, then the entry; then the folder: from the entry on, nothing can be lost."""
    store = call.place.project.store
    added = store.add_all([*built.values()], [seen[path] for path in built], ours=True)
    outs = dict(zip(built, added, strict=True))
    entry = CachedResult(
        {role: outs[pipeline.atom_path(name)] for name, role in roles_of(call.outputs).items()},
        outs[pipeline.record_path(call.name)],
        outs.get(pipeline.logs_path(call.name)),
    )
    result = result_of(call, entry, work / "record.json")
    assert result is not None
    is_dear = paid or result.record.seconds > _DEAR
    if is_dear:
        store.sync()
    step_cache.store(store, step_cache.step_command(call.key), entry)
    if call.place.project.setting("core", "remote"):
        step_cache.pack(store, step_cache.step_command(call.key), entry)
    if is_dear:
        store.sync()
    return result, outs


def build_outputs(call: StepCall, returned: Any, folder: Path) -> dict[str, Path]:
    """Turn what the function returned into atom folders, by path; all that was declared, nothing else."""
    if isinstance(returned, AtomConstructor):
        returned = [returned]
    if not isinstance(returned, (list, tuple)) or not all(isinstance(item, AtomConstructor) for item in returned):
        raise StepError(f"The step {call.name!r} returned {returned!r}, not a list of AtomConstructors.")
    for item in returned:
        if (wrong := _wrong(item)) is not None:
            raise StepError(f"The step {call.name!r} returned {item!r}: {wrong}.")
    names, instances = sorted(item.name for item in returned), as_made(call.outputs, call.name)
    if names != sorted(instances):
        raise StepError(
            f"The step {call.name!r} returned the outputs {listed(names)}, but declares {listed(sorted(instances))}."
        )
    built = {}
    made_from = as_seen(call.inputs, call.gathers)
    for item in returned:
        declared = call.outputs[instances[item.name]]
        if item.type != declared:
            raise StepError(
                f"The step {call.name!r} returned {item.name!r} as a {item.type}, but declares it as a {declared}."
            )
        try:
            about = item.metadata or {}
            write_atom(folder / item.name, item.type, made_from, about, Path(item.path), folder.parent / "workspace")
            _refuse_unreadable(folder / item.name, declared)
        except AtomError as error:
            raise StepError(f"The step {call.name!r} cannot keep its output {item.name!r}: {error}") from None
        built[pipeline.atom_path(instances[item.name])] = folder / item.name
    for path, source in built.items():
        inside = (each for _, each in files_in(source))
        if (name := call.place.project.hidden(call.folder / path, inside)) is not None:
            raise StepError(f"A .dvcignore hides {path}/{name} from DVC, which would not keep it. Change its rules.")
    return built


def _wrong(item: AtomConstructor) -> str | None:
    """What of an `AtomConstructor` is of no use, whatever the step declares."""
    if not isinstance(item.name, str):
        return "its name is no text"
    if not isinstance(item.path, (str, os.PathLike)) or "\0" in str(item.path):
        return "its path is none"
    if item.metadata is not None and not isinstance(item.metadata, Mapping):
        return "its metadata is no mapping"
    return None


def _refuse_unreadable(atom: Path, kind: str) -> None:
    """An evaluation's metrics are read by all who come after it; raises `AtomError` where they cannot be."""
    metrics = atom / "data" / "metrics.json"
    if kind == "eval" and metrics.is_file():
        try:
            read_json(metrics.read_bytes())
        except ValueError as error:
            raise AtomError(f"its metrics.json cannot be read: {error}.") from None


def keep_logs(call: StepCall, work: Path) -> Path:
    """The logs that a step leaves; as with its outputs, a link is none."""
    logs = work / "workspace" / "logs"
    logs.mkdir(exist_ok=True)
    try:
        check_files(logs)
    except AtomError as error:
        raise StepError(f"The step {call.name!r} cannot keep its logs: {error}") from None
    return logs


def read_usage(workspace: Path) -> dict[str, Any]:
    """What the function says it used; where that cannot be read the result is kept without it."""
    path = workspace / "usage.json"
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise ValueError("it is no file")
        usage = json.loads(path.read_bytes(), parse_constant=_refused)
        usage = usage if isinstance(usage, dict) else {"usage": usage}
        # Written and read again as the record will be: half an emoji, 1e999 and a hundred brackets are JSON, too.
        read_json(json.dumps({"usage": usage}, ensure_ascii=False, allow_nan=False).encode())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError, OSError) as error:
        print(f"usage.json is left out of the run record: {error}", file=sys.stderr)
        return {}
    return usage


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is not JSON")
