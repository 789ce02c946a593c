"""A job that exists, taken up by the next run of a stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from motools.errors import BackendError, UserError
from motools.repo import pipeline
from motools.repo.project import Project
from motools.training.jobs import api_of
from motools.training.journal import DEAD, JobEntry, Journal
from motools.training.openai.jobs import STEP_KEY

__all__ = ["adopt_job"]


def adopt_job(project: Project, folder: Path, stage: str, job_id: str) -> JobEntry:
    """Let the next run of a stage take up a job that exists, instead of creating one.

    Raises:
        UserError: the provider does not know the job, it failed, it has another base model or another step's
            key, or the stage has a job that goes on.
    """
    call = _call(folder, stage)
    journal = Journal.of(project)
    others = journal.of_step(call.key)
    going_on = next((each for each in others if each.live and each.job_id not in (None, job_id)), None)
    if going_on is not None:
        raise BackendError(
            f"The stage {stage!r} has the job {going_on.job_id} ({going_on.status}). End it first: "
            f"motools jobs cancel {going_on.key[:12]}"
        )
    api = api_of(project)
    job = api.job(job_id)
    if job is None:
        raise BackendError(f"{api.server} knows no job {job_id!r}: check the id, and the key in OPENAI_API_KEY.")
    if job["status"] in DEAD:
        raise BackendError(f"The job {job_id} has {job['status']}: there is nothing to adopt.")
    asked = str(call.values.get("model", "")).removeprefix("openai/")
    if not str(job.get("model", "")).startswith(asked):
        raise BackendError(f"The job {job_id} trains {job.get('model')}, but the stage {stage!r} asks for {asked}.")
    mark = (job.get("metadata") or {}).get(STEP_KEY, call.key)
    if mark != call.key:
        raise BackendError(
            f"The job {job_id} was made for another training (key {mark[:12]}) than the stage {stage!r} has now "
            f"(key {call.key[:12]}): the dataset or the config differ."
        )
    place = str(folder.resolve().relative_to(project.root)) or "."
    same = next((each for each in others if each.job_id == job_id), None)  # the journal had it all along
    entry = same or JobEntry(call.key, call.key, stage, place, asked, api.server, api.account)
    ids = {id: None for each in others for id in (*each.earlier, each.job_id) if id not in (None, job_id)}
    return journal.write(replace(entry, earlier=tuple(ids)).told(job))


def _call(folder: Path, stage: str) -> Any:
    """The stage's step with all that its key is made of."""
    from motools.code.search_path import pipeline_folder
    from motools.compiler.find_workflow import load_workflow
    from motools.compiler.step_call import read_call

    place = pipeline_folder(folder)
    params = pipeline.read_params(place.folder)
    if params is None:
        raise UserError(f"{place.folder} has no {pipeline.PARAMS} that names a workflow. Type `motools init`.")
    if params.sections.get(stage, {}).get("backend_name") not in (None, "openai"):
        raise UserError(f"The stage {stage!r} does not train with openai: set {stage}.backend_name to openai first.")
    with place.importable():
        workflow = load_workflow(params.workflow, place)
        return read_call(params.workflow, workflow, stage, place)
