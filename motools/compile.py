"""Compile: a workflow and its config become the text of dvc.yaml and params.yaml."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools import code, edit, pipeline, yaml12
from motools.code import Place
from motools.config import schema
from motools.errors import ConfigError
from motools.files import replace_file, set_aside
from motools.key import StepCode, of_step
from motools.workflow import Step, Workflow

_STAGES_HEADER = """\
# Written by `motools run` from params.yaml and the workflow; edit params.yaml, not this file.
# Stages whose command is not `motools step run` are kept as they are.
"""
_PARAMS_HEADER = (
    "# The pipeline of this folder: `motools run` runs what changed, `motools status` says what that is.",
    "# One section a step, each key with its default; what hyperparameters leave out, their backend chooses.",
    "# Comments are kept.",
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
    locked, written = pipeline.read_lock(place.folder), pipeline.read_stages(place.folder)
    stages = {}
    for step in workflow.steps:
        stage = _with_own_words(_stage(step, reference), written.get(step.name))
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


def set_deps(compiled: Compiled, name: str, deps: list[str]) -> bool:
    """Say what a stage depends on, as its execution has shown; whether dvc.yaml has to say something else then."""
    before = compiled.stages[name]
    compiled.stages[name] = _with_deps(before, deps)
    return bool(compiled.stages[name] != before)


def _stage(step: Step, reference: str) -> dict[str, Any]:
    # `persist` keeps DVC's own run-cache away from the stage: it leaves out of its keys every parameter called
    # size or nfiles, and would restore the result of another value. The step cache does its work, exactly.
    record = {pipeline.record_path(step.name): {"persist": True}}
    outs: list[Any] = [pipeline.atom_path(name) for name in step.outputs]
    if step.keeps_logs:
        outs.append(pipeline.logs_path(step.name))
    stage: dict[str, Any] = {
        "cmd": command(reference, step.name),
        "params": [step.name],
        "outs": [*outs, record],
    }
    if "eval" in step.outputs.values():
        stage["metrics"] = [{pipeline.metrics_path(step.name): {"cache": False}}]
    return stage


def _with_own_words(stage: dict[str, Any], before: Any) -> dict[str, Any]:
    """A generated stage with what a person, or `dvc freeze`, has added to it in dvc.yaml."""
    if not _is_written_here(before):
        return stage
    kept = {name: value for name, value in before.items() if name not in _OURS}
    flags: dict[str, Any] = {}
    for section in ("outs", "metrics"):
        for out in before.get(section) or []:
            if isinstance(out, dict):
                flags |= {path: told for path, told in out.items() if isinstance(told, dict)}
    for section in ("outs", "metrics"):
        for number, out in enumerate(stage.get(section, [])):
            path, ours = next(iter(out.items())) if isinstance(out, dict) else (out, {})
            theirs = {flag: value for flag, value in flags.get(path, {}).items() if flag not in ("cache", "persist")}
            if theirs:
                stage[section][number] = {path: {**ours, **theirs}}
    return {**stage, **kept}


_OURS = ("cmd", "wdir", "deps", "params", "outs", "metrics")
"""What a generated stage says by itself; the rest of it is a person's: `frozen`, `desc`, `meta`, `plots`, ..."""


def write(compiled: Compiled, folder: Path, private: Path) -> list[str]:
    """Write dvc.yaml and params.yaml where their content changes.

    Returns:
        A sentence for each of them that said what is nowhere else now: where a copy of it is.

    Raises:
        ConfigError: one of them cannot be read, or a stage in it is in the way; nothing has been written then.
    """
    stages = stages_text(compiled, folder)
    params = params_text(compiled, folder)
    kept = []
    if _is_of_something_else(compiled, folder):
        kept.append(_kept(folder / pipeline.PARAMS, private))
        (folder / pipeline.PARAMS).unlink()
        params = params_text(compiled, folder)
    elif params is not None and _loses_params(compiled, folder, params):
        kept.append(_kept(folder / pipeline.PARAMS, private))
    if params is not None:
        replace_file(folder / pipeline.PARAMS, params)
    path = folder / pipeline.STAGES
    if not path.exists() or path.read_text(encoding="utf-8") != stages:
        if path.exists() and _loses_stages(compiled, folder, stages):
            kept.append(_kept(path, private))
        replace_file(path, stages)
    return kept


