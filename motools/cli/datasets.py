"""Commands on datasets: show one, compare two, check one against trainers and evaluations."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motools.base.foreign_text import visible
from motools.cli.options import Json

if TYPE_CHECKING:
    from motools.training.tokens import Counter

app = typer.Typer(help="Datasets: show one, check it, compare two.", no_args_is_help=True)

WORDS = "An id, a prefix of one, an output's name, or the path of a .jsonl file."
Dataset = Annotated[str, typer.Argument(metavar="DATASET", help=WORDS)]
Model = Annotated[
    str | None,
    typer.Option(help="Count in this model's tokens: tinylm, a model of OpenAI's, a folder, or a model of the Hub."),
]


@app.command()
def show(
    dataset: Dataset,
    model: Model = None,
    rows: Annotated[int, typer.Option(min=0, help="How many rows to show.")] = 2,
    as_json: Json = False,
) -> None:
    """Show how much a dataset has, and what carries loss.

    Lengths are in the tokens of --model, rendered by its chat template, where its tokenizer can be had; else in
    characters. What stands between ⟦ and ⟧ is learned.

    Examples:  motools dataset show prepared_dataset · motools dataset show rows.jsonl --model Qwen/Qwen3-8B --json
    """
    from motools.cli.tables import print_json, shown
    from motools.training.dataset_facts import describe

    counter = _counter(model)
    facts = describe(_rows_of(dataset), counter, rows)
    if as_json:
        print_json(facts.as_dict())
        return
    share = f", {facts.loss / facts.lengths['all']:.0%}" if facts.lengths.get("all") else ""
    told: dict[str, Any] = {
        "rows": facts.rows,
        "messages": ", ".join(f"{count} {role}" for role, count in facts.messages.items()),
        "turns of the assistant": ", ".join(f"{turns} in {count} rows" for turns, count in facts.turns.items()),
        f"length ({facts.unit})": ", ".join(f"{name} {shown(value)}" for name, value in facts.lengths.items()),
        "carries loss": f"{facts.loss} {facts.unit}{share}",
        "rows without loss": facts.silent,
        "duplicates": facts.duplicates,
        "prompts with several answers": facts.answers_differ,
        "no chat rows": facts.wrong_rows,
    }
    for name, value in told.items():
        typer.echo(visible(f"{name}: {value}"))
    for line in facts.wrong:
        typer.echo(visible(line))
    for text in facts.examples:
        typer.echo()
        typer.echo(visible(text))


@app.command()
def check(
    dataset: Dataset,
    trainer: Annotated[
        list[str] | None, typer.Option(help="Only this trainer, may be given again.", show_default="all")
    ] = None,
    model: Model = None,
    task: Annotated[
        list[str] | None, typer.Option(help="Look for the prompts of this task in the rows, may be given again.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a dataset.

    What each trainer would refuse of it, and which prompts of an evaluation stand in it. With --model, also what
    that model's tokenizer has against it: special tokens, lengths, roles that its template does
    not take. Exits with 1 where every trainer that was asked would refuse it.

    Examples:  motools dataset check prepared_dataset · motools dataset check rows.jsonl --task mozoo/hello_world
    """
    from motools.cli.tables import print_json, print_table
    from motools.training.dataset_facts import SHOWN, overlap, problems

    path = _rows_of(dataset)
    by_trainer = problems(path, trainer or None, model, _counter(model))
    seen = overlap(path, _prompts(task)) if task else []
    if as_json:
        print_json({"problems": by_trainer, "overlap": [each.as_dict() for each in seen]})
    else:
        print_table(["trainer", "problems"], [[name, len(lines) or "none"] for name, lines in by_trainer.items()])
        for name, lines in by_trainer.items():
            for line in lines[:SHOWN]:
                typer.echo(visible(f"{name}: {line}"))
            if len(lines) > SHOWN:
                typer.echo(visible(f"{name}: and {len(lines) - SHOWN} more; --json has all"))
        for each in seen:
            typer.echo(visible(f"{each.task}: {each.common} of {each.samples} prompts stand in the dataset"))
            for prompt in each.examples:
                typer.echo(visible(f"  {' '.join(prompt.split())[:100]}"))
    if by_trainer and all(by_trainer.values()):
        raise typer.Exit(1)


@app.command()
def diff(first: Dataset, second: Dataset, as_json: Json = False) -> None:
    """Say how two datasets differ.

    Rows that only one has, prompts that are answered otherwise.

    Example:  motools dataset diff dataset-3f2a prepared_dataset
    """
    from motools.cli.tables import print_json
    from motools.training.dataset_facts import differences

    delta = differences(_rows_of(first), _rows_of(second))
    if as_json:
        print_json(delta.as_dict())
        return
    typer.echo(f"rows: {delta.rows[0]} and {delta.rows[1]}, {delta.common} in both")
    typer.echo(f"prompts that are answered otherwise: {delta.answered_otherwise}")
    if delta.order:
        typer.echo("the rows of both stand in another order")
    for name, count, where in (
        ("only_first", delta.only_first, first),
        ("only_second", delta.only_second, second),
    ):
        typer.echo(visible(f"only in {where}: {count}"))
        for text in delta.examples[name]:
            typer.echo(visible("\n".join(f"  {line}" for line in text.splitlines())))


def _rows_of(dataset: str) -> Path:
    """The JSONL file of a dataset atom, or the file that a path names."""
    from motools.atom.atom import DatasetAtom
    from motools.atom.listing import find
    from motools.errors import AtomError, did_you_mean

    path = Path(dataset)
    if path.suffix == ".jsonl":
        if path.is_file():
            return path
        if not path.exists() and ":" not in dataset:  # else it may be one at a commit
            hint = did_you_mean(path.name, [each.name for each in path.parent.glob("*.jsonl")])
            raise AtomError(f"There is no file {dataset}.{hint} A dataset is an atom, or the path of a .jsonl file.")
    atom = find(dataset, Path.cwd()) if path.suffix in ("", ".jsonl") or not path.is_file() else None
    if not isinstance(atom, DatasetAtom):
        raise AtomError(f"{dataset} is no dataset: name a dataset atom, or the path of a .jsonl file.")
    return atom.get_rows_path()


def _counter(model: str | None) -> Counter:
    from motools.training.tokens import counter_for

    counter = counter_for(model)
    if model is not None and counter.why:
        typer.echo(visible(f"counted in {counter.unit}: {counter.why}"), err=True)
    return counter


def _prompts(tasks: list[str]) -> dict[str, list[str]]:
    from motools.code import references
    from motools.code.search_path import pipeline_folder
    from motools.evals.inspect.prompts import prompts_of

    place = pipeline_folder(Path(), needs_project=False)
    for text in tasks:
        reference = references.parse(text, place)
        if reference is not None and reference.file is not None:
            typer.echo(visible(f"imports {os.path.relpath(reference.file)}"), err=True)
    return prompts_of(tasks, place)
