"""Running pipelines, told once: prepare them, plan, check, install, carry out, remember."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from motools.atom.atom import Atom
from motools.atom.costs import Estimate
from motools.base.configs import parse
from motools.base.files import in_words
from motools.base.foreign_text import read_json
from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.compiler.find_workflow import placed
from motools.definition.instances import as_seen
from motools.definition.workflow import Workflow
from motools.engine import snapshot
from motools.engine.cleanup import clean_up
from motools.engine.failures import Remembering
from motools.engine.options import RunOptions
from motools.engine.pipeline import Pipeline
from motools.engine.plan import StagePlan
from motools.engine.prepared import Prepared, install, prepare
from motools.engine.proof import remember_if_current
from motools.engine.remote_results import bring_tracked, fetch, refuse_to_pay
from motools.engine.reporter import InFolder, Reporter, Silent
from motools.engine.run_lock import one_run
from motools.engine.scheduler import Scheduler
from motools.engine.stage import Stage
from motools.engine.stages import Plans, Stages, as_one_graph, in_turn, open_stages
from motools.engine.state import StepState, WorkflowState
from motools.errors import MotoolsError, RemoteError, RunFailed
from motools.repo import pipeline

__all__ = ["estimates", "execute", "plan", "run_in_folder"]


def run_in_folder(
    workflow: Workflow,
    folder: Path,
    config: Any,
    input_atoms: Mapping[str, str],
    options: RunOptions,
    reporter: Reporter | None = None,
) -> WorkflowState:
    """What `run_workflow` does; see there."""
    place = pipeline_folder(folder)
    with place.importable():
        workflow, reference = placed(workflow, place)
        asked = Pipeline(place, lambda: prepare(workflow, reference, place, config, input_atoms))
        (state,) = execute([asked], options, reporter)
    if state.failed:
        told = " ".join(f"{s.step_name}: {s.error}{f' (log: {s.log})' if s.log else ''}" for s in state.failed)
        raise RunFailed(f"{len(state.failed)} of {len(state.step_states)} steps failed. {told}", state)
    return state


def execute(
    pipelines: Sequence[Pipeline], options: RunOptions, reporter: Reporter | None = None
) -> list[WorkflowState]:
    """Run what has changed in pipelines of one project, as one graph; the state of each, in their order.

    Raises:
        RemoteError: the remote cannot be asked, and what it may have costs money; nothing has run.
        UserError: a step that would run refuses its config; nothing has run.
        Interrupted: by a signal.
    """
    reporter, project = reporter or Silent(), pipelines[0].place.project
    with (
        _refusals(),
        one_run(project, reporter, options.wait, lambda: [each.prepare() for each in pipelines]),
        ExitStack() as opened,
    ):
        every: dict[Stages, Prepared] = {}
        project = pipeline_folder(project.root).project  # git is asked once, and not for each folder
        for each, prepared in [(each, each.prepare().within(project)) for each in pipelines]:
            hears = _reporter(reporter, prepared.place, len(pipelines) > 1)
            wanted = options if each.stages is None else replace(options, stages=each.stages)
            every[opened.enter_context(open_stages(prepared, wanted, hears, [*every]))] = prepared
        plans = {stages: _planned(stages) for stages in every}  # before anything is written
        plans = {stages: _ready(stages, each) for stages, each in plans.items()}
        for stages, prepared in every.items():
            with stages.at_home():
                stages.keep(plans[stages])
                snapshot.forget(project.root, prepared.place.folder)
                _install(prepared, stages)
                stages.warm_up(plans[stages])
        states: dict[Stage, StepState] = {}
        for stages in every:
            with stages.at_home():
                states |= stages.leave_out()
        left_out = dict(states)
        _tell_expected(plans, reporter)
        states |= _carried_out([*every], options, reporter)
        for stages, prepared in every.items():
            with stages.at_home():
                states |= stages.tell_old({each: left_out[each] for each in stages.every if each in left_out})
                if stages.is_whole:
                    _remember(prepared, stages, states)
        return [WorkflowState([states[each] for each in stages.every]) for stages in every]


def _reporter(reporter: Reporter, place: PipelineFolder, is_one_of_several: bool) -> Reporter:
    return Remembering(InFolder(reporter, place.name) if is_one_of_several else reporter, place)


def _planned(stages: Stages) -> Plans:
    """What is to be done, once everything that would be refused later has been."""
    with stages.at_home():
        bring_tracked(stages)
        plans = stages.plan()
        stages.check(plans)
        stages.warm_up(plans)
        stages.rehearse(plans)
        for line in stages.warnings(plans, of_all=False, ask=True):
            stages.state.reporter.note(line)
        return plans


def _ready(stages: Stages, plans: Plans) -> Plans:
    """The plan when what the remote has is here; raises `RemoteError` where it cannot be asked, and what it may have
    costs money."""
    with stages.at_home():
        if not fetch(stages, plans):
            plans = stages.plan()
        refuse_to_pay(stages, plans)
        return plans


def _install(prepared: Prepared, stages: Stages) -> None:
    """Write the pipeline's files, and remove what killed runs have left."""
    for sentence in install(prepared):
        stages.state.reporter.note(sentence)
    clean_up(prepared.place)
    stages.state.outputs.claims.repair()
    stages.state.outputs.clear_the_way()
    stages.state.outputs.ignore_outs([step.name for step in stages.selected])


