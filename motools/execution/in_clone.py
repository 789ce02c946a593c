"""A step where no files are shared: what it reads comes from git and the DVC remote, what it makes goes to the remote.

Code comes from git, and from the patch of the person who runs the step; nothing that comes from the remote is executed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from motools.compiler.step_call import StepCall
from motools.errors import RemoteError, StepError
from motools.execution import finished_work
from motools.execution.cached_results import Result, restore_known
from motools.execution.work_folders import end_processes, remove_work_folder
from motools.executors import environment
from motools.executors.job import Answer, Job
from motools.repo import pipeline
from motools.repo.clones import Clone, clone_of
from motools.repo.exchange import Exchange

__all__ = ["at_hand", "checked_out", "finished"]

_PAUSES = (1, 3, 10, 30)  # seconds between tries to send a result
_LONGEST = 3600.0  # seconds
_TOLD = 1 << 16  # bytes of a log that come back


@contextmanager
def checked_out(job: Job) -> Iterator[tuple[Clone, Path]]:
    """A clone that holds a job's source and inputs, and the project's folder in it; nobody else's meanwhile.

    Raises:
        ProjectError: the repository cannot be fetched, or does not have the commit.
        RemoteError: the remote cannot be asked.
        StepError: the remote lacks an input.
    """
    source = job.source
    if source is None or source.remote is None:
        raise StepError("The job says neither where its files are seen nor where they can be fetched.")
    with clone_of(source.repository) as clone:
        project = clone.check_out(source.commit, source.tree, source.patch, source.project, source.remote)
        for work in (project.private / "work").glob("*"):  # of a worker that was killed
            if finished_work.is_finished(work):
                end_processes(work)
                finished_work.put_aside(project, work)
            remove_work_folder(work)
        _lay(clone, job, project.root / job.folder)
        yield clone, project.root


def _lay(clone: Clone, job: Job, folder: Path) -> None:
    """Put in place what a step reads and git does not have: its inputs, and the files that `dvc add` tracks."""
    inputs = {folder / pipeline.atom_path(name): f"{atom.rpartition('-')[2]}.dir" for name, atom in job.inputs.items()}
    wanted = {path: oid for path, oid in {**clone.tracked, **inputs}.items() if clone.laid.get(path) != oid}
    remote = clone.exchange
    remote.problem = None  # of an earlier job
    if not remote.fetch(wanted.values()):
        raise remote.problem or StepError(
            f"The DVC remote {remote.name!r} ({remote.url}) lacks what the step {job.step!r} reads. Type: motools push"
        )
    for path, oid in wanted.items():
        remote.project.store.check_out(oid, path)
        clone.laid[path] = oid


@contextmanager
def at_hand(clone: Clone, call: StepCall, force: bool) -> Iterator[Result | None]:
    """The result of an equal step that this machine or the remote has; None where there is none, or by force. Then no
    other machine executes the step meanwhile.

    Raises:
        RemoteError: the remote cannot be asked.
    """
    with ExitStack() as held:
        result = None if force else _result_of(call)
        if result is None and not force:
            held.enter_context(clone.exchange.claimed(call.key))
            result = _result_of(call, clone.exchange)
        yield result


def _result_of(call: StepCall, exchange: Exchange | None = None) -> Result | None:
    if exchange is not None:
        exchange.problem = None
        exchange.entries(*call.cache_slot)
    with call.place.importable():
        result = restore_known(call, {}, exchange)
    if exchange is not None and exchange.problem is not None:
        raise exchange.problem
    return result


def finished(clone: Clone, call: StepCall, answer: Answer, log: Path, took: float) -> Answer:
    """The answer once the remote has the result; a remote that cannot be reached is tried for a while.

    Args:
        took: seconds that the result has taken to make.
    """
    answer = replace(answer, log=_end_of(log))
    if answer.entry is None:
        return answer
    for path in (pipeline.atom_path(name) for name in call.outputs):
        clone.laid.pop(call.folder / path, None)
    pauses = _pauses(took)
    while True:
        try:
            clone.exchange.send_result(call.cache_slot[0], answer.entry)
            return answer
        except RemoteError as error:
            if (pause := next(pauses, None)) is None:
                told = (
                    f"The step {call.name!r} has finished, and its result could not be sent: {error} It is kept on "
                    f"{environment.here().host}, in {call.place.project.cache}. Once that is mended, `motools run` "
                    "sends it from there."
                )
                return replace(answer, entry=None, error=told)
        time.sleep(pause)


def _pauses(took: float) -> Iterator[float]:
    """Between tries, for as long as another machine would need to make the result again; an hour at most."""
    yield from _PAUSES
    yield from [_PAUSES[-1]] * int((min(took, _LONGEST) - sum(_PAUSES)) // _PAUSES[-1])


def _end_of(log: Path) -> str:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TOLD))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
