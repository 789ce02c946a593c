"""Steps that run on other machines: which executor each goes to, what it is told, and what comes back."""

from __future__ import annotations

import base64
import os
import uuid
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from motools.base.files import replace_file
from motools.base.resources import Resources
from motools.code.world import World
from motools.compiler.step_call import StepCall
from motools.definition.instances import base_of
from motools.definition.step import Step
from motools.engine.options import RunOptions
from motools.errors import ConfigError, MotoolsError, did_you_mean, listed
from motools.execution import one_step
from motools.execution.cached_results import restore, result_of
from motools.execution.run_step import Execution, Outcome
from motools.executors import environment, registry
from motools.executors.job import Answer, Job, Source
from motools.executors.registry import Chosen
from motools.repo.exchange import Exchange
from motools.repo.project import Project
from motools.repo.settings import FILE, HERE, Settings, of_step, read_settings
from motools.repo.work_tree import address, without_password, work_tree

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
        self._sources: dict[str, Source] = {}
        self._said: set[str] = set()

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
        words = {word for step in steps for word in (step.name, base_of(step.name), *step.outputs.values())}
        for section in ("run_on", "resources"):
            for name in getattr(self._settings, section).keys() - words:
                if mean := did_you_mean(name, words):  # else it is a step of another pipeline
                    raise ConfigError(f"{FILE}: {section}.{name} is no step, and no kind of atom.{mean}")

    def of(self, step: Step) -> Chosen | None:
        """Where a step runs; None: on this machine."""
        name = self._options.on or of_step(self._settings.run_on, step.name, base_of(step.name), step.outputs)
        return None if name is None or name == HERE or self._options.executor is not None else self._chosen[name]

    def needs(self, step: Step, config: Any) -> Resources:
        """What a step needs: as motools.yaml says, then as the workflow does."""
        told = of_step(self._settings.resources, step.name, base_of(step.name), step.outputs)
        return (told or Resources()).over(step.needs(config))

    @cached_property
    def _exchange(self) -> Exchange:
        """The DVC remote."""
        return Exchange(self._project)

    # -- sending and receiving -----------------------------------------------------

    def start(self, where: Chosen) -> Executor:
        """The executor, begun and looked at.

        Raises:
            ConfigError: it cannot be had, or its workers have another Python or MOTools.
        """
        if where.name not in self._executors:
            if not where.shared_files:
                if self._exchange.name is None:
                    raise ConfigError(
                        f"The executor {where.name!r} sees none of these files, and there is no DVC remote to send "
                        "them by. Type: dvc remote add -d NAME URL"
                    )
                _ = self._source(where)  # what is refused is refused now
                self._sources.clear()  # the run has its files to write yet
            self._executors[where.name] = executor = where.start()
            environments: Callable[[], Sequence[environment.Environment]] | None
            environments = getattr(executor, "environments", None)
            workers = environments() if environments is not None else None
            if workers is not None and not workers:
                self._note(where, "no worker is there yet; steps wait for the first one.")
            for each in workers or ():
                if (why := environment.refusal(each, environment.here())) is not None:
                    raise ConfigError(f"The executor {where.name!r} cannot be used: {why}")
                if (differs := environment.differences(each, environment.here())) is not None:
                    self._note(where, differs)
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
        root: str | None = str(self._project.root)
        source: Source | None = None
        state = self._run
        if not where.shared_files:
            self._exchange.send(f"{atom.rpartition('-')[2]}.dir" for atom in call.inputs.values())
            root, source = None, self._source(where)
            state = self._run if how.force else source.tree
        job = Job(
            key=call.key,
            state=state,
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
            root=root,
            source=source,
            log=str(how.log) if how.log is not None else None,
        )
        sent = _Sent(executor, executor.submit(one_step.perform, job), Future())
        self._sent.append(sent)
        sent.theirs.add_done_callback(lambda _: _pass_on(sent))
        return sent.ours

    def received(self, where: Chosen, call: StepCall, answer: Answer, log: Path, world: World) -> Outcome:
        """What has come of a step, with its result at hand as if it had been made here."""
        for note in answer.notes:
            self._note(where, note)
        if answer.entry is None:
            if not where.shared_files and answer.log:
                replace_file(log, answer.log)
            return Outcome(answer.executed, error=answer.error or "it gave no result")
        if not where.shared_files:
            replace_file(log, answer.log)
            self._exchange.receive(call.cache_slot[0], answer.entry)
        result = result_of(call, answer.entry)
        if result is None:
            return Outcome(answer.executed, error=f"{answer.where} has sent no result of this step.")
        if answer.adopted or not where.shared_files:
            if changes := world.changes(result.trace, call.roles):
                told = f"It was made on {answer.where}, where other things were used than are here: {listed(changes)}. "
                if answer.adopted:
                    told = f"Its job, which an earlier run submitted, began before this changed: {listed(changes)}. "
                return Outcome(answer.executed, error=told + "Where they are equal, `motools run` takes it up.")
            restore(call, answer.entry)
        return Outcome(answer.executed, result)

    def stays(self, where: Chosen) -> None:
        """Say that a step runs here although an executor is named for it."""
        self._note(where, "steps that cost money run here, where what was paid for is written down.")

    def _note(self, where: Chosen, note: str) -> None:
        """Say it, once in a run."""
        if note not in self._said:
            self._said.add(note)
            self._say(f"{where.name}: {note}")

    def _source(self, where: Chosen) -> Source:
        """The state of the work tree, as it was when the first step of the run went elsewhere."""
        if where.name not in self._sources:
            git, exchange = self._project.git, self._exchange
            now = work_tree(git, self._project.private)
            if now.patch_id is not None:
                kept = self._project.private / "patches" / f"{now.patch_id}.patch"
                kept.parent.mkdir(exist_ok=True)
                kept.write_bytes(now.patch)
            self._sources[where.name] = Source(
                repository=where.repository or address(git),
                commit=now.commit,
                tree=now.tree,
                patch=base64.b64encode(zlib.compress(now.patch)).decode() if now.patch else "",
                patch_id=now.patch_id,
                project=Path(os.path.relpath(self._project.root, git.top)).as_posix(),
                remote=(str(exchange.name), without_password(exchange.url)),
            )
        return self._sources[where.name]

    def renew(self) -> None:
        """Take nothing for known that workers have imported: files may have been written anew."""
        self._run = uuid.uuid4().hex
        self._sources.clear()

    # -- ending --------------------------------------------------------------------

    def let_go(self) -> None:
        """Wait for nothing any more that an executor is at."""
        for sent in self._sent:
            with suppress(InvalidStateError):  # it has ended
                sent.ours.set_exception(MotoolsError("the run was interrupted"))
            sent.theirs.cancel()

    def close(self) -> None:
        """End the executors."""
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=not getattr(executor, "lasts", False))
        self._executors.clear()
        self._exchange.close()


def _pass_on(sent: _Sent) -> None:
    with suppress(InvalidStateError):  # nobody waits for it any more
        if sent.theirs.cancelled():
            sent.ours.set_exception(MotoolsError("the executor has given it up"))
        elif (error := sent.theirs.exception()) is not None:
            sent.ours.set_exception(error)
        else:
            sent.ours.set_result(sent.theirs.result())
