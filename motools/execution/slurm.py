"""Steps as jobs of a SLURM cluster whose nodes see the project's folder: journalled, adopted, followed, cancelled.

No process waits for a job but the run itself, and when that ends, however it ends, the job goes on: its key stands in
the journal before sbatch is called, under a name that nobody else gives, and the next run comes back to it.
"""

from __future__ import annotations

import hashlib
import os
import queue
import shlex
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from motools.base import secrets, slurm
from motools.base.files import replace_file
from motools.base.foreign_text import visible
from motools.base.resources import Resources
from motools.base.slurm import Living
from motools.errors import BackendError, ConfigError, MotoolsError
from motools.executors.job import Answer, Job
from motools.executors.queued import answer_file, one_at_a_time, queued, read_answer
from motools.repo.project import Project
from motools.training.journal import JobEntry, Journal

__all__ = ["SlurmExecutor", "start"]

_LATE = 15.0
"""Seconds after which an answer of a job that is gone can still be seen: NFS keeps what it knows of a folder."""
_LATEST = 120.0
"""The same, where SLURM says that the job has ended well: then there is one, and NFS shows it after 60 s at most."""
_FORBIDDEN = (
    "job-name",
    "output",
    "chdir",
    "parsable",
    "wrap",
    "array",
    "export",
    "open-mode",
    "wait",
    "test-only",
    "clusters",
)


def start(
    project: Project,
    options: Sequence[str] = (),
    setup: str = "",
    python: str | None = None,
    poll: float = 5.0,
) -> Executor:
    """The executor of a SLURM cluster.

    Args:
        options: of sbatch, for every step: `--partition=gpu`, `--account=lab`.
        setup: lines of the shell before a step: `module load cuda`.
        python: the interpreter on the nodes (default: this one).
        poll: seconds between looks at the queue.

    Raises:
        ConfigError: an option that is set by us, or is none.
    """
    for each in options:
        name = each.removeprefix("--").partition("=")[0]
        if not each.startswith("--") or name in _FORBIDDEN:
            why = "is set by MOTools" if name in _FORBIDDEN else "is no option of sbatch: write it as --name=value"
            raise ConfigError(f"motools.yaml: the option {each!r} of a SLURM executor {why}.")
    if poll <= 0:
        raise ConfigError(f"motools.yaml: poll of a SLURM executor must be above 0 seconds, not {poll!r}.")
    return SlurmExecutor(project, options, setup, python or sys.executable, poll)


@dataclass
class _Waiting:
    """A job that somebody waits for, whether an earlier run has submitted it, and since when it is gone or going."""

    entry: JobEntry
    future: Future[Answer]
    adopted: bool = False
    gone: float | None = None


