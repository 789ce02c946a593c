"""Compile: a workflow and its config become the text of dvc.yaml and params.yaml."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools import code, edit, pipeline, yaml12
from motools.code import Place
from motools.config import schema
from motools.errors import ConfigError
from motools.files import replace_file
from motools.key import StepCode, of_step
from motools.workflow import Step, Workflow

_STAGES_HEADER = """\
# Written by `motools run` from params.yaml and the workflow; edit params.yaml, not this file.
# Stages whose command is not `motools step run` are kept as they are.
"""
_PARAMS_HEADER = (
    "# The pipeline of this folder: `motools run` runs what changed, `motools status` says what that is.",
    "# One section a step; every default is written out. Comments are kept.",
)


@dataclass(frozen=True)
class Compiled:
    """A workflow with its config, ready to be written into a folder.

    Attributes:
        reference: how `motools step run` finds the workflow.
        config: step name -> complete section.
        codes: step name -> the part of its key that the workflow gives.
        stages: the content of dvc.yaml; what a stage depends on is known better when it has run (`set_deps`).
        source: the file that defines the workflow, where that is the project's.
    """

    workflow: Workflow
    reference: str
    config: Mapping[str, Mapping[str, Any]]
    codes: Mapping[str, StepCode]
    stages: dict[str, Any]
    source: Path | None = None


def compile_workflow(workflow: Workflow, reference: str, config: Any, place: Place) -> Compiled:
    """Decide what the folder's files must say; writes nothing.

    Raises:
        ConfigError: the config is wrong, or names code that is not there.
    """
    sections = workflow.resolve(config)
    found = code.parse(reference, place)
    source = found.file if found is not None else None
    codes = {s.name: of_step(s, sections[s.name], place, source) for s in workflow.steps}
    locked = pipeline.read_lock(place.folder)
    stages = {}
    for step in workflow.steps:
        stage = _stage(step, reference)
        entry = locked.get(step.name, {})
        before = [dep["path"] for dep in entry.get("deps", []) if (place.folder / dep["path"]).exists()]
        deps = before if entry.get("cmd") == stage["cmd"] else _first_deps(codes[step.name], place)
        inputs = [pipeline.atom_path(name) for name in step.inputs]
        stages[step.name] = _with_deps(stage, list(dict.fromkeys([*inputs, *deps])))
    return Compiled(workflow, reference, sections, codes, stages, source)


def _first_deps(what: StepCode, place: Place) -> list[str]:
    """What a stage that has not run here depends on, as far as the workflow and the config tell."""
    inside = [file for file in what.files if file.is_relative_to(place.project.root) and file.exists()]
    return sorted(Path(os.path.relpath(file, place.folder)).as_posix() for file in inside)


def _with_deps(stage: dict[str, Any], deps: list[str]) -> dict[str, Any]:
    stage = {
        "cmd": stage["cmd"],
        "deps": deps,
        **{name: each for name, each in stage.items() if name not in ("cmd", "deps")},
    }
    return {name: value for name, value in stage.items() if value}


def set_deps(compiled: Compiled, name: str, deps: list[str]) -> None:
    """Say what a stage depends on, as its execution has shown; `write` has dvc.yaml say it."""
    compiled.stages[name] = _with_deps(compiled.stages[name], deps)


def _stage(step: Step, reference: str) -> dict[str, Any]:
    # `persist` keeps DVC's own run-cache away from the stage: it leaves out of its keys every parameter called
    # size or nfiles, and would restore the result of another value. The step cache does its work, exactly.
    record = {pipeline.record_path(step.name): {"persist": True}}
    outs: list[Any] = [pipeline.atom_path(name) for name in step.outputs]
    if step.keeps_logs:
        outs.append(pipeline.logs_path(step.name))
    stage: dict[str, Any] = {
        "cmd": f"motools step run {shlex.quote(reference)} {step.name}",
        "params": [step.name],
        "outs": [*outs, record],
    }
    if "eval" in step.outputs.values():
        stage["metrics"] = [{pipeline.metrics_path(step.name): {"cache": False}}]
    return stage


def write(compiled: Compiled, folder: Path, private: Path) -> Path | None:
    """Write dvc.yaml and params.yaml where their content changes.

    Returns:
        Where the params.yaml of something else was put aside, if there was one.

    Raises:
        ConfigError: one of them cannot be read, or a stage in it is in the way; nothing has been written then.
    """
    stages = stages_text(compiled, folder)
    replaced = _put_aside(compiled, folder, private)
    text = params_text(compiled, folder)
    if text is not None:
        replace_file(folder / pipeline.PARAMS, text)
    _write_stages(folder, stages)
    return replaced


def write_stages(compiled: Compiled, folder: Path) -> None:
    """Have dvc.yaml say what the stages depend on now."""
    _write_stages(folder, stages_text(compiled, folder))


def _write_stages(folder: Path, text: str) -> None:
    path = folder / pipeline.STAGES
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        replace_file(path, text)


def stages_text(compiled: Compiled, folder: Path) -> str:
    """The text of dvc.yaml; what it says beside generated stages is kept."""
    path = folder / pipeline.STAGES
    content = yaml12.load(path) or {}
    own = {name: stage for name, stage in pipeline.read_stages(folder).items() if not _is_written_here(stage)}
    for name in own:
        if name in compiled.stages:
            raise ConfigError(
                f"{path} has a stage {name!r} of your own, and the workflow {compiled.workflow.name!r} has a step "
                "of that name. Give your stage another one."
            )
    content.pop("stages", None)
    return _STAGES_HEADER + yaml12.dumps({"stages": {**compiled.stages, **own}, **content})


def _is_written_here(stage: Any) -> bool:
    return isinstance(stage, Mapping) and is_generated(stage.get("cmd"))


def is_generated(command: Any) -> bool:
    """Whether a stage's command is one that `compile_workflow` writes; other stages are a person's own."""
    return isinstance(command, str) and command.startswith("motools step run ")


def _put_aside(compiled: Compiled, folder: Path, private: Path) -> Path | None:
    """Keep the params.yaml of another workflow or of something else, whose values may be nowhere else."""
    path = folder / pipeline.PARAMS
    before = yaml12.load(path)
    if before is None:
        return None
    known = pipeline.read_params(folder)
    if known.workflow == compiled.reference if known else set(before) <= set(compiled.config):
        return None
    aside = private / "replaced" / f"params-{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9:09}.yaml"
    aside.parent.mkdir(parents=True, exist_ok=True)
    path.rename(aside)
    return aside


def params_text(compiled: Compiled, folder: Path) -> str | None:
    """The new text of params.yaml with the comments it has, or None where it says the same already."""
    wanted = {"workflow": compiled.reference, **compiled.config}
    path = folder / pipeline.PARAMS
    before = yaml12.load(path)
    if edit.same_values(before, wanted):
        return None
    if isinstance(before, dict) and before:
        return edit.updated(path.read_text(encoding="utf-8"), wanted)
    return "\n".join([*_commented(compiled), ""])


def _commented(compiled: Compiled) -> Iterator[str]:
    """A new params.yaml: each key under the description that its config class gives it."""
    yield from _PARAMS_HEADER
    yield from edit.lines("workflow", compiled.reference)
    for step in compiled.workflow.steps:
        yield ""
        section = compiled.config[step.name]
        if not section:
            yield from edit.lines(step.name, section)
            continue
        yield f"{step.name}:"
        properties = schema(step.config_class).get("properties", {})
        for name, value in section.items():
            if about := properties.get(name, {}).get("description"):
                yield f"  # {' '.join(about.split())}"
            yield from edit.lines(name, value, indent=2)


def config_schema(workflow: Workflow) -> dict[str, Any]:
    """The JSON schema of a workflow's config file and of the params.yaml that is made from it."""
    definitions: dict[str, Any] = {}
    sections: dict[str, Any] = {}
    for step in workflow.steps:
        section = schema(step.config_class)
        definitions.update(section.pop("$defs", {}))
        sections[step.name] = section
    required = [name for name, section in sections.items() if section.get("required")]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": workflow.name,
        "description": workflow.description,
        "type": "object",
        "properties": {"workflow": {"type": "string", "description": "The workflow's name."}, **sections},
        "additionalProperties": False,
        **({"required": required} if required else {}),
        **({"$defs": definitions} if definitions else {}),
    }
