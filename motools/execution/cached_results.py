"""Results that are at hand: found by a step's key and their traces, in dvc.lock, the cache or the remote."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools.atom import records
from motools.atom.atom import EvalAtom
from motools.atom.records import Record
from motools.base.files import replace_file
from motools.base.foreign_text import finite, visible
from motools.base.values import flat
from motools.code import trace
from motools.code.trace import Trace
from motools.code.world import World
from motools.compiler.step_call import StepCall
from motools.errors import DamagedError
from motools.repo import pipeline, step_cache
from motools.repo.hashing import Hashed, Out
from motools.repo.project import Project
from motools.repo.remote import Remote
from motools.repo.step_cache import CachedResult, roles_of

__all__ = [
    "Result",
    "find_remote",
    "find_result",
    "keep",
    "locked_entry",
    "locked_result",
    "quarantine",
    "restore",
    "restore_known",
    "result_of",
    "write_metrics",
]


@dataclass(frozen=True)
class Result:
    """A result under a step's key, with what its execution used."""

    entry: CachedResult
    record: Record
    trace: Trace


def find_result(call: StepCall, locked: Mapping[str, Any], world: World) -> Result | None:
    """The result of a call whose trace holds, or None: first what dvc.lock names, which is all that a clone has after
    `dvc pull`; then the step cache, whatever folder, branch or machine filled it."""
    return next(
        (r for r in _results(call, locked) if _is_here(r, call) and not world.changes(r.trace, call.roles)), None
    )


def _results(call: StepCall, locked: Mapping[str, Any]) -> Iterator[Result]:
    if (result := locked_result(call, locked)) is not None:
        yield result
    for entry in step_cache.candidates(call.place.project.store, *call.cache_slot):
        if (result := result_of(call, entry)) is not None:
            yield result


def _is_here(result: Result, call: StepCall) -> bool:
    return all(call.place.project.store.has(oid) for oid in result.entry.oids())


def result_of(call: StepCall, entry: CachedResult, path: Path | None = None) -> Result | None:
    """An entry with what its record tells, None where that cannot be read here or is of another key.

    Args:
        path: where the record may lie if the cache has lost it.
    """
    record = records.read(call.place.project, entry.record.md5, path)
    if record is None or record.key != call.key:
        return None
    if entry.record.md5 not in _traces:  # one object for one record, so that it is looked at once
        _traces[entry.record.md5] = trace.from_dict(record.trace)
    observed = _traces[entry.record.md5]
    return Result(entry, record, observed) if observed is not None else None


_traces: dict[str, Trace | None] = {}


def find_remote(
    call: StepCall, locked: Mapping[str, Any], world: World, remote: Remote, paid: Callable[[], bool]
) -> Result | None:
    """The same where objects of it are in the remote only: the record and the folder objects are here now, which tell
    that it holds and that it is there; `remote.fetch` brings the rest.

    Args:
        paid: whether making it costs money; then results are asked for that nothing here names.
    """
    result = _find_remote(call, locked, world, remote)
    if result is None and paid():
        remote.entries(*call.cache_slot)
        result = _find_remote(call, locked, world, remote)
    return result


def _find_remote(call: StepCall, locked: Mapping[str, Any], world: World, remote: Remote) -> Result | None:
    entries = [*step_cache.candidates(call.place.project.store, *call.cache_slot)]
    if (entry := locked_entry(call.name, call.outputs, call.keeps_logs, locked)) is not None:
        entries.insert(0, entry)
    for entry in entries:
        if not remote.look([entry.record.md5]) or (result := result_of(call, entry)) is None:
            continue
        if not world.changes(result.trace, call.roles) and remote.look(entry.oids()):
            return result
    return None


def locked_result(call: StepCall, locked: Mapping[str, Any]) -> Result | None:
    """What dvc.lock says the step made, where its run record names this call's key."""
    entry = locked_entry(call.name, call.outputs, call.keeps_logs, locked)
    return result_of(call, entry, call.folder / pipeline.record_path(call.name)) if entry is not None else None


