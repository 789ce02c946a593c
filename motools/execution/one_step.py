"""One step on whatever machine this is: where its files are seen, or in a clone of the repository.

    python -m motools.execution.one_step [--once] JOB ANSWER

reads a job as JSON from one file, and writes what came of it, as JSON, into the other; with `--once`, for what a queue
may begin again, nothing where the other has a good answer already. Exit codes: 0 there is a result, 1 the step failed
(the answer says why), 2 the job cannot be read.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from motools.base.files import in_words, replace_file
from motools.code.search_path import PipelineFolder, pipeline_folder
from motools.compiler.step_call import StepCall
from motools.compiler.step_code import StepCode, of_step
from motools.definition.step import Step
from motools.errors import MotoolsError, StepError, listed
from motools.execution import run_step
from motools.execution.in_clone import at_hand, checked_out, finished
from motools.execution.run_step import Execution, Outcome
from motools.execution.workers import TaskDied, WarmExecutor
from motools.executors import environment
from motools.executors.job import Answer, Job
from motools.repo.dotenv import load_env
from motools.repo.git import GitState

__all__ = ["main", "perform"]

_KEPT = 3  # servers of a project that are kept beside a new one


def perform(job: Job, in_fork: bool = True) -> Answer:
    """Run a job's step, observed as everywhere; what goes wrong is in the answer, and nothing is raised for it.

    Args:
        in_fork: in a fork of a process that has imported what the step wants, and is kept for the next job; else in
            this process, which then must not have another job before or beside this one.
    """
    here = environment.here()
    if (why := environment.refusal(here, job.environment)) is not None:
        return Answer(False, error=why, where=here.host)
    try:
        answer = _where_files_are_seen(job, job.root, in_fork) if job.root is not None else _in_a_clone(job, in_fork)
    except (MotoolsError, TaskDied, OSError) as error:
        said = in_words(error) if isinstance(error, OSError) else str(error)
        answer = Answer(False, error=f"On {here.host}: {said}")
    notes = filter(None, [environment.differences(here, job.environment)])
    return replace(answer, where=here.host, notes=tuple(notes))


def _where_files_are_seen(job: Job, root: str, in_fork: bool) -> Answer:
    return _answer(_run(job, call_of(job, pipeline_folder(Path(root, job.folder))), in_fork))


def _in_a_clone(job: Job, in_fork: bool) -> Answer:
    with checked_out(job) as (clone, root):
        call = call_of(job, pipeline_folder(root / job.folder))
        log = call.place.project.private / "logs" / f"{job.key}.log"
        with at_hand(clone, call, job.force) as result:
            since = time.monotonic()
            answer = Answer(False, result.entry) if result is not None else None
            if answer is None:
                answer = _answer(_run(replace(job, log=str(log), locked={}), call, in_fork))
                if answer.error is not None:  # it may have written into what it read
                    clone.forget()
            return finished(clone, call, answer, log, time.monotonic() - since)


def call_of(job: Job, place: PipelineFolder) -> StepCall:
    """A job as a call in a place of this machine."""
    return StepCall(
        workflow=job.workflow,
        name=job.step,
        takes=job.takes,
        outputs=job.outputs,
        keeps_logs=job.keeps_logs,
        values=job.values,
        code=StepCode(job.function, job.versions, ()),
        inputs=job.inputs,
        place=place,
        key=job.key,
        gathers=job.gathers,
    )


def _run(job: Job, call: StepCall, in_fork: bool) -> Outcome:
    """Run the step; raises `TaskDied` where its process was killed."""
    if not in_fork:
        return executed(job, call)
    if job.source is not None:
        job = replace(job, source=replace(job.source, patch=""))  # which is applied
    with _serving:  # or another thread could let go of the server that it is about to ask
        task = _server(job, call.place).submit(executed, job, call)
    return task.result()  # type: ignore[no-any-return]


def executed(job: Job, call: StepCall) -> Outcome:
    """The same in this process."""
    os.chdir(call.folder)  # the folder that the worker was started in may be gone
    git = GitState(job.commit, call.place.project.git.top, job.changed, frozenset(job.asked))
    log = Path(job.log) if job.log is not None else None
    patch = job.source.patch_id if job.source is not None else None
    how = Execution(job.user, git, job.force, log, earlier=job.earlier, patch=patch, host=socket.gethostname())
    return run_step.perform_step(call, _step_of, how, job.locked)


def _step_of(call: StepCall) -> Step:
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

_servers: dict[tuple[Any, ...], WarmExecutor] = {}
_serving = threading.Lock()


def _server(job: Job, place: PipelineFolder) -> WarmExecutor:
    """Where a job's step is executed: a server for each state of a project's files, and for what it has imported. Who
    calls this holds `_serving`."""
    root, modules = place.project.root, ("motools.execution.one_step", *job.preload)
    wanted = root, job.state, job.workflow, job.folder, job.preload
    if wanted not in _servers:
        for old in [each for each in _servers if each[0] == root][:-_KEPT]:
            threading.Thread(target=_servers.pop(old).shutdown, daemon=True).start()
        _servers[wanted] = WarmExecutor(modules, (run_step.loaded, (job.workflow, place)))
    return _servers[wanted]


def main(words: list[str]) -> int:
    """See the module."""
    is_once, words = words[:1] == ["--once"], words[words[:1] == ["--once"] :]
    if len(words) != 2:
        print("Type: python -m motools.execution.one_step JOB ANSWER", file=sys.stderr)
        return 2
    try:
        job = Job.loads(Path(words[0]).read_bytes())
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        print(f"{words[0]} is no job: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    if is_once and _has_finished(Path(words[1])):
        return 0
    try:
        if job.root is not None:
            load_env(Path(job.root))
        answer = perform(job, in_fork=False)
    except MotoolsError as error:  # the `.env` is refused
        answer = Answer(False, error=str(error))
    replace_file(Path(words[1]), answer.dumps())
    if answer.error is not None:
        print(answer.error, file=sys.stderr)
    return 1 if answer.error is not None else 0


def _has_finished(path: Path) -> bool:
    """Whether an answer is there, and a good one; one that tells of an error is forgotten."""
    with suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        if Answer.loads(path.read_bytes()).error is None:
            return True
    path.unlink(missing_ok=True)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
