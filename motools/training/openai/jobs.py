"""One job a request of a step: a file is sent once, and a job is created only where none goes on or is done already."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from motools.base.locks import file_lock
from motools.definition.context import StepContext
from motools.errors import StepError
from motools.training.journal import DEAD, ENDED, JobEntry, Journal
from motools.training.openai.api import Api
from motools.training.openai.transport import Answer
from motools.training.tries import Refusal

__all__ = ["ATTEMPT", "STEP_KEY", "cancel_doubles", "find_job", "known_job", "send_file", "submit"]

KEY, ATTEMPT, STEP, STEP_KEY = "motools_key", "motools_attempt", "motools_step", "motools_step_key"
"""The marks in a job's metadata."""
_GONE = ("error", "deleted", "deleting")
"""How a file stands that no job can be made of."""


def send_file(api: Api, journal: Journal, path: Path, locks: Path) -> str:
    """The provider's id of a file with this content, which is sent unless it is there. Whoever sends the same waits.

    Raises:
        StepError: the provider refuses it, or stays silent.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    where = api.account
    name = f"motools-{digest[:32]}.jsonl"
    size = path.stat().st_size

    def look() -> Answer | None:
        sound = (file for file in api.files(name) if file.get("status") not in _GONE)
        return next((file for file in sound if file.get("bytes") in (size, None)), None)

    with file_lock(locks / f"file-{digest[:32]}-{where}"):
        file_id = journal.file_id(digest, where)
        sent = api.file(file_id) if file_id else None
        if sent is None or sent.get("status") in _GONE:
            journal.write_file(digest, where, None)
            sent = look()
        if sent is None:
            print(f"sending {path.name}, {size:,} bytes", flush=True)
            sent = api.upload(name, os.fspath(path), look)
        else:
            print(f"{path.name} is at {api.server} already: {sent['id']}", flush=True)
        journal.write_file(digest, where, sent["id"])
    _wait_for_file(api, sent)
    return str(sent["id"])


def _wait_for_file(api: Api, sent: Answer) -> None:
    """Until the provider has looked into it; after a while the job is left to find what is wrong with it."""
    until = time.monotonic() + api.settings.patience
    delay = api.settings.poll_interval
    while sent.get("status") not in ("processed", None) and time.monotonic() < until:
        if sent["status"] == "error":
            details = sent.get("status_details") or "it does not say why"
            raise StepError(f"{api.server} does not take the file {sent['id']}: {details}.")
        time.sleep(delay)
        delay = min(delay * 1.5, api.settings.max_poll_interval)
        answer = api.file(sent["id"])
        if answer is None:
            raise StepError(f"{api.server} has lost the file {sent['id']}. `motools run` sends it again.")
        sent = answer


def find_job(api: Api, key: str, attempt: str | None = None) -> Answer | None:
    """The newest job of a key (of one attempt) that goes on or has succeeded, or None."""
    marks = {KEY: key} | ({ATTEMPT: attempt} if attempt else {})
    return max((job for job in api.jobs(marks) if job["status"] not in DEAD), key=_age, default=None)


def _age(job: Answer) -> tuple[float, str]:
    created = job.get("created_at")
    return (created if isinstance(created, (int, float)) else 0.0), job["id"]


def known_job(api: Api, journal: Journal, context: StepContext, key: str, model: str) -> JobEntry:
    """The entry of a job's key, as the provider sees the job; `submitting`, where one is still to be created."""
    entry = journal.read(key)
    if (given := journal.read(context.key)) is not None and not (entry is not None and entry.live):
        entry = journal.take_up(given, key)
    if entry is None:
        about = (context.key, context.step, _folder(context), model, api.server, api.account)
        entry = JobEntry(key, *about, status="refused")
    cut_short = entry.forced and not entry.collected  # a run with --force that did not come to its end
    if context.force and not cut_short:
        return entry.anew(forced=True)
    paid = entry.live or (entry.status == "succeeded" and not entry.collected)
    if paid and entry.account != api.account:
        raise StepError(
            f"The job {entry.job_id or 'of this step'} was sent to {entry.server}, and goes on or is done there; now "
            f"requests go to {api.server}, or to another organisation or project. Set OPENAI_BASE_URL, OPENAI_ORG_ID "
            "and OPENAI_PROJECT_ID as they were, or type `motools run --force` to start a new job here."
        )
    job = api.job(entry.job_id) if entry.job_id else None
    if job is None and paid and entry.job_id is not None:
        job = api.sought(partial(api.job, entry.job_id))  # before another is paid for
    if job is None or job["status"] in DEAD:
        of_this_attempt = entry.forced and (context.force or entry.status == "submitting")
        attempt = entry.attempt if of_this_attempt else None
        if entry.status == "submitting":
            job = api.sought(lambda: find_job(api, entry.key, attempt))
        else:
            job = find_job(api, entry.key, attempt)
    if job is not None:
        print(f"job {job['id']} is there already: {job['status']}", flush=True)
        return _adopted(api, journal, entry, job)
    if paid and entry.sender not in ("", api.sender):
        raise StepError(
            f"{entry.server} knows no job {entry.job_id or 'of this step'}, which was sent there with another "
            "OPENAI_API_KEY than the present one. Set it as it was, or type `motools run --force` to start a new job."
        )
    return entry if entry.status == "submitting" else entry.anew(forced=context.force)


