"""Commands on the pipeline of a folder: init, run, status, and the step that a stage's command runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motools.base.foreign_text import visible
from motools.cli.options import Folder, Folders, Json, Sets, Stages, with_options
from motools.cli.run_arguments import RunArguments
from motools.cli.running import carry_out, show_plans
from motools.errors import ConfigError, UserError

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
    ci: Annotated[
        str | None, typer.Option(help="Also a check and a comment for pull requests: github or gitlab.", metavar="HOST")
    ] = None,
) -> None:
    """Turn a folder into a project of git and DVC, with a params.yaml.

    Safe to repeat: what is there is kept. A folder inside a project becomes a pipeline of it.

    Examples:  motools init my-project && cd my-project && motools run · motools init --ci github
    """
    from motools.engine.ci import add_ci, refuse_unknown
    from motools.engine.new_project import make_project
    from motools.repo.project import Project

    if ci is not None:
        refuse_unknown(ci)
    for line in make_project(folder, workflow):
        typer.echo(visible(line))
    for line in add_ci(Project.find(folder).git.top, ci) if ci is not None else ():
        typer.echo(visible(line))


@with_options
def run(
    folders: Folders = None,
    sets: Sets = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Train with so many seeds; written into params.yaml first.")
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Run it as an experiment of its own, in a folder of that name."),
    ] = None,
    watch: Watch = False,
    ask: Ask = False,
    unless_current: Annotated[
        bool, typer.Option("--unless-current", help="Say nothing where nothing is to be done.")
    ] = False,
    *,
    arguments: RunArguments,
) -> None:
    """Run what has changed in pipelines; several are one graph.

    Examples:  motools run · motools run experiments --jobs 4 · motools run --stages train_model: --dry-run ·
    motools run --set train_model.hyperparameters.n_epochs=1,5 --seeds 3 --as more-epochs
    """
    from motools.base.foreign_text import typed
    from motools.engine.pipeline import Pipeline
    from motools.engine.prepared import Changes, places_of, prepare_folder

    changes, places = Changes(_values([*map(typed, sets or [])]), seeds), places_of(folders or [Path()])
    pipelines = [Pipeline(place, partial(prepare_folder, place.folder, changes)) for place in places]
    if (watch or ask) and name is not None:
        raise UserError("--watch and --ask are for pipelines that are there: leave --as out, or run its folder.")
    if watch and (arguments.dry_run or arguments.as_json):
        raise UserError("--watch runs again and again: leave --dry-run and --json out.")
    if watch:
        from motools.cli import watching

        words = [word for word in sys.argv[1:] if word != "--watch"]
        edited = changes != Changes()
        incomplete = [at.folder for at in places if edited or not (at.folder / "dvc.yaml").exists()]
        watching.watch(folders or [Path()], [*words, "--ask"], arguments.quiet, incomplete)
    elif name is not None:
        if len(places) > 1:
            raise UserError(f"--as {name} makes an experiment of one pipeline, not of {len(places)}: give one folder.")
        from motools.engine.experiments import new_experiment

        with new_experiment(places[0], name, changes) as pipeline:
            carry_out([pipeline], arguments)
    else:
        if ask and not arguments.dry_run:
            from motools.cli.watching import without_declined

            pipelines = without_declined(pipelines, arguments)
        if pipelines:
            carry_out(pipelines, arguments, unless_current)


def _values(sets: Sequence[str]) -> dict[str, list[Any]]:
    """The values of each key that is set."""
    by_key: dict[str, list[Any]] = {}
    for key, values in map(_value, sets):
        if key in by_key:
            both = ",".join(each.partition("=")[2] for each in sets if each.partition("=")[0] == key)
            raise UserError(f"--set {key} is there twice. Write both values in one: {key}={both}")
        by_key[key] = values
    return by_key


def _value(text: str) -> tuple[str, list[Any]]:
    """The key and the values of `KEY=A,B`."""
    from motools.base import yaml12

    key, equals, values = text.partition("=")
    try:
        parsed = yaml12.loads(f"[{values}]") if equals and values.strip() else []
    except ConfigError:
        twice = f"--set '{key}=\"...\"'"
        raise UserError(f"--set {text}: {values!r} cannot be read. Put it in quotes twice: {twice}") from None
    if not isinstance(parsed, list) or not parsed:
        raise UserError(
            f"--set takes KEY=VALUE or KEY=A,B, such as train_model.hyperparameters.seed=0,1,2, not {text!r}."
        )
    return key, parsed


def status(
    folders: Folders = None,
    stages: Stages = None,
    check: Annotated[
        bool, typer.Option("--check", help="Refuse what a run would refuse: options, names, missing keys.")
    ] = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="Exit with 1 where a run would execute something, as a check in CI.")
    ] = False,
    env: Annotated[
        bool, typer.Option("--env", help="Name the packages that have another version than the results were made with.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what a run would do with each stage, and why.

    What only the remote has is told as fetch, with its size.

    It has to import the workflow that params.yaml names, and says so where that is code of the project.

    Examples:  motools status · motools status experiments/a --json · motools status --check --complete
    """
    from motools.engine.options import RunOptions
    from motools.engine.prepared import places_of, prepare_folder
    from motools.engine.progress import progress
    from motools.engine.run import plan
    from motools.executors.registry import imported
    from motools.repo.dotenv import load_env
    from motools.repo.settings import read_settings

    places = places_of(folders or [Path()])
    plans = []
    for place in places:
        tell_import(place.folder)
        prepared = prepare_folder(place.folder)
        if check:
            load_env(place.project.root)  # keys count
            for module in imported(read_settings(place.project)):
                typer.echo(visible(f"imports {module}, which motools.yaml names"), err=True)
        with progress() as reporter:
            plans.append(plan(prepared, RunOptions(stages), check, reporter))
    if env:
        of_several = len(places) > 1
        named = [(f"{p.name}: " if of_several else "", of_each) for p, of_each in zip(places, plans, strict=True)]
        _show_environment({before + plan.stage: plan for before, of_each in named for plan in of_each}, as_json)
    else:
        show_plans(places, plans, as_json)
    if complete and any(each.action in ("run", "maybe") for of_each in plans for each in of_each):
        typer.echo("A run would execute something: run it, push its results, and commit dvc.lock.", err=True)
        raise typer.Exit(1)


