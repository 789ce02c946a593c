"""The text of dvc.yaml: one stage a step, and what a person has written into it beside."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from motools.base import yaml12, yaml_edit
from motools.base.files import replace_file
from motools.code.search_path import PipelineFolder
from motools.compiler.compiled import Compiled
from motools.compiler.plots import with_plots
from motools.compiler.step_code import StepCode
from motools.definition.instances import axes_in, base_of, label_of
from motools.definition.step import Step
from motools.errors import ConfigError
from motools.repo import pipeline

_STAGES_HEADER = """\
# Written by `motools run` from params.yaml and the workflow; edit params.yaml, not this file.
# Stages whose command is not `motools step run` are kept as they are.
"""


def first_deps(code: StepCode, place: PipelineFolder) -> list[str]:
    """What a stage that has not run here depends on, as far as the workflow and the config tell."""
    inside = [file for file in code.files if file.is_relative_to(place.project.root) and file.exists()]
    return sorted(Path(os.path.relpath(file, place.folder)).as_posix() for file in inside)


def with_deps(stage: dict[str, Any], deps: list[str]) -> dict[str, Any]:
    stage = {
        "cmd": stage["cmd"],
        "deps": deps,
        **{name: each for name, each in stage.items() if name not in ("cmd", "deps")},
    }
    return {name: value for name, value in stage.items() if value}


def set_deps(compiled: Compiled, name: str, deps: list[str]) -> bool:
    """Say what a stage depends on, as its execution has shown; whether dvc.yaml has to say something else then.

    Of a step of which a sweep makes several, DVC is told one list: what any of its instances depends on.
    """
    before = compiled.stages[name]
    if not label_of(name):
        compiled.stages[name] = with_deps(before, deps)
    elif not set(deps) <= set(before.get("deps", [])):
        instances = [other for other in compiled.stages if base_of(other) == base_of(name)]
        compiled.stages[name] = with_deps(before, list(dict.fromkeys([*before.get("deps", []), *deps])))
        share_deps({other: compiled.stages[other] for other in instances}, compiled.stages)
    return bool(compiled.stages[name] != before)


def share_deps(stages: Mapping[str, dict[str, Any]], into: dict[str, Any]) -> None:
    """Let the instances of a step name what any of them depends on, beside the inputs of each."""
    files: dict[str, set[str]] = {}
    for name, stage in stages.items():
        if label_of(name):
            files.setdefault(base_of(name), set()).update(
                d for d in stage.get("deps", []) if not d.startswith("atoms/")
            )
    for name, stage in stages.items():
        if label_of(name):
            inputs = [dep for dep in stage.get("deps", []) if dep.startswith("atoms/")]
            into[name] = with_deps(stage, [*inputs, *sorted(files[base_of(name)])])


def stage_of(step: Step, reference: str) -> dict[str, Any]:
    # `persist` keeps DVC's own run-cache away from the stage: it leaves out of its keys every parameter called
    # size or nfiles, and would restore the result of another value. The step cache does its work, exactly.
    record = {pipeline.record_path(step.name): {"persist": True}}
    outs: list[Any] = [pipeline.atom_path(name) for name in step.outputs]
    if step.keeps_logs:
        outs.append(pipeline.logs_path(step.name))
    arm = axes_in(step.name).get("arm")
    stage: dict[str, Any] = {
        "cmd": command(reference, step.name),
        "params": [base_of(step.name), *([f"sweep.arms.{arm}"] if arm is not None else [])],
        "outs": [*outs, record],
    }
    if "eval" in step.outputs.values():
        stage["metrics"] = [{pipeline.metrics_path(step.name): {"cache": False}}]
    return stage


def with_own_words(stage: dict[str, Any], before: Any) -> dict[str, Any]:
    """A generated stage with what a person, or `dvc freeze`, has added to it in dvc.yaml."""
    if not is_written_here(before):
        return stage
    before = body_of(before)
    kept = {name: value for name, value in before.items() if name not in OUR_KEYS}
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


OUR_KEYS = ("cmd", "wdir", "deps", "params", "outs", "metrics")
"""What a generated stage says by itself; the rest of it is a person's: `frozen`, `desc`, `meta`, `plots`, ..."""


def write_stages(compiled: Compiled, folder: Path) -> None:
    """Have dvc.yaml say what the stages depend on now."""
    text, path = stages_text(compiled, folder), folder / pipeline.STAGES
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        replace_file(path, text)


