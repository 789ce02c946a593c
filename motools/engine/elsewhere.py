"""Steps that run on other machines: which executor each goes to, what it is told, and what comes back."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from motools.base.resources import Resources
from motools.code.world import World
from motools.compiler.step_call import StepCall
from motools.definition.instances import base_of
from motools.definition.step import Step
from motools.engine.options import RunOptions
from motools.errors import ConfigError, MotoolsError, did_you_mean, listed
from motools.execution.cached_results import restore, result_of
from motools.execution.run_step import Execution, Outcome
from motools.executors import environment, one_step, registry
from motools.executors.job import Answer, Job
from motools.executors.registry import Chosen
from motools.repo.project import Project
from motools.repo.settings import FILE, HERE, Settings, of_step, read_settings

__all__ = ["Elsewhere"]


@dataclass(frozen=True)
class _Sent:
    """A job that an executor has, and what the run waits for."""

    executor: Executor
    theirs: Future[Answer]
    ours: Future[Answer]


class Elsewhere:
    """The executors of a run. None is started before a step needs it.

    Args:
        say: hears a sentence for the person.
    """

    def __init__(self, project: Project, options: RunOptions, say: Callable[[str], None]) -> None:
        self._project = project
        self._options = options
        self._say = say
        self._executors: dict[str, Executor] = {}
        self._sent: list[_Sent] = []
        self._run = uuid.uuid4().hex

    # -- who goes where ------------------------------------------------------------

    @cached_property
    def _settings(self) -> Settings:
        return read_settings(self._project)

    @cached_property
    def _chosen(self) -> dict[str, Chosen]:
        """The executors that this run may use, by name; raises `ConfigError` where one is not right."""
        if self._options.on is not None:
            named = {self._options.on: "--on"}
        else:
            named = {name: f"{FILE}: run_on.{step}" for step, name in self._settings.run_on.items()}
        return {
            name: registry.choose(self._settings, name, self._project, asked)
            for name, asked in named.items()
            if name != HERE
        }

    def check(self, steps: Sequence[Step]) -> None:
        """See whether what motools.yaml says of these steps can be meant.

        Raises:
            ConfigError: an executor that is none, or a name that is nearly a step's.
        """
        _ = self._chosen
        known = {word for step in steps for word in (step.name, base_of(step.name), *step.outputs.values())}
        for section in ("run_on", "resources"):
            for name in getattr(self._settings, section).keys() - known:
                if mean := did_you_mean(name, known):  # else it is a step of another pipeline
                    raise ConfigError(f"{FILE}: {section}.{name} is no step, and no kind of atom.{mean}")

    def of(self, step: Step) -> Chosen | None:
        """Where a step runs; None: on this machine."""
        name = self._options.on or of_step(self._settings.run_on, step.name, base_of(step.name), step.outputs)
        return None if name is None or name == HERE or self._options.executor is not None else self._chosen[name]

    def needs(self, step: Step, config: Any) -> Resources:
        """What a step needs: as motools.yaml says, then as the workflow does."""
        told = of_step(self._settings.resources, step.name, base_of(step.name), step.outputs)
        return (told or Resources()).over(step.needs(config))

    # -- sending and receiving -----------------------------------------------------

    def start(self, where: Chosen) -> Executor:
        """The executor, begun and looked at.

        Raises:
            ConfigError: it cannot be had, or its workers have another Python or MOTools.
        """
        if where.name not in self._executors:
            self._executors[where.name] = executor = where.start()
            environments: Callable[[], Sequence[environment.Environment]] | None
            environments = getattr(executor, "environments", None)
            told = {}
            for each in environments() if environments is not None else ():
                if (why := environment.refusal(each, environment.here())) is not None:
                    raise ConfigError(f"The executor {where.name!r} cannot be used: {why}")
                told[environment.differences(each, environment.here())] = None
            for sentence in filter(None, told):
                self._say(f"{where.name}: {sentence}")
        return self._executors[where.name]

    def submit(
        self,
        where: Chosen,
        call: StepCall,
        how: Execution,
        locked: Mapping[str, Any],
        resources: Resources,
        preload: Sequence[str],
    ) -> Future[Answer]:
        """Have an executor run a step."""
        executor = self.start(where)
        job = Job(
            key=call.key,
            state=self._run,
            step=call.name,
            workflow=call.workflow,
            folder=Path(os.path.relpath(call.folder, self._project.root)).as_posix(),
            values=call.values,
            takes=call.takes,
            outputs=call.outputs,
            inputs=call.inputs,
            function=call.code.function,
            versions=call.code.versions,
            user=how.user,
            environment=environment.here(),
            keeps_logs=call.keeps_logs,
            gathers=call.gathers,
            preload=tuple(preload),
            locked=locked,
            commit=how.git.commit,
            changed=how.git.changed,
            asked=tuple(sorted(how.git.asked)),
            force=how.force,
            earlier=how.earlier,
            resources=resources,
            root=str(self._project.root),
            log=str(how.log) if how.log is not None else None,
        )
        sent = _Sent(executor, executor.submit(one_step.perform, job), Future())
        self._sent.append(sent)
        sent.theirs.add_done_callback(lambda _: _pass_on(sent))
        return sent.ours

    def received(self, where: Chosen, call: StepCall, answer: Answer, log: Path) -> Outcome:
        """What has come of a step, with its result at hand as if it had been made here."""
        for note in answer.notes:
            self._say(f"{call.name}: {note}")
        if answer.entry is None:
            return Outcome(answer.executed, error=answer.error or "it gave no result")
        result = result_of(call, answer.entry)
        if answer.adopted and result is not None and (why := World(call.place).changes(result.trace, call.roles)):
            told = f"The job of {call.name!r} had begun before this changed: {listed(why)}. Run again."
            return Outcome(answer.executed, error=told)
        if answer.adopted:  # the run may have cleared its place after it had ended
            restore(call, answer.entry)
        return Outcome(answer.executed, result)

    def renew(self) -> None:
        """Take nothing for known that workers have imported: files may have been written anew."""
        self._run = uuid.uuid4().hex

    # -- ending --------------------------------------------------------------------

    def let_go(self) -> None:
        """Wait for nothing any more that an executor is at."""
        for sent in self._sent:
            if not sent.ours.done():
                sent.theirs.cancel()
                with suppress(Exception):  # it has just ended
                    sent.ours.set_exception(MotoolsError("the run was interrupted"))

    def close(self) -> None:
        """End the executors."""
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=not getattr(executor, "lasts", False))
        self._executors.clear()


def _pass_on(sent: _Sent) -> None:
    with suppress(Exception):  # nobody waits for it any more
        if sent.theirs.cancelled():
            sent.ours.set_exception(MotoolsError("the executor has given it up"))
        elif (error := sent.theirs.exception()) is not None:
            sent.ours.set_exception(error)
        else:
            sent.ours.set_result(sent.theirs.result())
