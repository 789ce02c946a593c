"""Commands on the pipeline of a folder: init, run, status, and the step that a stage's command runs."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motools.cli.options import Asked, Folder, Json, Sets, Stages, with_options
from motools.cli.running import carry_out, show_plan
from motools.errors import UserError

if TYPE_CHECKING:
    from motools.engine.plan import StagePlan

Watch = Annotated[
    bool, typer.Option("--watch", help="Run again when what a step has read changes; ask before what costs money.")
]
Ask = Annotated[bool, typer.Option("--ask", help="Ask before what costs money; off a terminal, leave it out.")]

step_app = typer.Typer(help="What the stages of a dvc.yaml call.", no_args_is_help=True)


def init(
    folder: Annotated[Path, typer.Argument(help="The folder.", show_default="the current one")] = Path(),
    workflow: Annotated[str, typer.Option(help="The workflow of its params.yaml.")] = "train_and_evaluate",
) -> None:
    """Turn a folder into a project: git, DVC, ignore files, a commented params.yaml.

    Safe to repeat: what is there is kept. A folder inside a project becomes a pipeline of it.

    Example:  motools init my-project && cd my-project && motools run
    """
    from motools.engine.new_project import make_project

    for line in make_project(folder, workflow):
        typer.echo(line)


@with_options
def run(folder: Folder = Path(), sets: Sets = None, watch: Watch = False, ask: Ask = False, *, asked: Asked) -> None:
    """Run what has changed in the pipeline of a folder.

    Examples:  motools run · motools run experiments/a --jobs 4 · motools run --stages train_model: --dry-run ·
    motools run --set train_model.hyperparameters.seed=0,1,2
    """
    from motools.cli import watching
    from motools.code.search_path import place_of
    from motools.engine.prepared import prepare_folder

    place, values = place_of(folder), dict(map(_value, sets or []))
    prepare = partial(prepare_folder, place.folder, values)
    if watch:
        if asked.dry_run or asked.as_json:
            raise UserError("--watch runs again and again: leave --dry-run and --json out.")
        watching.watch(place, [*(word for word in sys.argv[1:] if word != "--watch"), "--ask"], asked.quiet)
    elif not ask or asked.dry_run:
        carry_out(place, prepare, asked)
    elif (left := watching.without_declined(place, prepare, asked)) is not None:
        carry_out(place, prepare, left)


def _value(text: str) -> tuple[str, list[Any]]:
    """The key and the values of `KEY=A,B`."""
    from motools.base import yaml12

    key, equals, values = text.partition("=")
    found = yaml12.loads(f"[{values}]", f"--set {text}") if equals and values.strip() else []
    if not isinstance(found, list) or not found:
        raise UserError(
            f"--set takes KEY=VALUE or KEY=A,B, such as train_model.hyperparameters.seed=0,1,2, not {text!r}."
        )
    return key, found


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
    from motools.cli.dotenv import load_env
    from motools.engine.options import RunOptions
    from motools.engine.prepared import prepare_folder
    from motools.engine.progress import progress
    from motools.engine.run import plan

    _tell_import(folder)
    prepared = prepare_folder(folder)
    if check:
        load_env(prepared.place.project.root)  # keys count
    with progress() as reporter:
        plans = plan(prepared, RunOptions(stages), check, reporter)
    if env:
        _show_environment(plans, as_json)
    else:
        show_plan(plans, prepared.place, as_json)


def _tell_import(folder: Path) -> None:
    """Name, before it is executed, the project's own code that has to be: in a clone it may be a stranger's."""
    from motools.code import references
    from motools.code.search_path import place_of
    from motools.repo import pipeline

    place = place_of(folder)
    params = pipeline.read_params(place.folder)
    reference = references.parse(params.workflow, place) if params is not None else None
    if reference is not None and reference.file is not None:
        typer.echo(f"imports {os.path.relpath(reference.file)}, which params.yaml names", err=True)


def _show_environment(plans: list[StagePlan], as_json: bool) -> None:
    """The distributions that the results were made with and that have another version here."""
    from motools.atom.records import other_versions
    from motools.cli.tables import print_json, print_table

    found = {plan.stage: other_versions(plan.result.record) for plan in plans if plan.result is not None}
    if as_json:
        print_json({stage: {name: list(both) for name, both in others.items()} for stage, others in found.items()})
        return
    rows = [[stage, name, *both] for stage, others in found.items() for name, both in others.items()]
    print_table(["stage", "package", "it was made with", "here is"], rows)


def log(
    step: Annotated[str, typer.Argument(help="The step's name.", metavar="STEP")],
    folder: Folder = Path(),
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what it says, until no run is going on.")
    ] = False,
) -> None:
    """Print what a step said when it was last executed here, or is saying.

    Examples:  motools log train_model · motools log train_model -f
    """
    from motools.base.foreign_text import visible
    from motools.code.search_path import place_of
    from motools.engine import following
    from motools.engine.failures import log_of

    place = place_of(folder)
    if not follow:
        typer.echo(visible(log_of(place, step).read_text(encoding="utf-8", errors="replace")), nl=False)
        return
    for part in following.follow(place, step):
        typer.echo(visible(part), nl=False)
    log_of(place, step)  # there was none, nor a run that would make one


def costs(folder: Folder = Path(), as_json: Json = False) -> None:
    """Show what the results of a pipeline used when they were made: tokens, and money where motools.yaml has prices.

    Examples:  motools costs · motools costs experiments/a --json
    """
    from motools.atom import costs
    from motools.base.foreign_text import visible
    from motools.cli.tables import money, print_json, print_table
    from motools.engine import outdated
    from motools.repo.project import Project
    from motools.repo.settings import read_settings

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
    from motools.cli.dotenv import load_env
    from motools.code.search_path import place_of
    from motools.engine import failures
    from motools.engine.one_step import run_one_step
    from motools.errors import StepError

    place = place_of(Path())
    load_env(place.project.root)
    try:
        executed = run_one_step(workflow, step, place.folder)
    except StepError as error:
        failures.remember(place, step, str(error), None)
        raise
    failures.forget(place, step)
    typer.echo(f"{step}: {'executed' if executed else 'restored from the cache'}")
