"""The plan: for each stage, whether it will run, and why; decided from what is known, acting on nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from motools.atom import records
from motools.atom.records import Record
from motools.base.values import same_values
from motools.code.search_path import PipelineFolder
from motools.code.trace import dependencies
from motools.code.world import World
from motools.compiler.compiled import Compiled
from motools.compiler.step_call import StepCall, make_call
from motools.definition.instances import label_of
from motools.errors import WorkflowError
from motools.execution import cached_results
from motools.execution.cached_results import Result
from motools.repo import pipeline
from motools.repo.hashing import Out
from motools.repo.remote import Remote

Action = Literal["current", "restore", "fetch", "run", "maybe"]
NEVER = "it has not run here yet"


@dataclass(frozen=True)
class StagePlan:
    """What will become of a stage.

    Attributes:
        action: `current` (nothing to do), `restore` (an equal result is in the cache), `fetch` (one is in the
            remote), `run`, or `maybe` (a stage before it will run, and its result decides).
        reasons: why, in words; empty where it is current.
        outputs: output name -> atom id, where known beforehand.
        result: the result that is current, or will be restored or fetched.
        in_place: the result stands in the folder already; only what dvc.lock says of it is out of date.
        size: how much is to be fetched, in bytes.
        unseen: what of its last execution nobody could look at.
    """

    stage: str
    action: Action
    reasons: tuple[str, ...] = ()
    outputs: Mapping[str, str] = field(default_factory=dict)
    call: StepCall | None = field(default=None, repr=False)
    result: Result | None = field(default=None, repr=False)
    in_place: bool = False
    size: int = 0

    @property
    def unseen(self) -> list[str]:
        return self.result.trace.unseen if self.result is not None else []

    def as_dict(self) -> dict[str, Any]:
        return {
            "stage": self.stage,
            "action": self.action,
            "reasons": list(self.reasons),
            **({"bytes": self.size} if self.action == "fetch" else {}),
            **({"unseen": self.unseen} if self.unseen else {}),
        }


def plan_stage(
    compiled: Compiled,
    name: str,
    place: PipelineFolder,
    locked: Mapping[str, Any],
    outs_status: Mapping[str, str],
    atoms: Mapping[str, str | None],
    world: World,
    hash: Callable[[str], Out | None],
    force: bool = False,
    remote: Remote | None = None,
    paid: Callable[[], bool] = lambda: False,
) -> StagePlan:
    """Decide one stage.

    Args:
        locked: the stage's entry in dvc.lock; empty where it has none.
        outs_status: a word on each out that is not as locked: `deleted`, `modified`, `replaced`, `not in cache`, `new`.
        atoms: the id of every input that is made or will be restored; None where that is not known yet.
        world: what files and code are now.
        hash: what a path of the pipeline's folder hashes to now.
        force: execute whatever is at hand.
        remote: may have what is not at hand.
        paid: whether executing it costs money.
    """
    definition = compiled.workflow.step(name)
    if compiled.stages[name].get("frozen"):  # by `dvc freeze`: what it depends on does not count
        refuse_frozen(name, outs_status, bool(locked))
        return StagePlan(name, "current", outputs=locked_outputs(definition.outputs, locked))
    inputs = {given: atoms.get(given) for given in definition.inputs}
    certain = {given: atom for given, atom in inputs.items() if atom is not None}
    asked = [*_changed_definition(compiled, name, locked), *_changed_inputs(inputs, locked)]
    outs = _changed_outs(outs_status, bool(locked))
    if len(certain) < len(inputs):
        reasons = ("--force",) if force else (*asked, *outs)
        return StagePlan(name, "run" if force or locked == {} else "maybe", reasons)
    call = make_call(compiled.reference, definition, compiled.config[name], compiled.codes[name], certain, place)
    if force:
        return StagePlan(name, "run", ("--force",), call=call)
    last = cached_results.locked_result(call, locked)
    if last is not None and (used := world.changes(last.trace, call.roles)) == []:
        deps = compiled.stages[name].get("deps", []) if label_of(name) else deps_of(last, certain, place)
        files = _changed_files(deps, hash, locked)
        plan = StagePlan(name, "current", (), last.entry.atoms(definition.outputs), call, last)
        if not asked and not outs and not files:
            return plan
        if not outs:
            return _restored(plan, (*asked, *files), in_place=True)
        if set(outs_status.values()) == {"not in cache"}:  # put back from the workspace
            return _restored(plan, (*asked, *files, *outs), in_place=True)
    elif last is not None:
        asked += used
    elif locked and not asked:
        asked += _other_key(compiled, call, locked) or outs or ["its last run left no trace here"]
    reasons = tuple(dict.fromkeys([*asked, *outs]))
    equal = cached_results.find_result(call, locked, world)
    if equal is not None:
        return StagePlan(name, "restore", reasons, equal.entry.atoms(definition.outputs), call, equal)
    equal = cached_results.find_remote(call, locked, world, remote, paid) if remote is not None else None
    if equal is None:
        return StagePlan(name, "run", reasons, call=call)
    size = sum(out.size for out in equal.entry.outs() if not place.project.store.has(out.md5))
    return StagePlan(name, "fetch", reasons, equal.entry.atoms(definition.outputs), call, equal, size=size)


def _restored(plan: StagePlan, reasons: tuple[str, ...], in_place: bool) -> StagePlan:
    return StagePlan(plan.stage, "restore", reasons, plan.outputs, plan.call, plan.result, in_place)


def deps_of(result: Result | None, inputs: Mapping[str, str], place: PipelineFolder) -> list[str]:
    """The paths that a stage depends on by what its execution used, inputs first."""
    used = sorted(dependencies(result.trace, place)) if result is not None else []
    return list(dict.fromkeys([*(pipeline.atom_path(given) for given in inputs), *used]))


def refuse_frozen(name: str, outs_status: Mapping[str, str], ran: bool = True) -> None:
    """Raises `WorkflowError` where a frozen stage has no result, or not the one that it was frozen with."""
    lost = {path: state for path, state in outs_status.items() if state != "not in cache"}
    if not ran or lost:
        why = "; ".join(_changed_outs(lost, True)) or "it has no result"
        raise WorkflowError(
            f"{name} is frozen in dvc.yaml, but {why}. `dvc checkout` brings back what dvc.lock names, "
            f"`dvc unfreeze {name}` lets it run."
        )


def locked_outputs(kinds: Mapping[str, str], locked: Mapping[str, Any]) -> dict[str, str]:
    """Output name -> atom id as dvc.lock has them."""
    outs = _md5s(locked.get("outs", []))
    paths = {name: pipeline.atom_path(name) for name in kinds}
    return {name: f"{kind}-{outs[paths[name]]}" for name, kind in kinds.items() if paths[name] in outs}


def _md5s(entries: Any) -> dict[str, str]:
    return {entry["path"]: str(entry["md5"]).removesuffix(".dir") for entry in entries if "md5" in entry}


def _changed_definition(compiled: Compiled, name: str, locked: Mapping[str, Any]) -> list[str]:
    if not locked:
        return [NEVER]
    reasons = []
    if locked.get("cmd") != compiled.stages[name]["cmd"]:
        reasons.append(f"its command changed: {locked.get('cmd')} -> {compiled.stages[name]['cmd']}")
    before = locked.get("params", {}).get(pipeline.PARAMS, {})
    for where, now in compiled.params_of(name).items():
        reasons += differences(where, before.get(where, {}), now)
    return reasons


MISSING = object()
"""Stands for a value that is not there."""


def differences(where: str, before: Any, now: Any) -> list[str]:
    """`train_model.hyperparameters.n_epochs: 3 -> 5`, one line a value that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        names = [*before, *(name for name in now if name not in before)]
        lines = []
        for name in names:
            lines += differences(f"{where}.{name}", before.get(name, MISSING), now.get(name, MISSING))
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


