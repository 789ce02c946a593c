"""The stages of a pipeline together: which take part in a run, who waits for whom, and what becomes of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from motools.atom import records
from motools.compiler.check_steps import check_steps
from motools.engine import checks
from motools.engine.custom_stage import CustomStage, custom_stages
from motools.engine.generated_stage import GeneratedStage
from motools.engine.options import RunOptions
from motools.engine.pipeline_state import PipelineState
from motools.engine.plan import StagePlan
from motools.engine.prepared import Prepared
from motools.engine.reporter import Reporter
from motools.engine.stage import Stage, in_order, waiting_for
from motools.engine.state import StepState
from motools.errors import listed
from motools.execution import cached_results
from motools.execution.practice import practise

__all__ = ["Plans", "Stages", "as_one_graph", "open_stages"]

Plans = Mapping[Stage, StagePlan]

_MANY = 30
"""From so many steps on, practice takes less time than it saves."""


@contextmanager
def open_stages(
    prepared: Prepared, options: RunOptions, reporter: Reporter, beside: Sequence[Stages] = ()
) -> Iterator[Stages]:
    """The stages of a prepared pipeline; those written by hand take part where all steps do, and DVC is open then.

    Args:
        beside: those of other folders that are run together with these.
    """
    state = PipelineState(prepared, options, reporter, next((each.state for each in beside), None))
    steps = {step.name: GeneratedStage(step, state) for step in prepared.compiled.workflow.steps}
    selected = prepared.compiled.workflow.select(options.stages)
    try:
        if len(selected) < len(steps):
            yield Stages(state, steps, selected)
            return
        with custom_stages(state) as custom:
            yield Stages(state, steps, selected, custom)
    finally:
        state.workers.close()


class Stages:
    """The stages of one folder.

    Attributes:
        steps: all that a step of the workflow has, by name, in the workflow's order.
        selected: those of them that take part.
        custom: those written by hand that do.
        taking_part: all that do.
        upstream: each of these, with those of them that it waits for.
    """

    def __init__(
        self,
        state: PipelineState,
        steps: Mapping[str, GeneratedStage],
        selected: Sequence[str],
        custom: Sequence[CustomStage] = (),
    ) -> None:
        self.state = state
        self.steps = steps
        self.custom = custom
        self.selected = [steps[name] for name in selected]
        self._waiting_for = _who_waits(list(steps.values()), custom)
        self.taking_part: list[Stage] = [*self.selected, *custom]
        part = set(self.taking_part)
        self.upstream = {s: [each for each in self._waiting_for[s] if each in part] for s in self.taking_part}

    def at_home(self) -> AbstractContextManager[None]:
        """Where their code is found: all below is called within."""
        return self.state.place.importable()

    @property
    def every(self) -> list[Stage]:
        """All steps, then those written by hand."""
        return [*self.steps.values(), *self.custom]

    @property
    def is_whole(self) -> bool:
        """Whether all steps take part, and nothing else."""
        return len(self.selected) == len(self.steps) and not self.custom

    def plan(self) -> Plans:
        """What a run would do; leaves nothing changed."""
        state = self.state
        before = dict(state.atoms)
        self._look()  # for speed: one request in place of many
        plans: dict[Stage, StagePlan] = {}
        for step in self.steps.values():
            if step in self.upstream:
                plans[step] = step.decide()
                outputs: Mapping[str, str] = plans[step].outputs
            else:
                outputs = step.atoms_in_folder()
            state.atoms.update({name: outputs.get(name) for name in step.step.outputs})
        state.atoms = before
        plans |= {stage: stage.decide() for stage in self.custom}
        for stage in in_turn(self.upstream):
            makers = sorted(each.name for each in self.upstream[stage] if plans[each].action in ("run", "maybe"))
            if makers and (plan := plans[stage]).action not in ("run", "maybe"):  # the atoms that it reads are known
                reasons = (*plan.reasons, f"it reads what {listed(makers)} makes")
                plans[stage] = replace(plan, action="maybe", reasons=reasons)
        return plans

    def _look(self) -> None:
        """Have what tells of the results that dvc.lock names brought here at once, where they are not here whole."""
        remote, store = self.state.remote, self.state.place.project.store
        if remote is not None:
            entries = [e for step in self.selected if (e := step.locked_entry()) is not None]  # for speed
            remote.look([oid for e in entries if not all(map(store.has, e.oids())) for oid in e.oids()])  # for speed

    def check(self, plans: Plans) -> None:
        """Let each step that will run refuse its config before anything starts; raises `UserError`."""
        will_run = [step.name for step in self.selected if plans[step].action in ("run", "maybe")]
        self.state.elsewhere.check(self.state.compiled.workflow.steps)
        check_steps(self.state.compiled, self.state.place, will_run)

    def rehearse(self, plans: Plans, tell: Callable[[str], None] | None = None) -> None:
        """Let the steps that will run try what only trying can tell; what comes after a stage written by hand may need
        what that makes, and is let pass. Raises `UserError`."""
        after: set[Stage] = set()
        for stage in in_turn(self.upstream):
            if any(isinstance(each, CustomStage) or each in after for each in self.upstream[stage]):
                after.add(stage)
        will_run = [s.name for s in self.selected if plans[s].action in ("run", "maybe") and s not in after]

        def executor(modules: tuple[str, ...]) -> Executor:
            return self.state.executor(modules, rehearsal=True)

        checks.rehearse(self.state.compiled, self.state.place, will_run, executor, tell)

    def warnings(self, plans: Plans, of_all: bool, ask: bool) -> Iterator[str]:
        """A sentence for each model that goes off: of all selected steps, or of those that will run."""
        names = [step.name for step in self.selected if of_all or plans[step].action in ("run", "maybe")]
        return checks.warnings(self.state.compiled, names, ask)

    def keep(self, plans: Plans) -> None:
        """Enter what dvc.lock names into the step cache, before dvc.lock names something else."""
        project = self.state.place.project
        for step in self.selected:
            plan, entry = plans[step], step.locked_entry()
            if entry is None:
                continue
            if plan.action == "current" and plan.call is not None:
                cached_results.keep(project, plan.call.key, entry)
            elif (record := records.read(project, entry.record.md5)) is not None and record.key:
                cached_results.keep(project, record.key, entry)

    def warm_up(self, plans: Plans) -> None:
        """Start the servers of the warm workers that the plan will need, so that they import meanwhile."""
        will_run = [stage for stage, plan in plans.items() if plan.action in ("run", "maybe")]
        for stage in will_run:
            stage.warm_up()
        if len(will_run) >= _MANY:  # for speed
            self.state.workers.practise(practise, self.state.place)  # for speed

    def leave_out(self) -> dict[Stage, StepState]:
        """What the steps hold that do not take part, restored where one that does needs it.

        Raises:
            WorkflowError: it is needed and nowhere at hand.
        """
        states: dict[Stage, StepState] = {}
        for step in self.steps.values():
            if step not in self.upstream:
                needed_by = next((each.name for each in self.taking_part if step in self._waiting_for[each]), None)
                states[step] = StepState(step.name, "not selected", step.left_out(needed_by))
        return states

    def tell_old(self, left_out: Mapping[Stage, StepState]) -> dict[Stage, StepState]:
        """The states of what took no part after a run: an old result is told as old."""
        old = [s for s in self.steps.values() if s in left_out and left_out[s].output_atoms and not s.is_current()]
        return {**left_out, **{step: replace(left_out[step], status="out of date") for step in old}}


def as_one_graph(folders: Sequence[Stages]) -> dict[Stage, list[Stage]]:
    """The stages of all folders that are run together, each with those that it waits for: a stage may read what one of
    another folder writes."""
    if len(folders) == 1:  # for speed
        return folders[0].upstream
    home = {stage: each.state for each in folders for stage in each.taking_part}
    everywhere = waiting_for(list(home))
    upstream = {}
    for each in folders:
        for stage in each.taking_part:
            elsewhere = [other for other in everywhere[stage] if home[other] is not each.state]
            for other in elsewhere:
                home[other].is_read_elsewhere = True
            upstream[stage] = [*each.upstream[stage], *elsewhere]
    return upstream


def _who_waits(steps: Sequence[GeneratedStage], custom: Sequence[CustomStage]) -> dict[Stage, list[Stage]]:
    """Each stage, and those that it waits for. Among the steps of a workflow their inputs tell, and nothing else."""
    upstream = waiting_for([*steps, *custom])
    for step in steps:
        upstream[step] = [o for o in upstream[step] if not isinstance(o, GeneratedStage) or step.takes_from(o)]
    return upstream


def in_turn(upstream: Mapping[Stage, Sequence[Stage]]) -> Iterator[Stage]:
    order = in_order(upstream)
    while ready := order.get_ready():
        yield from ready
        order.done(*ready)
