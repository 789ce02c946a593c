"""Compile: a workflow and its config become the text of dvc.yaml and params.yaml."""

from __future__ import annotations

import io
import json
import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools import identity, pipeline, yaml12
from motools.code import Place
from motools.config import schema
from motools.files import replace_file
from motools.fingerprint import Sources
from motools.identity import Identity
from motools.workflow import Step, Workflow

_STAGES_HEADER = """\
# Written by `motools run` from params.yaml and the workflow; edit params.yaml, not this file.
# Stages whose command is not `motools step run` are kept as they are.
"""
_PARAMS_HEADER = """\
The pipeline of this folder: `motools run` runs what changed, `motools status` says what that is.
One section a step; every default is written out. Comments are kept.
"""


@dataclass(frozen=True)
class Compiled:
    """A workflow with its config, ready to be written into a folder.

    Attributes:
        reference: how `motools step run` finds the workflow.
        config: step name -> complete section.
        identities: step name -> what its result depends on.
        stages: the content of dvc.yaml.
    """

    workflow: Workflow
    reference: str
    config: Mapping[str, Mapping[str, Any]]
    identities: Mapping[str, Identity]
    stages: Mapping[str, Any]


def compile_workflow(workflow: Workflow, reference: str, config: Any, place: Place) -> Compiled:
    """Decide what the folder's files must say; writes nothing.

    Raises:
        ConfigError: the config is wrong, or names code that is not there.
    """
    sections = workflow.resolve(config)
    sources = Sources(place)
    identities = {s.name: identity.of_step(s, sections[s.name], sources) for s in workflow.steps}
    stages = {s.name: _stage(s, reference, identities[s.name], place.folder) for s in workflow.steps}
    return Compiled(workflow, reference, sections, identities, stages)


def _stage(step: Step, reference: str, known: Identity, folder: Path) -> dict[str, Any]:
    sources = sorted(Path(os.path.relpath(file, folder)).as_posix() for file in known.files)
    # `persist` keeps DVC's own run-cache away from the stage: it leaves out of its keys every parameter called
    # size or nfiles, and would restore the result of another value. The step cache does its work, exactly.
    record = {pipeline.record_path(step.name): {"persist": True}}
    outs: list[Any] = [pipeline.atom_path(name) for name in step.outputs]
    if step.keeps_logs:
        outs.append(pipeline.logs_path(step.name))
    stage: dict[str, Any] = {
        "cmd": f"motools step run {shlex.quote(reference)} {step.name}",
        "deps": [*(pipeline.atom_path(name) for name in step.inputs), *sources],
        "params": [step.name],
        "outs": [*outs, record],
    }
    if "eval" in step.outputs.values():
        stage["metrics"] = [{pipeline.metrics_path(step.name): {"cache": False}}]
    return {name: value for name, value in stage.items() if value}


def write(compiled: Compiled, folder: Path, private: Path) -> Path | None:
    """Write dvc.yaml and params.yaml where their content changes.

    Returns:
        Where the params.yaml of another workflow was put aside, if there was one.
    """
    replaced = _put_aside(compiled.reference, folder, private)
    text = params_text(compiled, folder)
    if text is not None:
        replace_file(folder / pipeline.PARAMS, text)
    text = stages_text(compiled, folder)
    path = folder / pipeline.STAGES
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        replace_file(path, text)
    return replaced


def stages_text(compiled: Compiled, folder: Path) -> str:
    """The text of dvc.yaml; what it says beside generated stages is kept."""
    content = yaml12.load(folder / pipeline.STAGES) or {}
    own = {n: s for n, s in pipeline.read_stages(folder).items() if not is_generated(s.get("cmd"))}
    content["stages"] = {
        **compiled.stages,
        **{n: s for n, s in own.items() if n not in compiled.stages},
    }
    return _STAGES_HEADER + yaml12.dumps({"stages": content.pop("stages"), **content})


def is_generated(command: Any) -> bool:
    """Whether a stage's command is one that `compile_workflow` writes; other stages are a person's own."""
    return isinstance(command, str) and command.startswith("motools step run ")


def _put_aside(reference: str, folder: Path, private: Path) -> Path | None:
    """Keep the params.yaml of another workflow, whose values may be nowhere else."""
    path = folder / pipeline.PARAMS
    before = pipeline.read_params(folder)
    if before is None or before.workflow == reference:
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
    if same_values(before, wanted):
        return None
    yaml = _round_trip()
    if isinstance(before, dict):
        content = yaml.load(path.read_text(encoding="utf-8"))
        _update(content, wanted)
        if next(iter(before)) != "workflow" and "workflow" not in before:
            content.move_to_end("workflow", last=False) if hasattr(content, "move_to_end") else None
    else:
        content = _commented(compiled, wanted)
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def same_values(one: Any, other: Any) -> bool:
    """Equality that tells 1, 1.0 and true apart, and does not look at the order of keys."""
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _round_trip() -> Any:
    from ruamel.yaml import YAML  # keeps comments and layout; 0.05 s to import

    yaml = YAML()
    yaml.width = 10**6
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _update(content: Any, wanted: Mapping[str, Any]) -> None:
    """Make a commented mapping say what is wanted, touching only what differs."""
    for name in [name for name in content if name not in wanted]:
        del content[name]
    for name, value in wanted.items():
        if isinstance(value, Mapping) and isinstance(content.get(name), Mapping):
            _update(content[name], value)
        elif name not in content or not same_values(_plain(content[name]), value):
            content[name] = value


def _plain(value: Any) -> Any:
    """A value of ruamel's as a plain one, with its type seen exactly."""
    return yaml12.loads(yaml12.dumps(json.loads(json.dumps(value, default=str))))


def _commented(compiled: Compiled, wanted: Mapping[str, Any]) -> Any:
    """A new params.yaml: each key under the description that its config class gives it."""
    from ruamel.yaml.comments import CommentedMap

    content = CommentedMap({"workflow": wanted["workflow"]})
    content.yaml_set_start_comment(_PARAMS_HEADER)
    for step in compiled.workflow.steps:
        properties = schema(step.config_class).get("properties", {})
        section = CommentedMap(wanted[step.name])
        for name in section:
            about = properties.get(name, {}).get("description")
            if about:
                section.yaml_set_comment_before_after_key(name, before=" ".join(about.split()), indent=2)
        content[step.name] = section
        content.yaml_set_comment_before_after_key(step.name, before="\n")
    return content


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
