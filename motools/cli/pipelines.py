"""Commands on the pipeline of a folder: init, run, status, and the step that a stage's command runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motools.errors import listed

if TYPE_CHECKING:
    from motools.code import Place
    from motools.costs import Estimate
    from motools.failures import Failure
    from motools.plan import StagePlan
    from motools.run import Prepared
    from motools.settings import Settings
    from motools.workflow import WorkflowState

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
WithoutRemote = Annotated[
    bool, typer.Option("--without-remote", help="Execute what only the remote may have, without asking it.")
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Refuse, instead of waiting for another run.")]
Cancel = Annotated[bool, typer.Option("--cancel-on-interrupt", help="On Ctrl-C, end the jobs at providers too.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="More details.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]

step_app = typer.Typer(help="What the stages of a dvc.yaml call.", no_args_is_help=True)


def init(
    folder: Annotated[Path, typer.Argument(help="The folder.", show_default="the current one")] = Path(),
    workflow: Annotated[str, typer.Option(help="The workflow of its params.yaml.")] = "train_and_evaluate",
) -> None:
    """Turn a folder into a project: git, DVC, ignore files, a commented params.yaml.

    Safe to repeat: what is there is kept. A folder inside a project becomes a pipeline of it.

    Example:  motools init my-project && cd my-project && motools run
    """
    from motools.init import make_project

    for line in make_project(folder, workflow):
        typer.echo(line)


def run(
    folder: Folder = Path(),
    stages: Stages = None,
    jobs: Jobs = None,
    user: User = None,
    force: Force = False,
    dry_run: DryRun = False,
    fail_fast: FailFast = False,
    no_wait: NoWait = False,
    cancel_on_interrupt: Cancel = False,
    without_remote: WithoutRemote = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Run what has changed in the pipeline of a folder.

    Examples:  motools run · motools run experiments/a --jobs 4 · motools run --stages train_model: --dry-run
    """
    from motools.run import prepare_folder

    ways = (force, dry_run, fail_fast, no_wait, cancel_on_interrupt, without_remote)
    asked = Asked(stages, jobs, user, *ways, quiet, verbose, as_json)
    carry_out(prepare_folder(folder), asked)


@dataclass(frozen=True)
class Asked:
    """The options of `run`, as its help tells them."""

    stages: str | None
    jobs: int | None
    user: str | None
    force: bool
    dry_run: bool
    fail_fast: bool
    no_wait: bool
    cancel_on_interrupt: bool
    without_remote: bool
    quiet: bool
    verbose: bool
    as_json: bool


def carry_out(prepared: Prepared, asked: Asked) -> None:
    """Run or only plan a prepared pipeline, and show what came of it; exits 1 when a step failed."""
    from motools.cli.environment import load_env
    from motools.console import progress
    from motools.results import as_dict, used
    from motools.run import estimates, plan
    from motools.settings import read_settings
    from motools.tables import show_stages, show_used

    folder, project = prepared.place.folder, prepared.place.project
    settings = read_settings(project)
    load_env(project.root)
    if asked.dry_run:
        with progress("quiet" if asked.quiet else "normal") as reporter:
            plans = plan(prepared, asked.stages, asked.force, True, asked.without_remote, reporter)
        show_plan(plans, prepared.place, asked.as_json, settings, estimates(prepared, plans))
        return
    state = _executed(prepared, asked)
    spent = {step.step_name: used(step, folder, settings) for step in state.step_states}
    stages = [as_dict(step, folder, spent[step.step_name]) for step in state.step_states]
    show_stages(stages, asked.quiet, asked.as_json)
    if not (asked.quiet or asked.as_json):
        show_used([each for each in spent.values() if each], settings)
    if state.failed:
        raise typer.Exit(1)


def _executed(prepared: Prepared, asked: Asked) -> WorkflowState:
    """Run; an interruption tells of the jobs that go on at a provider, or ends them."""
    from motools.console import progress
    from motools.engine import Interrupted
    from motools.run import execute

    level = "quiet" if asked.quiet or asked.as_json else "verbose" if asked.verbose else "normal"
    try:
        with progress(level) as reporter:  # type: ignore[arg-type]
            return execute(
                prepared,
                stages=asked.stages,
                jobs=asked.jobs,
                force=asked.force,
                fail_fast=asked.fail_fast,
                user=asked.user,
                wait=not asked.no_wait,
                without_remote=asked.without_remote,
                reporter=reporter,
            )
    except Interrupted as stopped:
        from motools.training import jobs

        project = prepared.place.project
        if asked.cancel_on_interrupt:
            for job in jobs.cancel_jobs(project, stopped.keys):
                typer.echo(f"{job}: cancelled", err=True)
        for entry in jobs.running_jobs(project, stopped.keys):
            name = entry.job_id or f"of {entry.key[:12]}"
            typer.echo(
                f"{entry.step}: the job {name} goes on at {entry.server}. `motools run` comes back to it; "
                f"`motools jobs cancel {entry.key[:12]}` ends it.",
                err=True,
            )
        raise