def _folder(context: StepContext) -> str:
    return os.path.relpath(context.folder, context.project.root)


def _adopted(api: Api, journal: Journal, entry: JobEntry, job: Answer) -> JobEntry:
    mark = (job.get("metadata") or {}).get(ATTEMPT)
    return journal.write(replace(_here(api, entry), attempt=mark or entry.attempt).told(job))


def _here(api: Api, entry: JobEntry) -> JobEntry:
    return replace(entry, server=api.server, account=api.account, sender=api.sender)


def submit(api: Api, journal: Journal, entry: JobEntry, request: Mapping[str, Any]) -> JobEntry:
    """Create the job of an entry; the journal knows of it before and after.

    Raises:
        StepError: the provider refuses it, or stays silent; the next run then looks for it first.
    """
    entry = journal.write(replace(_here(api, entry), status="submitting", model=request["model"]))
    marks = {KEY: entry.key, ATTEMPT: entry.attempt, STEP: entry.step[:512], STEP_KEY: entry.step_key}
    attempt = entry.attempt if entry.forced else None
    if (job := find_job(api, entry.key, attempt)) is not None:  # made by another clone, while we sent the file
        return _adopted(api, journal, entry, job)
    try:
        job = api.create(lambda: find_job(api, entry.key, attempt), **request, metadata=marks)
    except Refusal as error:
        journal.write(replace(entry, status="refused", error=str(error)))
        raise
    entry = journal.write(entry.told(job))
    print(f"job {job['id']} {job['status']}", flush=True)
    return _only_one(api, journal, entry)


def _only_one(api: Api, journal: Journal, entry: JobEntry) -> JobEntry:
    """Where another clone, or a request that was taken for lost, has made a job too: the oldest stays, ours goes.

    Looked for twice, since of two that create at once the first cannot see the second yet.
    """
    marks = {KEY: entry.key} | ({ATTEMPT: entry.attempt} if entry.forced else {})
    for wait in (0, api.settings.poll_interval):
        time.sleep(wait)
        live = sorted((job for job in api.jobs(marks) if job["status"] not in DEAD), key=_age)
        if live and live[0]["id"] != entry.job_id:
            ours, entry = entry, _adopted(api, journal, entry, live[0])
            cancel_doubles(api, replace(ours, job_id=entry.job_id))
    return entry


def cancel_doubles(api: Api, entry: JobEntry) -> None:
    """Cancel other jobs of the same attempt: of requests that were taken for lost, and arrived later after all."""
    for job in api.jobs({KEY: entry.key, ATTEMPT: entry.attempt}):
        if job["id"] != entry.job_id and job["status"] not in ENDED:
            print(f"job {job['id']} is one too many: cancelling it", flush=True)
            api.cancel(job["id"])