class SlurmExecutor(Executor):
    """Submits each `Job` once, and gives its `Answer`; all of it in a thread of its own."""

    lasts = True

    def __init__(self, project: Project, options: Sequence[str], setup: str, python: str, poll: float) -> None:
        self._project = project
        self._options = options
        self._setup = setup
        self._python = python
        self._poll = poll
        self._journal = Journal.of(project)
        self._new: queue.SimpleQueue[tuple[Job, Future[Answer]] | None] = queue.SimpleQueue()
        self._waiting: list[_Waiting] = []
        self._told = ""
        # The answers that plans can know of.
        self._answered = {path.name for path in queued(project).glob("*/*-*.json")}
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **_: Any) -> Future[Any]:
        """Have a node run a step: `one_step.perform` with one `Job`."""
        (job,) = args
        future: Future[Answer] = Future()
        self._new.put((job, future))
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True)
            self._thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for no job any more; they go on."""
        self._ended.set()
        self._new.put(None)
        if wait and self._thread is not None:
            self._thread.join()

    # -- the thread ------------------------------------------------------------------

    def _serve(self) -> None:
        look = time.monotonic()
        while True:
            try:
                new = self._new.get(timeout=max(0.0, look - time.monotonic()) if self._waiting else None)
                if new is None:
                    return
                self._begin(*new)
            except queue.Empty:
                look = time.monotonic() + self._poll
                self._look()

    def _begin(self, job: Job, future: Future[Answer]) -> None:
        """Adopt a step's job, or submit it, unless the run was interrupted."""
        try:
            with one_at_a_time(self._project) as handle:
                if future.cancelled():
                    return
                entry = self._adopted(job)
                adopted = entry is not None
                if entry is None:
                    entry = self._submitted(job, handle)
            self._waiting.append(_Waiting(entry, future, adopted))
        except Exception as error:  # nobody else hears of it, and the run would wait for ever
            _give(future, Answer(False, error=_sentence(error)))

    def _adopted(self, job: Job) -> JobEntry | None:
        """The job that an earlier run has submitted for this step, if it goes on or has ended just now."""
        entry = self._journal.read(_journal_key(job))
        if entry is None or not entry.live or (job.force and entry.account != _mark(job)):
            return None
        answer = _answer_file(self._project, entry)
        if answer.name in self._answered:  # its result does not hold any more, or it has failed
            self._told_by(entry, _answer(self._project, entry))
            return None
        living_job = next(iter(self._patiently(lambda: slurm.living(entry.attempt, entry.job_id))), None)
        if answer.exists():  # looked for after the queue: it may end while that is asked
            return entry
        if living_job is None:
            self._journal.write(replace(entry, status="failed", error="it ended without an answer"))
            return None
        return self._journal.write(replace(entry, job_id=living_job.id, status=living_job.state))

    def _submitted(self, job: Job, handle: int) -> JobEntry:
        about = (_journal_key(job), job.key, job.step, job.folder, "", "SLURM", _mark(job))
        before = self._journal.read(about[0]) or JobEntry(*about, status="refused", provider=slurm.PROVIDER)
        entry = self._journal.write(replace(before.anew(job.force), account=_mark(job)))
        folder = _folder(self._project, job)
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "job.json", job.dumps())
        script = folder / "script.sh"
        files = [folder / "job.json", _answer_file(self._project, entry)]
        command = [self._python, "-m", "motools.execution.one_step", "--once", *files]
        lines = ["#!/bin/sh", self._setup, f"exec {shlex.join(map(str, command))}", ""]
        replace_file(script, "\n".join(lines))
        options = [
            f"--output={folder / 'slurm.log'}",
            f"--chdir={self._project.root}",
            "--open-mode=append",
            "--requeue",
            *asked_for(job.resources),
            *self._options,
        ]

        def hand_in() -> str | None:
            """A job that has arrived although sbatch did not hear of it is not made twice, even if it has ended."""
            if before.live:  # nobody waits for it any more, and it would keep the step from this one
                for job in slurm.living(before.attempt):
                    slurm.cancel(job.id)
            arrived = slurm.living(entry.attempt)
            if arrived or _answer_file(self._project, entry).exists():
                return arrived[0].id if arrived else None
            return slurm.submit(script, entry.attempt, options, _environment(), handle)

        try:
            number = self._patiently(hand_in)
        except slurm.Unreachable:  # the run was interrupted; what may have arrived is looked for by the next one
            raise
        except BackendError as error:
            self._journal.write(replace(entry, status="refused", error=str(error)))
            raise
        return self._journal.write(replace(entry, job_id=number, status="PENDING"))

    def _look(self) -> None:
        """Give the answers that have come, and tell of jobs that are gone without one."""
        living = None
        try:
            living = slurm.living()
        except slurm.Unreachable as error:
            self._say(f"{error}; the jobs go on, and it is asked again every {self._poll:g} s")
        except Exception as error:  # nobody else hears of it
            for each in self._waiting:
                _give(each.future, Answer(False, error=_sentence(error)))
            self._waiting = []
        self._waiting = [each for each in self._waiting if not self._settled(each, living)]

    def _settled(self, waiting: _Waiting, living: Sequence[Living] | None) -> bool:
        """Whether nobody waits for it any more."""
        try:
            return self._is_settled(waiting, living)
        except slurm.Unreachable as error:
            self._say(f"{error}; it is asked again every {self._poll:g} s")
            return False
        except Exception as error:  # the journal cannot be written: the job goes on, and the next run comes back to it
            _give(waiting.future, Answer(False, error=_sentence(error)))
            return True

    def _is_settled(self, waiting: _Waiting, living: Sequence[Living] | None) -> bool:
        entry, future = waiting.entry, waiting.future
        if future.cancelled():
            return True
        answer = _answer(self._project, entry)  # after the queue: it may end while that is asked
        if answer is not None and answer.error is None:
            return self._give_answer(waiting, answer)
        if living is None:
            return False
        if ours := [job for job in living if job.is_of(entry.attempt, entry.job_id)]:
            for job in [job for job in ours[1:] if job.is_of(entry.attempt)]:  # of an sbatch that was taken for lost
                self._say(f"the job {job.id} is one too many: it is cancelled")
                with suppress(BackendError):  # at the next look, then
                    slurm.cancel(job.id)
            if (ours[0].id, ours[0].state) != (entry.job_id, entry.status):
                waiting.entry = self._journal.keep_up(replace(entry, job_id=ours[0].id, status=ours[0].state))
            if answer is None or ours[0].state != "COMPLETING":  # else it may be told to begin again
                waiting.gone = None
                return False
        elif answer is not None:
            return self._give_answer(waiting, answer)
        waiting.gone = waiting.gone or time.monotonic()
        since = time.monotonic() - waiting.gone
        if answer is not None:
            return since >= _LATE and self._give_answer(waiting, answer)
        return since >= min(_LATE, 3 * self._poll) and self._has_ended(waiting, since)

    def _give_answer(self, waiting: _Waiting, answer: Answer) -> bool:
        self._told_by(waiting.entry, answer)
        _give(waiting.future, replace(answer, adopted=waiting.adopted))
        return True

    def _has_ended(self, waiting: _Waiting, since: float) -> bool:
        """Whether a job that the queue has not shown for `since` seconds has ended; told if so."""
        entry = waiting.entry
        how = slurm.state_of(entry.job_id) if entry.job_id else None
        if how is not None and how not in slurm.ENDED:  # the queue was not told whole
            waiting.gone = None
            return False
        if since < {"COMPLETED": _LATEST, "FAILED": _LATE, None: _LATE}.get(how, 0.0):
            return False
        how = how or "it is not in the queue any more"
        self._journal.keep_up(replace(entry, status="cancelled" if how == "CANCELLED" else "failed", error=how))
        folder = _answer_file(self._project, entry).parent
        told = (
            f"The SLURM job {entry.job_id} ended without an answer: {how}. What SLURM and the step's process said is "
            f"in {folder / 'slurm.log'}. `motools run` submits it again."
        )
        _give(waiting.future, Answer(True, error=told))
        return True

    def _told_by(self, entry: JobEntry, answer: Answer | None) -> None:
        error = answer.error if answer is not None else "its answer cannot be read"
        self._journal.keep_up(replace(entry, status="failed" if error else "succeeded", error=error))

    def _patiently(self, call: Callable[[], Any]) -> Any:
        """Its result, asked for again while SLURM does not answer and the run goes on."""
        while True:
            try:
                return call()
            except slurm.Unreachable as error:
                self._say(f"{error}; it is asked again every {self._poll:g} s")
                if self._ended.wait(self._poll):
                    raise

    def _say(self, sentence: str) -> None:
        if sentence != self._told:
            print(visible(f"SLURM: {sentence}."), file=sys.stderr)
            self._told = sentence


