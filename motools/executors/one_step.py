"""One step on whatever machine this is: where its files are seen, or in a clone of the repository.

    python -m motools.executors.one_step JOB ANSWER

reads a job as JSON from one file, and writes what came of it, as JSON, into the other. Exit codes: 0 there is a result,
1 the step failed (the answer says why), 2 the job cannot be read.
"""

from __future__ import annotations

import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from motools.base.files import replace_file
from motools.code.search_path import Place, place_of
from motools.compiler.step_call import StepCall
from motools.compiler.step_code import StepCode, of_step
from motools.definition.step import Step
from motools.errors import MotoolsError, StepError, listed
from motools.execution import run_step
from motools.execution.run_step import Execution, Outcome
from motools.execution.workers import TaskDied, WarmExecutor
from motools.executors import environment
from motools.executors.job import Answer, Job
from motools.repo.dotenv import load_env
from motools.repo.git import GitState

__all__ = ["main", "perform"]


def perform(job: Job, in_fork: bool = True) -> Answer:
    """Run a job's step, observed as everywhere; what goes wrong is in the answer, and nothing is raised for it.

    Args:
        in_fork: in a fork of a process that has imported what the step wants, and is kept for the next job; else in
            this process, which then must not have another job before or beside this one.
    """
    host = environment.here().host
    if (why := environment.refusal(environment.here(), job.environment)) is not None:
        return Answer(False, error=why, where=host)
    try:
        assert job.root is not None
        return replace(_answer(run_in(job, Path(job.root), in_fork)), where=host)
    except (MotoolsError, TaskDied, OSError) as error:
        return Answer(False, error=str(error), where=host)


def run_in(job: Job, root: Path, in_fork: bool) -> Outcome:
    """Run a job's step in the project that lies there. Raises `TaskDied` where its process was killed."""
    if not in_fork:
        return executed(job, root)
    place = place_of(root / job.folder)
    return _server(job, place).submit(executed, job, root).result()  # type: ignore[no-any-return]


def executed(job: Job, root: Path) -> Outcome:
    """The same in this process."""
    place = place_of(root / job.folder)
    code = StepCode(job.function, job.versions, ())
    call = StepCall(
        job.workflow, job.step, job.takes, job.outputs, job.keeps_logs, job.values, code, job.inputs, place, job.key,
        job.gathers,
    )  # fmt: skip
    git = GitState(job.commit, place.project.git.top, job.changed, frozenset(job.asked))
    log = Path(job.log) if job.log is not None else None
    how = Execution(job.user, git, job.force, log, earlier=job.earlier)
    return run_step.perform_step(call, _found, how, job.locked)


def _found(call: StepCall) -> Step:
    """The step of a call; raises `StepError` where this machine has other versions of what is in its key."""
    step = call.step_in(run_step.loaded(call.workflow, call.place))
    here = of_step(step, call.values, call.place).versions
    if here != call.code.versions:
        names = [name for name in {**call.code.versions, **here} if here.get(name) != call.code.versions.get(name)]
        told = listed(f"{here.get(name)} in place of {call.code.versions.get(name)}" for name in names)
        raise StepError(f"What the step {call.name!r} is made of is another one on this machine: {told}.")
    return step


def _answer(outcome: Outcome) -> Answer:
    if outcome.result is None:
        return Answer(outcome.executed, error=outcome.error or "it gave no result")
    return Answer(outcome.executed, outcome.result.entry)


# -- what a worker's process keeps -----------------------------------------------

_servers: dict[Path, tuple[Any, WarmExecutor]] = {}
_serving = threading.Lock()


def _server(job: Job, place: Place) -> WarmExecutor:
    """Where a job's step is executed: one server a project, begun anew where files or workflow are others."""
    wanted = job.state, job.workflow, job.folder, job.preload
    with _serving:
        have = _servers.get(place.project.root)
        if have is not None and have[0] != wanted:
            have[1].abandon()
        if have is None or have[0] != wanted:
            modules = ("motools.executors.one_step", "motools.execution.run_step", *job.preload)
            server = WarmExecutor(modules, (run_step.loaded, (job.workflow, place)))
            _servers[place.project.root] = wanted, server
        return _servers[place.project.root][1]


def main(words: list[str]) -> int:
    """See the module."""
    if len(words) != 2:
        print("Type: python -m motools.executors.one_step JOB ANSWER", file=sys.stderr)
        return 2
    try:
        job = Job.loads(Path(words[0]).read_bytes())
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        print(f"{words[0]} is no job: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    if job.root is not None:
        load_env(Path(job.root))
    answer = perform(job, in_fork=False)
    replace_file(Path(words[1]), answer.dumps())
    if answer.error is not None:
        print(answer.error, file=sys.stderr)
    return 1 if answer.error is not None else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
