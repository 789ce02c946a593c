"""Compile: a workflow and its config become the text of dvc.yaml and params.yaml."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from motools.base.files import replace_file
from motools.code import references
from motools.code.search_path import PipelineFolder
from motools.compiler.compiled import Compiled
from motools.compiler.dvc_yaml import (
    first_deps,
    of_instance,
    share_deps,
    stage_of,
    stages_text,
    with_deps,
    with_own_words,
)
from motools.compiler.editor_schema import modeline, write_schema
from motools.compiler.losses import is_of_something_else, kept_copy, loses_params, loses_stages
from motools.compiler.named_paths import Named
from motools.compiler.params_yaml import params_text
from motools.compiler.step_code import of_step
from motools.definition.config_changes import with_first_values, with_own_axes
from motools.definition.instances import base_of, label_of
from motools.definition.sweep import instances_of
from motools.definition.workflow import Workflow
from motools.repo import pipeline


def compile_workflow(workflow: Workflow, reference: str, config: Any, place: PipelineFolder) -> Compiled:
    """Decide what the folder's files must say; writes nothing.

    Raises:
        ConfigError: the config is wrong, or names code that is not there.
    """
    said = resolved(workflow, config)
    workflow, sections = instances_of(workflow, said)
    parsed = references.parse(reference, place)
    source = parsed.file if parsed is not None else None
    named: dict[str, Named] = {}
    codes = {s.name: of_step(s, sections[s.name], place, source, named) for s in workflow.steps}
    locked, written = pipeline.read_lock(place.folder), pipeline.read_stages(place.folder)
    atoms = {base_of(name) for step in workflow.steps for name in (*step.inputs, *step.outputs)}
    stages = {}
    for step in workflow.steps:
        stage = with_own_words(
            stage_of(step, reference), of_instance(written.get(base_of(step.name)), label_of(step.name))
        )
        entry = locked.get(step.name, {})
        before = [dep["path"] for dep in entry.get("deps", []) if (place.folder / dep["path"]).exists()]
        before = [path for path in before if not _is_input(path, atoms)]  # which of them it takes may have changed
        deps = before if entry.get("cmd") == stage["cmd"] else first_deps(codes[step.name], place)
        inputs = [pipeline.atom_path(name) for name in step.inputs]
        stages[step.name] = with_deps(stage, list(dict.fromkeys([*inputs, *deps])))
    share_deps(stages, stages)
    return Compiled(workflow, reference, sections, codes, stages, said, source)


def _is_input(path: str, atoms: Collection[str]) -> bool:
    """Whether a path is where an instance of one of these atoms lies."""
    return path.startswith("atoms/") and base_of(pipeline.name_at(path)) in atoms


def resolved(workflow: Workflow, config: Any) -> dict[str, Any]:
    """The complete sections of a config, and what it and the workflow say under `sweep`; raises `ConfigError`."""
    if workflow.sweep and (config is None or isinstance(config, Mapping)):
        config = with_own_axes(config or {}, workflow)
    if not isinstance(config, Mapping) or config.get("sweep") is None:
        return dict(workflow.resolve(config))
    sweep = config["sweep"]
    given = {name: section for name, section in config.items() if name != "sweep"}
    return {"sweep": sweep, **workflow.resolve(with_first_values(given, sweep, workflow))}


def write(compiled: Compiled, folder: Path, private: Path) -> list[str]:
    """Write dvc.yaml, params.yaml and its schema where their content changes.

    Returns:
        A sentence for each of them that said what is nowhere else now: where a copy of it is.

    Raises:
        ConfigError: one of them cannot be read, or a stage in it is in the way; nothing has been written then.
    """
    stages = stages_text(compiled, folder)
    first = modeline(compiled.reference, folder, private)
    params = params_text(compiled, folder, first)
    kept = []
    if is_of_something_else(compiled, folder):
        kept.append(kept_copy(folder / pipeline.PARAMS, private))
        (folder / pipeline.PARAMS).unlink()
        params = params_text(compiled, folder, first)
    elif params is not None and loses_params(compiled, folder, params):
        kept.append(kept_copy(folder / pipeline.PARAMS, private))
    if params is not None:
        replace_file(folder / pipeline.PARAMS, params)
    write_schema(compiled, folder, private)
    path = folder / pipeline.STAGES
    if not path.exists() or path.read_text(encoding="utf-8") != stages:
        if path.exists() and loses_stages(compiled, folder, stages):
            kept.append(kept_copy(path, private))
        replace_file(path, stages)
    return kept
