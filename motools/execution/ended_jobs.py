"""What jobs leave that have ended: the folders of those of SLURM, and the entries of all in the journal."""

from __future__ import annotations

import fcntl
import json
import shutil
import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from motools.atom import records
from motools.base import slurm
from motools.definition.instances import base_of, label_of
from motools.errors import BackendError, ConfigError
from motools.executors.queued import queued
from motools.repo import pipeline, step_cache
from motools.training.journal import DEAD, JobEntry, Journal

if TYPE_CHECKING:
    from motools.repo.project import Project

__all__ = ["forget", "remove_folders", "unneeded"]

_TAKEN = 24 * 3600.0
"""Seconds for which the answer of a job that has succeeded is kept: several runs may wait for it."""


def remove_folders(project: Project, kept_for: float) -> None:
    """Remove what jobs have left that are known to have ended, a day after a result was entered; never a live one's.

    Args:
        kept_for: seconds until the log of a job that failed is given up.
    """
    folders = [path for path in queued(project).glob("*") if path.is_dir()]
    if not folders:
        return
    with (queued(project) / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # another run submits
            return
        for folder in folders:
            entry = Journal.of(project).read(folder.name)
            if entry is None or entry.live:
                continue
            with suppress(FileNotFoundError):
                age = time.time() - folder.stat().st_mtime
                if age > (_TAKEN if entry.status == "succeeded" else kept_for):
                    shutil.rmtree(folder, ignore_errors=True)


def unneeded(project: Project, kept_for: float) -> list[JobEntry]:
    """The jobs that have ended and that nobody asks for any more.

    Args:
        kept_for: seconds for which a job that failed, or that a provider has been paid for, is kept.
    """
    of_slurm: list[JobEntry] = []
    others: list[JobEntry] = []
    for entry in Journal.of(project).entries():
        (of_slurm if entry.provider == slurm.PROVIDER else others).append(entry)
    return [*_of_slurm(project, of_slurm, kept_for), *_of_providers(project, others, kept_for)]


def _of_providers(project: Project, entries: list[JobEntry], kept_for: float) -> list[JobEntry]:
    """Those that ended long ago, whose result was fetched if there was one, and that no record that is at hand and no
    step without a result names; one that may go on, or that nobody has fetched, never."""
    ended = [entry for entry in entries if entry.status in DEAD or (entry.status == "succeeded" and entry.collected)]
    gone = [entry for entry in ended if _age(entry) > kept_for and not _is_asked(project, entry)]
    named = _keys(project) if gone else set()
    return [entry for entry in gone if entry.step_key not in named]


def _keys(project: Project) -> set[str | None]:
    """The keys of all results that the work tree and the cache tell of: `motools gc` keeps those of commits."""
    told = {entry.record.md5 for entry in step_cache.every(project.store)}
    told |= {out.md5 for out in project.outs() if out.stage and out.path == pipeline.record_path(out.stage)}
    return {record.key for md5 in told if (record := records.read(project, md5)) is not None}


def _age(entry: JobEntry) -> float:
    """Seconds since it was last written; nothing, where nobody can tell when."""
    with suppress(ValueError, TypeError, OverflowError):
        return time.time() - datetime.fromisoformat(entry.updated).timestamp()
    return 0.0


def _of_slurm(project: Project, entries: list[JobEntry], kept_for: float) -> list[JobEntry]:
    """Those whose results are entered, or that have failed and whose step is gone, has been made since, has had a job
    under another key since, or has failed long ago; none where SLURM, which is asked, has them still or is silent."""
    ended = [entry for entry in entries if not entry.live]
    last = {(entry.folder, entry.step): entry.step_key for entry in reversed(entries)}
    gone = [
        entry
        for entry in ended
        if entry.status == "succeeded"
        or entry.step_key != last[entry.folder, entry.step]
        or _age(entry) > kept_for
        or not _is_asked(project, entry)
    ]
    if not gone:
        return []
    try:
        going_on = slurm.living()
    except (BackendError, ConfigError):
        return []
    ids = {job.id for job in going_on}
    return [
        entry for entry in gone if ids.isdisjoint(_ids(entry)) and not any(job.is_of(entry.attempt) for job in going_on)
    ]


def forget(project: Project, entry: JobEntry) -> None:
    """Remove an entry, and what else is kept of its job."""
    journal = Journal.of(project)
    shutil.rmtree(queued(project) / entry.key, ignore_errors=True)
    if entry.provider == "tinker":
        from motools.training.tinker.trainer import page_of

        page_of(journal.folder, entry).unlink(missing_ok=True)
    journal.forget(entry)


def _is_asked(project: Project, entry: JobEntry) -> bool:
    """Whether a pipeline has the step of a job and not its result, as far as can be read."""
    folder = project.root / entry.folder
    with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
        made = json.loads((folder / pipeline.record_path(entry.step)).read_text(encoding="utf-8"))
        if made["key"] == entry.step_key or made["started"] > entry.created:
            return False
    try:
        stage = pipeline.read_stages(folder).get(base_of(entry.step))
    except ConfigError:
        return True
    return stage is not None and label_of(entry.step) in ("", *stage.get("foreach", ()))


def _ids(entry: JobEntry) -> set[str]:
    return {*entry.earlier, *([entry.job_id] if entry.job_id else [])}