def _give(future: Future[Answer], answer: Answer) -> None:
    with suppress(InvalidStateError):  # the run was interrupted just now
        future.set_result(answer)


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, MotoolsError | OSError) else f"{type(error).__name__}: {error}"


def asked_for(resources: Resources) -> list[str]:
    """What a step needs, as sbatch's options."""
    options = []
    if resources.cores is not None:
        options.append(f"--cpus-per-task={-int(-resources.cores // 1)}")
    if resources.gpu:
        options.append(f"--gpus={resources.gpu}")
    if resources.memory_bytes is not None:
        options.append(f"--mem={-(-resources.memory_bytes // 2**20)}M")
    if resources.time_seconds is not None:
        options.append(f"--time={-(-resources.time_seconds // 60)}")
    return options


def _journal_key(job: Job) -> str:
    return hashlib.sha256(f"{slurm.PROVIDER} {job.key}".encode()).hexdigest()


def _mark(job: Job) -> str:
    """Only a job of the same run is that of a step that is forced."""
    return job.state if job.force else ""


def _folder(project: Project, job: Job) -> Path:
    return queued(project) / _journal_key(job)


def _answer_file(project: Project, entry: JobEntry) -> Path:
    return answer_file(project, entry.key, entry.attempt)


def _answer(project: Project, entry: JobEntry) -> Answer | None:
    return read_answer(project, entry.key, entry.attempt)


def _environment() -> dict[str, str]:
    """Without keys, since clusters may keep a job's environment where others read it: the project's `.env` has them."""
    return {name: value for name, value in os.environ.items() if name not in secrets.in_environment()}