def locked_entry(name: str, outputs: Mapping[str, str], logs: bool, locked: Mapping[str, Any]) -> CachedResult | None:
    """A stage's entry in dvc.lock as a result, or None where it lacks an output."""
    outs = {o["path"]: Out(o["md5"], o["size"], o.get("nfiles")) for o in locked.get("outs", []) if "md5" in o}
    record = outs.get(pipeline.record_path(name))
    by_role = {role: outs.get(pipeline.atom_path(output)) for output, role in roles_of(outputs).items()}
    kept = outs.get(pipeline.logs_path(name))
    if record is None or None in by_role.values() or (logs and kept is None):
        return None
    return CachedResult({role: out for role, out in by_role.items() if out}, record, kept if logs else None)


def restore_known(
    call: StepCall,
    locked: Mapping[str, Any],
    remote: Remote | None = None,
    paid: Callable[[], bool] = lambda: False,
) -> Result | None:
    """Put a call's result into the pipeline's folder, from the cache or a remote; None where there is none.

    Raises:
        RemoteError: the remote cannot be asked, and making the result anew costs money.
    """
    aside: set[Path | None] = {None}
    while True:
        world = World(call.place)
        try:
            result = find_result(call, locked, world)
            if result is None and remote is not None:
                there = find_remote(call, locked, world, remote, paid)
                result = there if there is not None and remote.fetch(there.entry.oids()) else None
            if result is not None:
                restore(call, result.entry)
            elif remote is not None and remote.problem is not None:
                if paid():
                    raise remote.refusal([call.name])
                print(visible(str(remote.problem)), file=sys.stderr)
            return result
        except DamagedError as error:  # another entry, the remote, or else executing the step is the way
            if error.path in aside:
                return None
            aside.add(error.path)
            print(visible(quarantine(error, call.place.project)), file=sys.stderr)


def restore(call: StepCall, entry: CachedResult) -> dict[str, Hashed]:
    """Put a result into the pipeline's folder; returns what its files are known to hold.

    Raises:
        DamagedError: it is not what it should be.
    """
    outs = {pipeline.atom_path(name): entry.outputs[role] for name, role in roles_of(call.outputs).items()}
    if entry.logs is not None:
        outs[pipeline.logs_path(call.name)] = entry.logs
    outs[pipeline.record_path(call.name)] = entry.record
    hashed: dict[str, Hashed] = {}
    for path, out in outs.items():
        hashed |= call.place.project.store.check_out(out.md5, call.folder / path)
    write_metrics(call, entry)
    keep(call.place.project, call.key, entry)
    return hashed


def keep(project: Project, key: str, entry: CachedResult) -> None:
    """See to it that the step cache has a result: after `dvc pull` only dvc.lock names it, until that changes."""
    with suppress(OSError):  # another user's cache
        step_cache.store(project.store, step_cache.step_command(key), entry, again=False)


def quarantine(error: DamagedError, project: Project) -> str:
    """Move a damaged object out of the cache, so that it can be made again; returns a sentence that says so."""
    assert error.path is not None
    target = project.private / "damaged" / f"{error.path.parent.name}{error.path.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # another process was quicker
        shutil.move(error.path, target)
    return f"The cache object {error.path} was damaged, and has been put aside as {target}."


def write_metrics(call: StepCall, entry: CachedResult) -> tuple[str, ...]:
    """metrics/<stage>.json says what the eval atoms say: derived, so that it can never differ from them.

    Args:
        entry: what has just been put into the folder.

    Returns:
        A sentence for each number that JSON cannot say, which is null there.
    """
    metrics: dict[str, Any] = {}
    roles = roles_of(call.outputs)
    evals = [name for name, kind in call.outputs.items() if kind == "eval"]
    for name in evals:
        folder, oid = call.folder / pipeline.atom_path(name), entry.outputs[roles[name]].md5
        atom = EvalAtom.from_folder(folder, call.place.project, oid)
        metrics.update({name: atom.metrics} if len(evals) > 1 else atom.metrics)
    path = pipeline.metrics_path(call.name)
    if evals:
        text = json.dumps(finite(metrics), indent=2, sort_keys=True, allow_nan=False) + "\n"
        with suppress(OSError):  # where it may be written: what the cache has is no person's, should we be killed now
            call.place.project.store.add_bytes(text.encode())
        replace_file(call.folder / path, text)
    odd = (name for name, value in flat(metrics).items() if finite(value) != value)
    return tuple(f"{name} is no finite number, which JSON cannot say: {path} has null." for name in odd)
