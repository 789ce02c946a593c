"""What a person does with jobs: list them from the journal, ask the provider for one, cancel it, adopt one."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from motools.base import slurm
from motools.errors import BackendError, UserError
from motools.executors.queued import one_at_a_time, read_answer
from motools.repo import step_cache
from motools.repo.project import Project
from motools.repo.settings import read_settings
from motools.training.journal import JobEntry, Journal
from motools.training.openai.api import Api
from motools.training.openai.jobs import find_job
from motools.training.openai.transport import Answer

__all__ = ["Job", "cancel_job", "cancel_jobs", "is_queued", "list_jobs", "running_jobs", "show_job"]

PATIENCE, POLL = 30.0, 2.0
"""In seconds: a person at the keyboard waits for less long than a run."""


@dataclass(frozen=True)
class Job:
    """A job as the journal knows it, with its age in seconds and the id of the atom that was made of it."""

    entry: JobEntry
    age: float
    atom: str | None

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self.entry), "age": round(self.age, 1), "atom": self.atom}


def list_jobs(project: Project) -> list[Job]:
    """The jobs of the journal, the newest first; nobody is asked."""
    return [_job(project, entry) for entry in Journal.of(project).entries()]


def running_jobs(project: Project, keys: Iterable[str]) -> list[JobEntry]:
    """Of these steps' keys, the jobs that go on as far as the journal knows, or may have been made and go on."""
    wanted = set(keys)
    entries = Journal.of(project).entries()
    return [entry for entry in entries if entry.step_key in wanted and entry.live and not _driven_here(entry)]


def is_queued(project: Project, folder: Path, step: str) -> bool:
    """Whether a job of a step of a pipeline's folder waits or runs in a cluster, which is asked.

    Raises:
        BackendError: it does not answer.
    """
    entries = [entry for entry in Journal.of(project).entries() if entry.provider == slurm.PROVIDER and entry.live]
    ours = [entry for entry in entries if (project.root / entry.folder, entry.step) == (folder, step)]
    return any(slurm.living(entry.attempt, entry.job_id) for entry in ours)


def _driven_here(entry: JobEntry) -> bool:
    """Whether our own process sends each step, so that nothing goes on when that has ended."""
    return entry.provider not in ("openai", slurm.PROVIDER)


def cancel_jobs(project: Project, keys: Iterable[str]) -> list[str]:
    """Cancel what goes on under these steps' keys; returns the ids of the jobs that are cancelled now.

    Raises:
        MotoolsError: the key is missing, or the provider does not answer.
    """
    running = running_jobs(project, keys)
    ended = [_cancelled(project, entry) for entry in running]
    return [entry.job_id for entry in ended if entry is not None and entry.status == "cancelled" and entry.job_id]


def show_job(project: Project, word: str) -> tuple[Job | None, Answer | None]:
    """What the journal and what the provider know of a job, given its key, a prefix of that, or its id.

    Raises:
        UserError: neither knows it.
    """
    entry = _find(project, word)
    if entry is not None and _driven_here(entry):
        return _job(project, entry), None
    if entry is not None and entry.provider == slurm.PROVIDER:
        going_on = slurm.living(entry.attempt, entry.job_id)
        return _job(project, entry), {"state": going_on[0].state} if going_on else None
    api = api_of(project)
    job = _asked(api, entry) if entry is not None else api.job(word)
    if entry is None and job is None:
        raise UserError(f"{api.server} knows no job {word!r}, and the journal has none. `motools jobs list` shows all.")
    if entry is not None and job is not None:
        entry = Journal.of(project).write(entry.told(job))
    return (_job(project, entry) if entry is not None else None), job


def cancel_job(project: Project, word: str) -> tuple[str, str]:
    """End a job, given its key, a prefix of that, or its id; returns its id, and the status that it has now.

    Raises:
        UserError: there is no such job.
    """
    entry = _find(project, word)
    if entry is None:
        job = api_of(project).cancel(word)
        if job is None:
            raise UserError(f"There is no job {word!r}. `motools jobs list` shows those of this project.")
        return job["id"], job["status"]
    if _driven_here(entry):
        raise UserError(
            f"The training {entry.key[:12]} is driven from here, and nothing of it goes on when its run has ended: "
            "stop the run, with Ctrl-C."
        )
    ended = _cancelled(project, entry)
    if ended is None or ended.job_id is None:
        raise UserError(f"No job was made for {entry.key[:12]} at {entry.server}: there is nothing to cancel.")
    return ended.job_id, ended.status


def _find(project: Project, word: str) -> JobEntry | None:
    entry = Journal.of(project).find(word)
    if entry is None and not word.startswith("ft"):
        raise UserError(f"The journal has no job {word!r}. `motools jobs list` shows those it has.")
    return entry


def api_of(project: Project) -> Api:
    given = read_settings(project).openai
    settings = replace(given, patience=min(given.patience, PATIENCE), poll_interval=min(given.poll_interval, POLL))
    api = Api(settings)
    api.outlook = "Try again later."
    return api


def _asked(api: Api, entry: JobEntry) -> Answer | None:
    """The job of an entry, also where its id never arrived here."""
    if entry.account != api.account:
        raise BackendError(
            f"The job {entry.job_id or entry.key[:12]} was sent to {entry.server}; now requests go to {api.server}, "
            "or to another organisation or project. "
            "Set OPENAI_BASE_URL, OPENAI_ORG_ID and OPENAI_PROJECT_ID as they were."
        )
    if entry.job_id is not None:
        return api.job(entry.job_id)
    return api.sought(lambda: find_job(api, entry.key, entry.attempt if entry.forced else None))


def _cancelled(project: Project, entry: JobEntry) -> JobEntry | None:
    """The entry after its job was told to end; None where no job was made."""
    if entry.provider == slurm.PROVIDER:
        return _cancelled_at_slurm(project, entry)
    api = api_of(project)
    job = _asked(api, entry)
    if job is not None:
        job = api.cancel(job["id"])
    journal = Journal.of(project)
    if job is None:
        journal.write(replace(entry, status="failed", error="the provider knows no job of it"))
        return None
    return journal.write(entry.told(job))


def _cancelled_at_slurm(project: Project, entry: JobEntry) -> JobEntry | None:
    journal = Journal.of(project)
    with one_at_a_time(project, PATIENCE):  # a run that is handing it in has done so
        entry = journal.read(entry.key) or entry
        going_on = slurm.living(entry.attempt, entry.job_id)
        for job in going_on:
            slurm.cancel(job.id)
            entry = replace(entry, job_id=job.id, status="cancelled")
        answer = read_answer(project, entry.key, entry.attempt)  # it may have ended meanwhile
        if answer is not None and answer.error is None:
            entry = replace(entry, status="succeeded", error=None)
        elif not going_on and entry.live:
            why = answer.error if answer is not None else "it is not in the queue any more"
            entry = replace(entry, status="failed", error=why)
        journal.write(entry)
    return entry if entry.job_id is not None else None


def _job(project: Project, entry: JobEntry) -> Job:
    try:
        age = max(
            0.0, time.time() - datetime.fromisoformat(entry.created).timestamp()
        )  # a clock may have been set back
    except (ValueError, OverflowError):
        age = 0.0
    cached = step_cache.lookup(project.store, step_cache.step_command(entry.step_key), ["model"])
    made = next(iter(cached.outputs.values())).md5.removesuffix(".dir") if cached else None
    return Job(entry, age, f"model-{made}" if made else None)
