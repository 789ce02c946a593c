"""Running a workflow, told once: find it, compile it, put its inputs in place, plan, run, say what became of it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from motools.atom import records
from motools.atom.atom import Atom
from motools.atom.costs import Estimate
from motools.base import lock_holders
from motools.base.configs import parse
from motools.base.files import in_words
from motools.code.search_path import place_of
from motools.compiler import dvc_yaml
from motools.compiler.find_workflow import load_workflow, reference_to
from motools.compiler.step_call import read_call
from motools.definition.workflow import Workflow
from motools.engine import snapshot
from motools.engine.cleanup import clean_up
from motools.engine.failures import Remembering
from motools.engine.plan import StagePlan, deps_of
from motools.engine.prepared import Prepared, install, prepare
from motools.engine.proof import remember_if_current
from motools.engine.reporter import Reporter, Silent
from motools.engine.scheduler import Options, Scheduler
from motools.engine.stage_outputs import StageOutputs
from motools.engine.stages import Stages
from motools.engine.state import WorkflowState
from motools.errors import MotoolsError, ProjectError, RemoteError, RunFailed
from motools.execution.run_step import Execution, run_step
from motools.repo import pipeline
from motools.repo.lock_file import LockFile
from motools.repo.project import Project

__all__ = ["estimates", "execute", "plan", "run_in_folder", "run_one_step"]


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
            clean_up(prepared.place)
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
                remember_if_current(prepared, engine.books, states, engine.stages.traces.values())
    names = [step.name for step in prepared.compiled.workflow.steps]
    own = [name for name in states if name not in names]
    return WorkflowState([states[name] for name in [*names, *own]])


@contextmanager
def _engine(prepared: Prepared, options: Options, reporter: Reporter) -> Iterator[Scheduler]:
    inputs = {name: atom.id for name, atom in prepared.inputs.items()}
    place = prepared.place
    books = StageOutputs(place.project, place.folder, prepared.compiled, reporter.note)
    stages = Stages(prepared.compiled, place, inputs, books, reporter, options.force, options.without_remote)
    engine = Scheduler(stages, options, reporter)
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
        if not lock_holders.try_to(file.fileno()):
            waited = True
            holder = path.read_text() or "another process"
            if not wait and not lock_holders.left_behind(path):
                raise ProjectError(f"Another run is active in {project.root}: {holder}.")
            lock_holders.take(file.fileno(), path, lambda _: reporter.note(f"waiting for another run: {holder}"))
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
        dvc_yaml.write_deps(place.folder, name, deps_of(outcome.result, call.inputs, place))
    return outcome.executed
