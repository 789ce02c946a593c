"""The plan: for each stage, whether it will run, and why; decided from what is known, acting on nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from motools import pipeline, reuse
from motools.call import StepCall, make_call
from motools.code import Place
from motools.compile import Compiled
from motools.edit import same_values
from motools.errors import WorkflowError
from motools.stepcache import Entry
from motools.store import Out

Action = Literal["current", "restore", "run", "maybe"]


@dataclass(frozen=True)
class StagePlan:
    """What will become of a stage.

    Attributes:
        action: `current` (nothing to do), `restore` (an equal result is in the cache), `run`, or `maybe` (a
            stage before it will run, and its result decides).
        reasons: why, in words; empty where it is current.
        outputs: output name -> atom id, where known beforehand.
    """

    stage: str
    action: Action
    reasons: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    call: StepCall | None = field(default=None, repr=False)
    entry: Entry | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        return {"stage": self.stage, "action": self.action, "reasons": list(self.reasons)}


def plan_stage(
    compiled: Compiled,
    name: str,
    place: Place,
    locked: Mapping[str, Any],
    outs_status: Mapping[str, str],
    known: Mapping[str, str | None],
    hash: Callable[[str], Out | None],
    force: bool = False,
) -> StagePlan:
    """Decide one stage.

    Args:
        locked: the stage's entry in dvc.lock; empty where it has none.
        outs_status: DVC's word on each out that is not as locked: `deleted`, `modified`, `not in cache`, `new`.
        known: atom id of every input that is made or will be restored; None where that is not known yet.
        hash: what a path of the pipeline's folder hashes to now.
        force: execute whatever is at hand.
    """
    definition = compiled.workflow.step(name)
    if compiled.stages[name].get("frozen"):  # by `dvc freeze`: what it depends on does not count
        return _frozen(name, definition.outputs, locked, outs_status)
    inputs = {given: known.get(given) for given in definition.inputs}
    reasons = (
        ["--force"]
        if force
        else [
            *_changed_definition(compiled, name, locked),
            *_changed_inputs(inputs, locked),
            *_changed_files(compiled, name, hash, locked),
            *_changed_outs(outs_status, bool(locked)),
        ]
    )
    certain = {given: atom for given, atom in inputs.items() if atom is not None}
    if not reasons and len(certain) == len(inputs):
        return StagePlan(name, "current", outputs=locked_outputs(definition.outputs, locked))
    if len(certain) < len(inputs):
        return StagePlan(name, "run" if force or locked == {} else "maybe", tuple(reasons))
    call = make_call(compiled.reference, definition, compiled.config[name], compiled.identities[name], certain, place)
    entry = None if force else reuse.find_result(call, locked)
    if entry is None and reasons and set(reasons) == set(_changed_outs(outs_status, True)):
        lost_only = set(outs_status.values()) == {"not in cache"}
        if lost_only and reuse.locked_result(call, locked):  # put back from the workspace
            return StagePlan(name, "restore", tuple(reasons), locked_outputs(definition.outputs, locked), call)
    if entry is None:
        return StagePlan(name, "run", tuple(reasons), call=call)
    return StagePlan(name, "restore", tuple(reasons), entry.atoms(definition.outputs), call, entry)


def _frozen(
    name: str, kinds: Mapping[str, str], locked: Mapping[str, Any], outs_status: Mapping[str, str]
) -> StagePlan:
    lost = {path: state for path, state in outs_status.items() if state != "not in cache"}
    if not locked or lost:
        why = "; ".join(_changed_outs(lost, True)) or "it has no result"
        raise WorkflowError(
            f"{name} is frozen in dvc.yaml, but {why}. `dvc checkout` brings back what dvc.lock names, "
            f"`dvc unfreeze {name}` lets it run."
        )
    return StagePlan(name, "current", outputs=locked_outputs(kinds, locked))


def locked_outputs(kinds: Mapping[str, str], locked: Mapping[str, Any]) -> dict[str, str]:
    """Output name -> atom id as dvc.lock has them."""
    outs = _md5s(locked.get("outs", []))
    paths = {name: pipeline.atom_path(name) for name in kinds}
    return {name: f"{kind}-{outs[paths[name]]}" for name, kind in kinds.items() if paths[name] in outs}


def _md5s(entries: Any) -> dict[str, str]:
    return {entry["path"]: str(entry["md5"]).removesuffix(".dir") for entry in entries if "md5" in entry}


def _changed_definition(compiled: Compiled, name: str, locked: Mapping[str, Any]) -> list[str]:
    if not locked:
        return ["it has not run here yet"]
    reasons = []
    if locked.get("cmd") != compiled.stages[name]["cmd"]:
        reasons.append(f"its command changed: {locked.get('cmd')} -> {compiled.stages[name]['cmd']}")
    before = locked.get("params", {}).get(pipeline.PARAMS, {}).get(name, {})
    return reasons + _differences(name, before, compiled.config[name])


def _differences(where: str, before: Any, now: Any) -> list[str]:
    """`train_model.hyperparameters.n_epochs: 3 -> 5`, one line a value that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        names = [*before, *(name for name in now if name not in before)]
        missing = object()
        lines = []
        for name in names:
            lines += _differences(f"{where}.{name}", before.get(name, missing), now.get(name, missing))
        return lines
    return [] if same_values(before, now) else [f"{where}: {_shown(before)} -> {_shown(now)}"]


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except TypeError:
        return "(none)"
    return text if len(text) <= 60 else text[:57] + "..."


def _changed_inputs(inputs: Mapping[str, str | None], locked: Mapping[str, Any]) -> list[str]:
    before = _md5s(locked.get("deps", []))
    reasons = []
    for name, atom in inputs.items():
        was = before.get(pipeline.atom_path(name))
        if atom is not None and was is not None and was != atom.rpartition("-")[2]:
            reasons.append(f"its input {name} changed: {was[:8]} -> {atom.rpartition('-')[2][:8]}")
        elif locked and was is None:
            reasons.append(f"its input {name} is new")
    return reasons


def _changed_files(
    compiled: Compiled, name: str, hash: Callable[[str], Out | None], locked: Mapping[str, Any]
) -> list[str]:
    before = _md5s(locked.get("deps", []))
    inputs = {pipeline.atom_path(given) for given in compiled.workflow.step(name).inputs}
    now = [dep for dep in compiled.stages[name].get("deps", []) if dep not in inputs]
    reasons = []
    for dep in now:
        if dep not in before and locked:
            reasons.append(f"it depends on {dep} now")
        elif dep in before and ((out := hash(dep)) is None or out.md5 != before[dep]):
            reasons.append(f"{dep} changed")
    gone = [dep for dep in before if dep not in now and dep not in inputs]
    return reasons + [f"it no longer depends on {dep}" for dep in gone]


def _changed_outs(status: Mapping[str, str], ran: bool) -> list[str]:
    if not ran:
        return []
    words = {
        "deleted": "{} is missing",
        "modified": "{} was edited by hand",
        "not in cache": "{} is not in the cache",
        "new": "{} is not in dvc.lock",
    }
    return [words.get(state, "{} is " + state).format(path) for path, state in status.items()]
