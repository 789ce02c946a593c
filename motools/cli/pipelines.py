"""Commands on the pipeline of a folder: init, run, status, and the step that a stage's command runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from motools.plan import StagePlan
    from motools.run import Prepared

Folder = Annotated[Path, typer.Argument(help="The pipeline's folder.", show_default="the current one")]
Stages = Annotated[str | None, typer.Option(help="Only these: names (a,b) or a range (a:c, :b, c:).", metavar="STAGES")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="How many steps at once.", show_default="one a core")
]
User = Annotated[
    str | None, typer.Option(help="Who is recorded as having run it.", envvar="MOTOOLS_USER", show_default="git's user")
]
Force = Annotated[bool, typer.Option("--force", help="Execute even where results are at hand.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Say what would run, and why; run nothing.")]
FailFast = Annotated[bool, typer.Option("--fail-fast", help="Start nothing more after a failure.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Refuse, instead of waiting for another run.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More details.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

step_app = typer.Typer(help="What the stages of a dvc.yaml call.", no_args_is_help=True)


def init(
    folder: Annotated[Path, typer.Argument(help="The folder.", show_default="the current one")] = Path(),
    workflow: Annotated[str, typer.Option(help="The workflow of its params.yaml.")] = "train_and_evaluate",
) -> None:
    """Turn a folder into a project: git, DVC, ignore files, a commented params.yaml.

    Safe to repeat: what is there is kept.

    Example:  motools init my-project && cd my-project && motools run
    """
    from motools.init import make_project

    done = make_project(folder, workflow)
    for line in done:
        typer.echo(line)
    where = f"cd {folder} && " if folder.resolve() != Path.cwd() else ""
    typer.echo(f"Next: edit params.yaml, then type: {where}motools run")


def run(
    folder: Folder = Path(),
    stages: Stages = None,
    jobs: Jobs = None,
    user: User = None,
    force: Force = False,
    dry_run: DryRun = False,
    fail_fast: FailFast = False,
    no_wait: NoWait = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Run what has changed in the pipeline of a folder.

    Examples:  motools run · motools run experiments/a --jobs 4 · motools run --stages train_model: --dry-run
    """
    from motools.run import prepare_folder

    carry_out(prepare_folder(folder), stages, jobs, user, force, dry_run, fail_fast, no_wait, quiet, verbose, as_json)


def carry_out(
    prepared: Prepared,
    stages: str | None,
    jobs: int | None,
    user: str | None,
    force: bool,
    dry_run: bool,
    fail_fast: bool,
    no_wait: bool,
    quiet: bool,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run or only plan a prepared pipeline, and show what came of it; exits 1 when a step failed."""
    from motools.console import progress
    from motools.run import as_dict, execute, plan
    from motools.tables import show_stages

    if dry_run:
        show_plan(plan(prepared, stages, force), as_json)
        return
    with progress("quiet" if quiet or as_json else "verbose" if verbose else "normal") as reporter:
        state = execute(
            prepared,
            stages=stages,
            jobs=jobs,
            force=force,
            fail_fast=fail_fast,
            user=user,
            wait=not no_wait,
            reporter=reporter,
        )
    show_stages([as_dict(step, prepared.place.folder) for step in state.step_states], quiet, as_json)
    if state.failed:
        raise typer.Exit(1)


def status(folder: Folder = Path(), stages: Stages = None, as_json: Json = False) -> None:
    """Say for each stage whether it is current, and why not.

    Examples:  motools status · motools status experiments/a --json
    """
    from motools.run import plan, prepare_folder

    show_plan(plan(prepare_folder(folder), stages), as_json)


def show_plan(plans: list[StagePlan], as_json: bool) -> None:
    from motools.tables import print_json, print_table

    if as_json:
        print_json([plan.as_dict() for plan in plans])
        return
    words = {"current": "current", "restore": "restore", "run": "run", "maybe": "maybe"}
    rows = [[p.stage, words[p.action], "; ".join(p.reasons) or _because(p.action)] for p in plans]
    print_table(["stage", "action", "why"], rows)


def _because(action: str) -> str:
    return "depends on a stage before it" if action == "maybe" else ""


@step_app.command("run")
def step_run(
    workflow: Annotated[str, typer.Argument(help="Its name, or path/to/file.py:name.")],
    step: Annotated[str, typer.Argument(help="The step's name.")],
) -> None:
    """Run one step of the pipeline in the current folder, or take its result from the cache.

    Example:  motools step run train_and_evaluate train_model
    """
    from motools.run import run_one_step

    executed = run_one_step(workflow, step, Path.cwd())
    typer.echo(f"{step}: {'executed' if executed else 'restored from the cache'}")
