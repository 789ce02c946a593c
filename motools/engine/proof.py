"""What the snapshot has to know, so that the next run can tell at once that nothing has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from motools.base.files import walk
from motools.code.module_search import real_paths
from motools.code.search_path import PipelineFolder
from motools.code.trace import Trace
from motools.code.world import World
from motools.compiler import dvc_yaml, params_yaml, step_code
from motools.engine import results, snapshot
from motools.engine.prepared import Prepared
from motools.engine.stage_outputs import StageOutputs
from motools.engine.state import StepState
from motools.observe import entry_points_file, kind_of, listing, observer
from motools.repo import pipeline
from motools.repo.hashing import hash_file


def remember_if_current(
    prepared: Prepared,
    outputs: StageOutputs,
    states: Mapping[str, StepState],
    traces: Iterable[Trace],
    digest: Callable[[str], str | None],
) -> None:
    """Where all stages are current now, leave the proof of it for the next run.

    Args:
        digest: what a file holds now.
    """
    if any(state.status not in ("current", "restored", "finished") for state in states.values()):
        return
    place, compiled = prepared.place, prepared.compiled
    params, stages = place.folder / pipeline.PARAMS, place.folder / pipeline.STAGES
    files: dict[str, str | None] = {str(path): None for path in place.project.config_files()}
    files |= dict.fromkeys([*snapshot.loaded_files(), *step_code.VERSION_FILES])
    files |= {str(place.folder / f"{pipeline.atom_path(name)}.dvc"): None for name in prepared.inputs}
    md5s = {str(path): hash_file(path) for path in (params, stages)}
    if params_yaml.params_text(compiled, place.folder) is not None:
        return  # edited while the run was going on
    if dvc_yaml.stages_text(compiled, place.folder) != stages.read_text(encoding="utf-8"):
        return
    outs, folders, objects = outputs.everything()
    traces = list(traces)
    used, looked_in, env = looked_at(traces, place)
    folders |= looked_in
    files = {**{path: None for path in files if path not in folders}, **used}
    if not _all_hold(traces, place, digest):  # what the proof takes from the disk has been taken before
        return
    now = {"status": "current", "seconds": 0.0}
    told = [results.as_dict(state, place.folder) | now for state in states.values()]
    every = {**files, **md5s, **outs}
    root, cache = place.project.root, place.project.cache
    snapshot.save(root, place.folder, cache, every, folders, objects, told, env, outputs.hashes.knows)


def looked_at(
    traces: Iterable[Trace], place: PipelineFolder
) -> tuple[dict[str, str | None], dict[str, list[str] | None], set[str]]:
    """What the steps' traces and the definition of the workflow rest on: files (with what they hold), folders where a
    new name could change something (with the names in them), and variables.

    Of what was only looked for, and what lies in folders that were used as a whole, the young are taken as they are.
    """
    files: dict[str, str | None] = {}
    folders = {str(folder) for folder in place.folders}
    env: set[str] = set()
    loading = observer().loading
    for path, source in observer().sources.items():
        files[path] = hashlib.md5(source.data).hexdigest()
        folders.add(os.path.dirname(path))
    files |= {path: digest for path, digest in loading.files.items() if digest is not None}
    asked = {*loading.exists, *loading.files}
    folders |= set(loading.folders)
    sized = {path for path, names in loading.folders.items() if names.endswith("+")}
    env |= set(loading.env)
    for trace in traces:
        for told, digest in [*((path, code.md5) for path, code in trace.code.items()), *trace.files.items()]:
            for path in real_paths(told, place):
                if not os.path.isdir(path):
                    files[path] = digest if os.path.isfile(path) else None
        for told in trace.exists:
            asked |= set(real_paths(told, place))
        for told in [*trace.folders, *trace.paths]:
            folders |= set(real_paths(told, place))
            sized |= set(real_paths(told, place)) if trace.folders.get(told, "").endswith("+") else set()
        folders |= {os.path.dirname(path) for told in trace.code for path in real_paths(told, place)}
        env |= set(trace.env)
    asked |= set(filter(None, map(entry_points_file, env)))
    held = (os.path.join(folder, name) for folder in sized if os.path.isdir(folder) for name in os.listdir(folder))
    asked |= {path for path in held if os.path.isfile(path)}
    for tree in _trees(traces, place):
        for parent, _, inside in walk(tree):
            folders.add(parent)
            asked |= {os.path.join(parent, name) for name in inside}
    folders |= {path for path in asked if os.path.isdir(path)}
    files = {path: snapshot.content_if_young(path) for path in asked - folders} | files
    names: dict[str, list[str] | None] = {path: sorted(os.listdir(path)) for path in folders if os.path.isdir(path)}
    return files, names, env


def _trees(traces: Iterable[Trace], place: PipelineFolder) -> dict[str, str]:
    """The folders that were used as a whole, with their digests."""
    used = {(told, digest) for trace in traces for told, digest in trace.files.items() if digest is not None}
    return {path: digest for told, digest in used for path in real_paths(told, place) if os.path.isdir(path)}


def _all_hold(traces: Sequence[Trace], place: PipelineFolder, digest: Callable[[str], str | None]) -> bool:
    """Whether all is as the traces have it, and as it was when the workflow was loaded."""
    loading = observer().loading
    trees = {path: digest for path, digest in _trees(traces, place).items() if not _is_young(path)}
    world = World(place, digest, trees)
    return (
        not any(os.path.lexists(path) for path, digest in loading.files.items() if digest is None)
        and all(kind_of(path, kind) == kind for path, kind in loading.exists.items())
        and all(listing(path, names.endswith("+")) == names for path, names in loading.folders.items())
        and not any(world.changes(replace(trace, inputs={}), {}) for trace in traces)
    )


def _is_young(tree: str) -> bool:
    """Whether something in a folder may have been written since it was looked at."""
    return any(snapshot.is_young(path) for at, _, names in walk(tree) for path in (at, *(f"{at}/{n}" for n in names)))