def status(
    folder: Folder = Path(),
    stages: Stages = None,
    check: Annotated[
        bool, typer.Option("--check", help="Refuse what a run would refuse: options, names, missing keys.")
    ] = False,
    env: Annotated[
        bool, typer.Option("--env", help="Name the packages that have another version than the results were made with.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say for each stage whether it is current, or what a run would do, and why.

    What only the remote has is told as fetch, with its size.

    It has to import the workflow that params.yaml names, and says so where that is code of the project.

    Examples:  motools status · motools status experiments/a --json · motools status --check
    """
    from motools.cli.environment import load_env
    from motools.console import progress
    from motools.run import plan, prepare_folder

    _tell_import(folder)
    prepared = prepare_folder(folder)
    if check:
        load_env(prepared.place.project.root)  # keys count
    with progress() as reporter:
        plans = plan(prepared, stages, check=check, reporter=reporter)
    if env:
        _show_environment(plans, as_json)
    else:
        show_plan(plans, prepared.place, as_json)


def _tell_import(folder: Path) -> None:
    """Name, before it is executed, the project's own code that has to be: in a clone it may be a stranger's."""
    from motools import code, pipeline
    from motools.finding import place_of

    place = place_of(folder)
    params = pipeline.read_params(place.folder)
    reference = code.parse(params.workflow, place) if params is not None else None
    if reference is not None and reference.file is not None:
        typer.echo(f"imports {os.path.relpath(reference.file)}, which params.yaml names", err=True)


def show_plan(
    plans: list[StagePlan],
    place: Place,
    as_json: bool,
    settings: Settings | None = None,
    estimates: Mapping[str, Estimate] | None = None,
) -> None:
    """A line a stage, with how it failed if it did; with estimates, what its training would use, and cost where
    motools.yaml has the price."""
    from dataclasses import asdict

    from motools.failures import failure_of
    from motools.tables import print_json, print_table

    failures = {plan.stage: failure_of(place, plan.stage) for plan in plans if plan.action in ("run", "maybe")}
    guesses = estimates or {}
    if as_json:
        told = []
        for plan in plans:
            failure = failures.get(plan.stage)
            told.append(plan.as_dict() | {"failed": asdict(failure) if failure else None})
            if estimates is not None:
                told[-1]["estimate"] = guesses[plan.stage].as_dict() if plan.stage in guesses else None
        print_json(told)
        return
    rows = [[plan.stage, plan.action, _why(plan, failures.get(plan.stage))] for plan in plans]
    columns = ["stage", "action", "why"]
    if guesses and settings is not None:
        columns.append("would use")
        for row in rows:
            row.append(guesses[row[0]].told(settings) if row[0] in guesses else "")
    print_table(columns, rows)
    for plan in plans:
        if plan.unseen:
            print(f"{plan.stage}: nobody could look at {listed(plan.unseen)} when it was executed")


def _show_environment(plans: list[StagePlan], as_json: bool) -> None:
    """The distributions that the results were made with and that have another version here."""
    from motools.records import other_versions
    from motools.tables import print_json, print_table

    found = {plan.stage: other_versions(plan.result.record) for plan in plans if plan.result is not None}
    if as_json:
        print_json({stage: {name: list(both) for name, both in others.items()} for stage, others in found.items()})
        return
    rows = [[stage, name, *both] for stage, others in found.items() for name, both in others.items()]
    print_table(["stage", "package", "it was made with", "here is"], rows)


def _why(plan: StagePlan, failure: Failure | None) -> str:
    from motools.plan import NEVER
    from motools.remote import told_size

    reasons = [*([f"{told_size(plan.size)} from the remote"] if plan.action == "fetch" else []), *plan.reasons]
    if failure is not None:  # it has run, though there is no result
        reasons = [failure.told(plan.stage), *(reason for reason in reasons if reason != NEVER)]
    return "; ".join(reasons) or ("depends on a stage before it" if plan.action == "maybe" else "")


def log(
    step: Annotated[str, typer.Argument(help="The step's name.", metavar="STEP")],
    folder: Folder = Path(),
) -> None:
    """Print what a step said when it was last executed here.

    Example:  motools log train_model
    """
    from motools.failures import log_of
    from motools.finding import place_of
    from motools.foreign import visible

    text = log_of(place_of(folder), step).read_text(encoding="utf-8", errors="replace")
    typer.echo(visible(text), nl=False)


def costs(folder: Folder = Path(), as_json: Json = False) -> None:
    """Show what the results of a pipeline used when they were made: tokens, and money where motools.yaml has prices.

    Examples:  motools costs · motools costs experiments/a --json
    """
    from motools import costs, outdated
    from motools.foreign import visible
    from motools.repo import Project
    from motools.settings import read_settings
    from motools.tables import money, print_json, print_table

    project = Project.find(folder)
    settings = read_settings(project)
    standing = outdated.Folder(project, folder.resolve())
    found = {name: each for name, each in costs.of_pipeline(project, folder.resolve(), settings).items() if each.tokens}
    why = {name: standing.why(name) for name in found}
    found["total"] = costs.total(found.values())
    for name, reasons in why.items():
        if reasons:
            typer.echo(visible(outdated.sentence(f"What {name} has made", reasons)), err=True)
    if as_json:
        print_json({name: each.as_dict() | {"out_of_date": why.get(name, [])} for name, each in found.items()})
        return
    columns = ["stage", "training", "input", "cached input", "output", f"cost ({settings.currency})", "no price"]
    rows = [
        [name, each.training, each.input, each.cached_input, each.output, money(each.cost), " ".join(each.unpriced)]
        for name, each in found.items()
    ]
    print_table(columns, rows)


@step_app.command("run")
def step_run(
    workflow: Annotated[str, typer.Argument(help="Its name, or path/to/file.py:name.")],
    step: Annotated[str, typer.Argument(help="The step's name.")],
) -> None:
    """Run one step of the pipeline in the current folder, or take its result from the cache.

    Example:  motools step run train_and_evaluate train_model
    """
    from motools import failures
    from motools.cli.environment import load_env
    from motools.errors import StepError
    from motools.finding import place_of
    from motools.run import run_one_step

    place = place_of(Path())
    load_env(place.project.root)
    try:
        executed = run_one_step(workflow, step, place.folder)
    except StepError as error:
        failures.remember(place, step, str(error), None)
        raise
    failures.forget(place, step)
    typer.echo(f"{step}: {'executed' if executed else 'restored from the cache'}")
