"""Notes and tags: what people say of an experiment, in `notes.yaml` of its folder, where git keeps it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from motools.cli.options import Json, Quiet

Tags = Annotated[list[str] | None, typer.Option("--tag", "-t", help="Give it a tag.", metavar="TAG")]
Untags = Annotated[list[str] | None, typer.Option("--untag", help="Take a tag away.", metavar="TAG")]


def note(
    text: Annotated[str | None, typer.Argument(help="What to write down.", show_default="show what there is")] = None,
    folder: Annotated[Path, typer.Option("--folder", "-f", help="The experiment.", show_default="here")] = Path(),
    tag: Tags = None,
    untag: Untags = None,
    every: Annotated[bool, typer.Option("--all", help="Show all experiments; with --tag, those that have it.")] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Note what is to be known of an experiment, or tag it.

    Without words, show both.

    They stand in notes.yaml of its folder: commit it. No step is woken by it.

    Examples:  motools note "the seed that diverged" --tag odd · motools note -f experiments/a · motools note --all
    """
    from motools.base.ages import age
    from motools.base.foreign_text import typed, visible
    from motools.cli.tables import print_json, print_table
    from motools.definition import notes
    from motools.errors import UserError, did_you_mean, listed
    from motools.repo.project import Project

    project = Project.find(folder)
    if every and (text is not None or untag):
        raise UserError("--all shows notes, and writes none: leave the text and --untag out.")
    if not every and (text is not None or tag or untag):
        said = None if text is None else typed(text)
        notes.write(folder, project.user, said, [*map(typed, tag or [])], [*map(typed, untag or [])])
    by_folder = notes.of_project(project, tag or []) if every else {folder.resolve(): notes.read(folder)}
    if as_json:
        told = [{"folder": os.path.relpath(where, project.root), **each.as_dict()} for where, each in by_folder.items()]
        print_json(told if every else told[0])
    elif every:
        if tag and not by_folder:
            tags = sorted({each for about in notes.of_project(project).values() for each in about.tags})
            hint = did_you_mean(tag[0], tags)
            typer.echo(
                visible(f"No experiment has the tag {' '.join(tag)}.{hint} There are: {listed(tags)}."), err=True
            )
        rows: list[list[Any]] = []
        for where, each in by_folder.items():
            last = each.notes[-1] if each.notes else None
            when = [age(last.at), last.text] if last else ["", ""]
            rows.append([os.path.relpath(where, project.root), " ".join(each.tags), len(each.notes), *when])
        print_table(["folder", "tags", "notes", "last", "note"], rows)
    elif not quiet:
        _show(notes.read(folder))


def _show(about: Any) -> None:
    from motools.base.ages import age
    from motools.base.foreign_text import visible

    if about.tags:
        typer.echo(visible(f"tags: {' '.join(about.tags)}"))
    for each in about.notes:
        typer.echo(visible(f"{age(each.at)}, {each.by}: {each.text}"))
