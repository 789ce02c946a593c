"""Stages: what is known of each stage of a pipeline, what it needs, and whether its result is at hand."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from motools.atom import records
from motools.atom.atom import atoms_at_hand
from motools.base.configs import parse
from motools.code.search_path import Place
from motools.code.trace import Trace
from motools.code.world import World
from motools.compiler import dvc_yaml
from motools.compiler.check_steps import check_steps
from motools.compiler.compiled import Compiled
from motools.compiler.named_paths import named_by
from motools.engine.custom_stages import CustomStages
from motools.engine.plan import StagePlan, plan_stage
from motools.engine.reporter import Reporter
from motools.engine.stage_outputs import StageOutputs, out_paths
from motools.errors import DamagedError, WorkflowError, listed
from motools.execution import cached_results
from motools.repo import pipeline, step_cache
from motools.repo.remote import Remote, told_size


def _after(plan: StagePlan, first: set[str]) -> StagePlan:
    """A generated stage's plan, where a person's own stages must run before it."""
    if not first or plan.action == "run":
        return plan
    return replace(plan, action="maybe", reasons=(*plan.reasons, f"it reads what {listed(sorted(first))} makes"))


def _makers(read: list[str], writes: Mapping[str, str]) -> set[str]:
    """The stages that write one of these paths, something in it, or the folder that it is in."""
    return {
        name
        for path, name in writes.items()
        if any(r == path or r.startswith(path + os.sep) or path.startswith(r + os.sep) for r in read)
    }


class Stages:
    """The stages of one folder, generated and a person's own, while a run goes on.

    Attributes:
        known: the id of every atom that is made or will be restored, by name; None where it is not known yet.
        own: the stages that a person wrote, where there are any.
        after_own: the generated stages that wait for one of those: what they depend on is known when it has finished.
    """

    def __init__(
        self,
        compiled: Compiled,
        place: Place,
        inputs: Mapping[str, str],
        books: StageOutputs,
        reporter: Reporter,
        force: bool,
        without_remote: bool = False,
    ) -> None:
        self.compiled = compiled
        self.place = place
        self.books = books
        self.reporter = reporter
        self.force = force
        self.own: CustomStages | None = None
        self.after_own: set[str] = set()
        self.known: dict[str, str | None] = dict(inputs)
        self.world = World(place, self._digest)
        ask = not (force or without_remote) and place.project.setting("core", "remote")
        self.remote = Remote(place.project) if ask else None
        self.traces: dict[str, Trace] = {}  # of the results that stand in the folder now

    def _digest(self, path: str) -> str | None:
        out = self.books.index.file(path)
        if out is None and self.remote is not None:  # a run will bring it
            return pipeline.tracked(Path(path))
        return out.md5 if out is not None else None

    def config(self, name: str) -> Any:
        return parse(self.compiled.workflow.step(name).config_class, self.compiled.config[name], name)

    def upstream(self) -> dict[str, set[str]]:
        """For each stage of the folder, those whose outs it reads."""
        makers = {o: s.name for s in self.compiled.workflow.steps for o in s.outputs}
        found = {s.name: {makers[i] for i in s.inputs if i in makers} for s in self.compiled.workflow.steps}
        if self.own is None:
            return found
        folder = str(self.place.folder)
        writes = {
            os.path.join(folder, path): name
            for name, stage in self.compiled.stages.items()
            for path in out_paths(stage)
        }
        theirs = {path: name for name in self.own.stages for path in self.own.writes(name)}
        for name in self.own.stages:
            found[name] = _makers(self.own.reads(name), writes | theirs) - {name}
        for name in self.compiled.stages:  # a file that its config or its code names
            read = [os.path.normpath(os.path.join(folder, dep)) for dep in self.compiled.stages[name].get("deps", [])]
            read += [str(path) for path in named_by(self.compiled.config[name], self.place).paths]
            found[name] |= _makers(read, theirs)
        return found

    def plan(self, selected: list[str]) -> list[StagePlan]:
        """What a run would do; leaves nothing changed."""
        plans = []
        before = dict(self.known)
        self._look(selected)
        for definition in self.compiled.workflow.steps:
            if definition.name in selected:
                plan = self.decide(definition.name, self.force)
                plans.append(plan)
                outputs: Mapping[str, str] = plan.outputs
            else:
                outputs = self.as_it_is(definition.name)
            self.known.update({name: outputs.get(name) for name in definition.outputs})
        self.known = before
        if self.own is not None:
            with self.books.dvc_lock:
                own = [self.decide_own(name) for name in self.own.stages]
            upstream = self.upstream()
            first = {plan.stage for plan in own if plan.action == "run"}
            plans = [_after(plan, upstream[plan.stage] & first) for plan in plans] + own
        return plans

    def _look(self, selected: list[str]) -> None:
        """Have what tells of the results that dvc.lock names brought here at once, where they are not here whole."""
        wanted = []
        for name in selected if self.remote is not None else ():
            definition = self.compiled.workflow.step(name)
            locked = self.books.lock.entry(name)
            entry = cached_results.locked_entry(name, definition.outputs, definition.keeps_logs, locked)
            if entry is not None and not all(self.place.project.store.has(oid) for oid in entry.oids()):
                wanted += entry.oids()
        if self.remote is not None:
            self.remote.look(wanted)

    def bring_tracked(self, selected: list[str]) -> None:
        """Fetch what a stage read and `dvc add` tracks, where it is not here: without it no trace could hold."""
        lacking: dict[Path, str] = {}
        for name in selected if self.remote is not None else ():
            for dep in self.books.lock.entry(name).get("deps", []):
                path = Path(os.path.normpath(self.place.folder / dep["path"]))
                for target in () if path.exists() else (path, *path.parents):
                    inside = target.is_relative_to(self.place.project.root) and not target.exists()
                    if inside and (md5 := pipeline.tracked(target)) is not None:
                        lacking[target] = md5
        if lacking and self.remote is not None and self.remote.fetch(lacking.values()):
            for target, md5 in lacking.items():
                self.place.project.store.check_out(md5, target)

    def fetch(self, plans: list[StagePlan]) -> bool:
        """Bring what is planned to be fetched, in one go; whether all of it is here now."""
        found = [plan for plan in plans if plan.action == "fetch" and plan.result is not None]
        if not found or self.remote is None:
            return True
        size = told_size(sum(plan.size for plan in found))
        self.reporter.note(f"fetching {size} from {self.remote.name}: {listed(plan.stage for plan in found)}")
        return self.remote.fetch([oid for plan in found if plan.result for oid in plan.result.entry.oids()])

    def refuse_to_pay(self, plans: list[StagePlan]) -> None:
        """Say that the remote could not be asked, where that matters.

        Raises:
            RemoteError: and stages would be executed that cost money.
        """
        todo = [plan for plan in plans if plan.action in ("run", "maybe") and plan.stage in self.compiled.stages]
        if self.remote is None or not todo:
            return
        paid = [plan.stage for plan in todo if self.is_paid(plan.stage)]
        if paid:
            self.remote.reach()
        if self.remote.problem is None:
            return
        if paid:
            raise self.remote.refusal(paid)
        self.reporter.note(f"{self.remote.problem} Nothing that is executed instead costs money.")

    def is_paid(self, name: str) -> bool:
        """Whether executing a stage costs money, as far as is known before its inputs are made."""
        definition = self.compiled.workflow.step(name)
        inputs = {given: self.known.get(given) for given in definition.inputs}
        return definition.costs_money(self.config(name), atoms_at_hand(inputs, self.place.project))

    def keep(self, plans: list[StagePlan]) -> None:
        """Enter what dvc.lock names into the step cache, before dvc.lock names something else."""
        for plan in plans:
            if plan.stage not in self.compiled.stages:
                continue
            definition = self.compiled.workflow.step(plan.stage)
            locked = self.books.lock.entry(plan.stage)
            entry = cached_results.locked_entry(plan.stage, definition.outputs, definition.keeps_logs, locked)
            if entry is None:
                continue
            if plan.action == "current" and plan.call is not None:
                cached_results.keep(self.place.project, plan.call.key, entry)
            elif (record := records.read(self.place.project, entry.record.md5)) is not None and record.key:
                cached_results.keep(self.place.project, record.key, entry)

    def as_it_is(self, name: str) -> dict[str, str]:
        """What the outputs of a stage that is not selected hold now."""
        found = {}
        for output, kind in self.compiled.workflow.step(name).outputs.items():
            if (self.place.folder / pipeline.atom_path(output) / "atom.json").is_file():
                out = self.books.hash(pipeline.atom_path(output))
                found[output] = f"{kind}-{out.md5.removesuffix('.dir')}" if out else ""
        return found

    def is_current(self, name: str) -> bool:
        """Whether what stands in the folder is what the stage would make now."""
        if not all(self.known.get(given) for given in self.compiled.workflow.step(name).inputs):
            return False
        plan = self.decide(name)
        return plan.action == "current" or plan.in_place

    def left_out(self, name: str, needed_by: str | None) -> dict[str, str]:
        """The outputs of a stage that is not selected, restored where a selected stage needs them.

        Raises:
            WorkflowError: they are needed and nowhere at hand.
        """
        definition = self.compiled.workflow.step(name)
        outputs = self.as_it_is(name)
        if needed_by is not None and len(outputs) < len(definition.outputs):
            plan = self.decide(name) if all(self.known.get(given) for given in definition.inputs) else None
            if plan is not None and plan.action == "fetch":
                plan = self._brought(plan)
            elif plan is not None and plan.action == "restore":
                self.restore(plan)
            if plan is None or plan.action != "restore":
                raise WorkflowError(
                    f"{needed_by} needs what {name} makes, which is not there: add {name} to the stages."
                )
            outputs = dict(plan.outputs)
        self.known.update(outputs)
        return outputs

    def decide(self, name: str, force: bool = False) -> StagePlan:
        if name in self.after_own:
            self.world = World(self.place, self._digest)  # as it is after what another stage wrote
        locked = self.books.lock.entry(name)
        status = self.books.status(name) if locked else {}
        plan = plan_stage(
            self.compiled,
            name,
            self.place,
            locked,
            status,
            self.known,
            self.world,
            self.books.hash,
            force,
            self.remote,
            partial(self.is_paid, name),
        )
        if plan.result is not None:
            self.traces[name] = plan.result.trace
        return plan

    def decide_own(self, name: str) -> StagePlan:
        assert self.own is not None
        reasons = self.own.reasons(name)
        return StagePlan(name, "run" if reasons else "current", reasons)

    def at_hand(self, plan: StagePlan) -> StagePlan:
        """Restore a stage whose result is in the folder, the cache or the remote; what proves wrong is put aside."""
        aside: set[Path | None] = {None}
        while True:
            try:
                return self._brought(plan)
            except DamagedError as error:
                if error.path in aside:
                    return replace(plan, action="run")
                aside.add(error.path)
                self.reporter.note(cached_results.quarantine(error, self.place.project))
                plan = self.decide(plan.stage)

    def _brought(self, plan: StagePlan) -> StagePlan:
        if plan.action == "fetch" and plan.result is not None and self.remote is not None:
            here = self.remote.fetch(plan.result.entry.oids())
            plan = replace(plan, action="restore" if here else "run")
        if plan.action == "restore":
            self.restore(plan)
        elif plan.action == "run" and self.remote is not None and self.remote.problem and self.is_paid(plan.stage):
            raise self.remote.refusal([plan.stage])
        return plan

    def restore(self, plan: StagePlan) -> None:
        assert plan.call is not None
        assert plan.result is not None
        entry = plan.result.entry
        if plan.in_place:
            self.books.put_back(plan.stage)  # what the cache has lost
            step_cache.store(self.place.project.store, step_cache.step_command(plan.call.key), entry)
        else:
            with self.claim(plan.stage):
                self.books.spare(plan.stage)
                cached_results.restore(plan.call, entry)
        self.books.enter(plan.call, plan.result)

    def own_at_hand(self, name: str) -> StagePlan:
        assert self.own is not None
        self.books.flush(now=True)
        with self.books.dvc_lock:
            plan = self.decide_own(name)
            if plan.action == "run" and not self.force and self.own.restore(name):
                return replace(plan, action="restore")
        return plan

    def claim(self, name: str) -> contextlib.AbstractContextManager[None]:
        folder = str(self.place.folder)
        if name in self.compiled.stages:
            read = [os.path.join(folder, dep) for dep in self.compiled.stages[name].get("deps", [])]
            write = [os.path.join(folder, path) for path in out_paths(self.compiled.stages[name])]
        else:
            assert self.own is not None
            read, write = self.own.reads(name), self.own.writes(name)
        return self.books.claims.held(name, read, write)

    def check(self, plans: list[StagePlan]) -> None:
        """Let each step that will run refuse its config before anything starts; raises `UserError`."""
        will_run = [plan.stage for plan in plans if plan.action in ("run", "maybe")]
        check_steps(self.compiled, self.place, [name for name in will_run if name in self.compiled.stages])

    @contextlib.contextmanager
    def with_own(self) -> Iterator[None]:
        """Know of the stages that a person wrote into dvc.yaml, if there are any: they need DVC itself."""
        stages = pipeline.read_stages(self.place.folder)
        if all(dvc_yaml.is_generated(stage.get("cmd")) for stage in stages.values()):
            yield
            return
        with self.place.project.dvc() as repo:
            self.books.dvc_lock.through(repo.lock)
            self.own = CustomStages(repo, self.place)
            upstream = self.upstream()
            self.after_own = {name for name in self.compiled.stages if upstream[name] & set(self.own.stages)}
            try:
                yield
            finally:
                self.own = None
                self.after_own = set()
