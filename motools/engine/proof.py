"""What the snapshot has to know, so that the next run can tell at once that nothing has changed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping

from motools.code.module_search import real_paths
from motools.code.search_path import Place
from motools.code.trace import Trace
from motools.compiler import dvc_yaml, params_yaml
from motools.engine import results, snapshot
from motools.engine.prepared import Prepared
from motools.engine.stage_outputs import StageOutputs
from motools.engine.state import StepState
from motools.observe import observer
from motools.repo import pipeline
from motools.repo.cache import hash_file


def remember_if_current(
    prepared: Prepared, outputs: StageOutputs, states: Mapping[str, StepState], traces: Iterable[Trace]
) -> None:
    """Where all stages are current now, leave the proof of it for the next run."""
    if any(state.status not in ("current", "restored", "finished") for state in states.values()):
        return
    place, compiled = prepared.place, prepared.compiled
    params, stages = place.folder / pipeline.PARAMS, place.folder / pipeline.STAGES
    files: dict[str, str | None] = {str(path): None for path in place.project.config_files()}
    files |= dict.fromkeys(snapshot.loaded_files())
    files |= {str(place.folder / f"{pipeline.atom_path(name)}.dvc"): None for name in prepared.inputs}
    md5s = {str(path): hash_file(path) for path in (params, stages)}
    if params_yaml.params_text(compiled, place.folder) is not None:
        return  # edited while the run was going on
    if dvc_yaml.stages_text(compiled, place.folder) != stages.read_text(encoding="utf-8"):
        return
    outs, folders, objects = outputs.everything()
    used, looked_in, env = looked_at(traces, place)
    files |= used
    folders |= {folder: sorted(os.listdir(folder)) if os.path.isdir(folder) else None for folder in looked_in}
    now = {"status": "current", "seconds": 0.0}
    told = [results.as_dict(state, place.folder) | now for state in states.values()]
    every = {**files, **md5s, **outs}
    root, cache = place.project.root, place.project.cache
    snapshot.save(root, place.folder, cache, every, folders, objects, told, env, outputs.hashes.knows)


def looked_at(traces: Iterable[Trace], place: Place) -> tuple[dict[str, str | None], set[str], set[str]]:
    """What the steps' traces and the definition of the workflow rest on: files (with what was verified of them),
    folders where a new name could change something, and variables."""
    files: dict[str, str | None] = {}
    folders = {str(folder) for folder in place.folders}
    env: set[str] = set()
    loading = observer().loading
    for path, source in observer().sources.items():
        files[path] = hashlib.md5(source.data).hexdigest()
        folders.add(os.path.dirname(path))
    files |= {path: digest for path, digest in loading.files.items() if digest is not None}
    files |= dict.fromkeys([*loading.exists, *(path for path, digest in loading.files.items() if digest is None)])
    folders |= set(loading.folders)
    env |= set(loading.env)
    for trace in traces:
        for told, digest in [*((path, code.md5) for path, code in trace.code.items()), *trace.files.items()]:
            for path in real_paths(told, place):
                if os.path.isdir(path):
                    for parent, _, names in os.walk(path, followlinks=True):
                        folders.add(parent)
                        files |= dict.fromkeys(os.path.join(parent, name) for name in names)
                else:
                    files[path] = digest if os.path.isfile(path) else None
        for told in trace.exists:
            files |= dict.fromkeys(real_paths(told, place))
        for told in [*trace.folders, *trace.paths]:
            folders |= set(real_paths(told, place))
        folders |= {os.path.dirname(path) for told in trace.code for path in real_paths(told, place)}
        env |= set(trace.env)
    return files, {folder for folder in folders if os.path.isdir(folder)}, env
