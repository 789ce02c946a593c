"""Commands on the jobs that steps have started at a provider: list, show, cancel, adopt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motools.base.foreign_text import visible
from motools.cli.options import Folder, Json

if TYPE_CHECKING:
    from motools.repo.project import Project

app = typer.Typer(help="Jobs at a provider: list, show, cancel and adopt them.", no_args_is_help=True)
Word = Annotated[str, typer.Argument(metavar="KEY|JOB", help="A step's key or a prefix of it, or a job's id.")]


@app.command("list")
def list_jobs(as_json: Json = False) -> None:
    """List the jobs of the project's journal.

    The newest first; no provider is asked.

    Examples:  motools jobs list · motools jobs list --json
    """
    from motools.cli.tables import print_json, print_table
    from motools.repo.project import Project
    from motools.training import jobs

    newest_first = jobs.list_jobs(Project.find())
    if as_json:
        print_json([job.as_dict() for job in newest_first])
        return
    rows = []
    for job in newest_first:
        entry = job.entry
        tokens = "" if entry.trained_tokens is None else entry.trained_tokens
        stage = entry.step if entry.folder == "." else f"{entry.folder}:{entry.step}"
        model = entry.fine_tuned_model or entry.model
        rows.append(
            [entry.key[:12], entry.status, _age(job.age), stage, model, tokens, entry.job_id or "", job.atom or ""]
        )
    print_table(["key", "status", "age", "stage", "model", "tokens", "job", "atom"], rows)


@app.command()
def show(job: Word, as_json: Json = False) -> None:
    """Show a job, and what its provider says of it now.

    Examples:  motools jobs show 3f2a · motools jobs show ftjob-abc123 --json
    """
    from motools.base.values import flat
    from motools.cli.tables import print_json, shown
    from motools.training import jobs

    recorded, told = jobs.show_job(_project(), job)
    about = {"journal": recorded.as_dict() if recorded else None, "provider": told}
    if as_json:
        print_json(about)
        return
    for name, value in flat(about).items():
        if value not in (None, [], {}, ()):
            typer.echo(visible(f"{name}: {shown(value)}"))
    if told is None:
        typer.echo("The provider knows no such job.")


@app.command()
def cancel(job: Word, as_json: Json = False) -> None:
    """End a job at its provider. The next run of its stage starts a new one.

    Example:  motools jobs cancel 3f2a
    """
    from motools.cli.tables import print_json
    from motools.training import jobs

    job_id, status = jobs.cancel_job(_project(), job)
    if as_json:
        print_json({"job_id": job_id, "status": status})
        return
    typer.echo(visible(f"{job_id}: {status}{'' if status == 'cancelled' else ' (it had ended before)'}"))


@app.command()
def adopt(
    job: Annotated[str, typer.Argument(metavar="JOB", help="The job's id at the provider.")],
    stage: Annotated[str, typer.Option(help="The stage that it was, or could have been, started by.", metavar="STAGE")],
    folder: Folder = Path(),
    as_json: Json = False,
) -> None:
    """Let the next run of a stage take up a job that exists.

    Instead of paying for a new one.

    Example:  motools jobs adopt ftjob-abc123 --stage train_model experiments/a
    """
    from dataclasses import asdict

    from motools.cli.tables import print_json
    from motools.engine import adopt_job
    from motools.repo.project import Project

    project = Project.find(folder)
    _load(project)
    entry = adopt_job.adopt_job(project, folder, stage, job)
    if as_json:
        print_json(asdict(entry))
        return
    typer.echo(visible(f"{stage}: has the job {entry.job_id} ({entry.status}) now. Type: motools run {folder}"))


def _project() -> Project:
    """The project around the current folder, with its `.env` read."""
    from motools.repo.project import Project

    project = Project.find()
    _load(project)
    return project


def _load(project: Project) -> None:
    from motools.repo.dotenv import load_env

    load_env(project.root)


def _age(seconds: float) -> str:
    """A time span in its largest unit."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