def write_deps(folder: Path, name: str, deps: list[str]) -> None:
    """Have dvc.yaml name what one stage depends on, where DVC and not a run has executed it; all else stays."""
    path = folder / pipeline.STAGES
    content = yaml12.load(path) or {}
    stage = (content.get("stages") or {}).get(base_of(name))
    if not isinstance(stage, dict):
        return
    if label_of(name):
        body = stage["do"]
        of_all = [dep for dep in deps if not dep.startswith("atoms/")]
        if new := [dep for dep in of_all if dep not in body.get("deps", [])]:
            inputs = [dep for dep in body.get("deps", []) if dep.startswith("atoms/")]
            stage["do"] = with_deps(body, [*inputs, *sorted({*body.get("deps", []), *new} - set(inputs))])
    elif stage.get("deps", []) != deps:
        content["stages"][name] = with_deps(stage, deps)
    else:
        return
    replace_file(path, yaml_edit.updated(path.read_text(encoding="utf-8"), content))


def stages_text(compiled: Compiled, folder: Path) -> str:
    """The text of dvc.yaml; what it says beside generated stages is kept."""
    path = folder / pipeline.STAGES
    content = yaml12.load(path) or {}
    own = {name: stage for name, stage in pipeline.read_stages(folder).items() if not is_written_here(stage)}
    for name in own:
        if name in compiled.stages:
            raise ConfigError(
                f"{path} has a stage {name!r} of your own, and the workflow {compiled.workflow.name!r} has a step "
                "of that name. Give your stage another one."
            )
    content.pop("stages", None)
    if plots := with_plots(compiled, content.pop("plots", None)):
        content["plots"] = plots
    return _STAGES_HEADER + yaml12.dumps({"stages": {**grouped(compiled), **own}, **content})


def grouped(compiled: Compiled) -> dict[str, Any]:
    """The stages as dvc.yaml says them: the instances of a step are one `foreach`, a line or two each."""
    entries: dict[str, Any] = {}
    for name, stage in compiled.stages.items():
        label = label_of(name)
        if not label:
            entries[name] = stage
            continue
        group = entries.setdefault(base_of(name), {"foreach": {}, "do": {}})
        step = compiled.workflow.step(name)
        item = {"at": pipeline.in_folders(label)}
        said = {}
        for given in step.inputs:
            if base_of(given) not in step.gathers and label_of(given) not in ("", label):
                item[base_of(given)] = pipeline.in_folders(label_of(given))
                said[pipeline.atom_path(given)] = f"atoms/{base_of(given)}/${{item.{base_of(given)}}}"
        if arm := axes_in(name).get("arm"):
            item["arm"] = arm
            said[f"sweep.arms.{arm}"] = "sweep.arms.${item.arm}"
        group["foreach"][label] = item
        said |= {f"/{item['at']}": "/${item.at}", f"@{label}": "@${key}"}
        group["do"] = group["do"] or _replaced(stage, said)
    return entries


def _replaced(value: Any, words: Mapping[str, str]) -> Any:
    """A stage with texts in the place of others."""
    if isinstance(value, dict):
        return {_replaced(key, words): _replaced(each, words) for key, each in value.items()}
    if isinstance(value, list):
        return [_replaced(each, words) for each in value]
    if isinstance(value, str):
        for text, word in words.items():
            if text in value:
                return value.replace(text, word)
    return value


def of_instance(stage: Any, label: str) -> Any:
    """What dvc.yaml says of one instance, where it is said of all of a group."""
    if not label or not isinstance(stage, Mapping) or "do" not in stage:
        return stage
    return _replaced(stage["do"], {"${item.at}": pipeline.in_folders(label), "${key}": label})


def body_of(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a stage of dvc.yaml does, where it may be one of DVC's `foreach` or `matrix`."""
    body = stage.get("do", stage)
    return body if isinstance(body, Mapping) else {}


def is_written_here(stage: Any) -> bool:
    """Whether a stage of dvc.yaml, or a group of them, is generated."""
    if not isinstance(stage, Mapping):
        return False
    command = stage.get("cmd") if "matrix" in stage else body_of(stage).get("cmd")
    return is_generated(command)


def command(reference: str, step: str) -> str:
    """The command of a generated stage."""
    return f"motools step run {shlex.quote(reference)} {step}"


def is_generated(command: Any) -> bool:
    """Whether a stage's command is one that `compile_workflow` writes; other stages are a person's own."""
    return isinstance(command, str) and command.startswith("motools step run ")