def tell_import(folder: Path) -> None:
    """Name, before it is executed, the project's own code that has to be: in a clone it may be a stranger's."""
    from motools.code import references
    from motools.code.search_path import pipeline_folder
    from motools.repo import pipeline

    place = pipeline_folder(folder)
    params = pipeline.read_params(place.folder)
    reference = references.parse(params.workflow, place) if params is not None else None
    if reference is not None and reference.file is not None:
        typer.echo(visible(f"imports {os.path.relpath(reference.file)}, which params.yaml names"), err=True)


def _show_environment(plans: Mapping[str, StagePlan], as_json: bool) -> None:
    """The distributions that the results were made with and that have another version here."""
    from motools.atom.records import other_versions
    from motools.cli.tables import print_json, print_table

    differing = {name: other_versions(plan.result.record) for name, plan in plans.items() if plan.result is not None}
    if as_json:
        print_json({stage: {name: list(both) for name, both in others.items()} for stage, others in differing.items()})
        return
    rows = [[stage, name, *both] for stage, others in differing.items() for name, both in others.items()]
    print_table(["stage", "package", "it was made with", "here is"], rows)


def log(
    step: Annotated[str, typer.Argument(help="The step's name.", metavar="STEP")],
    folder: Folder = Path(),
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what it says, until no run is going on.")
    ] = False,
) -> None:
    """Print what a step has said here, or is saying.

    Examples:  motools log train_model · motools log train_model -f
    """
    from motools.code.search_path import pipeline_folder
    from motools.engine import following
    from motools.engine.failures import log_of

    place = pipeline_folder(folder)
    if not follow:
        typer.echo(visible(log_of(place, step).read_text(encoding="utf-8", errors="replace")), nl=False)
        return
    for part in following.follow(place, step, lambda sentence: typer.echo(visible(sentence), err=True)):
        typer.echo(visible(part), nl=False)
    log_of(place, step)  # there was none, nor a run that would make one


def costs(folders: Folders = None, as_json: Json = False) -> None:
    """Show what results used when they were made.

    Tokens, and money where motools.yaml has prices.

    Examples:  motools costs · motools costs experiments/a --json
    """
    from motools.atom import costs
    from motools.cli.tables import money, print_json, print_table
    from motools.engine import outdated
    from motools.repo.pipelines import pipelines_in
    from motools.repo.project import Project
    from motools.repo.settings import read_settings

    project = Project.find((folders or [Path()])[0])
    settings, made = read_settings(project), dict[str, costs.Spent]()
    one = len(asked := pipelines_in(project, folders) if folders else [Path().resolve()]) == 1
    by_stage, why = {}, {}
    for folder in asked:
        standing, name = outdated.Folder(project, folder), folder.relative_to(project.root).as_posix()
        for stage, spent in costs.of_pipeline(project, folder, settings, made).items():
            if spent.tokens:
                key = stage if one else f"{name}: {stage}"
                by_stage[key], why[key] = spent, standing.why(stage)
    by_stage["total"] = costs.total(by_stage.values())
    for name, reasons in why.items():
        if reasons:
            typer.echo(visible(outdated.sentence(f"What {name} has made", reasons)), err=True)
    if as_json:
        print_json({name: each.as_dict() | {"out_of_date": why.get(name, [])} for name, each in by_stage.items()})
        return
    columns = ["stage", "training", "input", "cached input", "output", f"cost ({settings.currency})", "no price"]
    rows = [
        [name, each.training, each.input, each.cached_input, each.output, money(each.cost), " ".join(each.unpriced)]
        for name, each in by_stage.items()
    ]
    print_table(columns, rows)


@step_app.command("run")
def step_run(
    workflow: Annotated[str, typer.Argument(help="Its name, or path/to/file.py:name.")],
    step: Annotated[str, typer.Argument(help="The step's name.")],
) -> None:
    """Run one step here, or take its result from the cache.

    Example:  motools step run train_and_evaluate train_model
    """
    from motools.code.search_path import pipeline_folder
    from motools.engine import failures
    from motools.engine.one_step import run_one_step
    from motools.errors import StepError
    from motools.repo.dotenv import load_env

    place = pipeline_folder(Path())
    load_env(place.project.root)
    try:
        executed = run_one_step(workflow, step, place.folder)
    except StepError as error:
        failures.remember(place, step, str(error), None)
        raise
    failures.forget(place, step)
    typer.echo(visible(f"{step}: {'executed' if executed else 'restored from the cache'}"))
