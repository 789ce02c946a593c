"""One step: look its result up under its key, or execute the function, and put atoms, record and logs in place."""

from __future__ import annotations

import asyncio
import fcntl
import inspect
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from motools import identity, pipeline, records, stepcache
from motools.atom import Atom, EvalAtom, write_atom
from motools.code import Place
from motools.config import parse
from motools.errors import AtomError, ConfigError, MotoolsError, StepError, listed
from motools.identity import Identity
from motools.records import Record
from motools.stepcache import Entry
from motools.store import Out
from motools.workflow import AtomConstructor, Step, Workflow


@dataclass(frozen=True)
class StepCall:
    """A step with all that its result depends on, in the folder where its outputs go."""

    workflow: str  # the reference, as the stage's command has it
    step: Step
    values: Mapping[str, Any]
    identity: Identity
    inputs: Mapping[str, str]  # input name -> atom id
    place: Place

    @property
    def folder(self) -> Path:
        return self.place.folder

    @property
    def key(self) -> str:
        return identity.key(self.step, self.values, self.identity, self.inputs)


def read_call(reference: str, workflow: Workflow, name: str, place: Place) -> tuple[StepCall, dict[str, Atom]]:
    """Read what a step needs from its pipeline's folder: its section of params.yaml and its input atoms.

    Raises:
        UserError: params.yaml is wrong or an input is missing or of the wrong kind.
    """
    step = workflow.step(name)
    params = pipeline.read_params(place.folder)
    if params is None or name not in params.sections:
        raise ConfigError(f"{place.folder / pipeline.PARAMS} has no section {name!r}. `motools run` writes it.")
    values = workflow.resolve({name: params.sections[name]}, only=name)[name]
    atoms = {}
    for given, kind in step.inputs.items():
        atom = Atom.from_folder(place.folder / pipeline.atom_path(given), place.project)
        if atom.kind != kind:
            raise AtomError(f"The step {name!r} takes {given!r} as a {kind}, but {atom.id} is a {atom.kind}.")
        atoms[given] = atom
    ids = {given: atom.id for given, atom in atoms.items()}
    return StepCall(reference, step, values, identity.of_step(step, values, place), ids, place), atoms


def find_result(call: StepCall) -> Entry | None:
    """An equal step's result, or None: from the step cache (whatever folder, branch or machine made it), or
    from the folder's own dvc.lock, which is all that a clone has after `dvc pull`."""
    store = call.place.project.store
    entry = stepcache.lookup(store, stepcache.step_command(call.key), call.step.outputs, call.step.keeps_logs)
    if entry is None and (locked := locked_result(call)) and all(store.has(oid) for oid in locked.oids()):
        return locked
    return entry


def fetch_result(call: StepCall) -> Entry | None:
    """An equal step's result that is known here but whose files are in the default remote only, brought here."""
    project = call.place.project
    command = stepcache.step_command(call.key)
    found = [*stepcache.candidates(project.store, command, call.step.outputs, call.step.keeps_logs)]
    if locked := locked_result(call):
        found.append(locked)
    return next((entry for entry in found if all(project.pull(oid) for oid in entry.oids())), None)


def locked_result(call: StepCall) -> Entry | None:
    """What dvc.lock says the step made, where its run record names this call's key."""
    locked = pipeline.read_lock(call.folder).get(call.step.name, {}).get("outs", [])
    outs = {o["path"]: Out(o["md5"], o["size"], o.get("nfiles")) for o in locked if "md5" in o}
    record = outs.get(pipeline.record_path(call.step.name))
    outputs = {name: outs.get(pipeline.atom_path(name)) for name in call.step.outputs}
    logs = outs.get(pipeline.logs_path(call.step.name))
    if record is None or None in outputs.values() or (call.step.keeps_logs and logs is None):
        return None
    known = records.read(call.place.project, record.md5, call.folder / pipeline.record_path(call.step.name))
    if known is None or known.key != call.key:
        return None
    return Entry({name: out for name, out in outputs.items() if out}, record, logs if call.step.keeps_logs else None)


def restore(call: StepCall, entry: Entry) -> None:
    """Put a result into the pipeline's folder."""
    store = call.place.project.store
    for name, out in entry.outputs.items():
        store.check_out(out.md5, call.folder / pipeline.atom_path(name))
    if entry.logs is not None:
        store.check_out(entry.logs.md5, call.folder / pipeline.logs_path(call.step.name))
    store.check_out(entry.record.md5, call.folder / pipeline.record_path(call.step.name))
    _write_metrics(call)