def _changed_files(deps: list[str], hash: Callable[[str], Out | None], locked: Mapping[str, Any]) -> list[str]:
    """Files that are not as DVC knows them, although nothing of them that the step used has changed."""
    before = {entry["path"]: entry.get("md5") for entry in locked.get("deps", [])}
    reasons = []
    for dep in deps:
        if dep not in before:
            reasons.append(f"dvc.lock does not name {dep}")
        elif not dep.startswith("atoms/") and ((out := hash(dep)) is None or out.md5 != before[dep]):
            reasons.append(f"{dep} changed, not what it uses of it")
    return reasons + [f"it no longer depends on {dep}" for dep in before if dep not in deps]


def _other_key(compiled: Compiled, call: StepCall, locked: Mapping[str, Any]) -> list[str]:
    """What of its key differs from its last run's, where the config and the inputs do not; nothing where it is the
    same one, and only what the run has used cannot be told."""
    entry = cached_results.locked_entry(call.name, call.outputs, call.keeps_logs, locked)
    path = call.folder / pipeline.record_path(call.name)
    record = records.read(call.place.project, entry.record.md5, path) if entry is not None else None
    return _other_code(record, compiled, call.name) if record is not None and record.key != call.key else []


def _other_code(record: Record, compiled: Compiled, name: str) -> list[str]:
    now = compiled.codes[name]
    before = dict(record.declared)
    reasons = [
        f"{where}: {before.get(where, '(none)')} -> {now.versions.get(where, '(none)')}"
        for where in {**before, **now.versions}
        if before.get(where) != now.versions.get(where)
    ]
    if record.function != now.function:
        reasons.append("its function, or a value that it was made with, is another one")
    return reasons or ["its outputs or inputs are of other kinds"]


def _changed_outs(status: Mapping[str, str], ran: bool) -> list[str]:
    if not ran:
        return []
    words = {
        "deleted": "{} is missing",
        "modified": "{} was edited by hand",
        "replaced": "{} holds another result",
        "not in cache": "{} is not in the cache",
        "new": "{} is not in dvc.lock",
    }
    return [words.get(state, "{} is " + state).format(path) for path, state in status.items()]
