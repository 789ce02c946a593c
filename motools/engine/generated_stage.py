"""A stage that `motools run` writes into dvc.yaml: a step of the workflow, with a key and traces of its results."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from motools.atom.atom import atoms_at_hand
from motools.base.configs import parse
from motools.definition.instances import as_seen
from motools.definition.step import Step
from motools.engine.failures import log_path
from motools.engine.pipeline_state import PipelineState
from motools.engine.plan import StagePlan, plan_stage
from motools.engine.stage import Done
from motools.engine.stage_outputs import out_paths
from motools.errors import DamagedError, StepError, WorkflowError
from motools.execution import cached_results, run_step
from motools.execution.run_step import Execution, Outcome
from motools.executors.job import Answer
from motools.executors.registry import Chosen
from motools.repo import pipeline, step_cache
from motools.repo.step_cache import CachedResult

__all__ = ["GeneratedStage"]


class GeneratedStage:
    """A step of a workflow as a stage of its pipeline."""

    def __init__(self, step: Step, state: PipelineState) -> None:
        self.step = step
        self.name = step.name
        self._state = state
        self._outputs = state.outputs
        self._place = state.place
        self.reporter = state.reporter
        self.at_home = state.place.importable
        self._is_paid: bool | None = None

    @cached_property
    def log(self) -> Path:
        return log_path(self._place, self.name)

    @cached_property
    def config(self) -> Any:
        return parse(self.step.config_class, self._state.compiled.config[self.name], self.name)

    @cached_property
    def cores(self) -> float | None:
        return self.step.cores(self.config) if callable(self.step.cores) else self.step.cores

    @property
    def _where(self) -> Chosen | None:
        """Where it runs; None: on this machine, where a step stays that costs money if no files are shared: what has
        been paid for is written down here, and a worker that is lost must not pay again."""
        where = self._told_where
        return None if where is not None and not where.shared_files and self._stays else where

    @cached_property
    def _told_where(self) -> Chosen | None:
        return self._state.elsewhere.of(self.step)

    @property
    def _stays(self) -> bool:
        if self._is_paid is None:
            paid = self.is_paid()
            self._is_paid = paid if self.has_inputs() else None  # more is known when its inputs are there
            return paid
        return self._is_paid

    @property
    def on(self) -> str:
        return self._where.name if self._where is not None else ""

    @property
    def places(self) -> int | None:
        return self._where.jobs if self._where is not None else None

    # -- what it reads and writes --------------------------------------------------

    @property
    def _stage(self) -> Mapping[str, Any]:
        """As dvc.yaml has it."""
        return cast(Mapping[str, Any], self._state.compiled.stages[self.name])

    @property
    def reads(self) -> list[str]:
        """Its inputs, what its last execution read, and what its config names, be that there or not yet."""
        stage, folder = self._stage, self._place.folder
        if stage.get("frozen"):
            return []
        paths = [*(pipeline.atom_path(name) for name in self.step.inputs), *stage.get("deps", [])]
        named = self._state.compiled.codes[self.name].named
        return list(dict.fromkeys([*(os.path.normpath(os.path.join(folder, path)) for path in paths), *named]))

    @property
    def writes(self) -> list[str]:
        return [os.path.join(self._place.folder, path) for path in out_paths(self._stage)]

    def takes_from(self, other: GeneratedStage) -> bool:
        return not self.step.inputs.keys().isdisjoint(other.step.outputs)

    # -- deciding ------------------------------------------------------------------

    def decide(self) -> StagePlan:
        return self.plan(self._state.options.force)

    def plan(self, force: bool = False) -> StagePlan:
        state = self._state
        locked = self._outputs.lock_file.entry(self.name)
        plan = plan_stage(
            state.compiled,
            self.name,
            self._place,
            locked,
            self._outputs.status(self.name) if locked else {},
            state.atoms,
            state.world,
            self._outputs.hash,
            force,
            state.remote,
            self.is_paid,
        )
        if plan.result is not None:
            state.traces[self.name] = plan.result.trace
        return plan

    def is_paid(self) -> bool:
        """Whether executing it costs money, as far as is known before its inputs are made."""
        inputs = {name: self._state.atoms.get(name) for name in self.step.inputs}
        atoms = atoms_at_hand(as_seen(inputs, self.step.gathers), self._place.project)
        return self.step.costs_money(self.config, atoms)

    def locked_entry(self) -> CachedResult | None:
        """Its result as dvc.lock names it."""
        locked = self._outputs.lock_file.entry(self.name)
        return cached_results.locked_entry(self.name, self.step.outputs, self.step.keeps_logs, locked)

    def atoms_in_folder(self) -> dict[str, str]:
        """What its outputs hold now: output name -> atom id, of those that are there."""
        atoms = {}
        for name, kind in self.step.outputs.items():
            if (self._place.folder / pipeline.atom_path(name) / "atom.json").is_file():
                out = self._outputs.hash(pipeline.atom_path(name))
                atoms[name] = f"{kind}-{out.md5.removesuffix('.dir')}" if out else ""
        return atoms

    def has_inputs(self) -> bool:
        return all(self._state.atoms.get(name) for name in self.step.inputs)

    def is_current(self) -> bool:
        """Whether what stands in the folder is what it would make now."""
        if not self.has_inputs():
            return False
        plan = self.plan()
        return plan.action == "current" or plan.in_place

    # -- what is at hand -----------------------------------------------------------

    def at_hand(self, plan: StagePlan) -> StagePlan:
        """Restored from the folder, the cache or the remote; what proves wrong is put aside."""
        aside: set[Path | None] = {None}
        while True:
            try:
                plan = self.restored(plan)
                self._state.atoms.update(plan.outputs)
                return plan
            except DamagedError as error:
                if error.path in aside:
                    return replace(plan, action="run")
                aside.add(error.path)
                self._state.reporter.note(cached_results.quarantine(error, self._place.project))
                plan = self.plan()

    def restored(self, plan: StagePlan) -> StagePlan:
        """Raises `RemoteError` where it would be executed, costs money, and the remote cannot be asked."""
        remote = self._state.remote
        if plan.action == "fetch" and plan.result is not None and remote is not None:
            here = remote.fetch(plan.result.entry.oids())
            plan = replace(plan, action="restore" if here else "run")
        if plan.action == "restore":
            self._restore(plan)
        elif plan.action == "run" and remote is not None and remote.problem and self.is_paid():
            raise remote.refusal([self.name])
        return plan

    def _restore(self, plan: StagePlan) -> None:
        assert plan.call is not None
        assert plan.result is not None
        entry = plan.result.entry
        if plan.in_place:
            self._outputs.recache(self.name)
            step_cache.store(self._place.project.store, step_cache.step_command(plan.call.key), entry)
        else:
            with self._outputs.claims.held(self.name, self.reads, self.writes):
                self._outputs.move_aside_others(self.name)
                self._outputs.hashes.learn(cached_results.restore(plan.call, entry))
        self._outputs.commit(plan.call, plan.result)
        self._state.made()

    def left_out(self, needed_by: str | None) -> dict[str, str]:
        """Its outputs where it does not take part in a run, restored where a stage that does needs them.

        Raises:
            WorkflowError: they are needed and nowhere at hand.
        """
        outputs = self.atoms_in_folder()
        if needed_by is not None and len(outputs) < len(self.step.outputs):
            plan = self.plan() if self.has_inputs() else None
            if plan is not None and plan.action in ("fetch", "restore"):
                plan = self.restored(plan)
            if plan is None or plan.action != "restore":
                raise WorkflowError(
                    f"{needed_by} needs what {self.name} makes, which is not there: add {self.name} to the stages."
                )
            outputs = dict(plan.outputs)
        self._state.atoms.update(outputs)
        return outputs

    # -- running -------------------------------------------------------------------

    def warm_up(self) -> None:
        if (where := self._where) is not None:
            self._state.elsewhere.needs(self.step, self.config)  # what cannot be meant is said before anything runs
            self._state.elsewhere.start(where)
        else:
            self._executor()

    def _executor(self) -> Executor:
        return self._state.executor(self.step.preload(self.config) if self.step.preload else ())

    def start(self, plan: StagePlan) -> Future[Outcome] | Future[Answer]:
        assert plan.call is not None
        self._outputs.remove(self.name)
        project, folder = self._place.project, self._place.folder
        files = [*self._stage.get("deps", []), pipeline.PARAMS]
        options = self._state.options
        git = project.git.state([folder / file for file in files])
        how = Execution(options.user or project.user, git, options.force, self.log, earlier=not options.without_remote)
        locked, elsewhere = self._outputs.lock_file.entry(self.name), self._state.elsewhere
        if (where := self._where) is None:
            if self._told_where is not None:
                elsewhere.stays(self._told_where)
            return self._executor().submit(run_step.perform, plan.call, how, locked)
        needs = elsewhere.needs(self.step, self.config)
        preload = self.step.preload(self.config) if self.step.preload else ()
        return elsewhere.submit(where, plan.call, how, locked, needs, preload)

    def finish(self, plan: StagePlan, result: Outcome | Answer) -> Done:
        """Enter it into dvc.lock, which is written in batches: the step has put its outputs into the cache and its
        entry into the step cache before, so that a crash loses nothing that was paid for."""
        if isinstance(result, Answer):
            assert self._told_where is not None
            assert plan.call is not None
            result = self._state.elsewhere.received(self._told_where, plan.call, result, self.log, self._state.world)
        for note in result.notes:
            self._state.reporter.note(note)
        if result.error is not None or result.result is None or plan.call is None:
            raise StepError(result.error or "it gave no result")
        self._state.traces[self.name] = result.result.trace
        self._outputs.hashes.learn(result.hashed)
        self._outputs.commit(plan.call, result.result, result.executed)
        made = result.result.entry.atoms(plan.call.outputs)
        self._state.atoms.update(made)
        self._state.made()
        return Done(made, result.executed)
