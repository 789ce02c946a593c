"""Commands on workflows: list, validate, schema, run."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motools.base.foreign_text import visible
from motools.cli.options import Json, with_options
from motools.cli.run_arguments import RunArguments
from motools.cli.running import carry_out

if TYPE_CHECKING:
    from motools.engine.prepared import Prepared

app = typer.Typer(help="Workflows: list, validate, schema, run.", no_args_is_help=True)


def _published(incomplete: str) -> list[str]:
    from motools import zoo

    return [name for name in zoo.published("workflow") if name.startswith(incomplete)]


Name = Annotated[str, typer.Argument(help="A published workflow, or path/to/file.py:name.", autocompletion=_published)]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="A YAML file with one section a step, or zoo:NAME.")
]
Dir = Annotated[Path, typer.Option("--dir", "-C", help="The pipeline's folder.", show_default="the current one")]


class Format(StrEnum):
    yaml = "yaml"
    json = "json"


def _read_config(path: Path | None) -> Any:
    from motools import zoo
    from motools.base import yaml12
    from motools.errors import ConfigError

    if path is None:
        return None
    if str(path).startswith("zoo:"):
        return yaml12.loads(zoo.config_text(str(path).removeprefix("zoo:")))
    if not path.is_file():
        raise ConfigError(f"There is no file {path}.")
    return yaml12.load(path)


def _seen_from(folder: Path, name: str) -> str:
    """A path typed in the current folder, as the pipeline's folder sees it; other names as they are."""
    file, mark, attribute = name.partition(":")
    if not file.endswith(".py") or not mark:
        return name
    return f"{Path(os.path.relpath(Path(file).resolve(), folder)).as_posix()}:{attribute}"


@app.command("list")
def list_workflows(as_json: Json = False) -> None:
    """List the published workflows.

    Example:  motools workflow list
    """
    from motools import zoo
    from motools.cli.tables import print_json, print_table

    by_name = {name: zoo.lookup("workflow", name) for name in zoo.published("workflow")}
    if as_json:
        print_json(
            [
                {"name": name, "description": w.description, "steps": [s.name for s in w.steps], "inputs": w.inputs}
                for name, w in by_name.items()
            ]
        )
        return
    rows = [[name, ", ".join(s.name for s in w.steps), w.description] for name, w in by_name.items()]
    print_table(["workflow", "steps", "description"], rows)


@app.command()
def validate(name: Name, config: Config = None, folder: Dir = Path()) -> None:
    """Check a workflow with a config; run and write nothing.

    As a run would before it starts.

    Example:  motools workflow validate train_and_evaluate --config config.yaml
    """
    from motools.code.search_path import pipeline_folder
    from motools.compiler.compile import compile_workflow
    from motools.compiler.find_workflow import load_workflow
    from motools.engine.checks import check_all
    from motools.repo.dotenv import load_env

    place = pipeline_folder(folder, needs_project=False)
    name = _seen_from(place.folder, name)
    with place.importable():
        workflow = load_workflow(name, place)
        compiled = compile_workflow(workflow, name, _read_config(config), place)
    load_env(place.project.root)  # keys count
    check_all(compiled, place, lambda line: typer.echo(visible(line), err=True))
    typer.echo(visible(f"{name}: valid. Steps: {', '.join(step.name for step in workflow.steps)}."))


@app.command()
def schema(
    name: Name,
    output: Annotated[Format, typer.Option("--format", help="The format.")] = Format.json,
    folder: Dir = Path(),
) -> None:
    """Print the JSON schema of a workflow's config.

    With it, editors complete keys.

    Example:  motools workflow schema train_and_evaluate --format yaml
    """
    from motools.base import yaml12
    from motools.cli.tables import print_for_programs, print_json
    from motools.code.search_path import pipeline_folder
    from motools.compiler.find_workflow import load_workflow
    from motools.compiler.params_yaml import config_schema

    place = pipeline_folder(folder, needs_project=False)
    json_schema = config_schema(load_workflow(_seen_from(place.folder, name), place))
    if output is Format.json:
        print_json(json_schema)
    else:
        print_for_programs(yaml12.dumps(json_schema))


@app.command()
@with_options
def run(
    name: Name,
    config: Config = None,
    inputs: Annotated[
        list[str] | None, typer.Option("--input", "-i", help="An input atom: name=ID.", metavar="NAME=ID")
    ] = None,
    folder: Dir = Path(),
    *,
    arguments: RunArguments,
) -> None:
    """Run a workflow with a config.

    Both are written into a folder's params.yaml, and what has changed is run.

    Example:  motools workflow run train_and_evaluate --config config.yaml --user your-name
    """
    from motools.code.search_path import pipeline_folder
    from motools.compiler.find_workflow import load_workflow
    from motools.engine.pipeline import Pipeline
    from motools.engine.prepared import prepare
    from motools.errors import WorkflowError

    given = {}
    for text in inputs or []:
        key, equals, atom = text.partition("=")
        if not equals or not key or not atom:
            raise WorkflowError(f"--input {text!r}: write NAME=ATOM-ID.")
        given[key] = atom
    place = pipeline_folder(folder)
    name = _seen_from(place.folder, name)

    def prepare_workflow() -> Prepared:
        with place.importable():
            workflow = load_workflow(name, place)
            workflow.select(arguments.stages)
            return prepare(workflow, name, place, _read_config(config), given)

    carry_out([Pipeline(place, prepare_workflow)], arguments)