def run_step(call: StepCall, atoms: Mapping[str, Atom], force: bool = False) -> bool:
    """Make the step's result stand in the pipeline's folder.

    Equal steps wait for each other, so that a result is never paid for twice.

    Returns:
        Whether the function was executed; False where an equal result was at hand.

    Raises:
        StepError: the function failed or gave what it does not declare; nothing is left in the folder.
    """
    with _one_at_a_time(call):
        entry = None if force else find_result(call) or fetch_result(call)
        if entry is None:
            entry = _execute(call, atoms)
            restore(call, entry)
            return True
        restore(call, entry)
        return False


@contextmanager
def _one_at_a_time(call: StepCall) -> Iterator[None]:
    """Hold the key; the kernel lets go of it when the process ends, however it ends."""
    folder = call.place.project.private / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / call.key).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _execute(call: StepCall, atoms: Mapping[str, Atom]) -> Entry:
    """Run the function in a work folder of its own; everything it made is in the cache afterwards."""
    work = call.place.project.private / "work" / call.key
    shutil.rmtree(work, ignore_errors=True)
    workspace = work / "workspace"
    workspace.mkdir(parents=True)
    state = call.place.project.git_state([*call.identity.files, *_definition_files(call.folder)])
    started, clock = records.now(), time.monotonic()
    try:
        made = _call(call, atoms, workspace)
        seconds = round(time.monotonic() - clock, 3)
        outputs = _build(call, made, work / "atoms")
        usage = _usage(workspace)
        record = Record(
            user=call.place.project.user(),
            started=started,
            seconds=seconds,
            commit=state.commit,
            dirty=state.dirty,
            step=call.step.name,
            workflow=call.workflow,
            key=call.key,
            config=dict(call.values),
            usage=usage,
            versions=records.versions(),
        )
        record.write(work / "record.json")
        store = call.place.project.store
        logs = workspace / "logs"
        logs.mkdir(exist_ok=True)
        entry = Entry(
            {name: store.add(folder) for name, folder in outputs.items()},
            store.add(work / "record.json"),
            store.add(logs) if call.step.keeps_logs else None,
        )
        stepcache.store(store, stepcache.step_command(call.key), entry)
        return entry
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _definition_files(folder: Path) -> list[Path]:
    return [folder / pipeline.PARAMS, folder / pipeline.STAGES]


def _call(call: StepCall, atoms: Mapping[str, Atom], workspace: Path) -> Any:
    config = parse(call.step.config_class, call.values, call.step.name)
    try:
        made = call.step.fn(config, dict(atoms), workspace)
        if inspect.iscoroutine(made):
            made = asyncio.run(made)
        return made
    except MotoolsError:
        raise
    except Exception as error:  # the user's function may raise anything; its traceback goes to the log
        import traceback

        traceback.print_exc()
        raise StepError(f"The step {call.step.name!r} failed: {type(error).__name__}: {error}") from error


def _build(call: StepCall, made: Any, folder: Path) -> dict[str, Path]:
    """Turn what the function returned into atom folders, by output name; all that was declared, nothing else."""
    step = call.step
    if isinstance(made, AtomConstructor):
        made = [made]
    if not isinstance(made, (list, tuple)) or not all(isinstance(item, AtomConstructor) for item in made):
        raise StepError(f"The step {step.name!r} returned {made!r}, not a list of AtomConstructors.")
    names = [item.name for item in made]
    if sorted(names) != sorted(step.outputs):
        raise StepError(
            f"The step {step.name!r} returned the outputs {listed(sorted(names))}, "
            f"but declares {listed(sorted(step.outputs))}."
        )
    built = {}
    for item in made:
        if item.type != step.outputs[item.name]:
            raise StepError(
                f"The step {step.name!r} returned {item.name!r} as a {item.type}, "
                f"but declares it as a {step.outputs[item.name]}."
            )
        try:
            write_atom(folder / item.name, item.type, call.inputs, item.metadata or {}, Path(item.path))
        except AtomError as error:
            raise StepError(f"The step {step.name!r} cannot keep its output {item.name!r}: {error}") from None
        built[item.name] = folder / item.name
    return built


def _usage(workspace: Path) -> dict[str, Any]:
    path = workspace / "usage.json"
    if not path.exists():
        return {}
    usage = json.loads(path.read_text(encoding="utf-8"))
    return usage if isinstance(usage, dict) else {"usage": usage}


def _write_metrics(call: StepCall) -> None:
    """metrics/<stage>.json says what the eval atoms say: derived, so that it can never differ from them."""
    metrics: dict[str, Any] = {}
    evals = [name for name, kind in call.step.outputs.items() if kind == "eval"]
    for name in evals:
        atom = EvalAtom.from_folder(call.folder / pipeline.atom_path(name), call.place.project)
        metrics.update({name: atom.metrics} if len(evals) > 1 else atom.metrics)
    if evals:
        path = call.folder / pipeline.metrics_path(call.step.name)
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(metrics, indent=2, sort_keys=True) + "\n"
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