def _kept(path: Path, private: Path) -> str:
    return f"{path} said something else, which is kept as {set_aside(path, private / 'replaced', copy=True)}."


def _loses_params(compiled: Compiled, folder: Path, text: str) -> bool:
    """Whether values or comments of params.yaml are not in its new text."""
    path = folder / pipeline.PARAMS
    before = yaml12.load(path)
    wanted = {"workflow": compiled.reference, **compiled.config}
    return before is not None and (not _holds(wanted, before) or _loses_comments(path, text))


def _loses_stages(compiled: Compiled, folder: Path, text: str) -> bool:
    """Whether dvc.yaml has comments, or in generated stages what is not generated, that its new text has not."""
    locked: Mapping[str, Any] | None = None
    for name, stage in pipeline.read_stages(folder).items():
        if not _is_written_here(stage):
            continue
        now = compiled.stages.get(name, {})
        if not _holds(now, {key: value for key, value in stage.items() if key not in _OURS}) or "wdir" in stage:
            return True
        if any(param != name for param in stage.get("params") or []):
            return True
        outs = [*(stage.get("outs") or []), *(stage.get("metrics") or [])]
        paths = [next(iter(out), "") if isinstance(out, dict) else str(out) for out in outs]
        if not all(path.startswith(("atoms/", "runs/", "logs/", "metrics/")) for path in paths):
            return True
        gone = [d for d in stage.get("deps") or [] if d not in now.get("deps", []) and not d.startswith("atoms/")]
        if gone and now:  # of what a step has read, dvc.lock knows
            locked = pipeline.read_lock(folder) if locked is None else locked
            known = [dep.get("path") for dep in (locked.get(name) or {}).get("deps", [])]
            if not all(dep in known for dep in gone):
                return True
    return _loses_comments(folder / pipeline.STAGES, text)


def _holds(now: Any, before: Any) -> bool:
    """Whether all values of a mapping are in another one; 1 and 1.0 are one value here."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        return all(name in now and _holds(now[name], value) for name, value in before.items())
    return bool(now == before)


def _loses_comments(path: Path, text: str) -> bool:
    before = path.read_text(encoding="utf-8").splitlines()
    return any(comment not in text for line in before if (comment := line.partition("#")[2].strip()))


def write_stages(compiled: Compiled, folder: Path) -> None:
    """Have dvc.yaml say what the stages depend on now."""
    text, path = stages_text(compiled, folder), folder / pipeline.STAGES
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        replace_file(path, text)


def write_deps(folder: Path, name: str, deps: list[str]) -> None:
    """Have dvc.yaml name what one stage depends on, where DVC and not a run has executed it; all else stays."""
    path = folder / pipeline.STAGES
    content = yaml12.load(path) or {}
    stage = (content.get("stages") or {}).get(name)
    if isinstance(stage, dict) and stage.get("deps", []) != deps:
        content["stages"][name] = _with_deps(stage, deps)
        replace_file(path, edit.updated(path.read_text(encoding="utf-8"), content))


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


def command(reference: str, step: str) -> str:
    """The command of a generated stage."""
    return f"motools step run {shlex.quote(reference)} {step}"


def is_generated(command: Any) -> bool:
    """Whether a stage's command is one that `compile_workflow` writes; other stages are a person's own."""
    return isinstance(command, str) and command.startswith("motools step run ")


def _is_of_something_else(compiled: Compiled, folder: Path) -> bool:
    """Whether there is a params.yaml of another workflow, or of no workflow at all."""
    before = yaml12.load(folder / pipeline.PARAMS)
    if before is None:
        return False
    known = pipeline.read_params(folder)
    return known.workflow != compiled.reference if known else not set(before) <= set(compiled.config)


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
