"""Running a workflow, told once: find it, compile it, put its inputs in place, plan, run, say what became of it."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from motools import compile, holders, pipeline, records, results, snapshot
from motools.atom import Atom
from motools.bookkeeping import Books
from motools.call import read_call
from motools.code import Place
from motools.compile import Compiled
from motools.config import parse
from motools.costs import Estimate
from motools.engine import Engine, Options
from motools.errors import (
    ConfigError,
    MotoolsError,
    ProjectError,
    RemoteError,
    RunFailed,
)
from motools.failures import Remembering
from motools.files import in_words
from motools.finding import load_workflow, place_of, reference_to
from motools.inputs import checked_inputs, put_in_place
from motools.leftovers import clear_up
from motools.lockfile import LockFile
from motools.observe import observer
from motools.plan import StagePlan, deps_of
from motools.repo import Project
from motools.report import Reporter, Silent
from motools.stages import Stages
from motools.step import Execution, run_step
from motools.store import hash_file
from motools.trace import Trace, real_paths
from motools.workflow import StepState, Workflow, WorkflowState

__all__ = [
    "Prepared",
    "estimates",
    "execute",
    "install",
    "plan",
    "prepare",
    "prepare_folder",
    "run_in_folder",
    "run_one_step",
]


@dataclass(frozen=True)
class Prepared:
    """A pipeline ready to be planned or run: its compiled workflow, its input atoms by name, and where it is."""

    compiled: Compiled
    place: Place
    inputs: Mapping[str, Atom]
    again: Callable[[], Prepared] | None = None  # from the folder's params.yaml, where that is what it is made from


def run_in_folder(
    workflow: Workflow,
    *,
    folder: Path,
    config: Any,
    input_atoms: Mapping[str, str],
    user: str | None,
    stages: str | Sequence[str] | None,
    jobs: int | None,
    force: bool,
    executor: Executor | None,
    reporter: Reporter | None = None,
) -> WorkflowState:
    """What `run_workflow` does; see there."""
    place = place_of(folder)
    with place.importable():
        prepared = prepare(workflow, reference_to(workflow, place), place, config, input_atoms)
        state = execute(
            prepared, stages=stages, jobs=jobs, force=force, user=user, executor=executor, reporter=reporter
        )
    if state.failed:
        told = " ".join(f"{s.step_name}: {s.error}{f' (log: {s.log})' if s.log else ''}" for s in state.failed)
        raise RunFailed(f"{len(state.failed)} of {len(state.step_states)} steps failed. {told}", state)
    return state


def prepare(
    workflow: Workflow, reference: str, place: Place, config: Any, input_atoms: Mapping[str, str] | None = None
) -> Prepared:
    """Compile a workflow for a folder, and find its inputs; writes nothing. Raises `UserError`."""
    compiled = compile.compile_workflow(workflow, reference, config, place)
    return Prepared(compiled, place, checked_inputs(workflow, place, input_atoms or {}))


def install(prepared: Prepared) -> list[str]:
    """Write a pipeline's folder: params.yaml, dvc.yaml, input atoms; only what changes.

    Returns:
        A sentence for all that a person had there in its place: where it is now.
    """
    place = prepared.place
    kept = compile.write(prepared.compiled, place.folder, place.project.private)
    for name, atom in prepared.inputs.items():
        kept += put_in_place(atom, name, place)
    return kept


def prepare_folder(folder: Path) -> Prepared:
    """Compile the pipeline of a folder from its own params.yaml. Raises `UserError` where there is none."""
    place = place_of(folder)
    params = pipeline.read_params(place.folder)
    if params is None:
        raise ConfigError(
            f"{place.folder} has no {pipeline.PARAMS} that names a workflow. Type `motools init`, or "
            "`motools workflow run NAME --config FILE`."
        )
    workflow = load_workflow(params.workflow, place)
    prepared = prepare(workflow, params.workflow, place, params.sections)
    return replace(prepared, again=partial(prepare_folder, folder))


def plan(
    prepared: Prepared,
    stages: str | Sequence[str] | None = None,
    force: bool = False,
    check: bool = False,
    without_remote: bool = False,
    reporter: Reporter | None = None,
) -> list[StagePlan]:
    """What a run would do, and why; changes nothing. With `check`, raises the `UserError` that a run would raise.

    A note says where the remote could not be asked.
    """
    selected = prepared.compiled.workflow.select(stages)
    reporter = reporter or Silent()
    options = Options(1, force, without_remote=without_remote)
    with _engine(prepared, options, reporter) as engine, engine.stages.with_own():
        plans = engine.stages.plan(selected)
        if check:
            engine.stages.check(plans)
        try:
            engine.stages.refuse_to_pay(plans)
        except RemoteError as refusal:
            reporter.note(str(refusal))
        return plans


def estimates(prepared: Prepared, plans: Sequence[StagePlan]) -> dict[str, Estimate]:
    """What the stages that will run would use, by stage, as far as their steps can tell and their inputs are there."""
    found = {}
    elsewhere = {atom for plan in plans if plan.action == "fetch" for atom in plan.outputs.values()}
    for plan in plans:
        if plan.action == "run" and plan.call is not None and elsewhere.isdisjoint(plan.call.inputs.values()):
            step = prepared.compiled.workflow.step(plan.stage)
            config = parse(step.config_class, prepared.compiled.config[plan.stage], plan.stage)
            with suppress(MotoolsError, OSError, ValueError):  # an input that cannot be read: the run will say so
                atoms = {name: Atom.load(id, project=prepared.place.project) for name, id in plan.call.inputs.items()}
                if step.estimate is not None and (guess := step.estimate(config, atoms)) is not None:
                    found[plan.stage] = guess
    return found


def execute(
    prepared: Prepared,
    *,
    stages: str | Sequence[str] | None = None,
    jobs: int | None = None,
    force: bool = False,
    fail_fast: bool = False,
    user: str | None = None,
    wait: bool = True,
    executor: Executor | None = None,
    without_remote: bool = False,
    reporter: Reporter | None = None,
) -> WorkflowState:
    """Run what has changed.

    Raises:
        RemoteError: the remote cannot be asked, and what it may have costs money; nothing has run.
        UserError: a step that would run refuses its config; nothing has run.
        Interrupted: by a signal.
    """
    reporter = Remembering(reporter or Silent(), prepared.place)
    options = Options(jobs or os.cpu_count() or 1, force, fail_fast, user, executor, without_remote)
    project = prepared.place.project
    with _refusals(), one_run(project, reporter, wait) as waited:
        if waited and prepared.again is not None:
            prepared = prepared.again()  # it may have been edited meanwhile
        selected = prepared.compiled.workflow.select(stages)
        with _engine(prepared, options, reporter) as engine:
            engine.stages.bring_tracked(selected)
            plans = engine.stages.plan(selected)
            engine.stages.check(plans)  # before anything is written
            if not engine.stages.fetch(plans):
                plans = engine.stages.plan(selected)
            engine.stages.refuse_to_pay(plans)
            engine.stages.keep(plans)
            snapshot.forget(project.root, prepared.place.folder)
            for kept in install(prepared):
                reporter.note(kept)
            clear_up(prepared.place)
            engine.books.claims.repair()
            engine.warm_up(plans)
            engine.books.ignore_outs(selected)
            try:
                with engine.stages.with_own():
                    states = engine.run(selected)
            finally:
                engine.books.close(wait=not engine.heard)
        if len(states) == len(selected) == len(prepared.compiled.stages):
            with suppress(OSError):  # another command may be cleaning the cache; then there is no proof
                _remember(prepared, engine.books, states, engine.stages.traces.values())
    names = [step.name for step in prepared.compiled.workflow.steps]
    own = [name for name in states if name not in names]
    return WorkflowState([states[name] for name in [*names, *own]])


def _remember(prepared: Prepared, books: Books, states: Mapping[str, StepState], traces: Iterable[Trace]) -> None:
    """Where all stages are current now, leave the proof of it for the next run."""
    if any(state.status not in ("current", "restored", "finished") for state in states.values()):
        return
    place, compiled = prepared.place, prepared.compiled
    params, stages = place.folder / pipeline.PARAMS, place.folder / pipeline.STAGES
    files: dict[str, str | None] = {str(path): None for path in place.project.config_files()}
    files |= dict.fromkeys(snapshot.loaded_files())
    files |= {str(place.folder / f"{pipeline.atom_path(name)}.dvc"): None for name in prepared.inputs}
    md5s = {str(path): hash_file(path) for path in (params, stages)}
    if compile.params_text(compiled, place.folder) is not None:
        return  # edited while the run was going on
    if compile.stages_text(compiled, place.folder) != stages.read_text(encoding="utf-8"):
        return
    outs, folders, objects = books.everything()
    used, looked_in, env = _used(traces, place)
    files |= used
    folders |= {folder: sorted(os.listdir(folder)) if os.path.isdir(folder) else None for folder in looked_in}
    now = {"status": "current", "seconds": 0.0}
    told = [results.as_dict(state, place.folder) | now for state in states.values()]
    every = {**files, **md5s, **outs}
    root, cache = place.project.root, place.project.cache
    snapshot.save(root, place.folder, cache, every, folders, objects, told, env, books.index.knows)


def _used(traces: Iterable[Trace], place: Place) -> tuple[dict[str, str | None], set[str], set[str]]:
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


@contextmanager
def _engine(prepared: Prepared, options: Options, reporter: Reporter) -> Iterator[Engine]:
    inputs = {name: atom.id for name, atom in prepared.inputs.items()}
    place = prepared.place
    books = Books(place.project, place.folder, prepared.compiled, reporter.note)
    stages = Stages(prepared.compiled, place, inputs, books, reporter, options.force, options.without_remote)
    engine = Engine(stages, options, reporter)
    with place.importable():
        try:
            yield engine
        finally:
            engine.close()


@contextmanager
def _refusals() -> Iterator[None]:
    """What the system refuses (the disk is full, a folder is read-only) as a sentence."""
    try:
        yield
    except OSError as error:
        raise MotoolsError(
            f"{in_words(error)}. What has finished is kept; `motools run` goes on from there."
        ) from error


@contextmanager
def one_run(project: Project, reporter: Reporter, wait: bool = True) -> Iterator[bool]:
    """One run at a time in a clone; the kernel releases the lock of a run that was killed. Gives whether it waited."""
    project.private.mkdir(exist_ok=True)
    path = project.private / "run.lock"
    with path.open("a+") as file:
        waited = False
        if not holders.try_to(file.fileno()):
            waited = True
            holder = path.read_text() or "another process"
            if not wait and not holders.left_behind(path):
                raise ProjectError(f"Another run is active in {project.root}: {holder}.")
            holders.take(file.fileno(), path, lambda _: reporter.note(f"waiting for another run: {holder}"))
        file.truncate(0)
        file.write(f"process {os.getpid()}, since {records.now()}")
        file.flush()
        try:
            yield waited
        finally:
            file.truncate(0)
            fcntl.flock(file, fcntl.LOCK_UN)  # processes that an executor has forked meanwhile share it


def run_one_step(reference: str, name: str, folder: Path) -> bool:
    """What a stage's command does: one step of a folder's pipeline, in this process.

    Returns:
        Whether it was executed; False where an equal result was at hand.

    Raises:
        UserError: params.yaml or an input is not right.
        StepError: the step failed.
    """
    place = place_of(folder)
    project = place.project
    with place.importable():
        workflow = load_workflow(reference, place)
        call = read_call(reference, workflow, name, place)
        files = [*call.code.files, place.folder / pipeline.PARAMS, place.folder / pipeline.STAGES]
        git = project.git_state(files)
        locked = LockFile(place.folder).entry(name)
        outcome = run_step(call, workflow.step(name), Execution(project.user, git, remote=True), locked)
    if outcome.result is not None:  # DVC has been told what the step was known to depend on before
        compile.write_deps(place.folder, name, deps_of(outcome.result, call.inputs, place))
    return outcome.executed