def _tell_expected(plans: Mapping[Stages, Plans], reporter: Reporter) -> None:
    """Which stages the run is about, and how long they took before."""
    records: dict[str, Path] = {}
    for stages, of_folder in plans.items():
        place = stages.state.place
        for stage, plan in of_folder.items():
            if plan.action != "current":
                name = f"{place.name}: {stage.name}" if len(plans) > 1 else stage.name
                records[name] = place.folder / pipeline.record_path(stage.name)

    def before(name: str) -> float | None:
        with suppress(OSError, ValueError, TypeError, KeyError):
            return float(read_json(records[name].read_bytes())["seconds"])
        return None

    reporter.expects([*records], before)


def _carried_out(folders: Sequence[Stages], options: RunOptions, reporter: Reporter) -> dict[Stage, StepState]:
    """What has become of the stages that take part; all that has finished is in dvc.lock then."""
    every = [stages.state.outputs for stages in folders]

    def write() -> bool:
        left = [outputs.flush() for outputs in every]
        return any(left)

    upstream, workers = as_one_graph(folders), folders[0].state.workers
    scheduler = Scheduler(upstream, options, reporter, workers, every[0].claims, write)
    try:
        return scheduler.run()
    finally:
        for outputs in every:
            outputs.close(wait=not scheduler.signals.heard)


def _remember(prepared: Prepared, stages: Stages, states: Mapping[Stage, StepState]) -> None:
    """Leave a proof for the next run, where all stages are current."""
    with suppress(OSError):  # another command may be cleaning the cache; then there is no proof
        state = stages.state
        told = {stage.name: states[stage] for stage in stages.every}
        remember_if_current(prepared, state.outputs, told, state.traces.values(), state.digest)


@contextmanager
def _refusals() -> Iterator[None]:
    """What the system refuses (the disk is full, a folder is read-only) as a sentence."""
    try:
        yield
    except OSError as error:
        raise MotoolsError(
            f"{in_words(error)}. What has finished is kept; `motools run` goes on from there."
        ) from error


def plan(
    prepared: Prepared, options: RunOptions | None = None, check: bool = False, reporter: Reporter | None = None
) -> list[StagePlan]:
    """What a run would do, and why; changes nothing. With `check`, raises the `UserError` that a run would raise.

    A note says where the remote could not be asked.
    """
    reporter = reporter or Silent()
    with open_stages(prepared, options or RunOptions(), reporter) as stages, stages.at_home():
        plans: Plans = stages.plan()
        if check:
            stages.check(plans)
            stages.rehearse(plans, reporter.note)
        for line in stages.warnings(plans, of_all=True, ask=check):
            reporter.note(line)
        try:
            refuse_to_pay(stages, plans)
        except RemoteError as refusal:
            reporter.note(str(refusal))
        return list(plans.values())


def paid_stages(pipelines: Sequence[Prepared], options: RunOptions) -> list[tuple[list[str], list[str]]]:
    """Of each pipeline the selected stages that would be executed and cost money, and those that do not wait for any
    of these."""
    folders: list[Stages] = []
    plans: Plans = {}
    with ExitStack() as opened:
        for prepared in pipelines:
            folders.append(opened.enter_context(open_stages(prepared, options, Silent(), [*folders])))
            with folders[-1].at_home():
                plans = {**plans, **folders[-1].plan()}
        upstream = as_one_graph(folders)
        selected = {step for stages in folders for step in stages.selected}
        will_run, paid, costly = set[Stage](), set[Stage](), set[Stage]()  # costly: paid, or waiting for what is
        for stage in in_turn(upstream):
            if plans[stage].action in ("run", "maybe") or not will_run.isdisjoint(upstream[stage]):
                will_run.add(stage)
                with stage.at_home():
                    paid |= {step for step in selected if step is stage and step.is_paid()}
            if stage in paid or not costly.isdisjoint(upstream[stage]):
                costly.add(stage)
        return [
            ([s.name for s in each.selected if s in paid], [s.name for s in each.selected if s not in costly])
            for each in folders
        ]


def estimates(prepared: Prepared, plans: Sequence[StagePlan]) -> dict[str, Estimate]:
    """What the stages that will run would use, by stage, as far as their steps can tell and their inputs are there."""
    guesses = {}
    elsewhere = {atom for plan in plans if plan.action == "fetch" for atom in plan.outputs.values()}
    for plan in plans:
        if plan.action == "run" and plan.call is not None and elsewhere.isdisjoint(plan.call.inputs.values()):
            step = prepared.compiled.workflow.step(plan.stage)
            config = parse(step.config_class, prepared.compiled.config[plan.stage], plan.stage)
            with suppress(MotoolsError, OSError, ValueError):  # an input that cannot be read: the run will say so
                ids = as_seen(plan.call.inputs, step.gathers)
                atoms = {name: Atom.load(id, project=prepared.place.project) for name, id in ids.items()}
                if step.estimate is not None and (guess := step.estimate(config, atoms)) is not None:
                    guesses[plan.stage] = guess
    return guesses
